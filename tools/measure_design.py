"""Silicon shapes against their design: `segsem extract --design` and `segsem measure --design`.

    python tools/measure_design.py DATA --out FOLDER [--only NAME ...] [-- OPTIONS OF EXTRACT]

DATA holds `real_sem/prefab_soi_ebl`. Its designs are pictures: their outlines become GDSII files,
stretched to the size of the SEM field, and the scale that is left is fitted. FOLDER then holds for
each image the results, the tables, a map and a histogram of the EPE, and `iou.csv`: how far
extraction, design and the authors' own Otsu masks cover the same. Nothing is tuned by it.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gdstk
import numpy as np
import shapely
from PIL import Image
from scipy import ndimage as ndi
from skimage.measure import find_contours

from segsem.core.coordinates import rc_to_nm
from segsem.export.results import read_results
from segsem.layout.design_job import DesignJob
from segsem.layout.raster import design_labels
from segsem.layout.registration_json import read_registrations

SILICON_NM = 1.655
PAD_PX = 16
COLUMNS = ("image", "extraction_design", "extraction_otsu", "otsu_design", "missing", "extra",
           "extra_parts", "bridged", "broken")  # fmt: skip


def write_design(png: Path, field_nm: tuple[float, float], path: Path) -> None:
    """Write the outline of a design's picture as GDSII, stretched to the size of the SEM field."""
    grey = np.asarray(Image.open(png).convert("L"), dtype=np.float64)
    smooth = ndi.gaussian_filter(np.pad(grey > 127, PAD_PX).astype(np.float64), 2.0)
    height, width = grey.shape
    nm = (field_nm[1] / height, field_nm[0] / width)
    area = shapely.Polygon()
    for line in find_contours(smooth, 0.5):
        if len(line) > 8:
            ring = rc_to_nm(line[:-1] - PAD_PX, height, nm)
            area = area.symmetric_difference(shapely.Polygon(ring).buffer(0))
    cell = gdstk.Cell("DESIGN")
    for part in shapely.get_parts(shapely.simplify(area, 0.2)):
        outer = gdstk.Polygon(shapely.get_coordinates(part.exterior)[:-1] / 1000, layer=1)
        holes = [gdstk.Polygon(shapely.get_coordinates(r)[:-1] / 1000) for r in part.interiors]
        cell.add(*gdstk.boolean(outer, holes, "not", precision=1e-6, layer=1))
    library = gdstk.Library(unit=1e-6, precision=1e-11)
    library.add(cell)
    library.write_gds(str(path), max_points=8000)


def run(*words: str | Path) -> str:
    """Run the command line as a user would."""
    done = subprocess.run(
        [sys.executable, "-m", "segsem", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stderr + done.stdout


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union."""
    return round(float(np.sum(first & second) / np.sum(first | second)), 4)


def silicon(data: Path, name: str, out: Path, options: list[str]) -> dict[str, Any]:
    """Extract and measure one image; its row of the IoU table."""
    sem = data / "SEM" / f"{name}.png"
    layout = out / f"{name}.gds"
    with Image.open(sem) as image:
        width, height = image.size
    write_design(data / "GDS" / f"{name}.png", (width * SILICON_NM, height * SILICON_NM), layout)
    design = ("--design", layout, "--fit-scale")
    results = out / name
    said = run("extract", sem, "--pixel-size", str(SILICON_NM), *design, "--formats", "csv",
               "-o", results, *options)  # fmt: skip
    said += run("measure", results, *design, "-o", results / "measure")
    sys.stdout.write(said)
    extraction = read_results(results / name)
    placed = read_registrations(results / "measure" / "registration.json").registrations()[name]
    drawn = design_labels(DesignJob.read(layout).design, placed) > 0
    found = extraction.labels() > 0
    otsu = np.asarray(Image.open(data / "otsu_reference" / f"{name}.png").convert("L")) > 127
    listed = json.loads((results / name / "regions.json").read_text(encoding="utf-8"))
    faults = listed["provenance"]["design"].get("faults", [])
    kinds = {kind: sum(fault["fault"] == kind for fault in faults) for kind in COLUMNS[4:]}
    kinds["extra_parts"] = sum(fault["is_part"] for fault in faults)
    return {
        "image": name,
        "extraction_design": iou(found, drawn),
        "extraction_otsu": iou(found, otsu),
        "otsu_design": iou(otsu, drawn),
        **kinds,
    }


def main() -> None:
    """Measure all images, or those named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("options", nargs="*", help="options of `segsem extract`, after --")
    args = parser.parse_args()
    data = args.data / "real_sem" / "prefab_soi_ebl"
    args.out.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in (data / "SEM").glob("*.png"))
    rows = [silicon(data, n, args.out, args.options) for n in args.only or names]
    with (args.out / "iou.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        sys.stdout.write(f"{json.dumps(row)}\n")


if __name__ == "__main__":
    main()
