"""How much slower an answer is while a model is trained on the same machine."""

from __future__ import annotations

import time
from collections.abc import Generator

from segsem.benchmark.encode import OURS
from segsem.benchmark.outline import our_outline
from segsem.benchmark.prompt import STAND_IN, encoded
from segsem.benchmark.report import Report, facts_of
from segsem.benchmark.subject import Options, make_subject
from segsem.benchmark.timing import Action, Ratio, alternate
from segsem.benchmark.training_child import TrainingChild, training_child
from segsem.core.progress import Progress

ALONE, BESIDE = f"{OURS}, alone", f"{OURS}, beside training"
SETTLING_S = 0.3
"""Given to a child that goes on before it is measured beside: its threads are waking up."""

ANSWERS_PER_TURN = 5


def benchmark_beside_training(options: Options) -> Generator[Progress, None, Report]:
    """Answer clicks while a training run is paused, and while it goes on, in turns.

    Yields
    ------
    Progress

    Returns
    -------
    Report
        Times are of one answer, from click to outline.
    """
    yield Progress(0, 0, "encoding the image")
    subject = make_subject(options)
    predictor, embedding, prompts = encoded(subject, options)
    outline = our_outline(subject, predictor, embedding, prompts)
    yield Progress(0, 0, "starting a training run")
    with training_child() as child:
        turns = {ALONE: _turn(outline), BESIDE: _turn(outline)}
        before = {ALONE: child.pause, BESIDE: lambda: _wake(child)}
        times = yield from alternate(turns, options.repeats, warmup=1, before=before)
        child.check()
        niceness = child.niceness
    times = {name: samples.scaled(1 / ANSWERS_PER_TURN) for name, samples in times.items()}
    ratios = {"beside training / alone": Ratio.between(times[BESIDE], times[ALONE])}
    settings = {
        "precision": predictor.precision,
        "answers_per_turn": ANSWERS_PER_TURN,
        "niceness_of_training": niceness,
    }
    facts = facts_of(subject, options, **settings)
    notes = () if subject.trained else (STAND_IN,)
    return Report("prompt beside training", facts, times, ratios, {}, notes)


def _turn(outline: Action) -> Action:
    def answer_some() -> None:
        for _ in range(ANSWERS_PER_TURN):
            outline()

    return answer_some


def _wake(child: TrainingChild) -> None:
    child.go_on()
    time.sleep(SETTLING_S)
