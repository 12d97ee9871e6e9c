"""SEM images of chips to sub-pixel contours in nanometres.

Names are loaded on first use, so that ``import segsem`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "read_image": "segsem.imaging.read",
    "SEMImage": "segsem.imaging.image",
    "load_predictor": "segsem.models.load",
    "Prompts": "segsem.segmentation.prompts",
    "MaskPrediction": "segsem.segmentation.predictor",
    "extract": "segsem.pipeline",
    "write_outputs": "segsem.export.outputs",
    "Extraction": "segsem.core.extraction",
    "ExtractParams": "segsem.core.params",
}

__all__ = ["__version__", *_EXPORTS]

if TYPE_CHECKING:
    from segsem.core.extraction import Extraction as Extraction
    from segsem.core.params import ExtractParams as ExtractParams
    from segsem.export.outputs import write_outputs as write_outputs
    from segsem.imaging.image import SEMImage as SEMImage
    from segsem.imaging.read import read_image as read_image
    from segsem.models.load import load_predictor as load_predictor
    from segsem.pipeline import extract as extract
    from segsem.segmentation.predictor import MaskPrediction as MaskPrediction
    from segsem.segmentation.prompts import Prompts as Prompts


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    msg = f"module 'segsem' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
