"""`calibration.json` beside the weights it belongs to."""

from __future__ import annotations

import json

import pytest

from segsem.core.contour import Source
from segsem.models.calibration_file import (
    CALIBRATION_FILE,
    calibration_digest,
    read_calibration,
    sauvola_calibration,
    write_calibration,
)
from segsem.models.registry import NANO
from segsem.models.store import BUNDLED, read_description
from segsem.segmentation.confidence import Calibration, LogisticModel

OWN, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def calibration():
    models = {s: LogisticModel(0.0, {"edge": 1.0}, True) for s in (Source.SAM2, Source.SAUVOLA)}
    origin = {"weights_sha256": OWN}
    return Calibration(models, 0.9, True, dict(models), 0.8, None, origin)


def test_it_is_read_for_its_own_weights(tmp_path, calibration):
    write_calibration(tmp_path, calibration)
    assert read_calibration(tmp_path, OWN) == (calibration, None)


def test_it_is_ignored_with_a_line_for_other_weights(tmp_path, calibration):
    write_calibration(tmp_path, calibration)
    found, why = read_calibration(tmp_path, OTHER)
    assert found is None
    assert "other weights" in why
    assert f"segsem models calibrate --model {tmp_path}" in why


def test_without_one_nothing_is_said(tmp_path):
    assert read_calibration(tmp_path, OWN) == (None, None)
    assert calibration_digest(tmp_path) == ""


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format_version": 99}', "\x00"])
def test_a_damaged_one_is_ignored_with_a_line(tmp_path, text):
    (tmp_path / CALIBRATION_FILE).write_text(text, encoding="utf-8")
    found, why = read_calibration(tmp_path, OWN)
    assert found is None
    assert "is not used" in why
    assert "\n" not in why


def test_its_digest_follows_its_content(tmp_path, calibration):
    path = write_calibration(tmp_path, calibration)
    before = calibration_digest(tmp_path)
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "threshold": 0.95}), encoding="utf-8")
    assert calibration_digest(tmp_path) != before


def test_the_bundled_model_has_one_of_its_own():
    folder = BUNDLED / NANO.name
    found, why = read_calibration(folder, read_description(folder).weights_sha256)
    assert why is None
    assert found is not None
    assert found.calibrated
    assert set(found.regions) == {Source.SAM2, Source.SAUVOLA}
    assert sauvola_calibration() == found
