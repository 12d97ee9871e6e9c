#!/usr/bin/env python
"""What fine-tuning costs, and how steady it is.

    python tools/measure_finetune.py cost --model nano --images 42 --steps 8
    python tools/measure_finetune.py cost --model tiny --images 2 --steps 2
    python tools/measure_finetune.py swing --rates 1e-4 3e-4 6e-4
    python tools/measure_finetune.py bf16 --model nano --steps 4

`cost` makes a project of synthetic images in a temporary folder, begins to fine-tune and stops
after some steps (0: goes on to the end): seconds and peak memory, phase by phase. Other models
than nano have random weights: what they cost does not depend on them.

`swing` trains on one process and scores other images of it after each epoch, with the weights of
the last step and with averages of them, from the same run. Its process is one of its own
(`DEVELOPMENT`): defaults are chosen here, never on the preset `polycrystal`, which is reported.

`bf16` runs the same steps in single precision and under bfloat16, in turns, and prints the ratio of
their processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import tifffile
import torch

from segsem.benchmark.subject import RANDOM_MODELS
from segsem.core.contour import Source
from segsem.core.priority import step_back
from segsem.dataset.splits import Site, SplitImage
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.models.add import write_model
from segsem.models.build import build_model
from segsem.models.load import load_model
from segsem.models.registry import NANO
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project
from segsem.synth.generate import generate_image
from segsem.synth.presets import get_preset
from segsem.training.few_shot_frames import FrameSource, ModelFrame
from segsem.training.few_shot_images import FewShotImage
from segsem.training.finetune import Request, finetune
from segsem.training.finetune_average import WeightAverage
from segsem.training.finetune_loss import StepGradient
from segsem.training.finetune_params import FinetuneParams
from segsem.training.finetune_parts import choose_learning, set_modes
from segsem.training.finetune_trainer import EpochRow, FinetuneTrainer
from segsem.training.validation import Validation

DEVELOPMENT = replace(
    get_preset("fewshot"),
    name="development-texture",
    families=("free_form", "metal2d"),
    tones=("bright",),
    contrast=(0.35, 0.45),
    rim=(0.3, 0.4),
    texture=(0.3, 0.4),
)
"""Material two to three times as uneven as any that nano was trained on."""

DEVELOPMENT_SEED = 9021
TAUGHT, SCORED = 12, 8


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    cost = kinds.add_parser("cost")
    cost.add_argument("--model", default="nano", choices=("nano", *RANDOM_MODELS))
    cost.add_argument("--images", type=int, default=42, help="That teach.")
    cost.add_argument("--side", type=int, default=512)
    cost.add_argument("--steps", type=int, default=8)
    cost.add_argument("--threads", type=int, default=1)
    cost.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    swing = kinds.add_parser("swing")
    swing.add_argument("--rates", type=float, nargs="+", default=[3e-4])
    swing.add_argument("--decays", type=float, nargs="+", default=[0.0, 0.95])
    swing.add_argument("--epochs", type=int, default=8)
    half = kinds.add_parser("bf16")
    half.add_argument("--model", default="nano", choices=("nano", *RANDOM_MODELS))
    half.add_argument("--steps", type=int, default=4, help="Of each turn.")
    half.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    step_back()
    torch.set_num_threads(getattr(args, "threads", 1))
    measured = {"cost": measure_cost, "swing": measure_swing, "bf16": measure_bf16}
    with tempfile.TemporaryDirectory() as folder:
        measured[args.kind](args, Path(folder))


def measure_cost(args: argparse.Namespace, folder: Path) -> None:
    """Run some steps; a line for each phase."""
    held_out = max(1, args.images // 3)
    project = make_project(folder / "project", args.images + held_out, args.side)
    params = dict(text.split("=", 1) for text in args.set)
    ids = [f"image{number:02d}" for number in range(args.images + held_out)]
    request = Request(
        project,
        "measured",
        random_base(args.model, folder),
        params,
        held_out=tuple(ids[args.images :]),
        train=tuple(ids[: args.images]),
    )
    told("before fine-tuning")
    steps, began, done = finetune(request), time.perf_counter(), 0
    phase = ""
    for event in steps:
        if event.name != phase or event.name in ("epoch", "timing"):
            phase = event.name
            told(f"{time.perf_counter() - began:7.1f} s  {phase} {brief(event.values)}")
        done += event.name == "step"
        if args.steps and done == args.steps:
            told(f"{time.perf_counter() - began:7.1f} s  step {done}")
            steps.close()
            break


def brief(values: dict[str, object]) -> str:
    """Give what is of interest of an event."""
    wanted = (
        "expected_s",
        "step_s",
        "validation_s",
        "after_s",
        "steps_left",
        "steps_per_epoch",
        "epochs",
    )
    more = ("epoch", "val_iou", "verdict", "seconds", "weights_learning", "calibration")
    return ", ".join(f"{name} {values[name]}" for name in (*wanted, *more) if name in values)


def told(what: str) -> None:
    """Print a line with the peak memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    say(f"{what}  [{time.process_time():.0f} s of processor time, peak {peak:.2f} GiB]")


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def random_base(model: str, folder: Path) -> str | None:
    """Folder of a model with random weights; None for nano, which is here."""
    if model == "nano":
        return None
    config = RANDOM_MODELS[model]
    torch.manual_seed(0)
    write_model(build_model(config), folder / "base", "base", config, {"kind": "random"})
    return str(folder / "base")


def make_project(folder: Path, count: int, side: int) -> Path:
    """Make a project of synthetic images, all in the training set."""
    preset = replace(get_preset("fewshot"), name="cost", shape=(side, side))
    project = Project.create(folder)
    for number in range(count):
        made = generate_image(DEVELOPMENT_SEED, preset, number)
        path = folder.parent / f"image{number:02d}.tif"
        tifffile.imwrite(path, made.image)
        add(project, read_image(path), made.labels)
    project.save()
    project.close()
    return folder


def add(project: Project, image: SEMImage, labels: np.ndarray) -> None:
    """Put an image with its truth into the training set."""
    labelled = LabelledImage(image.shape)
    names = [int(v) for v in np.unique(labels) if v]
    made = {name: LabelObject(name, 0, (0, 0, 0, 0), Source.MANUAL) for name in names}
    edit = labelled.edit("truth", (0, 0), labels.astype(np.int32), made)
    labelled.apply(edit)
    project.store(image).note("do", edit)
    project.mark(image, {"training": True, "done": True})
    project.compact(project.register(image).image_id)


def measure_swing(args: argparse.Namespace, folder: Path) -> None:
    """Print the score of other images after each epoch, for each rate and decay."""
    images = [development_image(number) for number in range(TAUGHT + SCORED)]
    say("| rate | averaging | IoU of each epoch | largest fall | best score | last score |")
    say("|---|---|---|---|---|---|")
    for rate in args.rates:
        for decay, scores in one_run(images, rate, args, folder).items():
            ious = [score.iou for score in scores]
            fall = max([a - b for a, b in pairwise(ious[1:])] + [0.0])
            shown = " ".join(f"{value:.3f}" for value in ious)
            best = max(score.score for score in scores[1:])
            say(
                f"| {rate:g} | {decay:g} | {shown} | {fall:.3f} | {best:.4f} | "
                f"{scores[-1].score:.4f} |"
            )


def one_run(
    images: Sequence[FewShotImage], rate: float, args: argparse.Namespace, folder: Path
) -> dict[float, list]:
    """Train once; scores by decay, the base model's first."""
    params = FinetuneParams(epochs=args.epochs, patience=args.epochs, averaging=0.0)
    model, description = load_model(NANO.name)
    choose_learning(model, params)
    frame = ModelFrame(description.frame_px, fixed=False)
    taught, scored = images[:TAUGHT], images[TAUGHT:]
    sites = [Site(one.image_id, 0, 0, *one.grey.shape) for one in scored]
    validation = Validation(scored, sites, frame, 12)
    gradient = StepGradient(model, 12, params.corrections)
    source = FrameSource(taught, (), frame, params, 2)
    trainer = FinetuneTrainer(model, source, validation, gradient, params, rate, folder)
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    averages = {decay: WeightAverage(learning, decay) for decay in args.decays}
    found: dict[float, list] = {decay: [] for decay in args.decays}
    step = 0
    for happened in trainer.run():
        if not isinstance(happened, EpochRow):
            for average in averages.values():
                average.update(step)
            step += 1
            continue
        for decay, average in averages.items():
            if decay == 0 or happened.epoch == 0:
                found[decay].append(happened.val)
                continue
            with average.in_place():
                found[decay].append(validation.score(model))
    return found


def measure_bf16(args: argparse.Namespace, folder: Path) -> None:
    """Print the processor time of steps with bfloat16 over that without, turn by turn."""
    base = random_base(args.model, folder) or NANO.name
    images = [development_image(number) for number in range(4)]
    ways = [one_gradient(base, images, bf16=bf16) for bf16 in (False, True)]
    for step in ways:
        step(0)
    ratios = []
    for turn in range(args.turns):
        spent = []
        for step in ways:
            began = time.process_time()
            for number in range(args.steps):
                step(1 + turn * args.steps + number)
            spent.append((time.process_time() - began) / args.steps)
        ratios.append(spent[1] / spent[0])
        say(f"fp32 {spent[0]:.2f} s a step, bf16 {spent[1]:.2f} s: ratio {ratios[-1]:.2f}")
    say(f"{args.model}: bf16 takes {np.median(ratios):.2f} of the time of fp32 (median)")


def one_gradient(
    base: str, images: Sequence[FewShotImage], *, bf16: bool
) -> Callable[[int], object]:
    """Give what computes the gradient of a step, by its number."""
    params = FinetuneParams(bf16=bf16)
    model, description = load_model(base)
    choose_learning(model, params)
    set_modes(model, params.train)
    small = base == NANO.name
    frame = ModelFrame(description.frame_px, fixed=not small)
    source = FrameSource(images, (), frame, params, 2 if small else 1)
    gradient = StepGradient(
        model, 12 if small else 2, params.corrections, bf16, save_memory=not small
    )
    return lambda step: gradient(source.batch(step), (params.seed, step))


def development_image(number: int) -> FewShotImage:
    """Give an image of the development process, as fine-tuning reads it."""
    made = generate_image(DEVELOPMENT_SEED, DEVELOPMENT, number)
    image = SEMImage(made.image, f"dev{number}")
    about = SplitImage(image.name, str(number), str(number), made.labels.shape, {})
    return FewShotImage(about, normalise(image), made.labels.astype(np.uint16))


if __name__ == "__main__":
    main()
