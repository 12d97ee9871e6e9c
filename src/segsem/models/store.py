"""Model folders, bundled or in the user's cache: `weights.safetensors` and `model.json`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segsem.core.exceptions import ModelError, UsageError
from segsem.core.files import write_json
from segsem.models.registry import MODELS, known_configs

FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
DESCRIPTION_FILE = "model.json"
BUNDLED = Path(__file__).parent / "bundled"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What `model.json` says.

    Attributes
    ----------
    name, config : str
    frame_px : int
    weights_sha256 : str
        Of `weights.safetensors`.
    architecture : dict
        What the configuration stands for, for the reader.
    provenance : dict
        Where the weights come from: training command, seed, steps, data, or the file added.
    """

    name: str
    config: str
    frame_px: int
    weights_sha256: str
    architecture: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


def cache_folder() -> Path:
    """Folder of added models: `$SEGSEM_HOME/models`, or `segsem/models` in the user's cache."""
    home = os.environ.get("SEGSEM_HOME")
    if home:
        return Path(home) / "models"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segsem" / "models"


def find_model(name_or_dir: str | Path) -> Path:
    """Find a model's folder by name or path.

    Raises
    ------
    ModelError
        If there is no such model; the message says how to get it.
    """
    name = str(name_or_dir)
    for folder in (BUNDLED / name, cache_folder() / name):
        if _NAME.fullmatch(name) and (folder / DESCRIPTION_FILE).is_file():
            return folder
    path = Path(name_or_dir)
    if (path / DESCRIPTION_FILE).is_file():
        return path
    raise ModelError(_how_to_get(name, path))


def _how_to_get(name: str, path: Path) -> str:
    spec = MODELS.get(name)
    if spec is not None and spec.url is not None:
        return (
            f"The weights of {name} are not here. Download {spec.url} and run: "
            f"segsem models add {name}.pt --config {spec.config}"
        )
    if spec is not None:
        return f"The bundled weights of {name} are missing from {BUNDLED}. Reinstall napari-segsem."
    if path.is_dir():
        return f"Expected a model folder with {DESCRIPTION_FILE}, but {path} has none."
    known = ", ".join(installed_models() or MODELS)
    return f"Unknown model {name!r}. Choose one of: {known}; or give a model folder."


def installed_models() -> dict[str, Path]:
    """Names and folders of the models that are here, bundled ones first."""
    found: dict[str, Path] = {}
    for base in (BUNDLED, cache_folder()):
        if base.is_dir():
            for file in sorted(base.glob(f"*/{DESCRIPTION_FILE}")):
                found.setdefault(file.parent.name, file.parent)
    return found


def folder_for(name: str) -> Path:
    """Where a model of that name is added.

    Raises
    ------
    UsageError
        If the name cannot be a folder's name.
    """
    if not _NAME.fullmatch(name):
        msg = f"Expected a model name of letters, digits and . _ + -, but got {name!r}"
        raise UsageError(msg)
    return cache_folder() / name


def read_description(folder: Path) -> ModelDescription:
    """Read `model.json`.

    Raises
    ------
    ModelError
        If it cannot be read, is of a newer format, or names an unknown configuration.
    """
    path = folder / DESCRIPTION_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("format_version")
        if version != FORMAT_VERSION:
            msg = f"{path} has format version {version}, expected {FORMAT_VERSION}: update segsem."
            raise ModelError(msg)
        description = ModelDescription(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is not a model description: {error}. Add or train the model again."
        raise ModelError(msg) from error
    if description.config not in known_configs():
        known = ", ".join(known_configs())
        msg = f"{path} names the unknown configuration {description.config!r}; known: {known}."
        raise ModelError(msg)
    return description


def write_description(folder: Path, description: ModelDescription) -> None:
    """Write `model.json` atomically."""
    data = {"format_version": FORMAT_VERSION, **asdict(description)}
    write_json(folder / DESCRIPTION_FILE, data)


def verify(folder: Path) -> ModelDescription:
    """Check a model's weights against the hash in its description.

    Raises
    ------
    ModelError
        If the weights are missing or are not the ones described.
    """
    description = read_description(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        msg = f"Expected the weights of {description.name} in {path}, but there is no such file."
        raise ModelError(msg)
    actual = file_sha256(path)
    if actual != description.weights_sha256:
        msg = (
            f"{path} is damaged: sha256 {actual[:12]}..., expected "
            f"{description.weights_sha256[:12]}.... Add or train the model again."
        )
        raise ModelError(msg)
    return description


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
