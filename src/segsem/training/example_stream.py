"""Batches from child processes, in the order of the steps, a few ahead of their use."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

import numpy as np

from segsem.core.exceptions import TaskError
from segsem.engine.messages import Message, ProtocolError, read_message
from segsem.training.batch import Batch
from segsem.training.curriculum import Stage
from segsem.training.priors import Prior, PriorSpec
from segsem.training.prompt_simulation import SimulatedPrompts

AHEAD = 2
"""Batches of each worker that wait for their turn."""

LARGEST_CREW = 14
PIPE_BYTES = 1 << 20


def default_workers() -> int:
    """Leave a core to the training itself."""
    return max(1, min((os.cpu_count() or 2) - 1, LARGEST_CREW))


class ExampleStream:
    """Batches step by step; the same whatever the number of workers.

    Parameters
    ----------
    seed, steps : int
        Of the run.
    curriculum : sequence of Stage
    box_share : float
        Share of objects that are asked for with a box.
    first : int
        First step that is asked for.
    workers : int
        Child processes.
    """

    def __init__(
        self,
        seed: int,
        steps: int,
        curriculum: Sequence[Stage],
        box_share: float,
        first: int = 0,
        workers: int = 1,
    ) -> None:
        self._workers: list[_Worker] = []
        self._first = first
        for i in range(workers):
            order = {
                "seed": seed,
                "steps": steps,
                "first": first + i,
                "stride": workers,
                "box_share": box_share,
                "curriculum": [asdict(stage) for stage in curriculum],
            }
            self._workers.append(_Worker(json.dumps(order)))

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; steps come one after the other.

        Raises
        ------
        TaskError
            If the process that draws it has died.
        """
        message = self._workers[(step - self._first) % len(self._workers)].next()
        if message is None:
            msg = "The process that draws training examples has died; see its message above."
            raise TaskError(msg)
        return _as_batch(message)

    def close(self) -> None:
        """End the children."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> ExampleStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Worker:
    """One child and the thread that empties its pipe, so that it never waits for its turn."""

    def __init__(self, order: str) -> None:
        command = [sys.executable, "-m", "segsem.training.example_worker", order]
        # One thread each: the crew has the cores already.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        _widen(self.process.stdout)
        self._ready: queue.Queue[Message | None] = queue.Queue(AHEAD)
        self._closing = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> Message | None:
        return self._ready.get()

    def close(self) -> None:
        self._closing.set()
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        pipe = self.process.stdout
        assert pipe is not None
        with pipe:
            while True:
                try:
                    message = read_message(cast(BinaryIO, pipe))
                except (ProtocolError, OSError, ValueError):
                    message = None
                if not self._put(message) or message is None:
                    return

    def _put(self, message: Message | None) -> bool:
        while not self._closing.is_set():
            try:
                self._ready.put(message, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold more: each read wakes a thread that the training has to make way for."""
    fcntl: Any = importlib.import_module("fcntl") if sys.platform == "linux" else None
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _as_batch(message: Message) -> Batch:
    arrays = message.arrays
    return Batch(
        arrays["grey"],
        arrays["filled_px"].astype(np.int64),
        arrays["labels"],
        arrays["inverted"],
        arrays["frame_index"].astype(np.int64),
        arrays["object_label"].astype(np.int64),
        SimulatedPrompts(
            arrays["points_xy"], arrays["point_labels"].astype(np.int64), arrays["boxed"]
        ),
        PriorSpec(
            Prior(message.header["prior"]),
            arrays["unknown_px"],
            arrays["coarseness"],
            arrays["height"],
        ),
    )
