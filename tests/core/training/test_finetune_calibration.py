"""Calibration after fine-tuning: which pixels, how many, what is written."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segsem.core.contour import Source
from segsem.core.params import Tone
from segsem.core.progress import Progress, run_to_completion
from segsem.dataset.splits import Site
from segsem.models.calibration_file import read_calibration
from segsem.models.load import load_predictor
from segsem.segmentation.calibrate import PARTS, REGIONS
from segsem.segmentation.calibration_examples import Examples, ExampleSet
from segsem.segmentation.calibration_fit import probabilities
from segsem.segmentation.confidence import LogisticModel
from segsem.segmentation.outlier import BINS, Look
from segsem.training import finetune_calibration
from segsem.training.finetune import Event, Request, finetune
from segsem.training.finetune_calibration import calibration_images, recalibrate, tone_of
from segsem.training.finetune_report import Outcome
from segsem.training.finetune_rescale import rescaled

COLLECT = "segsem.training.finetune_calibration.collect_examples"
SAM2_NAMES = REGIONS[Source.SAM2]
LOOK = Look(8.0, 1.5, 0.0, (1 / BINS,) * BINS)


def examples_of(count: int, wrong: int, groups: int = 6) -> Examples:
    """Examples whose evidence is middling, so that the base is neither sure nor unsure."""
    rng = np.random.default_rng(0)
    found = Examples()
    for number in range(count):
        evidence = {
            name: float(rng.uniform(0.6, 1.0)) for name in {*SAM2_NAMES, *PARTS[Source.SAM2]}
        }
        found.add(evidence, number >= wrong, str(number % groups))
    return found


def example_set(count: int, wrong: int, looks: list[Look]) -> ExampleSet:
    kinds = {source: examples_of(count, wrong) for source in (Source.SAM2, Source.SAUVOLA)}
    return ExampleSet(kinds, kinds, looks)


def seeing(count: int, wrong: int) -> Callable[..., Generator[Progress, None, ExampleSet]]:
    def collect(
        _predictor: Any, images: list, _seed: int, total: int = 0
    ) -> Generator[Progress, None, ExampleSet]:
        for number in range(total):
            yield Progress(number, total, "calibrating")
        return example_set(count, wrong, [LOOK] * len(images))

    return collect


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
    monkeypatch.setattr(COLLECT, seeing(80, 20))
    params = {**few_shot.small_run, "calibration_sites": 12}
    events, outcome = run(Request(five_images, "calibrated", params=params))
    folder = five_images / "models" / "calibrated"

    names = [event.name for event in events]
    assert names.index("checking") < names.index("calibrating") < names.index("done")
    assert events[-1].values["calibration"]["calibrated"] is True
    assert outcome.calibration.note in (folder / "report.md").read_text()
    predictor = load_predictor(folder)
    assert predictor.calibration is not None
    base = load_predictor("segsem-nano").calibration
    assert base is not None
    # Sauvola's half depends on no weights.
    assert predictor.calibration.regions[Source.SAUVOLA] == base.regions[Source.SAUVOLA]
    assert predictor.calibration.regions[Source.SAM2] != base.regions[Source.SAM2]
    assert predictor.calibration.origin["weights_sha256"] == predictor.weights_sha256
    held_out = outcome.run.split.held_out
    assert not {site["image_id"] for site in predictor.calibration.origin["sites"]} & {*held_out}


def test_where_too_little_can_be_rated_it_is_said_and_nothing_is_written(
    five_images: Path, few_shot: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(COLLECT, seeing(80, 3))
    params = {**few_shot.small_run, "calibration_sites": 12}
    events, _ = run(Request(five_images, "uncalibrated", params=params))
    folder = five_images / "models" / "uncalibrated"

    said = events[-1].values["calibration"]
    assert said["calibrated"] is False
    assert "there are 80, of which 77 are right. It is a rough figure" in said["note"]
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


def test_rescaled_confidence_agrees_with_what_was_seen_and_keeps_the_order() -> None:
    examples = Examples()
    rng = np.random.default_rng(1)
    for number in range(4000):
        odds = float(rng.normal(0.0, 1.5))
        right = rng.random() < 1 / (1 + np.exp(-(0.5 * odds - 1.0)))
        examples.add({"x": odds}, bool(right), str(number))
    model = LogisticModel(0.0, {"x": 1.0})
    found = rescaled(model, examples)

    assert found.weights["x"] == pytest.approx(0.5, abs=0.1)
    assert found.intercept == pytest.approx(-1.0, abs=0.1)
    before, after = probabilities(model, examples), probabilities(found, examples)
    assert np.array_equal(np.argsort(before), np.argsort(after))


def test_rescaling_never_turns_evidence_against_a_region() -> None:
    examples = Examples()
    for number in range(200):
        examples.add({"x": number / 200}, number < 100, str(number))
    assert rescaled(LogisticModel(0.0, {"x": 1.0}), examples).weights["x"] >= 0.0


def test_without_a_base_calibration_all_is_fitted_anew(
    five_images: Path,
    few_shot: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(COLLECT, seeing(80, 20))
    images = few_shot.images_of(five_images)
    sites = [Site(image.image_id, 0, 0, *image.grey.shape) for image in images]
    made = calibration_images(images, sites, 12)
    predictor = SimpleNamespace(name="m", weights_sha256="abc")
    found = run_to_completion(recalibrate(predictor, tmp_path, made, 0, {}))

    assert found.calibrated
    calibration, note = read_calibration(tmp_path, "abc")
    assert note is None
    assert calibration is not None
    # Each site was seen twice; what it looks like is remembered once.
    assert calibration.origin["images"] == len(images)
    assert read_calibration(tmp_path, "other")[0] is None
