from __future__ import annotations

import contextlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.layout.design import Design
from segsem.metrology.feature_cd import measure_features
from segsem.metrology.gauge_csv import read_gauges
from segsem.metrology.gauge_table import summarise_gauges
from segsem.metrology.gauges import (
    Gauge,
    GaugeFrame,
    GaugeKind,
    check_in_field,
    measure_gauges,
)
from segsem.metrology.measured import MeasuredImage

SHAPE = (200, 240)
PIXEL = (1.5, 2.0)
EP, CD = GaugeKind.EP, GaugeKind.CD
DESIGN, NM, PX = GaugeFrame.DESIGN_NM, GaugeFrame.IMAGE_NM, GaugeFrame.IMAGE_PX


@pytest.fixture(scope="module")
def lines(fakes: ModuleType) -> Design:
    """Two lines of 50 nm, 80 nm apart."""
    return Design.from_polygons([fakes.rectangle(x, -400, 50, 1200) for x in (100, 230)])


def test_widths_and_spaces_are_what_the_middle_lies_in(fakes: ModuleType, lines: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    image = MeasuredImage.of(fakes.printed(lines, truth, grown_nm=3.0, sigma_px=0.1))
    gauges = [
        Gauge("line", CD, DESIGN, (80, 100), (170, 100)),
        Gauge("space", CD, DESIGN, (120, 100), (255, 100)),
        Gauge("backwards", CD, NM, (170, 100), (80, 100)),
        Gauge("averaged", CD, NM, (80, 100), (170, 100), width=30.0),
        Gauge("pixels", CD, PX, (40, 60), (85, 60)),
        Gauge("nothing", CD, NM, (10, 100), (60, 100)),
    ]
    line, space, backwards, averaged, pixels, nothing = measure_gauges(image, gauges, truth)
    assert (line.of, space.of) == ("feature", "space")
    assert line.mean_nm == pytest.approx(56.0)
    assert space.mean_nm == pytest.approx(74.0)
    assert backwards.mean_nm == pytest.approx(56.0)
    assert pixels.mean_nm == pytest.approx(56.0)
    assert len(averaged.values_nm) == 1 + int(30 / np.sqrt(3.0))
    assert averaged.values_nm == pytest.approx(56.0)
    assert line.sigma_nm == pytest.approx(np.hypot(0.2, 0.2))
    assert np.isnan(nothing.mean_nm)


def test_a_slanted_cut_is_as_long_as_it_is(fakes: ModuleType, lines: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    image = MeasuredImage.of(fakes.printed(lines, truth))
    (value,) = measure_gauges(image, [Gauge("a", CD, NM, (85, 60), (165, 140))], None)
    assert value.mean_nm == pytest.approx(50 * np.sqrt(2))


@pytest.mark.parametrize("grown", [-2.0, 3.0])
def test_edge_positions_are_positive_outwards(
    fakes: ModuleType, lines: Design, grown: float
) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0), 1.0)
    image = MeasuredImage.of(fakes.printed(lines, truth, grown_nm=grown))
    gauges = [
        Gauge("right", EP, DESIGN, (150, 150), (151, 150)),
        Gauge("left", EP, DESIGN, (100, 150), (99, 150), width=20.0),
        Gauge("wrong way", EP, DESIGN, (150, 150), (149, 150)),
    ]
    right, left, wrong = measure_gauges(image, gauges, truth)
    assert right.mean_nm == pytest.approx(grown)
    assert left.values_nm == pytest.approx(grown)
    assert right.of == "edge"
    # The other edge faces that way; it lies a line's width farther.
    assert wrong.mean_nm == pytest.approx(50 + grown) or np.isnan(wrong.mean_nm)


def test_repeats_give_mean_and_three_sigma(fakes: ModuleType, lines: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    gauge = Gauge("line", CD, DESIGN, (80, 100), (170, 100), reference_nm=55.0)
    lonely = Gauge("one", CD, NM, (80, 100), (170, 100), image_id="b")
    values = []
    for name, grown in (("a", 1.0), ("b", 2.0), ("c", 4.5)):
        image = MeasuredImage.of(fakes.printed(lines, truth, grown_nm=grown, image_id=name))
        values += measure_gauges(image, [gauge, lonely], truth)
    summary, one = summarise_gauges([gauge, lonely], values)
    widths = [52.0, 54.0, 59.0]
    assert (summary.images, summary.of) == (3, "feature")
    assert summary.mean_nm == pytest.approx(np.mean(widths))
    assert summary.repeats.three_sigma == pytest.approx(3 * np.std(widths, ddof=1))
    assert summary.error_nm == pytest.approx(0.0)
    assert (one.images, one.mean_nm) == (1, pytest.approx(54.0))


def test_gauges_outside_and_without_a_design_are_refused(fakes: ModuleType, lines: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    image = MeasuredImage.of(fakes.printed(lines, truth))
    outside = [Gauge("far", CD, NM, (80, 100), (900, 100))]
    values = measure_gauges(image, outside, truth)
    with pytest.raises(InputError, match=r"'far'.*cut line inside the field"):
        check_in_field(outside, values)
    with pytest.raises(InputError, match="--design"):
        measure_gauges(image, [Gauge("a", EP, DESIGN, (1, 1), (2, 1))], None)


def test_features_are_measured_without_gauges(fakes: ModuleType) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0), 12.0)
    design = Design.from_polygons(
        [fakes.rectangle(100, 60, 40, 180), fakes.rectangle(200, 60, 60, 180)]
    )
    image = MeasuredImage.of(fakes.printed(design, truth, grown_nm=1.0))
    found = measure_features(image)
    across = [cd for cd in found if round(cd.axis_deg) == -12]
    along = [cd for cd in found if round(cd.axis_deg) == 78]
    widths = sorted(cd.stats.median for cd in across if cd.of == "feature")
    assert widths == pytest.approx([42.0, 62.0], abs=0.01)
    assert [cd.stats.median for cd in across if cd.of == "space"] == pytest.approx(
        [58, 58], abs=0.01
    )
    assert [cd.stats.median for cd in along] == pytest.approx([182.0, 182.0], abs=0.01)
    assert {cd.of for cd in along} == {"feature"}


GOOD = """gauge,kind,frame,x,y,x2,y2,nx,ny,width,reference_nm,image
a,cd,image_px,1,2,30,2,,,5,45.5,
b,EP,,10,20,,,0,-2,,,site1
"""


def test_a_table_of_gauges_is_read(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text(GOOD)
    a, b = read_gauges(tmp_path / "g.csv")
    assert a == Gauge("a", CD, PX, (1, 2), (30, 2), 5.0, 45.5)
    assert (b.name, b.kind, b.frame, b.start_xy, b.end_xy) == ("b", EP, DESIGN, (10, 20), (10, 19))
    assert (b.image_id, np.isnan(b.reference_nm)) == ("site1", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks gauge"),
        ("gauge,kind,x,y\n", "holds none"),
        ("gauge,kind,x,y\na,cd,1,2\n", "`x2`"),
        ("gauge,kind,x,y,x2,y2\na,cd,1,2,1,2\n", "cut line that has a length"),
        ("gauge,kind,x,y,nx,ny\na,ep,1,2,0,0\n", "normal that has a length"),
        ("gauge,kind,x,y,nx,ny\na,line,1,2,0,1\n", "`kind` out of ep, cd"),
        ("gauge,kind,x,y,nx,ny\na,ep,one,2,0,1\n", "row 2: expected a number in `x`"),
        ("gauge,kind,x,y,nx,ny\na,ep,1,2,0,1\na,ep,1,2,0,1\n", "'a' 2 times"),
        ("gauge,kind,x,y,nx,ny\n,ep,1,2,0,1\n", "name"),
        ("gauge,kind,x,y,nx,ny\na,ep,1,2,0\n", "6 columns"),
        ("gauge,kind,x,y,nx,ny,width\na,ep,1,2,0,1,-4\n", "`width`"),
    ],
)
def test_other_tables_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_gauges(tmp_path / "g.csv")
    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(GOOD)), st.text(max_size=6)).map(
            lambda at: (GOOD[: at[0]] + at[1] + GOOD[at[0] + 1 :]).encode()
        ),
    )
)
def test_any_table_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "g.csv").write_bytes(content)
    with contextlib.suppress(InputError):
        assert read_gauges(tmp_path / "g.csv")
