"""`segsem models calibrate` and `check-confidence`, with a model that needs no weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segsem.cli import calibrate as command
from segsem.core.contour import Source
from segsem.core.exceptions import UsageError
from segsem.evaluation import confidence_set
from segsem.models.calibration_file import CALIBRATION_FILE
from segsem.segmentation.calibration_examples import Examples, ExampleSet
from segsem.segmentation.confidence import Calibration, LogisticModel
from segsem.segmentation.outlier import Look


class Model:
    name, weights_sha256, frame_px = "model", "c" * 64, 128
    calibration = None
    calibration_note = None


@pytest.fixture
def model(monkeypatch, tmp_path):
    loaded = Model()
    monkeypatch.setattr(command, "_load", lambda name: loaded)
    monkeypatch.setattr(command, "step_back", lambda: None)
    monkeypatch.setattr("segsem.models.store.find_model", lambda name: tmp_path)
    return loaded


def examples():
    own = Examples()
    for index in range(200):
        share = index % 10 / 10 + 0.05
        names = {name for kinds in (command_names().values()) for name in kinds}
        # As the real collection does: verdicts of numpy's own kind of bool.
        right = np.bool_(index % 10 > index // 20 % 5)
        own.add(dict.fromkeys(names, share), right, f"image {index % 20}")
    both = {Source.SAM2: own, Source.SAUVOLA: own}
    return ExampleSet(both, both, [Look(5.0, 1.0, 0.0, (1 / 16,) * 16)] * 2)


def command_names():
    from segsem.segmentation.calibrate import PARTS, REGIONS

    return {f"{kind}{s}": n for kind, all_ in enumerate((PARTS, REGIONS)) for s, n in all_.items()}


@pytest.fixture
def collected(monkeypatch):
    def collect(*_):
        return examples()
        yield

    monkeypatch.setattr("segsem.segmentation.calibration_examples.collect_examples", collect)
    monkeypatch.setattr("segsem.segmentation.calibrate.collect_examples", collect)


def test_calibrating_writes_the_file_beside_the_weights(model, collected, tmp_path, capsys):
    command.calibrate("model", 5, 77)
    data = json.loads((tmp_path / CALIBRATION_FILE).read_text(encoding="utf-8"))
    assert data["origin"]["weights_sha256"] == model.weights_sha256
    assert data["origin"]["seed"] == 77
    assert data["origin"]["preset"] == "calibration"
    assert data["origin"]["regions"]["sam2"] == {"count": 200, "wrong": 60}
    assert "wrote" in capsys.readouterr().out


def test_the_test_split_is_not_calibrated_on(model):
    with pytest.raises(UsageError, match="tested on"):
        command.calibrate("model", 5, confidence_set.TEST_SEED)


def test_the_calibration_split_is_not_tested_on(model):
    models = {Source.SAM2: LogisticModel(0.0, {}), Source.SAUVOLA: LogisticModel(0.0, {})}
    model.calibration = Calibration(models, origin={"seed": 77})
    with pytest.raises(UsageError, match="fitted on"):
        command.check_confidence("model", 5, 77)


def test_a_model_without_calibration_cannot_be_checked(model):
    with pytest.raises(UsageError, match=r"no calibration\.json"):
        command.check_confidence("model", 5, 1)
    model.calibration_note = "it belongs to other weights"
    with pytest.raises(UsageError, match="belongs to other weights"):
        command.check_confidence("model", 5, 1)


def test_checking_writes_tables(model, collected, tmp_path, capsys):
    command.calibrate("model", 5, 77)
    from segsem.models.calibration_file import read_calibration

    model.calibration, _ = read_calibration(tmp_path, model.weights_sha256)
    command.check_confidence("model", 5, 78, tmp_path / "out")
    assert "Reliability" in capsys.readouterr().out
    assert (tmp_path / "out" / "confidence.md").is_file()
    assert (tmp_path / "out" / "regions.csv").read_text("utf-8").count("\n") == 401
