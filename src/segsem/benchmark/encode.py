"""How long an image takes to be encoded, beside SAM2's own `set_image`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from segsem.benchmark.report import Report, facts_of
from segsem.benchmark.subject import Options, Subject, make_subject
from segsem.benchmark.timing import Action, Ratio, alternate
from segsem.core.progress import Progress
from segsem.core.types import MaskArray
from segsem.segmentation.predictor import MaskPrediction
from segsem.segmentation.prompts import Prompts

OURS, OURS_FP32, OFFICIAL = "segsem", "segsem fp32", "SAM2ImagePredictor"
OFFICIAL_BF16 = "SAM2ImagePredictor, bf16 autocast"


def benchmark_encode(options: Options) -> Generator[Progress, None, Report]:
    """Encode one image with both predictors, in turns.

    Both do all that they do for a user: ours resizes, normalises, hashes and encodes; theirs gets
    the RGB image ready-made.

    Yields
    ------
    Progress

    Returns
    -------
    Report
        Where ours computes in bfloat16, ours in float32 and theirs under autocast as well.
    """
    yield Progress(0, 0, "loading the model")
    subject = make_subject(options)
    predictors = {OURS: subject.predictor(options.precision)}
    officials = {OFFICIAL: subject.official()}
    if predictors[OURS].precision != "fp32":
        predictors[OURS_FP32] = subject.predictor("fp32")
        officials[OFFICIAL_BF16] = subject.official(autocast=True)
    rgb = np.repeat(subject.image[..., None], 3, axis=2)
    actions = {name: _encoding(subject, made) for name, made in predictors.items()}
    actions |= {name: _setting(subject, made, rgb) for name, made in officials.items()}
    times = yield from alternate(actions, options.repeats)
    pairs = [(OFFICIAL, name) for name in predictors]
    pairs += [(name, OURS) for name in officials if name != OFFICIAL]
    ratios = {f"{a} / {b}": Ratio.between(times[a], times[b]) for a, b in pairs}
    settings = {"precision": predictors[OURS].precision}
    checks = {
        name: _compare(subject, made, officials[OFFICIAL]) for name, made in predictors.items()
    }
    return Report("encode", facts_of(subject, options, **settings), times, ratios, checks)


def _encoding(subject: Subject, predictor: Any) -> Action:
    def encode() -> None:
        predictor.encode(subject.image)
        subject.wait()

    return encode


def _setting(subject: Subject, official: Any, rgb: Any) -> Action:
    def set_image() -> None:
        official.set_image(rgb)
        subject.wait()

    return set_image


def _compare(subject: Subject, predictor: Any, official: Any) -> dict[str, float]:
    """Largest differences of the answers to a click."""
    point = subject.point_rc
    embedding = predictor.encode(subject.image)
    answer: MaskPrediction = predictor.decode(embedding, Prompts([point], [1]))
    logits, scores, low_res = official.predict([point], [1])
    order = np.argsort(-scores, kind="stable")
    found: dict[str, float] = {
        "largest_logit": float(np.abs(low_res).max()),
        "largest_score_difference": float(np.abs(answer.iou_pred - scores[order]).max()),
    }
    if answer.low_res_logits.shape == low_res.shape:
        difference = np.abs(answer.low_res_logits - low_res[order])
        found["largest_logit_difference"] = float(difference.max())
    masks = [answer.logits_of(i) > 0 for i in range(len(answer))]
    changed = [_changed(a, logits[i] > 0) for a, i in zip(masks, order, strict=True)]
    found["largest_changed_share_of_a_mask"] = max(changed)
    return {name: round(value, 8) for name, value in found.items()}


def _changed(mask: MaskArray, other: MaskArray) -> float:
    return int(np.count_nonzero(mask ^ other)) / max(int(np.count_nonzero(other)), 1)
