"""The GUI's own benchmark: its images, its script, what it makes of figures, one short run."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_segsem._benchmark_images import HOLES, holes, pad_corners, places_in
from napari_segsem._benchmark_parts import ACTIONS, N_ACTIONS, compared, script
from napari_segsem._benchmark_report import as_text, report, spread
from napari_segsem._heartbeat import PAD_PX, PITCH_PX, pads


def test_places_are_well_inside_whole_pads() -> None:
    places = places_in(pads((300, 400), 1))
    # Of 5 x 7 pads, those at the upper and left border are cut there, and one column at the right.
    assert len(places) == 4 * 5
    for place in places:
        row, col = place.at_rc
        assert 10 < row % PITCH_PX < PAD_PX - 10
        assert 10 < col % PITCH_PX < PAD_PX - 10
        assert place.box_rc[0] < row < place.box_rc[2]


def test_holes_are_dark_and_numbered() -> None:
    grey, truth = holes()
    assert set(np.unique(truth)) == set(range(HOLES + 1))
    assert grey[truth > 0].mean() < 70 < 100 < grey[truth == 0].mean()
    assert len(places_in(grey)) == HOLES


def test_filled_pads_are_distinct() -> None:
    corners = pad_corners(2000)
    assert len(set(corners)) == 2000
    assert all(row % PITCH_PX == col % PITCH_PX == 0 for row, col in corners)


def test_the_script_has_every_action_and_asks_before_it_accepts() -> None:
    steps = script(50)
    names = [name for name, _ in steps]
    assert len(steps) == N_ACTIONS == 200
    assert set(names) == set(ACTIONS)
    for before, name in itertools.pairwise(names):
        assert name != "accept" or before in ("click", "box")
    assert steps == script(50)


def test_a_hole_found_twice_or_badly_is_an_extra() -> None:
    truth = np.zeros((40, 60), np.int32)
    truth[5:15, 5:15], truth[5:15, 30:40] = 1, 2
    found = np.zeros_like(truth)
    found[5:15, 5:15] = 7
    assert compared(found, truth) == (1, 0)
    found[5:15, 30:34] = 8
    found[25:30, 5:10] = 9
    assert compared(found, truth) == (1, 2)
    assert compared(np.zeros_like(truth), truth) == (0, 0)


def test_a_spread_is_median_and_95th_percentile() -> None:
    assert spread(range(101)) == {"median": 50.0, "p95": 95.0, "n": 101}


def gap(ms: float, cpu_ms: float) -> dict[str, Any]:
    return {"ms": ms, "cpu_ms": cpu_ms, "where": None, "collecting_ms": 0.0}


def runs(click_ms: float, repeat_s: float, ours: list[Any], right: int = 100) -> dict[str, Any]:
    ways = {"at once": [150.0], "box": [150.0], "gaps": {}}
    done = {"s": repeat_s, "found_s": 1.0, "right": right, "extra": 0}
    return {
        "outline": {
            "ours": [{"rested": [click_ms], **ways}],
            "control": [{"rested": [50.0], **ways}],
        },
        "script": {
            "ours": [{"s": 90.0, "actions": 200, "gaps": {"click": ours}}],
            "control": [{"s": 91.0, "actions": 200, "gaps": {"click": [gap(90, 40)]}}],
        },
        "repeat": {
            "ours": [{"holes": 100, "repeat": [done], "one by one": [0.3], "gaps": {}}],
        },
    }


def test_bars_are_met_or_missed_by_the_figures() -> None:
    found = report(runs(80.0, 5.0, [gap(95, 40)]), "segsem-nano", None)
    assert [bar["met"] for bar in found["bars"]] == [True] * 5
    assert found["outline_ms"]["rested"]["ratio_of_medians"] == 1.6
    assert "MISSED" not in as_text(found)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        (runs(120.0, 5.0, []), ["click to outline, median"]),
        (runs(80.0, 11.0, []), ["repeat, per object"]),
        (runs(80.0, 5.0, [], right=99), ["repeat, holes found"]),
        (runs(80.0, 5.0, [gap(140, 30)]), ["stands still"]),
        (runs(80.0, 5.0, [gap(140, 130)]), ["stands still", "our thread computes"]),
    ],
)
def test_a_missed_bar_is_said(measured: dict[str, Any], missed: list[str]) -> None:
    found = report(measured, "segsem-nano", None)
    names = [bar["name"] for bar in found["bars"] if not bar["met"]]
    assert len(names) == len(missed)
    assert all(wanted in name for wanted, name in zip(missed, names, strict=True))
    assert as_text(found).count("MISSED") == len(missed)


def test_the_tool_runs(display: None, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "napari_segsem._benchmark", "--json", str(out)]
    command += ["--parts", "outline", "--rounds", "1", "--repeats", "1"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["outline_ms"]["rested"]["ours"]["n"] == 1
    assert "release to outline on screen" in done.stdout


def test_an_image_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tif"
    wrong.write_bytes(b"no image")
    command = [sys.executable, "-m", "napari_segsem._benchmark", "--image", str(wrong)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=500)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
