"""Frames side by side instead of one frame on all cores: small frames leave cores idle."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from segsem.segmentation.ahead import Helpers

MOST_HELPERS = 4
"""More wait for Python's lock most of the time."""

SMALL_FRAME_PX = 512
"""Matrix products of larger frames keep all cores busy by themselves."""


@contextmanager
def side_by_side(frame_px: int, device: torch.device) -> Iterator[Helpers | None]:
    """Threads that share torch's cores, one core each; ended, and their work dropped, on leaving.

    Parameters
    ----------
    frame_px : int
        Side of the model's frame.
    device : torch.device
        Where the model is.

    Yields
    ------
    Helpers or None
        None where frames are better worked on one by one: on a GPU, with one core, or where
        frames are large.
    """
    cores = torch.get_num_threads()
    count = min(cores, MOST_HELPERS)
    if count < 2 or device.type != "cpu" or frame_px > SMALL_FRAME_PX:
        yield None
        return
    executor = ThreadPoolExecutor(count, "segsem-frame", torch.set_num_threads, (1,))
    try:
        yield Helpers(executor, count)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        # The number is each thread's own, but threads to come begin with the last one that was set.
        torch.set_num_threads(cores)
