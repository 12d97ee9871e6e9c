"""How long it takes from a click to an outline on an image that is encoded."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from segsem.benchmark.encode import OFFICIAL, OURS
from segsem.benchmark.outline import our_outline, their_outline
from segsem.benchmark.report import Report, facts_of
from segsem.benchmark.subject import Options, Subject, make_subject
from segsem.benchmark.timing import Action, Ratio, alternate
from segsem.core.progress import Progress
from segsem.segmentation.predictor import ImageEmbedding
from segsem.segmentation.prompts import Prompts

DECODE_ONLY, PREDICT_ONLY = "segsem, decoding alone", "SAM2ImagePredictor, predict alone"

STAND_IN = (
    "Weights are random: after decoding, a disc is enlarged and traced in place of the answer, "
    "on both sides."
)


def benchmark_prompt(options: Options) -> Generator[Progress, None, Report]:
    """Answer a click with both predictors, in turns, up to the outline.

    Ours decodes, enlarges the part around the best mask and traces it; SAM2's own predictor
    enlarges all three masks to the whole image, of which the best is traced.

    Yields
    ------
    Progress

    Returns
    -------
    Report
    """
    yield Progress(0, 0, "encoding the image")
    subject = make_subject(options)
    predictor, embedding, prompts = encoded(subject, options)
    official = subject.official()
    official.set_image(np.repeat(subject.image[..., None], 3, axis=2))
    actions: dict[str, Action] = {
        OURS: our_outline(subject, predictor, embedding, prompts),
        OFFICIAL: their_outline(subject, official, prompts),
        DECODE_ONLY: lambda: predictor.decode(embedding, prompts),
        PREDICT_ONLY: lambda: official.predict(prompts.points_rc, prompts.point_labels),
    }
    times = yield from alternate(actions, options.repeats, warmup=2)
    ratios = {
        f"{OFFICIAL} / {OURS}": Ratio.between(times[OFFICIAL], times[OURS]),
        "predict / decode": Ratio.between(times[PREDICT_ONLY], times[DECODE_ONLY]),
    }
    lines = our_outline(subject, predictor, embedding, prompts)()
    settings = {"precision": predictor.precision, "point_rc": list(prompts.points_rc[0])}
    return Report(
        "prompt",
        facts_of(subject, options, **settings),
        times,
        ratios,
        {"outline_vertices": sum(len(line.vertices_rc) for line in lines)},
        () if subject.trained else (STAND_IN,),
    )


def encoded(subject: Subject, options: Options) -> tuple[Any, ImageEmbedding, Prompts]:
    """Give our predictor, the embedding of the image, and a click."""
    predictor = subject.predictor(options.precision)
    return predictor, predictor.encode(subject.image), Prompts([subject.point_rc], [1])
