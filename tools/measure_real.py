"""Pitch and CD of real gratings under each edge definition, and EPE of real silicon shapes.

    python tools/measure_real.py DATA [--only resist|silicon] [--work FOLDER] [--json FILE]
        [-- OPTIONS OF EXTRACT]

DATA is the folder with `real_sem/uuhy_resist` (gratings S1, S2) and `real_sem/prefab_soi_ebl`
(silicon shapes with their design as images). Nothing is tuned by these figures. All regions are
measured, those that wait for a person as well, as if a person had accepted them; their number is
told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from PIL import Image
from scipy import ndimage as ndi
from skimage.measure import find_contours

from segsem.core.contour import ReviewStatus
from segsem.core.coordinates import rc_to_nm
from segsem.export.results import read_results
from segsem.layout.design import Design, sample_edges
from segsem.layout.register import CORNER_PX, RegisterOptions, register
from segsem.metrology.design_epe import epe_of_design
from segsem.metrology.design_topology import check_topology
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.roughness import measure_roughness

GRATINGS = ("S1_200kX", "S2_200kX")
METHODS = ("half", "slope", "inverse")
SILICON_NM = 1.655
REACH_NM = 50.0
PAD_PX = 16
BINS_NM = (-50, -40, -30, -20, -10, 0, 10, 20, 30, 40, 50)


def run_extract(inputs: list[Path], out: Path, *options: str) -> None:
    """Run the command line as a user would."""
    command = [sys.executable, "-m", "segsem", "extract", *map(str, inputs), "-o", str(out)]
    done = subprocess.run(
        [*command, "--formats", "csv", *options], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def accepted(folder: Path) -> tuple[MeasuredImage, int]:
    """Read the result with every region accepted, and tell how many waited for a person."""
    extraction = read_results(folder)
    regions = tuple(replace(r, status=ReviewStatus.ACCEPTED) for r in extraction.regions)
    waiting = sum(region.needs_human for region in extraction.regions)
    return MeasuredImage.of(replace(extraction, regions=regions)), waiting


def grating(folder: Path) -> dict[str, Any]:
    """CD and pitch of the whole lines, with standard errors over lines; roughness."""
    image, waiting = accepted(folder)
    lines: dict[int, list[float]] = {}
    # One height for each edge of each line: of all points that the image placed.
    for number, contour in enumerate(image.contours):
        placed = np.isfinite(contour.sigma_px)
        points = rc_to_nm(contour.vertices_rc, image.extraction.shape[0], image.pixel_size_nm)
        lines.setdefault(int(image.region_of[number]), []).append(_height(points[placed]))
    whole = sorted(sorted(edges) for edges in lines.values() if len(edges) == 2)
    widths = np.array([upper - lower for lower, upper in whole])
    centres = np.array([(upper + lower) / 2 for lower, upper in whole])
    rough = {r.kind: r for r in measure_roughness(image)}
    pitches = np.diff(centres)
    lost = [float(np.mean(~np.isfinite(c.sigma_px))) for c in image.contours]
    return {
        "lines": len(widths),
        "needs_human": waiting,
        "no_edge_share": [round(float(np.mean(lost)), 4), round(max(lost), 4)],
        "cd_nm": [_mean(widths), _error(widths)],
        "pitch_nm": [_mean(pitches), _error(pitches)],
        "three_sigma_unbiased_nm": {
            kind: [round(3 * r.unbiased_nm, 2), round(3 * r.unbiased_error_nm, 2)]
            for kind, r in rough.items()
        },
        "xi_nm": {kind: round(r.xi_nm, 1) for kind, r in rough.items()},
        "warnings": sorted({text for r in rough.values() for text in r.warnings}),
    }


def _height(points_nm: np.ndarray) -> float:
    """Mean height, the same for every column: points are denser where an edge is rough."""
    order = np.argsort(points_nm[:, 0])
    x, y = points_nm[order].T
    at = np.arange(30.0, 1490.0, 1.0)
    return float(np.interp(at, x, y).mean())


def _mean(values: np.ndarray) -> float:
    return round(float(values.mean()), 2)


def _error(values: np.ndarray) -> float:
    return round(float(values.std(ddof=1) / np.sqrt(len(values))), 2)


def design_of(png: Path, field_nm: tuple[float, float]) -> Design:
    """Outline of the design's image, stretched to the size of the SEM field.

    The pictures name no scale; the design's height and width are taken for those of the field's
    grid, and registration fits what is left.
    """
    grey = np.asarray(Image.open(png).convert("L"), dtype=np.float64)
    smooth = ndi.gaussian_filter(np.pad(grey > 127, PAD_PX).astype(np.float64), 2.0)
    height, width = grey.shape
    nm = (field_nm[1] / height, field_nm[0] / width)
    area = shapely.Polygon()
    for line in find_contours(smooth, 0.5):
        if len(line) > 8:
            ring = rc_to_nm(line[:-1] - PAD_PX, height, nm)
            area = area.symmetric_difference(shapely.Polygon(ring).buffer(0))
    return Design.from_area(area)


def silicon(folder: Path, design_png: Path) -> dict[str, Any]:
    """Signed EPE against the registered design, and what differs in kind."""
    image, waiting = accepted(folder)
    height, width = image.extraction.shape
    design = design_of(design_png, (width * SILICON_NM, height * SILICON_NM))
    placed = register(
        design,
        image.labels() > 0,
        image.pixel_size_nm,
        contours=image.contours,
        options=RegisterOptions(fit_scale=True),
    )
    edges = sample_edges(design, SILICON_NM, CORNER_PX * SILICON_NM)
    epe = epe_of_design(image, placed, edges, REACH_NM)
    values = epe.straight()
    faults = check_topology(image, placed, design, 64)
    kinds = {name: sum(f.fault.value == name for f in faults) for name in
             ("missing", "extra", "bridged", "broken")}  # fmt: skip
    return {
        "needs_human": waiting,
        "verdict": placed.verdict.value,
        "score": round(placed.score, 3),
        "second_score": round(placed.second_score, 3),
        "rotation_deg": round(placed.place.rotation_deg, 3),
        "scale": round(placed.place.scale, 4),
        "absorbed_cd_nm": round(placed.absorbed_cd_nm, 2),
        "residual_rms_nm": round(placed.residual_rms_nm, 2),
        "epe_mean_nm": round(float(values.mean()), 2),
        "epe_median_nm": round(float(np.median(values)), 2),
        "epe_three_sigma_nm": round(3 * float(values.std(ddof=1)), 2),
        "epe_p5_p95_nm": np.percentile(values, [5, 95]).round(1).tolist(),
        "points": len(values),
        "missing_share": round(epe.missing_share(), 4),
        "histogram_percent": (
            100 * np.histogram(values, BINS_NM)[0] / len(values)
        ).round(1).tolist(),
        "topology": kinds,
        "extra_nm2": [round(f.area_nm2) for f in faults if f.fault.value == "extra"],
    }  # fmt: skip


def measure_resist(data: Path, work: Path, options: list[str]) -> dict[str, Any]:
    """Extract the gratings under each edge definition and measure them."""
    figures: dict[str, Any] = {}
    resist = data / "real_sem" / "uuhy_resist"
    for method in METHODS:
        out = work / f"resist_{method}"
        inputs = [resist / f"{name}.TIF" for name in GRATINGS]
        run_extract(inputs, out, "--edge-method", method, *options)
        for name in GRATINGS:
            figures[f"{name} {method}"] = grating(out / name)
        s1, s2 = (figures[f"{name} {method}"]["cd_nm"] for name in GRATINGS)
        difference = round(s2[0] - s1[0], 2)
        figures[f"S2 - S1 {method}"] = [difference, round(float(np.hypot(s1[1], s2[1])), 2)]
    return figures


def measure_silicon(data: Path, work: Path, options: list[str]) -> dict[str, Any]:
    """Extract the silicon shapes and compare them with their design."""
    figures: dict[str, Any] = {}
    shapes = data / "real_sem" / "prefab_soi_ebl"
    out = work / "silicon"
    run_extract([shapes / "SEM"], out, "--pixel-size", str(SILICON_NM), *options)
    for png in sorted((shapes / "SEM").glob("*.png")):
        figures[png.stem] = silicon(out / png.stem, shapes / "GDS" / png.name)
    return figures


PARTS = {"resist": measure_resist, "silicon": measure_silicon}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, help="folder for results; kept, taken up again")
    parser.add_argument("--only", choices=tuple(PARTS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("options", nargs="*", help="options of `segsem extract`, after --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, Any] = {}
        for name, measure in PARTS.items():
            if args.only in (None, name):
                found = measure(args.data, args.work or Path(folder), args.options)
                figures.update(found)
                for title, values in found.items():
                    sys.stdout.write(f"{title}: {json.dumps(values)}\n")
                sys.stdout.flush()
    if args.json is not None:
        args.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
