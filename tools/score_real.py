"""Run `segsem extract` on real images and measure its outputs against independent references.

    python tools/score_real.py DATA [--json FILE] [-- OPTIONS OF EXTRACT]

DATA is the folder with `real_sem/uuhy_resist` (two gratings, one pillar array) and
`real_sem/prefab_soi_ebl` (silicon shapes with the authors' Otsu masks).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage as ndi

GRATINGS = ("S1_200kX", "S2_200kX")
PILLARS = "Square_100nm_100kX"
WIDTH_PX, DATA_BAR_ROW = 1024, 880
FLAKE_PX = 150
"""Pieces of the reference of at least this area that were not found are listed."""

Lines = dict[int, dict[int, np.ndarray]]


def run_extract(inputs: list[Path], out: Path, *options: str) -> None:
    """Run the command line as a user would."""
    command = [sys.executable, "-m", "segsem", "extract", *map(str, inputs), "-o", str(out)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def read_lines(folder: Path) -> Lines:
    """Read contours.csv: region id -> contour id -> (K, 4) of x_px, y_px, x_nm, y_nm."""
    regions: dict[int, dict[int, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "contours.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            point = tuple(float(row[name]) for name in ("x_px", "y_px", "x_nm", "y_nm"))
            regions[int(row["region_id"])][int(row["contour_id"])].append(point)
    return {
        region: {contour: np.array(points) for contour, points in lines.items()}
        for region, lines in regions.items()
    }


def sources(folder: Path) -> dict[str, int]:
    """Count the regions of each source."""
    with (folder / "regions.json").open(encoding="utf-8") as file:
        return dict(Counter(region["source"] for region in json.load(file)["regions"]))


def edge_height_nm(points: np.ndarray) -> np.ndarray:
    """Height of a nearly horizontal edge at 1000 columns."""
    order = np.argsort(points[:, 2])
    at = np.linspace(20.0, points[:, 2].max() - 20.0, 1000)
    return np.interp(at, points[order, 2], points[order, 3])


def grating(folder: Path) -> dict[str, Any]:
    """Median CD of the whole bright lines, and pitch, in nm."""
    widths, centres = [], []
    for lines in read_lines(folder).values():
        if len(lines) != 2:  # the line that the data bar cuts has one edge
            continue
        upper, lower = (edge_height_nm(points) for points in lines.values())
        widths.append(np.median(np.abs(upper - lower)))
        centres.append(np.median((upper + lower) / 2))
    return {
        "whole_lines": len(widths),
        "cd_nm": round(float(np.median(widths)), 2),
        "pitch_nm": round(float(np.mean(np.diff(np.sort(centres)))), 2),
    }


def borders(folder: Path) -> dict[str, int]:
    """Points in the data bar, and most points of one contour on the image's border."""
    in_bar, most = 0, 0
    for lines in read_lines(folder).values():
        for points in lines.values():
            x, y = points[:, 0], points[:, 1]
            in_bar += int(np.count_nonzero(y >= DATA_BAR_ROW))
            on_border = (x < 0.5) | (x > WIDTH_PX - 1.5) | (y < 0.5) | (y > DATA_BAR_ROW - 1.5)
            most = max(most, int(np.count_nonzero(on_border)))
    return {"points_in_data_bar": in_bar, "most_points_on_border": most}


def pillars(folder: Path) -> dict[str, int]:
    """Whole and cut pillars."""
    with (folder / "contours.csv").open(newline="", encoding="utf-8") as file:
        closed = {int(row["region_id"]): row["closed"] == "1" for row in csv.DictReader(file)}
    return {"whole": sum(closed.values()), "cut": sum(not whole for whole in closed.values())}


def silicon(folder: Path, reference_png: Path) -> dict[str, Any]:
    """Compare with an Otsu mask: overlap, and distance of the contours from its edge."""
    reference = np.asarray(Image.open(reference_png)) > 0
    found = tifffile.imread(folder / "labels.tif") > 0
    iou = np.count_nonzero(found & reference) / np.count_nonzero(found | reference)
    inside = ndi.distance_transform_edt(reference) - 0.5
    outside = ndi.distance_transform_edt(~reference) - 0.5
    distance = np.where(reference, -inside, outside)
    points = np.concatenate([line for r in read_lines(folder).values() for line in r.values()])
    x, y = points[:, 0], points[:, 1]
    height, width = reference.shape
    inner = (x > 4) & (y > 4) & (x < width - 5) & (y < height - 5)
    error = ndi.map_coordinates(distance, [y[inner], x[inner]], order=1)
    error = np.abs(error - np.median(error))
    return {
        "iou": round(float(iou), 4),
        "p95_px": round(float(np.percentile(error, 95)), 2),
        "beyond_2px": round(float(np.mean(error > 2.0)), 4),
        "sources": sources(folder),
        "flakes_rc_area_px": flakes(reference & ~found),
    }


def flakes(lost: np.ndarray) -> list[list[int]]:
    """Pieces that only the reference has: row, column, area; thin seams along edges left out."""
    labels, _ = ndi.label(ndi.binary_opening(lost, iterations=2))
    found = []
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        area = int(np.count_nonzero(labels[box] == number))
        if area >= FLAKE_PX:
            found.append([(s.start + s.stop) // 2 for s in box] + [area])
    return found


def measure(data: Path, out: Path, options: list[str]) -> dict[str, Any]:
    """Extract everything and measure it."""
    resist = data / "real_sem" / "uuhy_resist"
    run_extract([resist / f"{name}.TIF" for name in (*GRATINGS, PILLARS)], out / "resist", *options)
    shapes = data / "real_sem" / "prefab_soi_ebl"
    size = ("--pixel-size", "1.655", "--formats", "csv")
    run_extract([shapes / "SEM"], out / "silicon", *size, *options)
    figures: dict[str, Any] = {}
    for name in (*GRATINGS, PILLARS):
        folder = out / "resist" / name
        figures[name] = {"sources": sources(folder), **borders(folder)}
        figures[name] |= pillars(folder) if name == PILLARS else grating(folder)
    for png in sorted((shapes / "SEM").glob("*.png")):
        folder = out / "silicon" / png.stem
        figures[png.stem] = silicon(folder, shapes / "otsu_reference" / png.name)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("options", nargs="*", help="options of `segsem extract`, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args.data, Path(folder), args.options)
    for name, values in figures.items():
        sys.stdout.write(f"{name}: {json.dumps(values)}\n")
    if args.json is not None:
        args.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
