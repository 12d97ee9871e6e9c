"""Real images through the command line, against what was measured on them independently.

The references are in the data's own README: pitch and CD of the gratings by 50 % of local
extremes, the count of pillars, the authors' Otsu masks of the silicon shapes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

SCORE = Path(__file__).resolve().parents[2] / "tools" / "score_real.py"
GRATINGS = ("S1_200kX", "S2_200kX")
PILLARS = "Square_100nm_100kX"
SILICON = ("0.03_1", "0.03_2", "0.05_1", "0.07_1", "0.08_1", "0.10_1", "0.12_1", "0.13_1")


@pytest.fixture(scope="module")
def figures(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("real") / "figures.json"
    command = [sys.executable, str(SCORE), str(shared_data), "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text(encoding="utf-8"))


def test_gratings(figures: dict[str, Any]) -> None:
    first, second = (figures[name] for name in GRATINGS)
    assert (first["whole_lines"], second["whole_lines"]) == (6, 6)
    assert first["pitch_nm"] == pytest.approx(199.0, abs=2.0)
    assert second["pitch_nm"] == pytest.approx(199.0, abs=2.0)
    assert first["cd_nm"] == pytest.approx(104.0, abs=4.0)
    assert second["cd_nm"] == pytest.approx(116.0, abs=4.0)
    assert second["cd_nm"] - first["cd_nm"] == pytest.approx(12.0, abs=1.5)


@pytest.mark.parametrize("name", [*GRATINGS, PILLARS])
def test_nothing_in_the_data_bar_and_nothing_closed_along_the_border(
    figures: dict[str, Any], name: str
) -> None:
    assert figures[name]["points_in_data_bar"] == 0
    # An open line touches the border with its two ends, not with a stretch.
    assert figures[name]["most_points_on_border"] <= 6


def test_pillars(figures: dict[str, Any]) -> None:
    assert (figures[PILLARS]["whole"], figures[PILLARS]["cut"]) == (195, 13)


@pytest.mark.parametrize("name", SILICON)
def test_silicon_shapes(figures: dict[str, Any], name: str) -> None:
    measured = figures[f"random_lpass_{name}"]
    assert measured["iou"] >= 0.97
    assert measured["p95_px"] <= 2.0
    assert measured["beyond_2px"] <= 0.03
