"""The images that the project ships: a demo set, and a few-shot set of one process."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from segsem.core.progress import Progress
from segsem.synth.write import SynthSet, write_set

DEMO_COUNT = 6
FEWSHOT_COUNT = 12


def write_sample(
    folder: Path | str, seed: int, count: int = DEMO_COUNT
) -> Generator[Progress, None, Path]:
    """Write `count` demo images into a folder and 12 few-shot images into ``fewshot/`` below it.

    Yields
    ------
    Progress

    Returns
    -------
    Path
        The demo set's manifest; ``fewshot/`` has its own.
    """
    manifest = yield from write_set(folder, SynthSet("sample", count, seed))
    yield from write_set(Path(folder) / "fewshot", SynthSet("fewshot", FEWSHOT_COUNT, seed))
    return manifest
