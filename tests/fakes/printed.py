"""A design printed and found without error: contours whose place is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segsem.core.contour import Contour, Region, Source
from segsem.core.coordinates import unit
from segsem.core.extraction import Extraction
from segsem.layout.design import Design
from segsem.layout.raster import design_labels
from segsem.layout.registration import Place, Registration, Verdict

NAN = float("nan")


def rectangle(x: float, y: float, width: float, height: float) -> npt.NDArray[np.float64]:
    """Corners in nm."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=float)


def placed(
    shape: tuple[int, int],
    pixel_size_nm: tuple[float, float],
    position_nm: tuple[float, float],
    rotation_deg: float = 0.0,
    scale: float = 1.0,
) -> Registration:
    """The true registration of an image that is made."""
    centre = (shape[1] * pixel_size_nm[1] / 2, shape[0] * pixel_size_nm[0] / 2)
    return Registration(
        shape, pixel_size_nm, Place(centre, position_nm, rotation_deg, scale), Verdict.GOOD,
        1.0, NAN, None, None, 0.0, 0.0, 0.0, 0, 1.0, scale != 1.0, NAN,
    )  # fmt: skip


def printed(
    design: Design,
    truth: Registration,
    *,
    grown_nm: float = 0.0,
    image_id: str = "image",
    sigma_px: float = 0.1,
    provenance: dict[str, Any] | None = None,
) -> Extraction:
    """The extraction of an image that shows a design, each edge `grown_nm` farther out."""
    grown = Design.from_area(shapely.buffer(design.area, grown_nm, join_style="mitre"))
    labels = design_labels(grown, truth)
    regions, number = [], 0
    for index, part in enumerate(grown.polygons, start=1):
        contours = []
        for ring in Design.from_area(part).rings():
            for vertices, normals, closed in _visible(truth.design_nm_to_rc(ring), truth.shape):
                number += 1
                contours.append(_contour(number, vertices, normals, closed, sigma_px))
        if contours:
            regions.append(_region(index, labels == index, contours))
    return Extraction(
        image_id, truth.shape, (0, truth.shape[0]), truth.pixel_size_nm, "user", tuple(regions),
        np.ones(truth.shape, dtype=np.float32),
        provenance or {"params": {"edge": {"edge_method": "half", "edge_side": "outer"}}},
    )  # fmt: skip


def _visible(ring_rc: npt.NDArray[np.float64], shape: tuple[int, int]) -> list[Any]:
    """Points a pixel apart along a ring, cut where it leaves the image."""
    points, normals = [], []
    for start, end in zip(ring_rc, np.roll(ring_rc, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        share = np.arange(0, max(1, round(length))) / max(1, round(length))
        points.append(start + share[:, None] * (end - start))
        along = unit(end - start)
        normals.append(np.tile([along[1], -along[0]], (len(share), 1)))
    vertices, normal = np.concatenate(points), np.concatenate(normals)
    inside = np.all((vertices >= -0.5) & (vertices <= np.array(shape) - 0.5), axis=1)
    if inside.all():
        return [(vertices, normal, True)]
    first = int(np.argmin(inside))
    order = np.roll(np.arange(len(inside)), -first)
    runs = np.split(order, np.flatnonzero(np.diff(inside[order].astype(int)) != 0) + 1)
    return [(vertices[r], normal[r], False) for r in runs if inside[r[0]] and len(r) > 2]


def _contour(
    number: int,
    vertices: npt.NDArray[np.float64],
    normals: npt.NDArray[np.float64],
    closed: bool,
    sigma_px: float,
) -> Contour:
    n = len(vertices)
    return Contour(
        contour_id=number,
        vertices_rc=vertices,
        raw_vertices_rc=vertices,
        normals_rc=normals,
        closed=closed,
        is_hole=False,
        sigma_px=np.full(n, sigma_px),
        slope=np.ones(n),
        contrast=np.full(n, 100.0),
        confidence=np.ones(n),
        source_code=np.zeros(n, dtype=np.uint8),
        flags=np.zeros(n, dtype=np.uint8),
    )


def _region(number: int, mask: npt.NDArray[np.bool_], contours: list[Contour]) -> Region:
    rows, cols = np.nonzero(mask)
    row0, col0 = (int(rows.min()), int(cols.min())) if len(rows) else (0, 0)
    row1, col1 = (int(rows.max()) + 1, int(cols.max()) + 1) if len(rows) else (1, 1)
    return Region(
        region_id=number,
        offset_rc=(row0, col0),
        mask=mask[row0:row1, col0:col1].copy(),
        contours=tuple(contours),
        source=Source.SAM2,
        confidence=1.0,
    )
