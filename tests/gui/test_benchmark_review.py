"""The review's benchmark: its lots, what it makes of figures, one short run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_segsem._benchmark_review_lot import write_lot
from napari_segsem._benchmark_review_report import as_text, report
from segsem.export.reviewed import find_lot, open_review


def test_half_of_a_lot_comes_image_by_image(tmp_path: Path) -> None:
    results = write_lot(tmp_path, 3, 8, in_runs=True)
    items = open_review(find_lot([results])).queue.items
    assert len(items) == 24
    first = [item.key.image_id for item in items[:12]]
    assert first == ["site_00"] * 4 + ["site_01"] * 4 + ["site_02"] * 4


def runs(decision: list[float], gap_ms: float) -> dict[str, Any]:
    quick = {"ms": 30.0, "cpu_ms": 30.0, "where": None, "collecting_ms": 0.0}
    ours = {**quick, "ms": gap_ms, "cpu_ms": gap_ms}
    said = {"decisions": 200, "other image": [[90.0, 60.0]] * 10}
    return {
        "decide": {
            "ours": [{**said, "same image": [decision] * 10, "gaps": {"same image": [ours]}}],
            "control": [{**said, "same image": [[50.0, 40.0]], "gaps": {"same image": [quick]}}],
        }
    }


def test_bars_are_met_or_missed_by_the_figures() -> None:
    found = report(runs([100.0, 80.0], 90.0))
    assert [bar["met"] for bar in found["bars"]] == [True] * 4
    assert found["steps"]["same image"]["ratio_of_wall_ms"] == 2.0
    assert "MISSED" not in as_text(found)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        (runs([250.0, 80.0], 90.0), ["time of a decision, wall"]),
        (runs([250.0, 210.0], 90.0), ["a decision, wall", "a decision, processor"]),
        (runs([100.0, 80.0], 140.0), ["stands still", "our thread computes"]),
    ],
)
def test_a_missed_bar_is_said(measured: dict[str, Any], missed: list[str]) -> None:
    found = report(measured)
    names = [bar["name"] for bar in found["bars"] if not bar["met"]]
    assert len(names) == len(missed)
    assert all(wanted in name for wanted, name in zip(missed, names, strict=True))
    assert as_text(found).count("MISSED") == len(missed)


def test_the_tool_runs(display: None, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    command = [sys.executable, "-m", "napari_segsem._benchmark_review", "--json", str(out)]
    command += ["--parts", "decide", "--rounds", "1", "--share", "0.1"]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    # Two images of twenty regions; the last decision has nothing to show after it.
    assert found["decisions"] == 40
    steps = [step["wall_ms"]["ours"]["n"] for step in found["steps"].values()]
    assert sum(steps) == 39
    assert "next region in another image" in done.stdout
