"""`run.json`: what a run of fine-tuning was started with, so that it can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segsem.core.exceptions import InputError, UsageError
from segsem.core.files import write_json
from segsem.dataset.splits import Split, SplitImage
from segsem.models.store import DESCRIPTION_FILE
from segsem.training.finetune_params import FinetuneParams

RUN_FILE = "run.json"
SNAPSHOT = "images.zip"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What decides the weights that a run ends with.

    Attributes
    ----------
    base : str
        Name or folder of the model it began with, as given.
    base_sha256 : str
    params : FinetuneParams
    images : tuple of SplitImage
    split : Split
    """

    base: str
    base_sha256: str
    params: FinetuneParams
    images: tuple[SplitImage, ...]
    split: Split


def write_run(folder: Path, run: Run) -> None:
    """Write `run.json`.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    content = {
        "version": VERSION,
        "base": run.base,
        "base_sha256": run.base_sha256,
        "params": run.params.model_dump(mode="json"),
        "images": [asdict(image) for image in run.images],
        "split": asdict(run.split),
    }
    write_json(folder / RUN_FILE, content)


def read_run(folder: Path) -> Run:
    """Read `run.json`.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    path = folder / RUN_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            msg = f"it has version {content['version']}"
            raise ValueError(msg)
        images = [_image(one) for one in content["images"]]
        params = FinetuneParams(**content["params"])
        split = Split.from_json(content["split"])
        return Run(content["base"], content["base_sha256"], params, tuple(images), split)
    except FileNotFoundError:
        msg = f"There is nothing to resume in {folder}: leave --resume out"
        raise InputError(msg) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        msg = f"{path} cannot be read ({type(error).__name__}): start anew under another name"
        raise InputError(msg) from error


def check_name(folder: Path, *, resume: bool) -> None:
    """Make sure that no model is overwritten.

    Raises
    ------
    UsageError
        If there is one of that name, or one was begun and `resume` is not given.
    """
    name = folder.name
    if (folder / DESCRIPTION_FILE).exists():
        msg = f"There is a model {name} already in {folder.parent}: choose another --name"
        raise UsageError(msg)
    if not resume and (folder / RUN_FILE).exists():
        msg = f"Fine-tuning {name} was begun before: give --resume, or choose another --name"
        raise UsageError(msg)


def check_resumed(run: Run, given: Mapping[str, Any], base: str | None) -> None:
    """Make sure that nothing else is asked for than what the run was started with.

    Parameters
    ----------
    run : Run
    given : mapping of str to Any
        Parameters by their names, only those that were named.
    base : str or None

    Raises
    ------
    UsageError
        Naming the first difference.
    """
    known = {**run.params.model_dump(), "base": run.base}
    wanted = dict(given)
    if base is not None:
        wanted["base"] = str(Path(base).resolve()) if Path(run.base).is_absolute() else base
    for name, value in wanted.items():
        if known[name] != value:
            msg = (
                f"This run was started with {name} {known[name]}, but now it is {value}: leave "
                "it out to go on, or choose another --name"
            )
            raise UsageError(msg)


def _image(content: Mapping[str, Any]) -> SplitImage:
    height, width = content["shape"]
    return SplitImage(**{**content, "shape": (int(height), int(width))})
