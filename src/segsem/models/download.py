"""Published models from the network: transfer, hash, and conversion to a model folder."""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from segsem.core.exceptions import ExportError, ModelError, UsageError
from segsem.core.progress import Progress
from segsem.models import store
from segsem.models.part_file import PartFile, megabytes, remove, sha256_in_steps
from segsem.models.registry import MODELS, SHORT_NAMES, ModelSpec, full_name, how_to_add
from segsem.models.transfer import UnreachableError, check_url, shown, transfer

URL_VARIABLE = "SEGSEM_MODEL_URL"
_ADD_MODULE = "segsem.models.add"


def download_model(name: str, source_url: str | None = None) -> Generator[Progress, None, Path]:
    """Download a published model and make a model folder of it.

    Closing the generator keeps what is there; the next call goes on from it. Two calls at once,
    in two processes, do each other no harm.

    Parameters
    ----------
    name : str
        As in the registry, or its short form (`tiny`).
    source_url : str, optional
        A mirror, see `address_of`.

    Yields
    ------
    Progress
        In bytes, and at last the conversion.

    Returns
    -------
    Path
        The model's folder; at once where the model is here already and whole.

    Raises
    ------
    UsageError
        If no such model is published, or the address is none.
    ModelError
        If it cannot be had, is not the published file, or cannot be written; one line that says
        what to do.
    """
    spec = downloadable(name)
    url = address_of(spec, source_url)
    folder = store.folder_for(spec.name)
    if is_here(spec):
        return folder
    path = part_of(spec)
    try:
        with PartFile(path) as part:
            yield from transfer(url, part, spec.name)
            is_ours = part.is_current
    except UnreachableError as error:
        raise ModelError(f"{error} {_by_hand(spec)}") from error
    if is_ours:
        yield from _checked(path, spec, url)
        yield Progress(0, 0, f"{spec.name}: converting")
        _convert(path, spec)
    if not is_here(spec):
        raise _taken(spec)
    remove(path)
    return folder


def downloadable(name: str) -> ModelSpec:
    """Find a published model that can be downloaded.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    spec = MODELS.get(full_name(name))
    if spec is None or spec.url is None:
        advice = "For a file of your own: segsem models add FILE --config CFG"
        if spec is not None:
            advice = "It comes with the package"
        msg = f"Expected a model out of {', '.join(SHORT_NAMES)}, but got {name!r}. {advice}"
        raise UsageError(msg)
    return spec


def address_of(spec: ModelSpec, source_url: str | None = None) -> str:
    """Where a model is downloaded from.

    Parameters
    ----------
    spec : ModelSpec
    source_url : str, optional
        A mirror: the address of the file itself (it ends with `.pt` or has a query), or of a
        folder that holds the published files. By default `$SEGSEM_MODEL_URL`, or else where the
        model is published.

    Raises
    ------
    UsageError
        If it is no address of the web.
    """
    published = spec.url or ""
    mirror = source_url or os.environ.get(URL_VARIABLE, "")
    if not mirror:
        return published
    check_url(mirror)
    parts = urlsplit(mirror)
    if parts.query or parts.path.endswith(".pt"):
        return mirror
    return f"{mirror.rstrip('/')}/{published.rpartition('/')[2]}"


def is_here(spec: ModelSpec) -> bool:
    """Whether a published model is installed, whole, and from the published file."""
    try:
        description = store.verify(store.folder_for(spec.name))
    except ModelError:
        return False
    return description.provenance.get("source_sha256") == spec.sha256


def part_of(spec: ModelSpec) -> Path:
    """Where a model's unfinished download lies."""
    return store.downloads_folder() / f"{spec.name}.pt.part"


def kept_bytes(spec: ModelSpec) -> int:
    """How much of an unfinished download is there."""
    path = part_of(spec)
    return path.stat().st_size if path.is_file() else 0


def _checked(path: Path, spec: ModelSpec, url: str) -> Generator[Progress, None, None]:
    size_bytes = kept_bytes(spec)
    try:
        sha256 = yield from sha256_in_steps(path, spec.name)
    except OSError as error:
        raise _taken(spec) from error
    if sha256 == spec.sha256:
        return
    remove(path)
    msg = (
        f"{shown(url)} is not the published {spec.name}: expected sha256 {spec.sha256}, but got "
        f"{sha256} ({megabytes(size_bytes)}). It was removed; download again, or choose another "
        "server with --from URL."
    )
    raise ModelError(msg)


def _convert(path: Path, spec: ModelSpec) -> None:
    # By name: this module, which the viewer shows progress of, never depends on torch.
    add: Any = importlib.import_module(_ADD_MODULE)
    try:
        add.add_model(path, spec.config, spec.name, added_from=spec.url)
    except ExportError as error:
        msg = f"{error} The download is whole and kept ({path}); the same command goes on from it."
        raise ModelError(msg) from error
    except ModelError as error:
        if not path.exists():
            # Another process was faster: it has installed the model, or found it to be wrong.
            return
        msg = f"{error} The download is kept: {path}"
        raise ModelError(msg) from error


def _taken(spec: ModelSpec) -> ModelError:
    return ModelError(
        f"Another download of {spec.name} took the unfinished file away: run the command again."
    )


def _by_hand(spec: ModelSpec) -> str:
    kept = kept_bytes(spec)
    note = f"{megabytes(kept)} from before are kept. " if kept else ""
    return f"{note}Without a network: {how_to_add(spec)}"
