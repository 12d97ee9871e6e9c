"""In which precision the image encoder computes: bfloat16 only where it is native and pays."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from segsem.core.exceptions import UsageError

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

PRECISION_VARIABLE = "SEGSEM_PRECISION"
"""Environment variable that stands for `auto`."""

SMALLEST_WIDTH = 64
"""Channels of the first stage from which bfloat16 pays on a CPU: the smallest official model has
96; with segsem-nano's 40, what is gained in products is lost in conversions."""


class Precision(StrEnum):
    """What may be asked for."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"

    @property
    def dtype(self) -> torch.dtype:
        """Of matrix products."""
        return torch.bfloat16 if self is Precision.BF16 else torch.float32


def choose_precision(wanted: str, model: SAM2Base, device: torch.device) -> Precision:
    """Decide for a model on a device.

    `auto` means `$SEGSEM_PRECISION` if that is set. Otherwise it means bfloat16 on a GPU that has
    it, and on a CPU that multiplies it natively (AVX512-BF16 or AMX) if the model is wide enough
    to gain from it; else float32.

    Parameters
    ----------
    wanted : str
        `auto`, `fp32` or `bf16`.
    model : SAM2Base
    device : torch.device

    Returns
    -------
    Precision
        Never `auto`.

    Raises
    ------
    UsageError
        For any other name.
    """
    precision = _precision_of(wanted, "precision")
    if precision is Precision.AUTO:
        named = os.environ.get(PRECISION_VARIABLE, Precision.AUTO.value)
        precision = _precision_of(named, f"${PRECISION_VARIABLE}")
    if precision is not Precision.AUTO:
        return precision
    pays = device.type == "cuda" or _width(model) >= SMALLEST_WIDTH
    return Precision.BF16 if pays and has_native_bf16(device) else Precision.FP32


def has_native_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself instead of emulating it."""
    if device.type == "cuda":
        # Ampere is the first with it; torch itself also says yes where it emulates.
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # Both are names that older releases of torch do not have: then the answer is no.
    tests = (
        getattr(torch.cpu, "_is_avx512_bf16_supported", None),
        getattr(torch.cpu, "_is_amx_tile_supported", None),
    )
    return any(bool(test()) for test in tests if test is not None)


def _precision_of(name: str, where: str) -> Precision:
    try:
        return Precision(name)
    except ValueError:
        known = ", ".join(Precision)
        msg = f"Expected {where} to be one of {known}, but got {name!r}"
        raise UsageError(msg) from None


def _width(model: SAM2Base) -> int:
    """Channels of the trunk's first stage."""
    return int(min(getattr(model.image_encoder.trunk, "channel_list", [0])))
