"""`contours.oas` and `contours.gds`: one cell for each image, read back before they stand.

OASIS has no limit on vertices and keeps every contour whole. GDSII is for programs that read
nothing else: polygons above 8,190 vertices are refused there rather than cut, since every cut is
a false edge.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import gdstk
import numpy as np

from segsem.core.exceptions import ExportError, UsageError
from segsem.core.files import atomic_path
from segsem.export.cells import CellGeometry, PointsDbu, Shape
from segsem.export.layer_map import LayerMap
from segsem.layout.registration import Place

GDS_MOST_VERTICES = 8190

_NM_IN_M = 1e-9
_FIXED_TIME = datetime(2000, 1, 1)
_READ_BACK_TOLERANCE_DBU = 1


class LayoutFormat(StrEnum):
    """File formats for layouts; the value is the suffix."""

    OASIS = "oas"
    GDSII = "gds"


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How layouts are written.

    Attributes
    ----------
    dbu_nm : float
        Database unit in nm; vertices are rounded to it.
    allow_needs_human : bool
        Export regions that wait for a decision; they stand on the layer `needs_human` as well.
    only_accepted : bool
        Export only what a person accepted or corrected.
    allow_long_gds : bool
        Write polygons above 8,190 vertices into GDSII, which not every program reads.
    layer_map : LayerMap
        Layers and datatypes.
    places : mapping of image id to Place
        Where images lie in a design: their cells are in its coordinates.
    vertices_per_file : int
        Beyond it a batch goes on in a further file, so that memory stays bounded.
    """

    dbu_nm: float = 0.1
    allow_needs_human: bool = False
    only_accepted: bool = False
    allow_long_gds: bool = False
    layer_map: LayerMap = field(default_factory=LayerMap)
    places: Mapping[str, Place] = field(default_factory=dict)
    vertices_per_file: int = 10_000_000

    def __post_init__(self) -> None:
        if not 1e-4 <= self.dbu_nm <= 1e3:
            msg = f"Expected a database unit between 0.0001 and 1000 nm, but got {self.dbu_nm}"
            raise UsageError(msg)


def write_layout_file(
    path: Path | str,
    cells: Iterable[CellGeometry],
    layout_format: LayoutFormat,
    options: LayoutOptions,
) -> list[Path]:
    """Write cells into one layout file, or several where there are very many vertices.

    Each file is read back and compared, vertex by vertex, before any of them gets its name. The
    same cells give the same bytes.

    Parameters
    ----------
    path : path
        The file; further ones are named `contours.part2.oas` and so on.
    cells : iterable of CellGeometry
        Taken one at a time.
    layout_format : LayoutFormat
        OASIS or GDSII.
    options : LayoutOptions
        How to write.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ExportError
        If a polygon is too long for GDSII, two cells have one name, a file cannot be written or
        does not read back as it was written. No file is left then.
    """
    path = Path(path)
    written: list[Path] = []
    seen: set[str] = set()
    with ExitStack() as renames:
        for part in _parts(cells, options.vertices_per_file):
            for cell in part:
                if cell.name in seen:
                    msg = f"Expected one result for each image, but {cell.image_id} occurs twice"
                    raise ExportError(msg)
                seen.add(cell.name)
                check_length(cell, layout_format, options)
            target = _part_path(path, len(written) + 1)
            temporary = renames.enter_context(atomic_path(target))
            _write(temporary, part, layout_format, options.dbu_nm)
            _check_read_back(temporary, target, part, layout_format, options.dbu_nm)
            written.append(target)
    return written


def _parts(cells: Iterable[CellGeometry], most_vertices: int) -> Iterator[list[CellGeometry]]:
    part: list[CellGeometry] = []
    n_vertices = 0
    n_parts = 0
    for cell in cells:
        if part and n_vertices + cell.n_vertices > most_vertices:
            yield part
            n_parts += 1
            part, n_vertices = [], 0
        part.append(cell)
        n_vertices += cell.n_vertices
    if part or n_parts == 0:
        yield part


def remove_layout(path: Path, keep: Sequence[Path] = ()) -> None:
    """Remove a layout and its further parts, but not those to keep.

    What an earlier run left must not be taken for the present result.
    """
    for stale in {path, *path.parent.glob(f"{path.stem}.part*{path.suffix}")} - set(keep):
        with suppress(OSError):
            stale.unlink(missing_ok=True)


def _part_path(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_suffix(f".part{number}{path.suffix}")


def check_length(cell: CellGeometry, layout_format: LayoutFormat, options: LayoutOptions) -> None:
    """Refuse polygons and paths that are too long for the format.

    Raises
    ------
    ExportError
        If one is, and the options do not allow it.
    """
    if layout_format is LayoutFormat.OASIS or options.allow_long_gds:
        return
    longest = max((len(shape.points) for shape in cell.shapes), default=0)
    if longest > GDS_MOST_VERTICES:
        msg = (
            f"Expected contours of at most {GDS_MOST_VERTICES} vertices for GDSII, but "
            f"{cell.image_id} has one of {longest}: use OASIS, or override with --allow-long-gds"
        )
        raise ExportError(msg)


def _write(
    path: Path, cells: Sequence[CellGeometry], layout_format: LayoutFormat, dbu_nm: float
) -> None:
    library = gdstk.Library("segsem", unit=_NM_IN_M, precision=_NM_IN_M * dbu_nm)
    for cell in cells:
        gds_cell = library.new_cell(cell.name)
        gds_cell.add(*(_gdstk_shape(shape, dbu_nm) for shape in cell.shapes))
    try:
        with warnings.catch_warnings():
            # Polygons beyond the official length are only written on the user's own word.
            warnings.filterwarnings("ignore", message=".*unofficially supported.*")
            if layout_format is LayoutFormat.OASIS:
                # Detecting rectangles and trapezoids would keep the shape, not the vertices.
                library.write_oas(
                    path, detect_rectangles=False, detect_trapezoids=False, validation="crc32"
                )
            else:
                library.write_gds(path, max_points=0, timestamp=_FIXED_TIME)
    except (RuntimeError, ValueError) as error:
        msg = f"Cannot write {path.parent}: {error}"
        raise ExportError(msg) from error


def _gdstk_shape(shape: Shape, dbu_nm: float) -> Any:
    layer, datatype = shape.layer
    points_nm = shape.points * dbu_nm
    if not shape.is_path:
        return gdstk.Polygon(points_nm, layer, datatype)
    # gdstk drops path points nearer to each other than its tolerance.
    return gdstk.FlexPath(
        points_nm,
        0.0,
        tolerance=dbu_nm * 1e-3,
        simple_path=True,
        layer=layer,
        datatype=datatype,
    )


def _check_read_back(
    written: Path,
    target: Path,
    cells: Sequence[CellGeometry],
    layout_format: LayoutFormat,
    dbu_nm: float,
) -> None:
    try:
        read = gdstk.read_oas if layout_format is LayoutFormat.OASIS else gdstk.read_gds
        library = read(written, unit=_NM_IN_M)
        # gdstk reads an OASIS file whose end is cut off; the checksum tells.
        whole = layout_format is LayoutFormat.GDSII or gdstk.oas_validate(written)[0] is True
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"Cannot read {target} back after writing it ({error}): is the disk full?"
        raise ExportError(msg) from error
    problem = _first_difference(library, cells, dbu_nm) if whole else "its end is missing"
    if problem is not None:
        msg = f"{target} does not read back as it was written ({problem}); it was not kept"
        raise ExportError(msg)


def _first_difference(library: Any, cells: Sequence[CellGeometry], dbu_nm: float) -> str | None:
    if not np.isclose(library.precision, dbu_nm * _NM_IN_M, rtol=1e-6):
        return f"database unit {library.precision / _NM_IN_M:g} nm"
    found = {cell.name: cell for cell in library.cells}
    if sorted(found) != sorted(cell.name for cell in cells):
        return f"{len(found)} cells instead of {len(cells)}"
    for cell in cells:
        got = found[cell.name]
        polygons = [((p.layer, p.datatype), p.points) for p in got.polygons]
        paths = [((p.layers[0], p.datatypes[0]), p.spine()) for p in got.paths]
        for is_path, shapes in ((False, polygons), (True, paths)):
            expected = [shape for shape in cell.shapes if shape.is_path == is_path]
            kind = "paths" if is_path else "polygons"
            if len(shapes) != len(expected):
                return f"{len(shapes)} {kind} instead of {len(expected)} in {cell.name}"
            for (layer, points_nm), shape in zip(shapes, expected, strict=True):
                points = np.rint(points_nm / dbu_nm).astype(np.int64)
                if layer != shape.layer or not _same_vertices(points, shape.points):
                    return f"one of the {kind} on {shape.layer} in {cell.name} differs"
    return None


def _same_vertices(points: PointsDbu, expected: PointsDbu) -> bool:
    if points.shape != expected.shape:
        return False
    return bool(np.all(np.abs(points - expected) <= _READ_BACK_TOLERANCE_DBU))
