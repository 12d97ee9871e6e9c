"""Tables of few-shot runs: falls of error against the base model, with intervals over sites."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segsem.core.types import FloatArray
from segsem.evaluation.fewshot import HELD_OUT, RunResult
from segsem.evaluation.fewshot_plan import ENCODER, ZERO_SHOT
from segsem.evaluation.fewshot_score import MEASURES, ObjectResult

DRAWS = 4000
_SEED = 5_150
_RUN_COLUMNS = (
    "run",
    "train",
    "images",
    "seed",
    "rate",
    "epochs",
    "best_epoch",
    "seconds",
    "val_score",
)
PLACED = "placed EPE (px)"
ERRORS: dict[str, Callable[[dict[str, float]], float]] = {
    "raw EPE (px)": lambda v: 0.5 * (v["click_epe_px"] + v["box_epe_px"]),
    "1 - boundary F1": lambda v: 1 - 0.5 * (v["click_boundary_f1"] + v["box_boundary_f1"]),
    PLACED: lambda v: v["placed_epe_px"],
    "1 - IoU click": lambda v: 1 - v["click_iou"],
    "1 - IoU box": lambda v: 1 - v["box_iou"],
}
"""What is to fall; means over click and box for the first two."""


@dataclass(frozen=True, slots=True)
class Fall:
    """How much an error fell.

    Attributes
    ----------
    before, after : float
        Means over objects, and over the runs' seeds.
    share, low, high : float
        1 - after / before, with a 95 % interval, sites drawn with replacement (bootstrap).
    spread : float
        Standard deviation of the fall between the runs' seeds; NaN for one run.
    """

    before: float
    after: float
    share: float
    low: float
    high: float
    spread: float

    def __str__(self) -> str:
        return f"{100 * self.share:+.0f} % ({100 * self.low:+.0f} to {100 * self.high:+.0f})"


def fall_of(base: RunResult, runs: Sequence[RunResult], error: str, group: str = HELD_OUT) -> Fall:
    """Compare runs with the base model on the same objects.

    Parameters
    ----------
    base : RunResult
    runs : sequence of RunResult
        Of several seeds; one or more.
    error : str
        Of `ERRORS`.
    group : str
        `HELD_OUT`, or a family; empty for all families together.
    """
    value = ERRORS[error]
    chosen = _of_group(base, group)
    before = np.array([value(one.values) for one in chosen])
    afters = np.array([_aligned(run, chosen, value) for run in runs])
    known = np.isfinite(before) & np.isfinite(afters).all(axis=0)
    before, afters = before[known], afters[:, known]
    sites = [one.site for one, is_known in zip(chosen, known, strict=True) if is_known]
    after = afters.mean(axis=0)
    falls = 1 - afters.mean(axis=1) / before.mean()
    low, high = _interval(before, after, sites)
    return Fall(
        before=float(before.mean()),
        after=float(after.mean()),
        share=float(1 - after.mean() / before.mean()),
        low=low,
        high=high,
        spread=float(falls.std(ddof=1)) if len(falls) > 1 else float("nan"),
    )


def curve_table(runs: Sequence[RunResult]) -> str:
    """Markdown: one row for each number of images, of the encoder alone."""
    base, by_count = _base(runs), _grouped(runs, lambda run: run.key.images)
    head = "| images | seeds | " + " | ".join(f"{name}, fall (95 %)" for name in ERRORS)
    lines = [head + " | s each |", "|---" * (len(ERRORS) + 3) + "|"]
    zero = [f"{_mean(base, value):.3f}" for value in ERRORS.values()]
    lines.append("| 0 | - | " + " | ".join(zero) + " | - |")
    for count, some in sorted(by_count.items()):
        cells = [_cell(fall_of(base, some, error)) for error in ERRORS]
        seconds = np.mean([run.seconds for run in some])
        lines.append(f"| {count} | {len(some)} | " + " | ".join(cells) + f" | {seconds:.0f} |")
    return "\n".join(lines)


def forgetting_table(runs: Sequence[RunResult]) -> str:
    """Markdown: the same on images of kinds that the base model was trained on."""
    base, by_count = _base(runs), _grouped(runs, lambda run: run.key.images)
    families = sorted({one.group for one in base.objects} - {HELD_OUT})
    if not families:
        return "No families that were known before have been measured."
    lines = [
        "| images | all families | " + " | ".join(families) + f" | {PLACED}, all families |",
        "|---" * (len(families) + 3) + "|",
    ]
    error = next(iter(ERRORS))
    for count, some in sorted(by_count.items()):
        cells = [_cell(fall_of(base, some, error, family)) for family in ("", *families)]
        cells.append(_cell(fall_of(base, some, PLACED, "")))
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return f"{error} of images of kinds known before (a negative fall is a loss):\n\n" + "\n".join(
        lines
    )


def ablation_table(runs: Sequence[RunResult]) -> str:
    """Markdown: one row for each mode, with the learning rate that was chosen for it."""
    base = _base(runs)
    lines = [
        "| what learns | rate | seeds | "
        + " | ".join(f"{name}, fall (95 %)" for name in ERRORS)
        + " | spread of the first | known families |",
        "|---" * (len(ERRORS) + 5) + "|",
    ]
    first = next(iter(ERRORS))
    for mode, some in _grouped(runs, lambda run: run.key.train).items():
        falls = {error: fall_of(base, some, error) for error in ERRORS}
        known = fall_of(base, some, first, "") if _of_group(base, "") else None
        cells = [_cell(fall) for fall in falls.values()]
        lines.append(
            f"| {mode} | x {some[0].key.rate:.2g} | {len(some)} | "
            + " | ".join(cells)
            + f" | {_spread(falls[first])} | {'-' if known is None else _cell(known)} |"
        )
    return "\n".join(lines)


def rates_table(trials: Sequence[RunResult]) -> str:
    """Markdown: what each learning rate came to on validation sites within the training images.

    Parameters
    ----------
    trials : sequence of RunResult
        Of any seeds; a seed has a column of its own.
    """
    seeds = sorted({run.key.seed for run in trials})
    scores = {run.key: f"{run.val_score:.4f} ({run.best_epoch})" for run in trials}
    head = " | ".join(f"seed {seed} (epoch)" for seed in seeds)
    lines = [f"| what learns | rate | {head} |", "|---" * (len(seeds) + 2) + "|"]
    for key in sorted({replace(key, seed=0) for key in scores}, key=lambda k: (k.train, k.rate)):
        cells = [scores.get(replace(key, seed=seed), "-") for seed in seeds]
        lines.append(f"| {key.train} | x {key.rate:.2g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def runs_csv(runs: Sequence[RunResult]) -> str:
    """One row for each run and group of images: means over objects."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_RUN_COLUMNS, "group", "objects", *MEASURES])
    for run in runs:
        key = run.key
        head = [key.name, key.train, key.images, key.seed, key.rate]
        head += [run.epochs, run.best_epoch, run.seconds, run.val_score]
        for group in dict.fromkeys(one.group for one in run.objects):
            some = _of_group(run, group)
            means = [np.nanmean([one.values[name] for one in some]) for name in MEASURES]
            writer.writerow([*head, group, len(some), *(f"{mean:.4f}" for mean in means)])
    return text.getvalue()


def _base(runs: Sequence[RunResult]) -> RunResult:
    return next(run for run in runs if run.key == ZERO_SHOT)


def _grouped(
    runs: Sequence[RunResult], key: Callable[[RunResult], int | str]
) -> dict[int | str, list[RunResult]]:
    groups: dict[int | str, list[RunResult]] = {}
    for run in runs:
        if run.key != ZERO_SHOT:
            groups.setdefault(key(run), []).append(run)
    return groups


def _of_group(run: RunResult, group: str) -> list[ObjectResult]:
    if group:
        return [one for one in run.objects if one.group == group]
    return [one for one in run.objects if one.group != HELD_OUT]


def _aligned(
    run: RunResult, chosen: Sequence[ObjectResult], value: Callable[[dict[str, float]], float]
) -> list[float]:
    by_object = {(one.image_id, one.label): one for one in run.objects}
    return [value(by_object[(one.image_id, one.label)].values) for one in chosen]


def _interval(before: FloatArray, after: FloatArray, sites: Sequence[str]) -> tuple[float, float]:
    names = sorted(set(sites))
    number = np.array([names.index(site) for site in sites])
    old, new = (np.bincount(number, values, len(names)) for values in (before, after))
    rng = np.random.default_rng([_SEED, len(names), len(before)])
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    low, high = np.percentile(1 - (drawn @ new) / (drawn @ old), [2.5, 97.5])
    return float(low), float(high)


def _mean(run: RunResult, value: Callable[[dict[str, float]], float]) -> float:
    return float(np.nanmean([value(one.values) for one in _of_group(run, HELD_OUT)]))


def _cell(fall: Fall) -> str:
    return f"{fall.after:.3f}, {fall}"


def _spread(fall: Fall) -> str:
    return f"{100 * fall.spread:.1f} %" if np.isfinite(fall.spread) else "-"


def encoder_runs(runs: Sequence[RunResult]) -> list[RunResult]:
    """Those of the curve: the base model, and the encoder at its usual rate."""
    return [
        run
        for run in runs
        if run.key == ZERO_SHOT or (run.key.train == ENCODER and run.key.rate == 1.0)
    ]
