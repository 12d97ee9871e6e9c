"""How long the first outline takes on an image that was encoded in an earlier session."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from segsem.benchmark.outline import our_outline
from segsem.benchmark.prompt import STAND_IN
from segsem.benchmark.report import Report, facts_of
from segsem.benchmark.subject import Options, Subject, make_subject
from segsem.benchmark.timing import Action, Ratio, alternate
from segsem.core.exceptions import TaskError
from segsem.core.progress import Progress
from segsem.engine.cached_predictor import CachedPredictor
from segsem.engine.embedding_store import CacheLimits, EmbeddingStore
from segsem.segmentation.prompts import Prompts

FIRST, AGAIN = "first opening", "second opening"
NOT_ON_DISK = CacheLimits(disk_mib=0)


def benchmark_reopen(options: Options) -> Generator[Progress, None, Report]:
    """Open an image that is in the cache on disk, and one that is not, in turns.

    The model is loaded and the image is in memory, as when it is shown. A second opening reads
    the embedding from disk with nothing of it in memory (other than what the system keeps of its
    files), decodes a click and traces the outline.

    Yields
    ------
    Progress

    Returns
    -------
    Report
    """
    yield Progress(0, 0, "loading the model")
    subject = make_subject(options)
    predictor = subject.predictor(options.precision)
    prompts = Prompts([subject.point_rc], [1])
    with tempfile.TemporaryDirectory(prefix="segsem-benchmark-") as folder:
        kept, unkept = EmbeddingStore(CacheLimits(), Path(folder)), EmbeddingStore(NOT_ON_DISK)
        _cached(predictor, kept).encode(subject.image)
        kept.flush()
        known = _cached(predictor, kept)
        actions = {
            FIRST: _opening(subject, _cached(predictor, unkept), prompts),
            AGAIN: _opening(subject, known, prompts),
        }
        forget = {FIRST: unkept.forget, AGAIN: kept.forget}
        times = yield from alternate(actions, options.repeats, before=forget)
    if known.encoded or not known.read_from_disk:
        msg = "Expected the second opening to read from the cache, but it encoded the image again"
        raise TaskError(msg)
    ratios = {f"{FIRST} / {AGAIN}": Ratio.between(times[FIRST], times[AGAIN])}
    facts = facts_of(subject, options, precision=predictor.precision)
    return Report("reopen", facts, times, ratios, {}, () if subject.trained else (STAND_IN,))


def _opening(subject: Subject, predictor: CachedPredictor, prompts: Prompts) -> Action:
    def open_and_click() -> None:
        embedding = predictor.encode(subject.image)
        our_outline(subject, predictor, embedding, prompts)()

    return open_and_click


def _cached(predictor: Any, store: EmbeddingStore) -> CachedPredictor:
    return CachedPredictor(predictor, store, lambda inside: None, lambda state: None)
