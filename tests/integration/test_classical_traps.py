"""The classical ways to ruin contour metrology, each against truth in closed form.

Every trap is tested twice: our own chain does not fall into it, and the instruments see one that
does. Other tests of single parts: coordinates in `tests/core/core/test_coordinates.py`, layouts
in `tests/core/export`, the evaluator in `tests/core/evaluation`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import gdstk
import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import pytest

from segsem.contours.trace import trace
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.export.batch_layout import write_layouts
from segsem.export.layout import LayoutFormat, LayoutOptions
from segsem.export.outputs import write_outputs
from segsem.imaging.image import SEMImage
from segsem.metrics.epe import compare_contours
from segsem.metrics.normal_epe import NormalEPE, epe_along_normals
from segsem.metrics.polyline import Polyline
from segsem.pipeline import extract
from segsem.synth.curves import Curve
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, render_yield, signed_distance
from segsem.synth.truth import truth_of

SHAPE = (180, 220)
PLAIN = EdgeResponse(material=1.6, background=0.8, rim=0.0, shadow=0.0)
"""A step without rim or shadow: 50 % of its extremes is the edge itself."""

Points = npt.NDArray[np.float64]


def ellipse(row: float, col: float, radius_row: float, radius_col: float, n: int = 400) -> Points:
    """Counter-clockwise with y up."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([row - radius_row * np.sin(angle), col + radius_col * np.cos(angle)], axis=-1)


def box(row0: float, col0: float, row1: float, col1: float) -> Points:
    return np.array([[row1, col0], [row1, col1], [row0, col1], [row0, col0]])


# Two discs, an upright bar and a lying one that crosses the left border: not one symmetry.
SCENE = [
    ellipse(50.0, 60.0, 22.0, 22.0),
    ellipse(60.0, 170.0, 14.0, 14.0),
    box(95.25, 150.0, 165.25, 182.0),
    box(120.0, -60.0, 150.0, 90.4),
]


def photograph(curves: list[Points], shape: tuple[int, int] = SHAPE) -> SEMImage:
    yield_ = render_yield([Curve(c, False) for c in curves], shape, PLAIN, Beam(1.2))
    noise = np.random.default_rng(5).normal(0, 3, shape)
    grey = np.clip(np.rint(100 * yield_ + noise), 0, 255).astype(np.uint8)
    return SEMImage(data=grey, name="trap", pixel_size_nm=(1.0, 1.0), pixel_size_source="user")


def found_in(image: SEMImage, tone: Tone = Tone.BRIGHT) -> Extraction:
    return extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY, tone=tone))


def truth_lines(curves: list[Points], shape: tuple[int, int] = SHAPE) -> list[Polyline]:
    scene = [Curve(c, False) for c in curves]
    contours, _ = truth_of(scene, signed_distance(scene, shape))
    return [Polyline(c.vertices_rc, c.closed) for c in contours]


def lines_of(extraction: Extraction) -> list[Polyline]:
    return [Polyline.from_contour(c) for r in extraction.regions for c in r.contours]


def displacement_rc(errors: NormalEPE) -> Points:
    """The one shift of everything that explains the errors best, besides a bias."""
    found = errors.found
    unknowns = np.column_stack([errors.normals_rc[found], np.ones(found.sum())])
    return np.asarray(np.linalg.lstsq(unknowns, errors.epe_px[found], rcond=None)[0][:2])


@pytest.fixture(scope="module")
def extraction() -> Extraction:
    return found_in(photograph(SCENE))


@pytest.fixture(scope="module")
def truth() -> list[Polyline]:
    return truth_lines(SCENE)


def moved(lines: list[Polyline], by_rc: tuple[float, float]) -> list[Polyline]:
    return [Polyline(line.vertices_rc + np.array(by_rc), line.closed) for line in lines]


def errors_of(lines: list[Polyline], truth: list[Polyline]) -> NormalEPE:
    return epe_along_normals(lines, truth, SHAPE)


@pytest.mark.parametrize("by_rc", [(0.5, 0.5), (-0.5, 0.0), (0.0, 0.5)])
def test_half_pixel_shift(extraction, truth, by_rc) -> None:  # type: ignore[no-untyped-def]
    ours = errors_of(lines_of(extraction), truth)
    assert ours.completeness > 0.99
    assert np.abs(displacement_rc(ours)).max() < 0.03
    theirs = errors_of(moved(lines_of(extraction), by_rc), truth)
    assert displacement_rc(theirs) == pytest.approx(by_rc, abs=0.05)


def test_padding_by_one_that_was_not_undone(truth) -> None:  # type: ignore[no-untyped-def]
    # What touches the border is where padding would come in: nothing there has moved.
    curves = [*SCENE, box(-40.0, 100.0, 40.0, 130.0)]
    image = photograph(curves)
    lines = lines_of(found_in(image))
    expected = truth_lines(curves)
    assert np.abs(displacement_rc(errors_of(lines, expected))).max() < 0.03
    padded = np.pad(image.data, 1, mode="edge")
    forgotten = lines_of(found_in(replace(image, data=padded)))
    assert displacement_rc(errors_of(forgotten, expected)) == pytest.approx((1, 1), abs=0.1)


def read_nm(path: Path) -> list[Points]:
    """Polygons of layer 1 in nm by an implementation that shares nothing with the writer."""
    layout = kdb.Layout()
    layout.read(str(path))
    found = []
    for index in layout.layer_indexes():
        if layout.get_info(index).layer in (1, 3):
            for cell in layout.each_cell():
                for shape in cell.shapes(index).each():
                    points = (
                        shape.path.each_point()
                        if shape.is_path()
                        else shape.polygon.each_point_hull()
                    )
                    xy = [(p.x * layout.dbu * 1000, p.y * layout.dbu * 1000) for p in points]
                    found.append(np.array(xy))
    return found


@pytest.mark.parametrize("suffix", ["oas", "gds"])
def test_y_flip(tmp_path: Path, extraction: Extraction, suffix: str) -> None:
    write_outputs(extraction, tmp_path, formats=["csv", suffix])
    polygons = read_nm(tmp_path / f"contours.{suffix}")
    centres = [(p.min(axis=0) + p.max(axis=0)) / 2 for p in polygons]
    # By hand: 180 rows of 1 nm, y up, pixel centres at integers.
    for row, col in ((50.0, 60.0), (60.0, 170.0)):
        expected = np.array([col + 0.5, 179.5 - row])
        assert min(np.abs(c - expected).max() for c in centres) < 0.15
        flipped = np.array([col + 0.5, row + 0.5])
        assert min(np.abs(c - flipped).max() for c in centres) > 5


def test_y_flip_is_seen_by_the_instrument(extraction, truth) -> None:  # type: ignore[no-untyped-def]
    flipped = [
        Polyline((line.vertices_rc * [-1, 1] + [SHAPE[0] - 1, 0])[::-1].copy(), line.closed)
        for line in lines_of(extraction)
    ]
    assert errors_of(flipped, truth).completeness < 0.3


def test_non_square_pixels(tmp_path: Path) -> None:
    """A circle of 45 nm radius under pixels of 1.5 nm by 2.5 nm is an ellipse in the image."""
    curve = ellipse(90.0, 110.0, 45 / 1.5, 45 / 2.5)
    image = replace(photograph([curve]), pixel_size_nm=(1.5, 2.5))
    write_outputs(found_in(image), tmp_path, formats=["csv", "oas"])
    (polygon,) = read_nm(tmp_path / "contours.oas")
    centre = np.array([110.5 * 2.5, (179.5 - 90.0) * 1.5])
    radius = np.linalg.norm(polygon - centre, axis=1)
    assert radius == pytest.approx(45.0, abs=0.6)
    assert radius.mean() == pytest.approx(45.0, abs=0.15)
    # Taking one size for both would make an ellipse of it.
    wrong = np.linalg.norm((polygon - centre) * [1.5 / 2.5, 1.0], axis=1)
    assert np.ptp(wrong) > 15


def test_closed_along_the_border(extraction, truth) -> None:  # type: ignore[no-untyped-def]
    ours = compare_contours(lines_of(extraction), truth, SHAPE)
    assert ours.border_length_px == 0
    assert sum(not line.closed for line in lines_of(extraction)) == 1
    closed = [Polyline(line.vertices_rc, True) for line in lines_of(extraction)]
    # The bar of 30 px enters by the border; a px at either end of it is near the true edge.
    theirs = compare_contours(closed, truth, SHAPE)
    assert theirs.border_length_px == pytest.approx(30 - 2, abs=1)


def test_tone_inverted(extraction, truth) -> None:  # type: ignore[no-untyped-def]
    inverted = found_in(photograph(SCENE), Tone.DARK)
    right, wrong = errors_of(lines_of(extraction), truth), errors_of(lines_of(inverted), truth)
    assert right.completeness > 0.99
    assert wrong.completeness < 0.05
    lengths = compare_contours(lines_of(inverted), truth, SHAPE)
    assert lengths.reversed_length_px > 0.9 * lengths.truth_length_px
    # The edges themselves lie in the same place: it is the side that is wrong.
    backwards = [
        Polyline(line.vertices_rc[::-1].copy(), line.closed) for line in lines_of(inverted)
    ]
    assert abs(np.nanmean(errors_of(backwards, truth).epe_px)) < 0.1


def test_bias_of_find_contours() -> None:
    """cv2 follows the centres of the outermost pixels: half a pixel inside the edge."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    theirs, ours = [], []
    for row, col, radius in np.random.default_rng(6).uniform((89, 109, 30), (91, 111, 40), (12, 3)):
        mask = np.hypot(rows - row, cols - col) < radius
        truth = [Polyline(ellipse(row, col, radius, radius), True)]
        (points,), _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        way = points[:, 0, ::-1].astype(float)
        both = [Polyline(way, True), Polyline(way[::-1].copy(), True)]
        errors = max((errors_of([line], truth) for line in both), key=lambda e: e.completeness)
        theirs.append(np.nanmean(errors.epe_px))
        traced = trace(mask.astype(np.float32) - np.float32(0.5))
        lines = [Polyline(line.vertices_rc, line.closed) for line in traced]
        ours.append(np.nanmean(errors_of(lines, truth).epe_px))
    # Half a pixel, less what a slanted edge gains (0.44 px is the mean over equal areas).
    assert np.mean(theirs) == pytest.approx(-0.47, abs=0.05)
    assert abs(np.mean(ours)) < 0.03


@pytest.mark.parametrize("suffix", ["oas", "gds"])
def test_grid_of_one_nm(tmp_path: Path, extraction: Extraction, suffix: str) -> None:
    """The default grid moves no vertex by more than half its diagonal; 1 nm would, by far."""
    exact = np.concatenate(
        [
            np.stack([c.vertices_rc[:, 1] + 0.5, 179.5 - c.vertices_rc[:, 0]], axis=-1)
            for r in extraction.regions
            for c in r.contours
        ]
    )
    worst = {}
    for dbu_nm in (LayoutOptions().dbu_nm, 1.0):
        out = tmp_path / f"{dbu_nm}"
        options = LayoutOptions(dbu_nm=dbu_nm)
        write_layouts([extraction], out, formats=[LayoutFormat(suffix)], options=options)
        points = np.concatenate(read_nm(out / f"contours.{suffix}"))
        nearest = [np.linalg.norm(points - vertex, axis=1).min() for vertex in exact]
        worst[dbu_nm] = max(nearest)
    assert LayoutOptions().dbu_nm == 0.1
    assert worst[0.1] <= 0.1 / np.sqrt(2) + 1e-6
    assert 0.4 < worst[1.0] <= 1 / np.sqrt(2) + 1e-6


@pytest.mark.parametrize("suffix", ["oas", "gds"])
def test_fractured_polygons(tmp_path: Path, suffix: str) -> None:
    """A contour of many vertices stays one polygon; gdstk alone would cut it in pieces."""
    # 440 px round, one vertex each: more than the 199 that gdstk's writer keeps together.
    found = found_in(photograph([ellipse(90.0, 110.0, 70.0, 70.0)]))
    (contour,) = [c for r in found.regions for c in r.contours]
    assert len(contour) > 400
    write_outputs(found, tmp_path, formats=["csv", suffix])
    (polygon,) = read_nm(tmp_path / f"contours.{suffix}")
    assert len(polygon) > 0.95 * len(contour)
    library = gdstk.Library()
    library.new_cell("X").add(gdstk.Polygon(contour.vertices_rc))
    library.write_gds(str(tmp_path / "cut.gds"))
    pieces = gdstk.read_gds(str(tmp_path / "cut.gds"))["X"].polygons
    assert len(pieces) > 1
