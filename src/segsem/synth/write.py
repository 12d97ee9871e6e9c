"""Sets of synthetic images on disk: images, exact truth, design, manifest."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdstk
import numpy as np
import tifffile
from PIL import Image
from shapely.geometry import Polygon

from segsem.core.coordinates import rc_to_nm, xy_px_to_rc
from segsem.core.exceptions import UsageError
from segsem.core.files import atomic_path, write_json, write_text
from segsem.core.progress import Progress
from segsem.core.types import PointsXY
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import get_preset
from segsem.synth.truth import TruthContour

INTENT_LAYER = (1, 0)
FIELD_OF_VIEW_LAYER = (10, 0)

_GRID_NM = 0.1
_CONTOUR_COLUMNS = ("contour_id", "x_px", "y_px", "region_id", "is_hole", "closed")
_MANIFEST_COLUMNS = (
    "image",
    "pixel_size_nm",
    "tone",
    "family",
    "preset",
    "seed",
    "index",
    "edge_snr",
    "blur_px",
    "truth",
    "design",
)


@dataclass(frozen=True, slots=True)
class SynthSet:
    """What is to be written.

    Attributes
    ----------
    preset : str
        Name of a preset.
    count : int
        Number of images.
    seed : int
        Of the set; image i is the same whatever the count.
    layout_nm : list of (K, 2) arrays or None
        Polygons to take windows from instead of the preset's families.
    """

    preset: str
    count: int
    seed: int
    layout_nm: list[PointsXY] | None = None

    def __post_init__(self) -> None:
        get_preset(self.preset)
        if self.count < 1 or self.seed < 0:
            msg = (
                "Expected a count of 1 or more and a seed of 0 or more, "
                f"but got count {self.count} and seed {self.seed}"
            )
            raise UsageError(msg)


def write_set(folder: Path | str, wanted: SynthSet) -> Generator[Progress, None, Path]:
    """Generate a set and write it.

    For each image NAME (preset, number, family): ``images/NAME.png``;
    ``truth/NAME/contours.csv`` with the exact curves (contour_id, x_px, y_px, region_id, is_hole,
    closed), ``labels.tif`` and ``settings.json``;
    ``design/NAME.oas`` with the intent on 1/0 and the field of view on 10/0, in nm. The manifest
    comes last, so that it never names an image that is not there.

    Parameters
    ----------
    folder : path
        Made where it does not exist; files of the same name are replaced.
    wanted : SynthSet

    Yields
    ------
    Progress
        After each image.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ExportError
        If the folder cannot be written to.
    InputError
        If the layout has nothing to show.
    """
    root = Path(folder)
    rows: list[dict[str, Any]] = []
    yield Progress(0, wanted.count, "Synthetic images")
    for index in range(wanted.count):
        made = generate_image(wanted.seed, wanted.preset, index, layout_nm=wanted.layout_nm)
        name = f"{wanted.preset}_{index:04d}_{made.family}"
        _write_image(root, name, made)
        rows.append(_manifest_row(name, made))
        yield Progress(index + 1, wanted.count, name)
    manifest = root / "manifest.csv"
    columns = (*_MANIFEST_COLUMNS, "site") if get_preset(wanted.preset).sites else _MANIFEST_COLUMNS
    write_text(manifest, _table(columns, [[row[name] for name in columns] for row in rows]))
    return manifest


def contours_csv(contours: tuple[TruthContour, ...]) -> str:
    """Truth contours as a CSV table, one row per vertex, to 0.0001 px."""
    rows = []
    for contour in contours:
        tail = [contour.region_id, int(contour.is_hole), int(contour.closed)]
        for row, col in contour.vertices_rc:
            rows.append([contour.contour_id, f"{col:.4f}", f"{row:.4f}", *tail])
    return _table(_CONTOUR_COLUMNS, rows)


def _write_image(root: Path, name: str, made: SynthImage) -> None:
    truth = root / "truth" / name
    with atomic_path(root / "images" / f"{name}.png") as path:
        Image.fromarray(made.image).save(path, optimize=True)
    write_text(truth / "contours.csv", contours_csv(made.contours))
    with atomic_path(truth / "labels.tif") as path:
        tifffile.imwrite(path, made.labels, compression="zlib", predictor=True)
    write_json(truth / "settings.json", {**_finite(made.settings), "family": made.family})
    with atomic_path(root / "design" / f"{name}.oas") as path:
        _design(name, made).write_oas(str(path))


def _design(name: str, made: SynthImage) -> gdstk.Library:
    height, width = made.image.shape
    library = gdstk.Library(name, unit=1e-9, precision=_GRID_NM * 1e-9)
    cell = library.new_cell(name)
    for polygon in made.intent:
        for points_nm in _without_holes(polygon, made, height):
            cell.add(gdstk.Polygon(points_nm, *INTENT_LAYER))
    px_y, px_x = made.pixel_size_nm
    cell.add(gdstk.rectangle((0, 0), (width * px_x, height * px_y), *FIELD_OF_VIEW_LAYER))
    return library


def _without_holes(polygon: Polygon, made: SynthImage, height: int) -> list[PointsXY]:
    """Outline in nm; layout formats know no holes, so these are joined to it by a slit."""
    rings = [
        rc_to_nm(xy_px_to_rc(np.asarray(ring.coords)[:-1]), height, made.pixel_size_nm)
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    if len(rings) == 1:
        return rings
    outer = gdstk.Polygon(rings[0])
    holes = [gdstk.Polygon(ring) for ring in rings[1:]]
    return [part.points for part in gdstk.boolean(outer, holes, "not", precision=_GRID_NM / 10)]


def _manifest_row(name: str, made: SynthImage) -> dict[str, Any]:
    return {
        "image": f"images/{name}.png",
        "pixel_size_nm": f"{made.pixel_size_nm[0]:.6g}",
        "tone": made.tone,
        "family": made.family,
        "preset": made.settings["preset"],
        "seed": made.settings["seed"],
        "index": made.settings["index"],
        "edge_snr": f"{made.edge_snr:.2f}" if math.isfinite(made.edge_snr) else "",
        "blur_px": f"{made.settings['beam']['sigma_px']:.3f}",
        "truth": f"truth/{name}",
        "design": f"design/{name}.oas",
        "site": made.site,
    }


def _table(columns: tuple[str, ...], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _finite(value: Any) -> Any:
    """JSON has no infinity: no noise at all is written as null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
