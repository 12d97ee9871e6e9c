"""A design printed into a grey image, turned and shifted by known amounts, with known faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gdstk
import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage as ndi

from segsem.imaging.image import SEMImage
from segsem.layout.design import Design
from segsem.layout.raster import design_coverage
from segsem.layout.registration import Place, Registration, Verdict

SHAPE = (320, 360)
PIXEL_NM = 2.0
POSITION_NM, ROTATION_DEG = (403.7, 391.15), 0.37
"""Where the middle of the image lies in the design: 0.35 and 0.575 px off its grid."""

SUPER = 8
NAN = float("nan")

LINES = [(60, 90, 36, 560), (150, 90, 36, 300), (150, 450, 36, 260), (640, 120, 44, 300)]
CONTACTS = [
    (250, 130), (345, 190), (470, 120), (555, 230), (265, 290), (380, 330), (520, 350),
    (240, 470), (330, 560), (450, 470), (560, 580), (620, 480), (690, 560), (300, 660), (480, 650),
]  # fmt: skip
SIDE = 50.0
MISSING, BRIDGED = (380, 330), ((450, 470), (560, 580))
FLAKE = (420, 260)
"""Lower left corner of what the design does not have, 44 nm wide and 36 nm high."""


def boxes() -> list[tuple[float, float, float, float]]:
    """Features of the design as (x, y, width, height) in nm."""
    return [*LINES, *((x, y, SIDE, SIDE) for x, y in CONTACTS)]


def ring(x: float, y: float, width: float, height: float) -> npt.NDArray[np.float64]:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=float)


def design() -> Design:
    return Design.from_polygons([ring(*box) for box in boxes()])


def truth() -> Registration:
    """Where the image lies."""
    centre = (SHAPE[1] * PIXEL_NM / 2, SHAPE[0] * PIXEL_NM / 2)
    return Registration(
        SHAPE, (PIXEL_NM, PIXEL_NM), Place(centre, POSITION_NM, ROTATION_DEG), Verdict.GOOD,
        1.0, NAN, None, None, 0.0, 0.0, 0.0, 0, 1.0, False, NAN,
    )  # fmt: skip


def printed_area(*, faults: bool) -> Design:
    """What is on the wafer: as drawn, or one contact missing, two bridged, one thing too many."""
    area = design().area
    if faults:
        x, y = MISSING
        area = shapely.difference(area, shapely.box(x - 5, y - 5, x + SIDE + 5, y + SIDE + 5))
        ends = [(x + SIDE / 2, y + SIDE / 2) for x, y in BRIDGED]
        bridge = shapely.buffer(shapely.LineString(ends), 14, cap_style="flat")
        area = shapely.union_all([area, bridge, shapely.polygons(ring(*FLAKE, 44, 36))])
    return Design.from_area(area)


def image(
    *, faults: bool = True, noise: float = 5.0, seed: int = 3, name: str = "site"
) -> SEMImage:
    """Render the wafer: coverage on an eight times finer grid, blur, noise."""
    place = truth().place
    printed = Design.from_area(shapely.transform(printed_area(faults=faults).area, place.to_image))
    fine = (SHAPE[0] * SUPER, SHAPE[1] * SUPER)
    covered = design_coverage(printed, (0.0, 0.0), fine, PIXEL_NM / SUPER)
    pooled = covered.reshape(SHAPE[0], SUPER, SHAPE[1], SUPER).mean(axis=(1, 3))
    grey = 60 + 110 * ndi.gaussian_filter(pooled, 1.2)
    grey = grey + np.random.default_rng(seed).normal(0, noise, SHAPE)
    data = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return SEMImage(data, name, pixel_size_nm=(PIXEL_NM, PIXEL_NM))


def write_layout(path: Path) -> Path:
    """The design on 5/0 and other things on 6/0 and 7/0, in a cell TOP that holds OTHER, in um."""
    library = gdstk.Library(unit=1e-6, precision=1e-11)
    cell = library.new_cell("TOP")
    for box in boxes():
        cell.add(gdstk.Polygon(ring(*box) / 1000, layer=5))
    cell.add(gdstk.rectangle((0, 0), (0.02, 0.9), layer=6))
    other = library.new_cell("OTHER")
    other.add(gdstk.rectangle((0, 0), (0.05, 0.05), layer=7))
    cell.add(gdstk.Reference(other))
    if path.suffix == ".gds":
        library.write_gds(str(path))
    else:
        library.write_oas(str(path))
    return path


def centre_rc(x: float, y: float, width: float = SIDE, height: float = SIDE) -> tuple[float, float]:
    """Where the middle of a box lies in the image."""
    row, col = truth().design_nm_to_rc(np.array([[x + width / 2, y + height / 2]]))[0].tolist()
    return row, col


def feature(x: float, y: float) -> int:
    """Number of the feature that holds the middle of the contact at (x, y)."""
    point = shapely.points(x + SIDE / 2, y + SIDE / 2)
    return next(n for n, part in enumerate(design().polygons, 1) if shapely.contains(part, point))


def off_px(found: Registration) -> float:
    """Greatest distance by which a corner or the middle of the image is laid wrongly, in px."""
    height, width = SHAPE
    points = np.array([[0, 0], [0, width], [height, 0], [height, width], [height / 2, width / 2]])
    wrong = found.rc_to_design_nm(points) - truth().rc_to_design_nm(points)
    return float(np.linalg.norm(wrong, axis=1).max()) / PIXEL_NM


def without_pixel_size(one: SEMImage) -> SEMImage:
    return replace(one, pixel_size_nm=None)
