"""Calibration after fine-tuning: which pixels, how many, what is written."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.core.params import Tone
from segsem.core.progress import Progress, run_to_completion
from segsem.dataset.splits import Site
from segsem.models.calibration_file import sauvola_calibration
from segsem.models.load import load_predictor
from segsem.segmentation.confidence import Calibration
from segsem.training import finetune_calibration
from segsem.training.finetune import Event, Request, finetune
from segsem.training.finetune_calibration import calibration_images, recalibrate, tone_of
from segsem.training.finetune_report import Outcome

FIT = "segsem.training.finetune_calibration.fit_calibration"


def fake_fit(
    predictor: Any, images: list, *, seed: int, total: int, origin: dict
) -> Generator[Progress, None, Calibration]:
    """Take the bundled calibration for what was fitted to the images."""
    bundled = sauvola_calibration()
    assert bundled is not None
    for number in range(total):
        yield Progress(number, total, "calibrating")
    counts = {"sam2": {"count": len(images), "wrong": 0}}
    origin = {**origin, "weights_sha256": predictor.weights_sha256, "regions": counts}
    return replace(bundled, threshold=0.75, origin=origin)


def refused(*_: Any, **__: Any) -> Generator[Progress, None, Calibration]:
    yield Progress(0, 1, "calibrating")
    msg = "Expected at least 60 regions, but got 3: give more images"
    raise InputError(msg)


def run(request: Request) -> tuple[list[Event], Outcome]:
    events, steps = [], finetune(request)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


def test_only_the_sites_are_calibrated_on(five_images: Path, few_shot: SimpleNamespace) -> None:
    images = few_shot.images_of(five_images)[:2]
    height, width = images[0].grey.shape
    sites = [Site(image.image_id, 0, 0, height, width // 2) for image in images]
    made = calibration_images(images, sites, 5)

    assert [one.image.shape for one in made] == [(height, width // 2)] * 2
    assert np.array_equal(made[1].image.data, images[1].grey[:, : width // 2])
    # Two of the four squares lie there, counted from 1 whatever they were called.
    assert [np.unique(one.labels).tolist() for one in made] == [[0, 1, 2]] * 2
    assert len({one.group for one in made}) == 2
    assert {one.tone for one in made} == {Tone.BRIGHT}
    assert len(calibration_images(images, sites, 1)) == 1


def test_a_site_is_cut_down_so_that_time_is_bounded(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune_calibration, "MOST_SIDE_PX", 40)
    image = few_shot.images_of(five_images)[0]
    (made,) = calibration_images([image], [Site(image.image_id, 0, 0, 90, 100)], 1)
    assert made.image.shape == made.labels.shape == (40, 40)


def test_the_tone_is_that_of_the_objects_beside_what_surrounds_them() -> None:
    labels = np.zeros((60, 60), dtype=np.int32)
    labels[20:40, 20:40] = 1
    grey = np.where(labels > 0, 90, 60).astype(np.uint8)
    # A bright corner that is far away says nothing.
    grey[:5] = 255
    assert tone_of(grey, labels) is Tone.BRIGHT
    assert tone_of(255 - grey, labels) is Tone.DARK


def test_a_new_model_carries_its_own_calibration(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FIT, fake_fit)
    params = {**few_shot.small_run, "calibration_sites": 12}
    events, outcome = run(Request(five_images, "calibrated", params=params))
    folder = five_images / "models" / "calibrated"

    names = [event.name for event in events]
    assert names.index("checking") < names.index("calibrating") < names.index("done")
    assert events[-1].values["calibration"]["calibrated"] is True
    assert outcome.calibration.note in (folder / "report.md").read_text()
    predictor = load_predictor(folder)
    assert predictor.calibration is not None
    assert predictor.calibration.threshold == 0.75
    assert predictor.calibration.origin["weights_sha256"] == predictor.weights_sha256
    held_out = outcome.run.split.held_out
    assert not {site["image_id"] for site in predictor.calibration.origin["sites"]} & {*held_out}


def test_where_too_little_can_be_rated_it_is_said_and_nothing_is_written(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FIT, refused)
    params = {**few_shot.small_run, "calibration_sites": 12}
    events, _ = run(Request(five_images, "uncalibrated", params=params))
    folder = five_images / "models" / "uncalibrated"

    said = events[-1].values["calibration"]
    assert said["calibrated"] is False
    assert "Expected at least 60 regions, but got 3. It is a rough figure" in said["note"]
    assert said["note"] in (folder / "report.md").read_text()
    assert not (folder / "calibration.json").exists()
    assert load_predictor(folder).calibration is None


def test_a_few_sites_are_no_ground_to_calibrate_on(
    five_images: Path, few_shot: SimpleNamespace, tmp_path: Path
) -> None:
    images = few_shot.images_of(five_images)[:3]
    sites = [Site(image.image_id, 0, 0, *image.grey.shape) for image in images]
    made = calibration_images(images, sites, 12)
    found = run_to_completion(recalibrate(SimpleNamespace(), tmp_path, made, 0, {}))

    assert not found.calibrated
    assert "4 different sites or images" in found.note
    assert list(tmp_path.iterdir()) == []
