"""Reports on confidence, and the seeds that keep splits apart."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.contour import Source
from segsem.core.exceptions import UsageError
from segsem.evaluation.confidence_report import confidence_reports, regions_csv, table
from segsem.evaluation.confidence_set import (
    CALIBRATION_SEED,
    TEST_SEED,
    check_test_seed,
    synthetic_images,
)
from segsem.segmentation.calibration_examples import Examples, ExampleSet, truth_from_labels
from segsem.segmentation.confidence import Calibration, LogisticModel, spread
from segsem.synth.edges_set import EDGES_SEED

SOURCES = (Source.SAM2, Source.SAUVOLA)


def examples(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    made = {}
    for source in SOURCES:
        own = Examples()
        for index in range(1500):
            share = rng.uniform(0.2, 1.0)
            chance = 1 / (1 + np.exp(-(spread(share) + shift)))
            own.add({"edge": share}, bool(rng.random() < chance), f"image {index % 30}")
        made[source] = own
    return ExampleSet(made, made, [])


@pytest.fixture
def calibration():
    models = {source: LogisticModel(0.0, {"edge": 1.0}, True) for source in SOURCES}
    return Calibration(models, 0.9, True, models, 0.8)


def test_an_honest_confidence_is_reported_as_such(calibration):
    reports = confidence_reports(examples(1), calibration)
    assert [one.group for one in reports] == [
        "regions",
        "regions, sam2",
        "regions, sauvola",
        "parts, sam2",
        "parts, sauvola",
    ]
    everything = reports[0]
    assert everything.count == 3000
    assert everything.images == 30
    assert everything.ece.value < 0.03
    assert everything.skill.value > 0.1
    assert everything.kept.threshold == 0.9
    assert reports[3].kept.threshold == 0.8
    assert everything.curve[-1][1] == pytest.approx(everything.wrong)


def test_an_overconfident_one_shows(calibration):
    assert confidence_reports(examples(1, shift=-1.5), calibration)[0].ece.value > 0.1


def test_tables_hold_every_group_and_region(calibration):
    found = examples(1)
    text = table(confidence_reports(found, calibration))
    assert text.count("| regions") == 3
    assert "Reliability, regions:" in text
    rows = regions_csv(found, calibration).splitlines()
    assert rows[0] == "image,source,confidence,right"
    assert len(rows) == 3001


def test_the_splits_are_apart():
    assert len({CALIBRATION_SEED, TEST_SEED, EDGES_SEED}) == 3
    check_test_seed(TEST_SEED, CALIBRATION_SEED)
    with pytest.raises(UsageError, match="fitted on"):
        check_test_seed(CALIBRATION_SEED, CALIBRATION_SEED)


def test_images_of_a_split_come_with_their_truth():
    (image,) = synthetic_images(3, 1)
    assert image.image.shape == image.labels.shape
    assert image.truth is not None
    assert len(image.truth.contours) == len(image.truth.region) > 0


def test_truth_traced_from_labels_lies_on_the_exact_one():
    (image,) = synthetic_images(3, 1)
    traced = truth_from_labels(image.labels)
    assert set(traced.region) <= set(np.unique(image.labels))
    exact = np.concatenate([line.vertices_rc for line in image.truth.contours])
    found = np.concatenate([line.vertices_rc for line in traced.contours])
    inner = np.all((found > 6) & (found < np.array(image.labels.shape) - 7), axis=1)
    distance = np.linalg.norm(found[inner][::7, None] - exact[None], axis=2).min(axis=1)
    assert np.median(distance) < 0.5
    assert np.percentile(distance, 95) < 1.5
