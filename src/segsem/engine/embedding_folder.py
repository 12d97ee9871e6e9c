"""Embeddings on disk: one safetensors file each, the least recently used are dropped.

Several engines may use one folder at once: files appear by renaming, are never changed, and
vanish; whoever misses one makes it again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from segsem.core.files import atomic_path
from segsem.models.store import cache_folder
from segsem.segmentation.predictor import PackedEmbedding

logger = logging.getLogger(__name__)

FORMAT = "segsem-embedding"
FORMAT_VERSION = "1"
SUFFIX = ".safetensors"

KEPT_PART = 0.9
"""An eviction goes down to this part of the capacity, so that it is not due at every write."""

RESCAN_WRITES = 64
"""After so many writes the folder is looked at again: other engines write into it too."""

LEFTOVER_S = 3600.0
"""Half-written files of a killed engine are removed at this age; no write takes that long."""

_NAME = re.compile(r"[0-9a-f]{64}\.safetensors")
_LEFTOVER = re.compile(r"\.[0-9a-f]{64}\..*\.safetensors")
_UNUSABLE = (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError)


def embedding_folder() -> Path:
    """Folder of stored embeddings: `embeddings`, beside the folder of added models."""
    return cache_folder().parent / "embeddings"


class EmbeddingFolder:
    """Embeddings in files, by the hash of all that they depend on.

    Parameters
    ----------
    folder : Path
        Made when the first embedding is written.
    capacity_bytes : int
        Bound for the sum of the files.
    """

    def __init__(self, folder: Path, capacity_bytes: int) -> None:
        self._folder = folder
        self._capacity = capacity_bytes
        self._nbytes = 0
        self._writes = 0

    def read(self, key: str) -> PackedEmbedding | None:
        """Read an embedding, which then counts as used.

        A damaged or foreign file under its name is removed.

        Returns
        -------
        PackedEmbedding or None
            None where it is not there, or not readable.
        """
        path = self._path(key)
        try:
            raw = path.read_bytes()
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                logger.info("a stored embedding cannot be read: %s", error)
            return None
        try:
            packed = _parse(raw, key)
        except _UNUSABLE as error:
            logger.info("a stored embedding is damaged and is made again: %s", error)
            self.remove(key)
            return None
        _touch(path)
        return packed

    def write(self, key: str, packed: PackedEmbedding) -> None:
        """Write an embedding atomically, then drop the oldest above the capacity.

        Raises
        ------
        ExportError
            If the folder cannot be written to or the disk is full.
        """
        raw = _serialise(key, packed)
        with atomic_path(self._path(key)) as temporary:
            temporary.write_bytes(raw)
        self._nbytes += len(raw)
        if self._writes % RESCAN_WRITES == 0 or self._nbytes > self._capacity:
            self.evict()
        self._writes += 1

    def remove(self, key: str) -> None:
        """Remove an embedding, if it is there and may be removed."""
        _unlink(self._path(key))

    def evict(self) -> None:
        """Drop the least recently used files above the capacity, and old leftovers."""
        found: list[tuple[float, int, Path]] = []
        for path in _listed(self._folder):
            status = _status(path)
            if status is None:
                continue
            if _NAME.fullmatch(path.name):
                found.append((status.st_mtime, status.st_size, path))
            elif _LEFTOVER.fullmatch(path.name) and time.time() - status.st_mtime > LEFTOVER_S:
                _unlink(path)
        self._nbytes = sum(size for _, size, _ in found)
        if self._nbytes <= self._capacity:
            return
        for _, size, path in sorted(found):
            if self._nbytes <= KEPT_PART * self._capacity:
                break
            _unlink(path)
            self._nbytes -= size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"


def _serialise(key: str, packed: PackedEmbedding) -> bytes:
    header, arrays = packed
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described = json.dumps(header)
    metadata = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "key": key,
        "header": described,
        "sha256": _digest(described, plain),
    }
    return bytes(save(plain, metadata))


def _parse(raw: bytes, key: str) -> PackedEmbedding:
    arrays: dict[str, npt.NDArray[Any]] = load(raw)
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    digest = _digest(metadata["header"], arrays)
    wanted = {"format": FORMAT, "version": FORMAT_VERSION, "key": key, "sha256": digest}
    for name, value in wanted.items():
        if metadata[name] != value:
            msg = f"expected {name} {value}, but got {metadata[name]}"
            raise ValueError(msg)
    header = json.loads(metadata["header"])
    return dict(header), arrays


def _digest(described: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(described.encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        # Another engine dropped it.
        return None


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        # Read-only, or just dropped: then it is merely not counted as used.
        return


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.info("cannot remove %s: %s", path, error)
