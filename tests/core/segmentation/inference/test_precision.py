from __future__ import annotations

import pytest
import torch

from segsem.core.exceptions import UsageError
from segsem.segmentation.inference import precision
from segsem.segmentation.inference.precision import Precision, choose_precision, has_native_bf16

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGSEM_PRECISION", raising=False)


@pytest.mark.parametrize(
    ("config", "native", "expected"),
    [
        ("sam2.1_hiera_t", True, Precision.BF16),
        ("sam2.1_hiera_t", False, Precision.FP32),
        ("segsem-nano", True, Precision.FP32),
    ],
)
def test_auto(random_model, monkeypatch, config: str, native: bool, expected: Precision) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: native)

    assert choose_precision("auto", random_model(config), CPU) is expected


def test_what_is_asked_for_is_used(random_model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: False)
    monkeypatch.setenv("SEGSEM_PRECISION", "fp32")

    assert choose_precision("bf16", random_model("segsem-nano"), CPU) is Precision.BF16


def test_the_variable_stands_for_auto(random_model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_native_bf16", lambda device: True)
    monkeypatch.setenv("SEGSEM_PRECISION", "fp32")

    assert choose_precision("auto", random_model("sam2.1_hiera_t"), CPU) is Precision.FP32


def test_other_names_are_refused(random_model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="precision to be one of auto, fp32, bf16"):
        choose_precision("int8", random_model("segsem-nano"), CPU)
    monkeypatch.setenv("SEGSEM_PRECISION", "half")
    with pytest.raises(UsageError, match="SEGSEM_PRECISION"):
        choose_precision("auto", random_model("segsem-nano"), CPU)


def test_a_cpu_has_bf16_if_torch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_native_bf16(CPU)

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert has_native_bf16(CPU)

    # Releases of torch that cannot tell.
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not has_native_bf16(CPU)


def test_devices_that_are_neither(random_model) -> None:
    assert not has_native_bf16(torch.device("mps"))
