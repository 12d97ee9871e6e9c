from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import shapely

from segsem.layout.design import Design
from segsem.layout.design_lines import design_lines
from segsem.layout.raster import design_coverage, design_labels

SHAPE = (90, 110)


@pytest.fixture(scope="module")
def design(fakes: ModuleType) -> Design:
    """A ring, a star of many vertices with a hole, a bar that leaves the field; nm."""
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    radius = 40 + 9 * np.sin(7 * angle)
    star = np.column_stack([140 + radius * np.cos(angle), 90 + radius * np.sin(angle)])
    hole = shapely.Point(135, 95).buffer(17.3)
    frame = shapely.box(20, 20, 80, 70).difference(shapely.box(35, 31, 61, 57))
    bar = shapely.box(150, 140, 400, 161)
    parts = [shapely.Polygon(star).difference(hole), frame, bar]
    return Design.from_area(shapely.union_all(parts))


@pytest.mark.parametrize("rotation", [0.0, 2.3])
def test_pixels_are_those_whose_centre_lies_inside(
    fakes: ModuleType, design: Design, rotation: float
) -> None:
    truth = fakes.placed(SHAPE, (2.0, 1.9), (101.3, 88.7), rotation)
    labels = design_labels(design, truth)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centres = truth.rc_to_design_nm(np.column_stack([rows.ravel(), cols.ravel()]).astype(float))
    for number, part in enumerate(design.polygons, start=1):
        inside = shapely.contains_xy(part, *centres.T).reshape(SHAPE)
        assert np.array_equal(labels == number, inside)
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_what_lies_around_the_image_is_drawn_where_asked_for(
    fakes: ModuleType, design: Design
) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (101.3, 88.7), 1.0)
    wide = design_labels(design, truth, around_px=25)
    assert wide.shape == (SHAPE[0] + 50, SHAPE[1] + 50)
    assert np.array_equal(wide[25:-25, 25:-25], design_labels(design, truth))
    assert (wide[:, -20:] > 0).any()


def test_coverage_counts_centres(design: Design) -> None:
    covered = design_coverage(design, (10.0, 10.0), (80, 100), 2.5)
    assert covered.sum() * 2.5**2 == pytest.approx(
        shapely.area(shapely.intersection(design.area, shapely.box(10, 10, 260, 210))), rel=0.02
    )


def test_lines_are_the_outline_within_the_field(fakes: ModuleType, design: Design) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (101.3, 88.7), 1.0)
    lines = design_lines(design, truth)
    # Two rings, each with its hole, and the bar, open where the field ends.
    assert len(lines) == 5
    assert sum(np.array_equal(line[0], line[-1]) for line in lines) == 4
    for line in lines:
        assert line.min() >= -0.5 - 1e-9
        assert (line <= np.array(SHAPE) - 0.5 + 1e-9).all()
        away = shapely.distance(design.area.boundary, shapely.points(truth.rc_to_design_nm(line)))
        assert away.max() < 1e-6
    elsewhere = fakes.placed(SHAPE, (2.0, 2.0), (5000.0, 5000.0))
    assert design_lines(design, elsewhere) == []
