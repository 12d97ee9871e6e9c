"""Synthetic crops from a child process, in a fixed order, a few ahead of their use."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from types import TracebackType
from typing import IO

import numpy as np

from segsem.core.exceptions import TaskError
from segsem.training.augmentation import Crop

HELD_CROPS = 64
"""Crops in the pool from which batches are drawn."""


class CropStream:
    """A bounded pool of crops of one size that moves on by `fresh` crops with each batch.

    The pipe's own buffer makes the child wait: nothing is drawn far ahead. Which crops a batch
    is made of depends on its number alone.

    Parameters
    ----------
    seed : int
        Of the crops.
    size_px : int
        Side of a crop.
    fresh : int
        New crops for each batch.
    first : int
        Number of the first batch.
    """

    def __init__(self, seed: int, size_px: int, fresh: int, first: int = 0) -> None:
        self._size_px = size_px
        self._fresh = fresh
        command = [sys.executable, "-m", "segsem.training.crop_worker"]
        start = first * fresh
        self._process = subprocess.Popen(
            [*command, str(seed), str(size_px), str(start)], stdout=subprocess.PIPE
        )
        self._pool: deque[Crop] = deque(maxlen=HELD_CROPS)
        for _ in range(HELD_CROPS - fresh):
            self._pool.append(self._read())

    def draw(self, rng: np.random.Generator, count: int) -> list[Crop]:
        """Draw the crops of the next batch, without repetition."""
        for _ in range(self._fresh):
            self._pool.append(self._read())
        chosen = rng.choice(len(self._pool), size=count, replace=False)
        return [self._pool[int(i)] for i in chosen]

    def close(self) -> None:
        """End the child."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> CropStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self) -> Crop:
        side = self._size_px
        pipe = self._process.stdout
        assert pipe is not None
        image = np.frombuffer(_read_exactly(pipe, side * side), dtype=np.uint8)
        labels = np.frombuffer(_read_exactly(pipe, 4 * side * side), dtype=np.int32)
        return image.reshape(side, side), labels.reshape(side, side)


def _read_exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) != count:
        msg = "The process that draws training crops has died; see its message above."
        raise TaskError(msg)
    return data
