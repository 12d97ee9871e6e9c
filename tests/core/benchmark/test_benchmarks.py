"""The benchmarks run and say what they measured; how long things take is no test's business."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from segsem.benchmark.encode import OFFICIAL, OFFICIAL_BF16, OURS, OURS_FP32, benchmark_encode
from segsem.benchmark.outline import disc
from segsem.benchmark.prompt import benchmark_prompt
from segsem.benchmark.reopen import AGAIN, FIRST, benchmark_reopen
from segsem.benchmark.subject import Options, _click, make_subject
from segsem.cli.app import build_app
from segsem.contours.trace import trace
from segsem.core.exceptions import InputError, ModelError
from segsem.core.progress import run_to_completion

NANO = Options(model="nano", repeats=2)


@pytest.fixture(autouse=True)
def _needs_peer() -> None:
    peer = pytest.importorskip("segsem.benchmark.peer")
    try:
        peer._import_predictor()
    except ModelError as error:
        pytest.skip(str(error))


def test_encode() -> None:
    report = run_to_completion(benchmark_encode(NANO))

    values = report.as_json()
    assert set(values["times"]) == {OURS, OFFICIAL}
    assert values["times"][OURS]["n"] == 2
    assert values["ratios"][f"{OFFICIAL} / {OURS}"]["of_medians"] > 0
    assert values["machine"]["threads"] >= 1
    assert values["settings"]["precision"] == "fp32"
    assert values["checks"][OURS]["largest_logit_difference"] < 1e-3
    json.dumps(values, allow_nan=False)


def test_both_precisions_are_measured_where_ours_is_bf16() -> None:
    options = Options(model="nano", repeats=1, precision="bf16")

    report = run_to_completion(benchmark_encode(options))

    assert set(report.times) == {OURS, OURS_FP32, OFFICIAL, OFFICIAL_BF16}
    assert f"{OFFICIAL_BF16} / {OURS}" in report.ratios
    differences = {name: check["largest_logit_difference"] for name, check in report.checks.items()}
    assert differences[OURS_FP32] < 1e-3 < differences[OURS]


def test_prompt() -> None:
    report = run_to_completion(benchmark_prompt(NANO))

    assert {OURS, OFFICIAL} < set(report.times)
    assert report.checks["outline_vertices"] > 4
    assert report.notes == ()


def test_reopen() -> None:
    report = run_to_completion(benchmark_reopen(NANO))

    assert set(report.times) == {FIRST, AGAIN}


def test_the_command_writes_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "out" / "encode.json"
    arguments = ["benchmark", "encode", "--model", "nano", "--repeats", "1", "--json", str(path)]

    shown = CliRunner().invoke(build_app(), arguments)

    assert shown.exit_code == 0, shown.output
    values = json.loads(path.read_text())
    assert values["benchmark"] == "encode"
    assert f"{values['times'][OURS]['median_ms']:.1f}" in shown.output
    assert f"{values['ratios'][f'{OFFICIAL} / {OURS}']['of_medians']:.2f}" in shown.output


def test_two_kinds_at_once_are_refused() -> None:
    arguments = ["benchmark", "prompt", "--beside-training", "--reopen"]

    answer = CliRunner().invoke(build_app(), arguments)

    assert "run it twice" in str(answer.exception)


def test_the_middle_square_of_an_image_is_taken(tmp_path: Path) -> None:
    grey = np.zeros((40, 100), dtype=np.uint8)
    grey[:, 30:70] = np.arange(40)[:, None] * 6
    Image.fromarray(grey).save(tmp_path / "wide.png")

    subject = make_subject(Options(model="nano", image=tmp_path / "wide.png"))

    assert subject.image.shape == (40, 40)
    assert (np.diff(subject.image.astype(int), axis=1) == 0).all()
    assert subject.point_rc == (19.5, 19.5)


def test_the_click_is_inside_the_object_nearest_to_the_middle() -> None:
    labels = np.zeros((101, 101), dtype=np.int32)
    labels[60:80, 40:60] = 1
    labels[:30] = 2

    assert _click(labels) == (63.0, 50.0)


def test_the_synthetic_image_has_the_size_of_the_frame() -> None:
    subject = make_subject(NANO)

    assert subject.image.shape == (256, 256)
    assert subject.image_name.startswith("synthetic")


def test_random_weights_are_always_the_same() -> None:
    first, second = (make_subject(Options(model="tiny")).model for _ in range(2))

    weights = first.state_dict()
    assert all((weights[key] == value).all() for key, value in second.state_dict().items())


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Unknown model"):
        make_subject(Options(model="huge"))
    with pytest.raises(InputError):
        make_subject(Options(model="nano", image=tmp_path / "none.png"))


def test_the_stand_in_is_a_disc() -> None:
    (line,) = trace(disc(64))

    radius = np.hypot(*(line.vertices_rc - 31.5).T)
    assert radius == pytest.approx(8.0, abs=0.05)
