"""Embeddings in memory and on disk; writing never delays an answer."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segsem.core.exceptions import SegSemError
from segsem.engine.embedding_folder import EmbeddingFolder, embedding_folder
from segsem.engine.lru import ByteLRU
from segsem.segmentation.predictor import ImageEmbedding, PackedEmbedding

logger = logging.getLogger(__name__)

MEBIBYTE = 1 << 20
WRITES_WAITING = 8
"""Embeddings that wait to be written; more are not stored at all rather than held in memory."""


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much may be kept.

    Attributes
    ----------
    memory_mib : int
        In the memory where the model computes.
    disk_mib : int
        In the cache folder; 0 keeps nothing there.
    """

    memory_mib: int = 512
    disk_mib: int = 4096


class EmbeddingStore:
    """Keep embeddings by the hash of all that they depend on.

    Parameters
    ----------
    limits : CacheLimits
    folder : Path, optional
        Where files are kept; the user's cache folder by default.
    """

    def __init__(self, limits: CacheLimits, folder: Path | None = None) -> None:
        self._memory: ByteLRU[str, ImageEmbedding] = ByteLRU(limits.memory_mib * MEBIBYTE)
        self._folder: EmbeddingFolder | None = None
        self._waiting: queue.Queue[tuple[str, Callable[[], PackedEmbedding]]]
        self._waiting = queue.Queue(WRITES_WAITING)
        self._writable = limits.disk_mib > 0
        if limits.disk_mib > 0:
            place = embedding_folder() if folder is None else folder
            self._folder = EmbeddingFolder(place, limits.disk_mib * MEBIBYTE)
            threading.Thread(target=self._write_all, daemon=True).start()

    @property
    def count(self) -> int:
        """Number of embeddings in memory."""
        return len(self._memory)

    @property
    def nbytes(self) -> int:
        """Bytes of the embeddings in memory."""
        return self._memory.nbytes

    @property
    def writes_waiting(self) -> int:
        """Embeddings that are not on disk yet."""
        return self._waiting.unfinished_tasks

    def in_memory(self, key: str) -> ImageEmbedding | None:
        """Return what is in memory."""
        return self._memory.get(key)

    def on_disk(self, key: str) -> PackedEmbedding | None:
        """Return what is on disk."""
        return None if self._folder is None else self._folder.read(key)

    def remember(self, key: str, embedding: ImageEmbedding) -> None:
        """Keep an embedding in memory."""
        self._memory.put(key, embedding, embedding.nbytes)

    def store(self, key: str, pack: Callable[[], PackedEmbedding]) -> None:
        """Write an embedding in the background.

        Parameters
        ----------
        key : str
        pack : callable
            Takes it apart; called in the thread that writes.
        """
        if not self._writable:
            return
        try:
            self._waiting.put_nowait((key, pack))
        except queue.Full:
            logger.info("the disk is slower than the model: an embedding is not stored")

    def discard(self, key: str) -> None:
        """Remove what turned out to be unusable from disk."""
        if self._folder is not None:
            self._folder.remove(key)

    def forget(self) -> None:
        """Give the memory back; files stay."""
        self._memory.clear()

    def flush(self) -> None:
        """Wait until everything is written, or given up."""
        self._waiting.join()

    def _write_all(self) -> None:
        while True:
            key, pack = self._waiting.get()
            try:
                if self._folder is not None and self._writable:
                    self._folder.write(key, pack())
            except (SegSemError, OSError, MemoryError, RuntimeError) as error:
                self._writable = False
                logger.warning("embeddings are kept in memory only from now on: %s", error)
            finally:
                # What `pack` holds on to must not live until the next one comes.
                del pack
                self._waiting.task_done()
