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
from segsem.models.registry import MODELS, full_name, how_to_add, known_configs

FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
DESCRIPTION_FILE = "model.json"
BUNDLED = Path(__file__).parent / "bundled"

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


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


def home_folder() -> Path:
    """Folder of what segsem keeps: `$SEGSEM_HOME`, or `segsem` in the user's cache."""
    home = os.environ.get("SEGSEM_HOME")
    if home:
        return Path(home)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "segsem"


def cache_folder() -> Path:
    """Folder of added models."""
    return home_folder() / "models"


def downloads_folder() -> Path:
    """Folder of downloads that are not finished."""
    return home_folder() / "downloads"


def find_model(name_or_dir: str | Path) -> Path:
    """Find a model's folder by name, short name (`tiny`) or path.

    Raises
    ------
    ModelError
        If there is no such model; the message says how to get it.
    """
    name = str(name_or_dir)
    for folder in (BUNDLED / name, cache_folder() / name):
        if MODEL_NAME.fullmatch(name) and (folder / DESCRIPTION_FILE).is_file():
            return folder
    path = Path(name_or_dir)
    if (path / DESCRIPTION_FILE).is_file():
        return path
    if full_name(name) != name and not path.exists():
        return find_model(full_name(name))
    raise ModelError(_how_to_get(name, path))


def _how_to_get(name: str, path: Path) -> str:
    spec = MODELS.get(name)
    if spec is not None and spec.url is not None:
        return (
            f"The weights of {name} are not here. Run: segsem models download {name}; "
            f"or, without a network, {how_to_add(spec)}"
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
    if not MODEL_NAME.fullmatch(name):
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
        msg = f"{path} is not a model description: {error}."
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


class DamagedModelError(ModelError):
    """A model that is here, but not as its description says.

    Attributes
    ----------
    problem, remedy : str
        The message is both.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy


def verify(folder: Path) -> ModelDescription:
    """Check a model's weights against the hash in its description.

    Raises
    ------
    DamagedModelError
        If the weights are missing, cannot be read or are not the ones described; says what to do.
    """
    try:
        description = read_description(folder)
    except ModelError as error:
        raise DamagedModelError(str(error), _how_to_restore(folder)) from error
    path = folder / WEIGHTS_FILE
    try:
        actual = file_sha256(path)
    except FileNotFoundError:
        problem = f"Expected weights in {path}, but there is no such file."
    except OSError as error:
        problem = f"Cannot read {path}: {error.strerror}."
    else:
        if actual == description.weights_sha256:
            return description
        expected = description.weights_sha256[:12]
        problem = f"{path} is damaged: sha256 {actual[:12]}..., expected {expected}...."
    raise DamagedModelError(problem, _how_to_restore(folder, description))


def _how_to_restore(folder: Path, description: ModelDescription | None = None) -> str:
    """Say how a damaged model is made whole again."""
    name = folder.name
    spec = MODELS.get(name)
    if folder.parent == BUNDLED:
        return "Reinstall napari-segsem."
    if folder.parent == cache_folder() and spec is not None and spec.url is not None:
        return f"Run: segsem models download {name}"
    source = None if description is None else description.provenance.get("added_from")
    if description is not None and source:
        config = description.config
        return f"Add it again: segsem models add {source} --config {config} --name {name}"
    return f"Train it again, or copy {folder} from where it is whole."


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
