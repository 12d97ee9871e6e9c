"""Measure what few images teach a model: `segsem finetune` on a process it never saw.

    segsem synth -o SET --preset polycrystal --count 60 --seed 61
    python tools/measure_fewshot.py SET -o OUT                    the curve: 0, 5, 10, 20, 42 images
    python tools/measure_fewshot.py SET -o OUT --ablation         what learns: encoder, decoder, ...
    python tools/measure_fewshot.py SET -o OUT --counts 10 --seeds 1     one run: what it costs

42 images of 14 sites teach, 18 of 6 other sites are measured on. Every run is a file in OUT/runs:
started again, it goes on. Tables: OUT/table.md, OUT/ablation.md, OUT/runs.csv.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Generator
from pathlib import Path

from segsem.cli.progress_bar import shown
from segsem.core.files import write_text
from segsem.core.priority import step_back
from segsem.core.progress import Progress
from segsem.evaluation.fewshot import FewShotMeasurement, FewShotSet, RunResult, known_families
from segsem.evaluation.fewshot_plan import (
    COUNTS,
    MODES,
    SEEDS,
    ZERO_SHOT,
    RunKey,
    ablation,
    best_rates,
    rate_trials,
    sweep,
)
from segsem.evaluation.fewshot_tables import (
    ablation_table,
    curve_table,
    forgetting_table,
    rates_table,
    runs_csv,
)
from segsem.evaluation.fewshot_trainer import FinetuneTrainer, make_project
from segsem.models.registry import NANO_CONFIG

MINUTES = 5.0


def main() -> None:
    """Run what is missing, write the tables."""
    args = _arguments()
    step_back()
    data = FewShotSet.read(args.set)
    project = shown(make_project(args.out / "project", args.set))
    trainer = FinetuneTrainer(
        project,
        args.base,
        seconds=60 * (args.minutes or (math.inf if args.ablation else MINUTES)),
        epochs=args.epochs,
        keep=args.keep_models,
        device=args.device,
    )
    measurement = FewShotMeasurement(
        data, args.out / "runs", trainer, lambda: known_families(args.known)
    )
    if args.ablation:
        runs = ablate(measurement, args, max(args.counts), args.seeds or 3)
    else:
        seeds = {count: args.seeds or SEEDS.get(count, 1) for count in args.counts}
        runs = shown(measurement.run(sweep(args.counts, seeds)))
        text = f"{curve_table(runs)}\n\n{forgetting_table(runs)}\n"
        write_text(args.out / "table.md", text)
    write_text(args.out / ("ablation.csv" if args.ablation else "runs.csv"), runs_csv(runs))


def ablate(
    measurement: FewShotMeasurement, args: argparse.Namespace, count: int, seeds: int
) -> list[RunResult]:
    """Make the runs of the ablation, or take those that are there; write its tables."""
    trials = rate_trials(count)
    if args.so_far:
        rates = best_rates({run.key: run.val_score for run in measurement.known(trials)})
        runs = measurement.known([ZERO_SHOT, *ablation(count, rates, seeds)])
    else:
        runs = shown(_ablation(measurement, count, seeds))
    # The usual rate with each seed beside the rates that were chosen, where it is there.
    usual = [RunKey(mode, count, seed) for mode in MODES for seed in range(seeds)]
    chosen = [run.key for run in runs if run.key != ZERO_SHOT]
    tried = measurement.known(dict.fromkeys([*trials, *usual, *chosen]))
    write_text(args.out / "ablation.md", f"{ablation_table(runs)}\n\n{rates_table(tried)}\n")
    return runs


def _ablation(
    measurement: FewShotMeasurement, count: int, seeds: int
) -> Generator[Progress, None, list[RunResult]]:
    rates = yield from measurement.rates(rate_trials(count))
    return (yield from measurement.run([ZERO_SHOT, *ablation(count, rates, seeds)]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path, help="folder of segsem synth --preset polycrystal")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--base", default=NANO_CONFIG)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--seeds", type=int, help="of each count; 3 for 10 and 42, else 1")
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"of each run, at most; {MINUTES:g} where not given, no limit for --ablation, in "
        "which all modes have the same epochs",
    )
    parser.add_argument("--epochs", type=int, default=12, help="of each run, at most")
    parser.add_argument("--known", type=int, default=2, help="images of each known family")
    parser.add_argument("--keep-models", action="store_true")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument(
        "--so-far", action="store_true", help="with --ablation: only write what is there already"
    )
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
