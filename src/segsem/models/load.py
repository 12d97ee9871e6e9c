"""`load_predictor`: a model by name or folder. Torch is loaded when it is called, not before."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from segsem.core.exceptions import ModelError
from segsem.models.calibration_file import read_calibration
from segsem.models.store import WEIGHTS_FILE, ModelDescription, find_model, verify
from segsem.segmentation.predictor import Predictor

DEVICES = ("auto", "cpu", "cuda", "mps")


def load_predictor(
    name_or_dir: str | Path = "segsem-nano", device: str = "auto", precision: str = "auto"
) -> Predictor:
    """Load a model and make it answer prompts.

    Parameters
    ----------
    name_or_dir : str or Path
        A name of `segsem models list`, or a model folder.
    device : str
        `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N` or `mps`.
    precision : str
        Of the image encoder: `fp32`, `bf16`, or `auto`, which is `$SEGSEM_PRECISION` where that is
        set, or else `bf16` where the hardware computes in it and the model gains from it.

    Returns
    -------
    Predictor

    Raises
    ------
    ModelError
        If the model is not here, is damaged or does not fit, or the device is not there.
    UsageError
        If there is no such precision.
    """
    model, description = load_model(name_or_dir)
    sam2: Any = importlib.import_module("segsem.segmentation.sam2_predictor")
    predictor: Any = sam2.SAM2Predictor(
        model,
        description.name,
        description.weights_sha256,
        description.frame_px,
        choose_device(device),
        precision,
        release=True,
    )
    predictor.calibration, predictor.calibration_note = read_calibration(
        find_model(name_or_dir), description.weights_sha256
    )
    loaded: Predictor = predictor
    return loaded


def load_model(name_or_dir: str | Path) -> tuple[Any, ModelDescription]:
    """Load a model by itself, a `SAM2Base` in evaluation mode, and what is known of it.

    Raises
    ------
    ModelError
        If it is not here, is damaged or does not fit.
    """
    folder = find_model(name_or_dir)
    description = verify(folder)
    # By name: this module, and so the command line and the plugin, never depends on torch.
    model: Any = importlib.import_module("segsem.models.build").build_model(description.config)
    weights: Any = importlib.import_module("segsem.models.weights")
    path = folder / WEIGHTS_FILE
    weights.load_state(model, weights.read_state(path), str(path))
    return model, description


def choose_device(device: str) -> str:
    """Resolve `auto`, and refuse a device that is not there.

    Raises
    ------
    ModelError
        If the device is unknown or not available.
    """
    torch: Any = importlib.import_module("torch")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.split(":")[0]
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = bool(torch.backends.mps.is_available())
    if not available.get(kind, False):
        there = ", ".join(name for name, here in available.items() if here)
        msg = f"Device {device!r} is not available here. Choose one of: auto, {there}."
        raise ModelError(msg)
    return device
