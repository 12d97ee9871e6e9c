"""What is measured: a model twice, ours and SAM2's own predictor, on one square image."""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import ImageArray, LabelArray
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.models.load import choose_device, load_model
from segsem.models.registry import NANO, frame_px_of
from segsem.synth.training import random_crop

RANDOM_MODELS = {
    "tiny": "sam2.1_hiera_t",
    "small": "sam2.1_hiera_s",
    "base-plus": "sam2.1_hiera_b+",
    "large": "sam2.1_hiera_l",
}
"""Architectures that are measured with random weights: what they cost does not depend on them."""

SEED = 0
CLICK_DEPTH_PX = 4.0
SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and how.

    Attributes
    ----------
    model : str
        `nano`, a key of `RANDOM_MODELS`, or a name or folder of a model that is here.
    image : Path or None
        An image file; its middle square is taken. None: a synthetic image.
    repeats : int
    threads : int or None
        None: as torch chooses.
    device : str
    precision : str
        Of our encoder.
    """

    model: str = "tiny"
    image: Path | None = None
    repeats: int = 7
    threads: int | None = None
    device: str = "cpu"
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model in both predictors, with an image.

    Attributes
    ----------
    model : SAM2Base
        Held by both.
    name, weights_sha256 : str
    weights : str
        Where the weights come from.
    trained : bool
        Whether masks mean anything.
    frame_px : int
    device : str
    image : (S, S) uint8
    image_name : str
    point_rc : (float, float)
        Where to click: in the object nearest to the middle of a synthetic image, or in the middle.
    """

    model: Any
    name: str
    weights_sha256: str
    weights: str
    trained: bool
    frame_px: int
    device: str
    image: ImageArray
    image_name: str
    point_rc: tuple[float, float]

    def predictor(self, precision: str) -> Any:
        """Our predictor of this model."""
        module: Any = importlib.import_module("segsem.segmentation.sam2_predictor")
        facts = (self.name, self.weights_sha256, self.frame_px, self.device)
        return module.SAM2Predictor(self.model, *facts, precision=precision)

    def official(self, autocast: bool = False) -> Any:
        """SAM2's own predictor of this model, under bfloat16 autocast if asked for."""
        module: Any = importlib.import_module("segsem.benchmark.peer")
        return module.OfficialPredictor(self.model, autocast)

    def as_json(self) -> dict[str, Any]:
        """Return what it is, as plain values."""
        return {
            "model": self.name,
            "weights": self.weights,
            "weights_sha256": self.weights_sha256 if self.trained else None,
            "frame_px": self.frame_px,
            "image": {
                "name": self.image_name,
                "shape": list(self.image.shape),
                "sha256": hashlib.sha256(self.image.tobytes()).hexdigest(),
            },
        }

    def wait(self) -> None:
        """Wait until the device has done what it was told to do."""
        if self.device.startswith("cuda"):
            importlib.import_module("torch").cuda.synchronize(self.device)


def make_subject(options: Options) -> Subject:
    """Load or make the model and the image.

    Raises
    ------
    ModelError
        If the model or the device is not there.
    InputError
        If the image cannot be read.
    """
    torch: Any = importlib.import_module("torch")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    if options.model in RANDOM_MODELS:
        config = RANDOM_MODELS[options.model]
        torch.manual_seed(SEED)
        model = importlib.import_module("segsem.models.build").build_model(config)
        name, weights, sha256 = config, f"random, seed {SEED}", f"random-{SEED}"
        trained, frame_px = False, frame_px_of(config)
    else:
        wanted = NANO.name if options.model == "nano" else options.model
        model, description = load_model(wanted)
        name, weights, sha256 = description.name, "as installed", description.weights_sha256
        trained, frame_px = True, description.frame_px
    return Subject(
        model.to(device).eval(),
        name,
        sha256,
        weights,
        trained,
        frame_px,
        device,
        *_image(options.image, frame_px),
    )


def _image(path: Path | None, frame_px: int) -> tuple[ImageArray, str, tuple[float, float]]:
    if path is None:
        made, labels = random_crop(np.random.default_rng([SEED, frame_px]), frame_px)
        return made, f"{SYNTHETIC}, seed [{SEED}, {frame_px}]", _click(labels)
    grey = np.ascontiguousarray(_middle_square(normalise(read_image(path))))
    middle = (len(grey) - 1) / 2
    return grey, path.name, (middle, middle)


def _click(labels: LabelArray) -> tuple[float, float]:
    """Point of an object nearest to the middle that is as far inside as a person clicks."""
    middle = (len(labels) - 1) / 2
    rows, cols = np.indices(labels.shape)
    distance = np.hypot(rows - middle, cols - middle)
    depth = ndi.distance_transform_edt(labels > 0)
    inside = depth >= min(CLICK_DEPTH_PX, float(depth.max()))
    row, col = np.unravel_index(int(np.argmin(np.where(inside, distance, np.inf))), labels.shape)
    return float(row), float(col)


def _middle_square(grey: ImageArray) -> ImageArray:
    """SAM2's own predictor distorts what is not square, ours pads: only squares compare."""
    height, width = grey.shape
    side = min(height, width)
    row, col = (height - side) // 2, (width - side) // 2
    return grey[row : row + side, col : col + side]
