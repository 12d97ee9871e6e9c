"""Real images through the command line, against what was measured on them independently.

The references are in the data's own README: pitch and CD of the gratings by 50 % of local
extremes, the count of pillars, the authors' Otsu masks of the silicon shapes.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage as ndi

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]

GRATINGS = ("S1_200kX", "S2_200kX")
PILLARS = "Square_100nm_100kX"
DATA_BAR_ROW = 880
WIDTH_PX = 1024
SILICON = ("0.03_1", "0.03_2", "0.05_1", "0.07_1", "0.08_1", "0.10_1", "0.12_1", "0.13_1")


def run_extract(inputs: list[Path], out: Path, *options: str) -> Path:
    command = [sys.executable, "-m", "segsem", "extract", *map(str, inputs), "-o", str(out)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def read_lines(folder: Path) -> dict[int, dict[int, np.ndarray]]:
    """Points of contours.csv as region id -> contour id -> (K, 4) of x_px, y_px, x_nm, y_nm."""
    regions: dict[int, dict[int, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "contours.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            point = tuple(float(row[name]) for name in ("x_px", "y_px", "x_nm", "y_nm"))
            regions[int(row["region_id"])][int(row["contour_id"])].append(point)
    return {
        region: {contour: np.array(points) for contour, points in lines.items()}
        for region, lines in regions.items()
    }


def edge_height_nm(points: np.ndarray) -> np.ndarray:
    """Height of a nearly horizontal edge at 1000 columns."""
    order = np.argsort(points[:, 2])
    at = np.linspace(20.0, points[:, 2].max() - 20.0, 1000)
    return np.interp(at, points[order, 2], points[order, 3])


@pytest.fixture(scope="module")
def resist(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_data / "real_sem" / "uuhy_resist"
    files = [folder / f"{name}.TIF" for name in (*GRATINGS, PILLARS)]
    return run_extract(files, tmp_path_factory.mktemp("resist"))


@pytest.fixture(scope="module")
def silicon(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shared_data / "real_sem" / "prefab_soi_ebl" / "SEM"
    return run_extract(
        [folder], tmp_path_factory.mktemp("silicon"), "--pixel-size", "1.655", "--formats", "csv"
    )


def grating_figures(folder: Path) -> tuple[float, float]:
    """Median CD of the whole bright lines, and pitch, in nm."""
    widths, centres = [], []
    for lines in read_lines(folder).values():
        if len(lines) != 2:  # the line that the data bar cuts has one edge
            continue
        upper, lower = (edge_height_nm(points) for points in lines.values())
        widths.append(np.median(np.abs(upper - lower)))
        centres.append(np.median((upper + lower) / 2))
    assert len(widths) == 6
    return float(np.median(widths)), float(np.mean(np.diff(np.sort(centres))))


def test_gratings(resist: Path):
    cd_nm, pitch_nm = zip(*(grating_figures(resist / name) for name in GRATINGS), strict=True)
    assert pitch_nm == pytest.approx((199.0, 199.0), abs=2.0)
    assert cd_nm == pytest.approx((104.0, 116.0), abs=4.0)
    assert cd_nm[1] - cd_nm[0] == pytest.approx(12.0, abs=1.5)


@pytest.mark.parametrize("name", [*GRATINGS, PILLARS])
def test_nothing_in_the_data_bar_and_nothing_closed_along_the_border(resist: Path, name: str):
    for lines in read_lines(resist / name).values():
        for points in lines.values():
            x, y = points[:, 0], points[:, 1]
            assert y.max() < DATA_BAR_ROW
            on_border = (x < 0.5) | (x > WIDTH_PX - 1.5) | (y < 0.5) | (y > DATA_BAR_ROW - 1.5)
            assert np.count_nonzero(on_border) <= 6  # the ends of open lines, not stretches


def test_pillars(resist: Path):
    with (resist / PILLARS / "contours.csv").open(newline="", encoding="utf-8") as file:
        closed = {int(row["region_id"]): row["closed"] == "1" for row in csv.DictReader(file)}
    assert sum(closed.values()) == 195
    assert sum(not whole for whole in closed.values()) == 13


@pytest.mark.parametrize("name", SILICON)
def test_silicon_shapes(silicon: Path, shared_data: Path, name: str):
    stem = f"random_lpass_{name}"
    folder = shared_data / "real_sem" / "prefab_soi_ebl" / "otsu_reference"
    reference = np.asarray(Image.open(folder / f"{stem}.png")) > 0
    found = tifffile.imread(silicon / stem / "labels.tif") > 0
    iou = np.count_nonzero(found & reference) / np.count_nonzero(found | reference)
    assert iou >= 0.97
    inside = ndi.distance_transform_edt(reference) - 0.5
    outside = ndi.distance_transform_edt(~reference) - 0.5
    distance = np.where(reference, -inside, outside)
    points = np.concatenate(
        [line for lines in read_lines(silicon / stem).values() for line in lines.values()]
    )
    x, y = points[:, 0], points[:, 1]
    height, width = reference.shape
    inner = (x > 4) & (y > 4) & (x < width - 5) & (y < height - 5)
    error = ndi.map_coordinates(distance, [y[inner], x[inner]], order=1)
    error = np.abs(error - np.median(error))
    assert np.percentile(error, 95) <= 2.0
    assert np.mean(error > 2.0) <= 0.03
