"""SAM2's own image predictor, the peer that ours is measured against and held equal to.

The only module of this room that imports torch and sam2.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from segsem.core.exceptions import ModelError
from segsem.core.types import BoxRC, FloatImage, ImageArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base

FEATURE_STRIDES = (4, 8, 16)

_SCHEMAS = ("nms", "qnms")
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []


class OfficialPredictor:
    """`SAM2ImagePredictor` behind rows and columns.

    Parameters
    ----------
    model : SAM2Base
        On its device, in evaluation mode.
    autocast : bool
        Under bfloat16 autocast, as its authors use it on GPUs.

    Raises
    ------
    ModelError
        If sam2's predictor cannot be imported here.
    """

    def __init__(self, model: SAM2Base, autocast: bool = False) -> None:
        module = _import_predictor()
        with warnings.catch_warnings():
            # It scripts its transforms with torch.jit.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._predictor: Any = module.SAM2ImagePredictor(model)
        # Sizes that it has written down for frames of 1024 px.
        frame_px = int(model.image_size)
        self._device_type = torch.device(model.device).type
        self._autocast = autocast
        self._predictor._bb_feat_sizes = [(frame_px // s, frame_px // s) for s in FEATURE_STRIDES]

    def set_image(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Encode an (H, W, 3) image."""
        with self._precision():
            self._predictor.set_image(rgb)

    def predict(
        self,
        points_rc: Sequence[tuple[float, float]] = (),
        point_labels: Sequence[int] = (),
        box_rc: BoxRC | None = None,
        mask_input: FloatImage | None = None,
        multimask: bool = True,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Answer one prompt.

        Returns
        -------
        logits : (M, H, W) float32
        iou_pred : (M,) float32
        low_res_logits : (M, h, w) float32
            In the model's own order.
        """
        box = None if box_rc is None else np.array([box_rc[i] for i in (1, 0, 3, 2)])
        points_xy = np.array([(col, row) for row, col in points_rc]) if points_rc else None
        with self._precision():
            logits, iou_pred, low_res = self._predictor.predict(
                point_coords=points_xy,
                point_labels=np.array(point_labels) if points_rc else None,
                box=box,
                mask_input=None if mask_input is None else mask_input[None],
                multimask_output=multimask,
                return_logits=True,
            )
        return logits, iou_pred, low_res

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device_type, torch.bfloat16, enabled=self._autocast)


def rgb_of(grey: ImageArray) -> npt.NDArray[np.uint8]:
    """Grey (H, W) as the (H, W, 3) that SAM2's own predictor wants."""
    return np.repeat(grey[..., None], 3, axis=2)


def _import_predictor() -> Any:
    try:
        _import_torchvision()
        return importlib.import_module("sam2.sam2_image_predictor")
    except (ImportError, RuntimeError) as error:
        msg = (
            f"SAM2's own predictor, the peer of this benchmark, cannot be imported: {error}. "
            "Install a torchvision that fits torch."
        )
        raise ModelError(msg) from error


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        # Beside a CPU-only torch, torchvision's library of operators often cannot be loaded, and
        # importing torchvision then fails for want of two schemas that nothing here calls. A
        # torchvision that works brings its own, so they are defined only after a failure.
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in _SCHEMAS:
            library.define(f"{name}{_ARGUMENTS}")  # type: ignore[no-untyped-call]
        _kept.append(library)
        importlib.import_module("torchvision")
