"""`calibration.json` beside the weights that it belongs to."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from segsem.core.contour import Source
from segsem.core.files import write_json
from segsem.models.registry import NANO
from segsem.models.store import BUNDLED
from segsem.segmentation.calibration_json import from_json, to_json
from segsem.segmentation.confidence import Calibration

CALIBRATION_FILE = "calibration.json"


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write `calibration.json` into a model's folder, atomically.

    Returns
    -------
    Path
        The file.
    """
    path = folder / CALIBRATION_FILE
    write_json(path, to_json(calibration))
    return path


def read_calibration(folder: Path, weights_sha256: str) -> tuple[Calibration | None, str | None]:
    """Read a model's calibration.

    Parameters
    ----------
    folder : Path
        Of the model.
    weights_sha256 : str
        Of its weights: confidence fitted to others says nothing of them.

    Returns
    -------
    Calibration or None
        None where there is none that can be used.
    str or None
        Why a file that is there is not used, in one line.
    """
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return None, None
    try:
        calibration = from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError) as error:
        return None, _ignored(path, str(error), folder)
    of = str(calibration.origin.get("weights_sha256"))
    if of != weights_sha256:
        said = f"it belongs to other weights ({of[:12]}..., here {weights_sha256[:12]}...)"
        return None, _ignored(path, said, folder)
    return calibration, None


def calibration_digest(folder: Path) -> str:
    """Hash of the calibration's bytes; empty where there is none."""
    path = folder / CALIBRATION_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@lru_cache(maxsize=1)
def sauvola_calibration() -> Calibration | None:
    """Sauvola's part of the bundled calibration, which depends on no weights."""
    folder = BUNDLED / NANO.name
    path = folder / CALIBRATION_FILE
    try:
        found = from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError):
        return None
    return found if Source.SAUVOLA in found.regions else None


def _ignored(path: Path, why: str, folder: Path) -> str:
    return (
        f"{path} is not used: {why}. Confidence is not calibrated; run: "
        f"segsem models calibrate --model {folder}"
    )
