"""Few-shot fine-tuning: from a project's training set to a model in the project."""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from segsem import __version__
from segsem.core.exceptions import InputError, ModelError
from segsem.dataset.splits import FEWEST, Site, Split, make_split
from segsem.dataset.training_set import FEWEST_IMAGES, FEWEST_OBJECTS, GOOD_IMAGES
from segsem.models.build import build_model
from segsem.models.calibration_file import read_calibration
from segsem.models.load import choose_device, load_model
from segsem.models.project_models import model_in_project, project_model_folder
from segsem.models.registry import NANO_CONFIG
from segsem.models.store import WEIGHTS_FILE, ModelDescription, file_sha256, find_model, verify
from segsem.models.weights import load_state, read_state, save_state
from segsem.project.project import Project
from segsem.segmentation.sam2_predictor import SAM2Predictor
from segsem.training.few_shot_frames import FrameSource, ModelFrame
from segsem.training.few_shot_images import (
    FewShotImage,
    read_images,
    read_snapshot,
    specks_of,
    write_snapshot,
)
from segsem.training.finetune_calibration import (
    Recalibrated,
    calibration_images,
    recalibrate,
    seconds_of_calibration,
)
from segsem.training.finetune_events import Event, started, timing, told
from segsem.training.finetune_loss import StepGradient
from segsem.training.finetune_params import FinetuneParams
from segsem.training.finetune_parts import (
    LEARNING,
    FrozenProof,
    choose_learning,
    learning_rate,
    numel_learning,
    part_hashes,
)
from segsem.training.finetune_report import Outcome, write_result
from segsem.training.finetune_run import (
    RUN_FILE,
    SNAPSHOT,
    Run,
    check_name,
    check_resumed,
    read_run,
    write_run,
)
from segsem.training.finetune_trainer import CHECKPOINT, FinetuneTrainer
from segsem.training.held_out import (
    ObjectScore,
    compare,
    measure_images,
    overall_gain,
    seconds_of_checking,
)
from segsem.training.lora import merge_lora
from segsem.training.outlines import ObjectOutlines, write_outlines
from segsem.training.validation import Validation, usable_sites

__all__ = ["Event", "Request", "finetune"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    project : Path
    name : str
        Of the new model.
    base : str or None
        Model to begin with; `segsem-nano` where nothing is named.
    params : dict
        Of `FinetuneParams`, only those that differ from what is usual.
    resume : bool
    time_only : bool
        Say how long it would take, and leave nothing behind.
    held_out, train : tuple of str or None
        Ids of images, where somebody has chosen.
    device : str
    """

    project: Path
    name: str
    base: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False
    time_only: bool = False
    held_out: tuple[str, ...] | None = None
    train: tuple[str, ...] | None = None
    device: str = "cpu"


def finetune(request: Request) -> Generator[Event, None, Outcome | None]:
    """Fine-tune a model on a project's training set.

    The project is only read, but for the new model's folder: annotation may go on meanwhile.
    Closing the generator keeps the checkpoint of the last whole epoch.

    Parameters
    ----------
    request : Request

    Yields
    ------
    Event

    Returns
    -------
    Outcome or None
        None where only the time was asked for.

    Raises
    ------
    SegSemError
        Bad input, a model that is not there, a loss that is not finite, a full disk.
    """
    began = time.monotonic()
    folder = project_model_folder(request.project.resolve(), request.name)
    check_name(folder, resume=request.resume)
    run, images, warnings = yield from _prepared(request, folder)
    base = model_in_project(request.project, run.base)
    if verify(find_model(base)).weights_sha256 != run.base_sha256:
        msg = f"The model {run.base} has changed since this run was started: choose another --name"
        raise ModelError(msg)
    device = choose_device(request.device)
    # Sums on several threads come out in one order only if that is asked for.
    torch.use_deterministic_algorithms(device == "cpu", warn_only=True)
    model, description = load_model(base)
    before = part_hashes(model.state_dict())
    trainer, steps_per_epoch = _trainer(model.to(device), description, run, images, folder)
    resumed = trainer.resume() if request.resume else False
    yield started(run, images, warnings, trainer, steps_per_epoch, resumed, numel_learning(model))
    yield timing(
        trainer, steps_per_epoch, run, _seconds_after(base, description, run, images, device)
    )
    if request.time_only:
        return None
    for happened in trainer.run():
        yield told(happened)
    trainer.use_best()
    merge_lora(model.cpu())
    proof = _saved_and_proved(model, folder, before, run)
    held_out = [image for image in images if image.image_id in run.split.held_out]
    old, new = yield from _checked(base, folder, description, held_out, device)
    calibration = yield from _recalibrated(base, folder, description, run, images, device)
    outcome = Outcome(
        folder=folder,
        name=request.name,
        run=run,
        config=description.config,
        rows=tuple(trainer.rows),
        best_epoch=trainer.best_epoch,
        proof=proof,
        comparisons=tuple(compare(old, new)),
        gain=overall_gain(old, new),
        objects=len(old),
        seconds=time.monotonic() - began,
        learning_rate=learning_rate(description.config, run.params),
        versions=_versions(),
        warnings=run.split.warnings,
        calibration=calibration,
    )
    write_outlines(folder, _outlines(old, new))
    write_result(model, outcome)
    for name in (CHECKPOINT, SNAPSHOT, RUN_FILE):
        (folder / name).unlink(missing_ok=True)
    yield Event("done", outcome.as_event())
    return outcome


def _prepared(
    request: Request, folder: Path
) -> Generator[Event, None, tuple[Run, list[FewShotImage], tuple[str, ...]]]:
    """Read what is to be learnt from: the project, or what an earlier start kept of it."""
    if request.resume:
        run = read_run(folder)
        check_resumed(run, request.params, request.base)
        for leftover in folder.glob(".*"):
            leftover.unlink(missing_ok=True)
        return run, read_snapshot(folder / SNAPSHOT, run.images), run.split.warnings
    base = request.base or NANO_CONFIG
    place = find_model(model_in_project(request.project, base))
    description = verify(place)
    if place == Path(base):
        # The run may be gone on with from elsewhere.
        base = str(place.resolve())
    params = FinetuneParams(**request.params)
    project = Project.open(request.project, write=False)
    try:
        images = yield from _read(project)
        warnings = specks_of(project)
    finally:
        project.close()
    if warnings and len(images) < FEWEST:
        msg = f"{warnings[0]}: expected at least {FEWEST} images with larger objects"
        raise InputError(msg)
    split = make_split(
        [image.about for image in images], params.seed, request.held_out, request.train
    )
    split = Split(
        split.train,
        split.held_out,
        usable_sites(images, split.sites),
        (*_too_few(images), *warnings, *split.warnings),
    )
    if not split.sites:
        line = "Too few objects for validation sites: training images tell when to stop"
        split = Split(split.train, split.held_out, (), (*split.warnings, line))
    used = [i for i in images if i.image_id in {*split.train, *split.held_out}]
    run = Run(base, description.weights_sha256, params, tuple(i.about for i in used), split)
    if not request.time_only:
        write_snapshot(folder / SNAPSHOT, used)
        write_run(folder, run)
    return run, used, split.warnings


def _read(project: Project) -> Generator[Event, None, list[FewShotImage]]:
    steps = read_images(project)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            images: list[FewShotImage] = stop.value
            return images
        yield Event("reading", {"done": step.done, "total": step.total, "message": step.message})


def _too_few(images: Sequence[FewShotImage]) -> Iterable[str]:
    count = sum(len(set(image.labels.ravel().tolist()) - {0}) for image in images)
    if len(images) < FEWEST_IMAGES:
        yield f"Only {len(images)} images with objects: at least {FEWEST_IMAGES} are advised"
    elif len(images) < GOOD_IMAGES:
        yield f"{len(images)} images: {GOOD_IMAGES} or more, from several sites, teach more"
    if count < FEWEST_OBJECTS:
        yield f"Only {count} objects: at least {FEWEST_OBJECTS} are advised"


def _trainer(
    model: Any, description: ModelDescription, run: Run, images: list[FewShotImage], folder: Path
) -> tuple[FinetuneTrainer, int]:
    params, small = run.params, description.config == NANO_CONFIG
    choose_learning(model, params)
    fixed = not getattr(model.sam_prompt_encoder, "any_frame", False)
    frame = ModelFrame(description.frame_px, fixed)
    taught = [image for image in images if image.image_id in run.split.train]
    at_once = params.objects_at_once or (12 if small else 2)
    source = FrameSource(
        taught, run.split.sites, frame, params, params.frames_per_step or (2 if small else 1)
    )
    sites = run.split.sites or tuple(Site(i.image_id, 0, 0, *i.grey.shape) for i in taught)
    validation = Validation(taught, sites, frame, at_once)
    gradient = StepGradient(model, at_once, params.corrections, params.bf16, save_memory=not small)
    rate = learning_rate(description.config, params)
    trainer = FinetuneTrainer(model, source, validation, gradient, params, rate, folder)
    return trainer, source.steps_per_epoch


def _saved_and_proved(model: Any, folder: Path, before: dict[str, str], run: Run) -> FrozenProof:
    """Write the weights, and read back what is in the file: that is what is proved."""
    model.requires_grad_(False)
    path = folder / WEIGHTS_FILE
    proof = FrozenProof(before, part_hashes(model.state_dict()), LEARNING[run.params.train])
    proof.check()
    save_state(model, path)
    proof = FrozenProof(before, part_hashes(read_state(path)), LEARNING[run.params.train])
    proof.check()
    return proof


def _checked(
    base: str,
    folder: Path,
    description: ModelDescription,
    images: list[FewShotImage],
    device: str,
) -> Generator[Event, None, tuple[list[ObjectScore], list[ObjectScore]]]:
    """Open the held-out images, once, for the base model and for the new one."""
    found = []
    for number, path in enumerate((find_model(base), folder)):
        predictor = _predictor(path / WEIGHTS_FILE, description, device)
        steps = measure_images(predictor, images)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                found.append(stop.value)
                break
            done, total = number * len(images) + step.done, 2 * len(images)
            yield Event("checking", {"done": done, "total": total, "message": step.message})
    return found[0], found[1]


def _recalibrated(
    base: str,
    folder: Path,
    description: ModelDescription,
    run: Run,
    images: list[FewShotImage],
    device: str,
) -> Generator[Event, None, Recalibrated]:
    """Calibrate the new model's confidence where its masks never taught."""
    sites = calibration_images(images, run.split.sites, run.params.calibration_sites)
    if not sites:
        return Recalibrated(False, "Confidence is not calibrated: there are no calibration sites")
    predictor = _predictor(folder / WEIGHTS_FILE, description, device)
    origin = {"kind": "fine-tuning", "sites": [asdict(site) for site in run.split.sites]}
    known, _ = read_calibration(find_model(base), run.base_sha256)
    steps = recalibrate(predictor, folder, sites, run.params.seed, origin, known)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            made: Recalibrated = stop.value
            return made
        values = {"done": step.done, "total": step.total, "message": step.message}
        yield Event("calibrating", values)


def _seconds_after(
    base: str, description: ModelDescription, run: Run, images: list[FewShotImage], device: str
) -> float:
    """Seconds from the last epoch to the end, timed on images that teach."""
    predictor = _predictor(find_model(base) / WEIGHTS_FILE, description, device)
    taught = [image for image in images if image.image_id in run.split.train]
    held_out = [image for image in images if image.image_id in run.split.held_out]
    sites = calibration_images(images, run.split.sites, run.params.calibration_sites)
    checking = 2 * seconds_of_checking(predictor, taught[0], held_out)
    return checking + seconds_of_calibration(predictor, sites, run.params.seed)


def _outlines(
    old: Sequence[ObjectScore], new: Sequence[ObjectScore]
) -> dict[str, list[ObjectOutlines]]:
    found: dict[str, list[ObjectOutlines]] = {}
    for before, after in zip(old, new, strict=True):
        one = ObjectOutlines(before.outlines, after.outlines)
        found.setdefault(before.image_id, []).append(one)
    return found


def _predictor(weights: Path, description: ModelDescription, device: str) -> SAM2Predictor:
    model = build_model(description.config)
    load_state(model, read_state(weights), str(weights))
    # Full precision: before and after are to differ by their weights alone.
    return SAM2Predictor(
        model, weights.parent.name, file_sha256(weights), description.frame_px, device, "fp32", True
    )


def _versions() -> dict[str, str]:
    return {"segsem": __version__, "torch": torch.__version__, "python": platform.python_version()}
