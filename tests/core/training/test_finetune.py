"""Fine-tuning from a project to a model: what learns, resumption, refusals, adoption."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from segsem.core.exceptions import ExportError, InputError, ModelError, TaskError, UsageError
from segsem.models.load import load_predictor
from segsem.models.store import read_description
from segsem.models.weights import read_state
from segsem.project.description import read_description as read_project
from segsem.project.project import Project
from segsem.training.adoption import NotBetterError, adopt, go_back
from segsem.training.finetune import Event, Request, finetune
from segsem.training.finetune_loss import StepGradient
from segsem.training.finetune_parts import PARTS, part_hashes
from segsem.training.finetune_report import Outcome


def run(request: Request) -> tuple[list[Event], Outcome | None]:
    events, steps = [], finetune(request)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


def weights_sha256(project: Path, name: str) -> str:
    return read_description(project / "models" / name).weights_sha256


@pytest.mark.parametrize(
    ("train", "learning"),
    [
        ("image_encoder", {"image_encoder"}),
        ("mask_decoder", {"sam_mask_decoder", "sam_mask_decoder.region_hints"}),
        ("all", set(PARTS) - {"other"}),
        ("lora", {"image_encoder"}),
    ],
)
def test_what_is_frozen_stays_byte_identical_and_what_learns_changes(
    five_images: Path, few_shot: SimpleNamespace, train: str, learning: set[str]
) -> None:
    name = f"mode-{train}"
    events, outcome = run(Request(five_images, name, params={**few_shot.small_run, "train": train}))
    folder = five_images / "models" / name
    base = part_hashes(load_predictor_state("segsem-nano"))
    made = part_hashes(read_state(folder / "weights.safetensors"))
    changed = {part for part in base if base[part] != made[part]}

    assert changed == learning
    assert outcome is not None
    assert [event.name for event in events if event.name != "reading"][:2] == ["started", "timing"]
    assert events[-1].name == "done"
    said = read_description(folder).provenance
    assert said["train"] == train
    assert said["adopted"] is False
    for part, hashes in said["parts"].items():
        assert hashes == {"sha256_before": base[part], "sha256_after": made[part]}
    text = (folder / "report.md").read_text()
    assert text.count("byte-identical") == len(base) - len(learning)
    assert text.count("| changed |") == len(learning)
    # The events are what a program reads.
    json.dumps([event.values for event in events], allow_nan=False)
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "model.json",
        "outlines.json",
        "report.md",
        "weights.safetensors",
    ]
    predictor = load_predictor(folder)
    assert predictor.name == name
    assert predictor.divide(predictor.encode(few_shot.picture(0)[0])) is not None


def load_predictor_state(name: str) -> dict[str, torch.Tensor]:
    from segsem.models.load import load_model

    return dict(load_model(name)[0].state_dict())


def test_lora_changes_the_attention_alone(five_images: Path, few_shot: SimpleNamespace) -> None:
    run(Request(five_images, "only-lora", params={**few_shot.small_run, "train": "lora"}))
    base = load_predictor_state("segsem-nano")
    made = read_state(five_images / "models" / "only-lora" / "weights.safetensors")

    assert made.keys() == base.keys()
    changed = {key for key in base if not torch.equal(base[key], made[key])}
    assert changed
    assert all(".attn.qkv.weight" in key or ".attn.proj.weight" in key for key in changed)


def test_the_same_seed_gives_the_same_weights(five_images: Path, few_shot: SimpleNamespace) -> None:
    for name, seed in (("seed-a", 3), ("seed-b", 3), ("seed-c", 4)):
        run(Request(five_images, name, params={**few_shot.small_run, "seed": seed}))

    assert weights_sha256(five_images, "seed-a") == weights_sha256(five_images, "seed-b")
    assert weights_sha256(five_images, "seed-a") != weights_sha256(five_images, "seed-c")


def test_only_the_time_leaves_nothing_behind(five_images: Path, few_shot: SimpleNamespace) -> None:
    events, outcome = run(Request(five_images, "timed", params=few_shot.small_run, time_only=True))
    assert outcome is None
    assert events[-1].values["expected_s"] > 0
    assert not (five_images / "models" / "timed").exists()


def test_masks_of_held_out_images_never_teach(tmp_path: Path, few_shot: SimpleNamespace) -> None:
    hashes = []
    for kind in ("right", "wrong"):
        folder = few_shot.make_project(tmp_path / kind, 4)
        request = Request(folder, "m", params=few_shot.small_run)
        if kind == "wrong":
            spoil_held_out(folder, few_shot)
        run(request)
        hashes.append(weights_sha256(folder, "m"))
    assert hashes[0] == hashes[1]


def spoil_held_out(folder: Path, few_shot: SimpleNamespace) -> None:
    from segsem.dataset.splits import make_split
    from segsem.imaging.read import read_image
    from segsem.project.labelled_image import LabelledImage

    images = few_shot.images_of(folder)
    split = make_split([image.about for image in images])
    project = Project.open(folder)
    row = project.images.get(split.held_out[0])
    assert row is not None
    stored = project.read(row.image_id)
    assert stored is not None
    labelled = LabelledImage(few_shot.shape)
    before = stored.snapshot.timeline.image
    labelled.labels[:], labelled.objects = before.labels, dict(before.objects)
    edit = labelled.edit("spoilt", (0, 0), np.roll(before.labels, 9, axis=1))
    assert edit is not None
    project.store(read_image(project.images.path_of(row))).note("do", edit)
    project.close()


def empty_project(tmp_path: Path, few_shot: SimpleNamespace) -> Path:
    return few_shot.make_project(tmp_path / "project", 0)


def one_image(tmp_path: Path, few_shot: SimpleNamespace) -> Path:
    return few_shot.make_project(tmp_path / "project", 1)


def twice_the_same(tmp_path: Path, few_shot: SimpleNamespace) -> Path:
    folder = few_shot.make_project(tmp_path / "project", 3)
    project = Project.open(folder)
    grey, labels = few_shot.picture(0)
    few_shot.add_image(project, "copy", grey.astype(np.uint16) * 257, labels)
    project.save()
    project.close()
    return folder


def masks_of_another_size(tmp_path: Path, few_shot: SimpleNamespace) -> Path:
    folder = few_shot.make_project(tmp_path / "project", 3)
    path = folder / "images.csv"
    # The annotation's own files say the size as well.
    for file in [path, *folder.glob("journal/*.jsonl")]:
        text = file.read_text()
        text = text.replace("96,112", "90,112").replace('"shape": [96, 112]', '"shape": [90, 112]')
        file.write_text(text.replace('"shape":[96,112]', '"shape":[90,112]'))
    return folder


def only_specks(tmp_path: Path, few_shot: SimpleNamespace) -> Path:
    folder = few_shot.make_project(tmp_path / "project", 0)
    project = Project.open(folder)
    for number in range(4):
        labels = np.zeros(few_shot.shape, dtype=np.int32)
        labels[40, 40] = 1
        few_shot.add_image(project, f"speck{number}", few_shot.picture(number)[0], labels)
    project.save()
    project.close()
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty_project, "training set of .* is empty"),
        (one_image, "at least 2 different images .* there is only image0"),
        (twice_the_same, "show the same picture"),
        (only_specks, "speck0: 1 object has fewer than 16 px .* at least 2 images with larger"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, few_shot: SimpleNamespace, make: Any, message: str
) -> None:
    folder = make(tmp_path, few_shot)
    with pytest.raises(InputError, match=message) as caught:
        run(Request(folder, "m", params=few_shot.small_run))
    assert "\n" not in str(caught.value)
    assert not (folder / "models").exists()


def test_masks_of_another_size_are_refused(tmp_path: Path, few_shot: SimpleNamespace) -> None:
    folder = masks_of_another_size(tmp_path, few_shot)
    with pytest.raises(InputError):
        run(Request(folder, "m", params=few_shot.small_run))
    assert not (folder / "models").exists()


def test_a_speck_is_told_and_left_out(tmp_path: Path, few_shot: SimpleNamespace) -> None:
    folder = few_shot.make_project(tmp_path / "project", 3)
    project = Project.open(folder)
    grey, labels = few_shot.picture(7)
    labels[90, 50] = 9
    few_shot.add_image(project, "speckled", grey, labels)
    project.save()
    project.close()
    events, _ = run(Request(folder, "m", params=few_shot.small_run, time_only=True))

    started = next(event for event in events if event.name == "started")
    line = "speckled: 1 object has fewer than 16 px and will not be learnt from"
    assert line in started.values["warnings"]
    assert sum(started.values["objects"].values()) == 16


def test_an_unknown_base_model_is_refused(five_images: Path) -> None:
    with pytest.raises(ModelError, match="Unknown model 'nobody'"):
        run(Request(five_images, "m1", base="nobody"))


def test_a_name_that_is_taken_is_refused(five_images: Path, few_shot: SimpleNamespace) -> None:
    request = Request(five_images, "taken", params=few_shot.small_run)
    steps = finetune(request)
    while next(steps).name != "step":
        pass
    steps.close()
    with pytest.raises(UsageError, match="was begun before: give --resume"):
        run(request)
    with pytest.raises(UsageError, match="started with seed 0, but now it is 5"):
        run(Request(five_images, "taken", params={"seed": 5}, resume=True))
    run(Request(five_images, "taken", resume=True))
    with pytest.raises(UsageError, match="There is a model taken already"):
        run(request)


def test_nothing_to_resume_is_told(five_images: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        run(Request(five_images, "never", resume=True))


@pytest.mark.parametrize("name", ["../out", "", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_name_is_refused(five_images: Path, name: str) -> None:
    with pytest.raises(UsageError, match="Expected a model name"):
        run(Request(five_images, name))


def test_a_loss_that_is_not_finite_ends_with_a_remedy(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepGradient, "__call__", lambda *_: math.nan)
    with pytest.raises(TaskError, match="no longer finite in step 1: lower the learning rate"):
        run(Request(five_images, "nan", params=few_shot.small_run))


@pytest.mark.parametrize("place", ["checkpoint", "weights"])
def test_a_full_disk_is_one_line_and_leaves_no_half_model(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = "torch.save" if place == "checkpoint" else "segsem.models.weights.save_file"
    name = f"full-{place}"
    with monkeypatch.context() as patch:
        patch.setattr(target, full)
        with pytest.raises(ExportError, match="No space left on device") as caught:
            run(Request(five_images, name, params=few_shot.small_run))
    assert "\n" not in str(caught.value)
    folder = five_images / "models" / name
    assert not (folder / "model.json").exists()
    assert not (folder / "weights.safetensors").exists()
    run(Request(five_images, name, resume=True))
    assert (folder / "model.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named_though_torch_hides_it(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(_path: Path) -> Iterator[Path]:
        yield Path("/dev/full")

    monkeypatch.setattr("segsem.training.finetune_trainer.atomic_path", full)
    with pytest.raises(ExportError, match=r"checkpoint\.pt: No space left on device\. Make space"):
        run(Request(five_images, "full-disk", params=few_shot.small_run))


def test_a_damaged_checkpoint_is_refused(five_images: Path, few_shot: SimpleNamespace) -> None:
    steps = finetune(Request(five_images, "damaged", params={**few_shot.small_run, "epochs": 2}))
    while (event := next(steps)).name != "epoch" or event.values["epoch"] < 1:
        pass
    steps.close()
    (five_images / "models" / "damaged" / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot be gone on from"):
        run(Request(five_images, "damaged", resume=True))


def describe(project: Path, name: str, verdict: str) -> None:
    path = project / "models" / name / "model.json"
    content = json.loads(path.read_text())
    content["provenance"]["verdict"] = verdict
    path.write_text(json.dumps(content))


def test_a_better_model_is_adopted_and_one_call_goes_back(
    tmp_path: Path, few_shot: SimpleNamespace
) -> None:
    folder = few_shot.make_project(tmp_path / "project", 4)
    for name in ("one", "two"):
        run(Request(folder, name, params=few_shot.small_run))
        describe(folder, name, "better")
    project = Project.open(folder)

    adopt(project, "one")
    adopt(project, "two")
    assert read_project(folder).model == "two"
    assert read_description(folder / "models" / "two").provenance["adopted"] is True
    assert go_back(project) == "one"
    assert read_description(folder / "models" / "two").provenance["adopted"] is False
    assert go_back(project) == "segsem-nano"
    assert read_project(folder).model == "segsem-nano"
    with pytest.raises(UsageError, match="had no other model before"):
        go_back(project)
    project.close()


def test_a_model_that_is_not_better_needs_insisting(
    tmp_path: Path, few_shot: SimpleNamespace
) -> None:
    folder = few_shot.make_project(tmp_path / "project", 4)
    run(Request(folder, "worse", params=few_shot.small_run))
    describe(folder, "worse", "not better")
    project = Project.open(folder)

    with pytest.raises(NotBetterError, match="worse is not better than segsem-nano"):
        adopt(project, "worse")
    assert read_project(folder).model == ""
    adopt(project, "worse", insist=True)
    assert read_project(folder).model == "worse"
    with pytest.raises(ModelError, match="no model 'other'; its models: worse"):
        adopt(project, "other")
    project.close()


def test_a_fine_tuned_model_can_be_the_base_of_another(
    tmp_path: Path, few_shot: SimpleNamespace
) -> None:
    folder = few_shot.make_project(tmp_path / "project", 4)
    run(Request(folder, "first", params=few_shot.small_run))
    run(Request(folder, "second", base="first", params=few_shot.small_run))
    said = read_description(folder / "models" / "second").provenance
    assert said["base"] == "first"
    assert said["base_sha256"] == weights_sha256(folder, "first")
