from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import box

from segsem.core.exceptions import InputError
from segsem.synth.families.contacts import superellipse
from segsem.synth.families.free_form import draw_field, zero_set
from segsem.synth.families.layout_clip import layout_clip, typical_width
from segsem.synth.families.pattern import EMPTY, Pattern, PatternRequest, count_flaws
from segsem.synth.generate import FAMILIES

REQUEST = PatternRequest((200, 260), feature_px=24.0, space_ratio=0.8, corner_px=4.0)
FRAME = box(0, 0, 260, 200)


@pytest.mark.parametrize("family", FAMILIES)
def test_patterns_are_valid_and_show_feature_and_background(family: str) -> None:
    for seed in range(6):
        pattern = FAMILIES[family](np.random.default_rng(seed), REQUEST)
        for polygon in (*pattern.intent, *pattern.printed):
            assert polygon.is_valid
        covered = shapely.union_all(pattern.printed).intersection(FRAME).area / FRAME.area
        assert 0.01 < covered < 0.95
        reach = shapely.union_all(pattern.intent).bounds
        assert reach[0] < 0 < 260 < reach[2]


@pytest.mark.parametrize("family", ["line_space", "line_end", "contacts", "metal2d"])
def test_features_and_spaces_are_as_wide_as_asked(family: str) -> None:
    for seed in range(5):
        pattern = FAMILIES[family](np.random.default_rng(seed), REQUEST)
        shape = shapely.union_all(pattern.intent).intersection(FRAME.buffer(60))
        inner = FRAME.buffer(20)
        opened = shape.buffer(-11.5, join_style="mitre").buffer(11.6, join_style="mitre")
        assert shape.difference(opened).intersection(inner).area < 1.0
        # 0.5 x 24 px is the smallest space that any family leaves between two features.
        closed = shape.buffer(5.9, join_style="mitre").buffer(-5.9, join_style="mitre")
        assert closed.difference(shape).intersection(inner).area < 1.0


def test_free_form_vertices_lie_on_the_zero_set() -> None:
    field = draw_field(np.random.default_rng(4), 24.0)
    rings = zero_set(field, (200, 260))
    inside = 0
    for ring in rings:
        points = ring[:, ::-1]
        sees = np.all((points > 0) & (points < (200, 260)), axis=1)
        inside += int(sees.sum())
        gradient = np.linalg.norm(field.gradient(points[sees]), axis=1)
        # The distance to the zero set is |f| / |grad f|.
        assert np.all(np.abs(field.value(points[sees])) < 1e-6 * np.maximum(gradient, 1e-3))
    assert inside > 200


def test_free_form_gradient_is_that_of_the_value() -> None:
    field = draw_field(np.random.default_rng(0), 30.0)
    points = np.random.default_rng(1).uniform(0, 100, (50, 2))
    for axis, step in enumerate(1e-5 * np.eye(2)):
        numeric = (field.value(points + step) - field.value(points - step)) / 2e-5
        assert field.gradient(points)[:, axis] == pytest.approx(numeric, abs=1e-6)


def test_free_form_has_no_necks_too_narrow_to_see() -> None:
    for seed in range(4):
        printed = FAMILIES["free_form"](np.random.default_rng(seed), REQUEST).printed
        shape = shapely.union_all(printed).intersection(FRAME)
        parts = shapely.get_num_geometries(shape.buffer(-2.0))
        assert parts <= len(printed)
        assert min(part.buffer(-2.0).area for part in printed) > 0


@pytest.mark.parametrize(
    ("left", "width", "slivers"),
    [
        (50, 40, 0),
        (-30, 32, EMPTY),
        (-30, 400, EMPTY),
        (3, 40, 1),
        (20, 200, 0),
        (20, 240, 1),
        (-30, 60, 0),
    ],
)
def test_slivers_at_the_border_are_counted(left: float, width: float, slivers: int) -> None:
    bar = [box(left, -90, left + width, 290)]
    assert count_flaws(Pattern(bar, bar), (200, 260)) == slivers


def test_superellipse_vertices_lie_on_the_curve() -> None:
    x, y = np.asarray(superellipse(3.0, -2.0, 12.0, 7.0, 2.6).exterior.coords).T
    on_curve = np.abs((x - 3) / 12) ** 2.6 + np.abs((y + 2) / 7) ** 2.6
    assert on_curve == pytest.approx(1.0, abs=1e-12)


def test_layout_window_has_the_scale_and_the_orientation_of_the_layout() -> None:
    """An L whose foot points right at the bottom (y up) is seen with its foot at the bottom."""
    ell = np.array([(0, 0), (300, 0), (300, 60), (60, 60), (60, 500), (0, 500)], dtype=np.float64)
    far = np.add(ell, (0, 9000))
    request = PatternRequest((120, 100), feature_px=10.0, space_ratio=1.0, corner_px=0.0)
    pattern, pixel_nm = layout_clip(np.random.default_rng(0), request, [ell, far])
    assert pixel_nm == pytest.approx(typical_width([shapely.Polygon(ell)]) / 10, rel=1e-4)
    drawn = shapely.union_all(pattern.intent)
    assert drawn.area == pytest.approx(shapely.Polygon(ell).area / pixel_nm**2, rel=1e-3)
    left, top, right, bottom = drawn.bounds
    assert (right - left, bottom - top) == pytest.approx((300 / pixel_nm, 500 / pixel_nm))
    foot = box(left + 0.5 * (right - left), bottom - 5, right, bottom)
    assert drawn.intersection(foot).area == pytest.approx(foot.area, rel=1e-3)


def test_layout_without_spaces_is_refused() -> None:
    block = np.array([(0, 0), (1e6, 0), (1e6, 1e6), (0, 1e6)], dtype=np.float64)
    request = PatternRequest((64, 64), feature_px=1e4, space_ratio=1.0, corner_px=1.0)
    with pytest.raises(InputError, match="all one or the other"):
        layout_clip(np.random.default_rng(0), request, [block])
    with pytest.raises(InputError, match="Expected polygons"):
        layout_clip(np.random.default_rng(0), request, [])
