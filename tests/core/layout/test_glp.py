from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.layout.read import read_layout

CLIP = """BEGIN     /* made by hand */
EQUIV  1  1000  MICRON  +X,+Y
CNAME Top
LEVEL M1

CELL Top PRIME
   RECT N M1  80  492  452  88
   PGON N M1  0 0  100 0  100 50  40 50  40 90  0 90
   RECT N V1  10 20 30 40
ENDMSG
"""


def test_rectangles_and_polygons_by_level(tmp_path: Path) -> None:
    (tmp_path / "clip.glp").write_text(CLIP)
    layout = read_layout(tmp_path / "clip.glp")
    assert layout.layer_names == {(1, 0): "M1", (2, 0): "V1"}
    assert (layout.cell, layout.unit_nm) == ("Top", 1.0)
    rectangle, polygon = layout.polygons("M1")
    assert rectangle.tolist() == [[80, 492], [532, 492], [532, 580], [80, 580]]
    assert len(polygon) == 6
    assert np.array_equal(layout.polygons("2/0"), layout.polygons("V1"))


def test_units(tmp_path: Path) -> None:
    (tmp_path / "clip.glp").write_text(CLIP.replace("1  1000  MICRON", "1 2000 MICRON"))
    assert read_layout(tmp_path / "clip.glp").polygons("V1")[0].max() == 30


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("   RECT N M1  80  492  0  88", "above 0"),
        ("   RECT N M1  80  492  452", "width height"),
        ("   PGON N M1  0 0  100 0  100", "5 numbers"),
        ("   PGON N M1  0 0  100 zero  100 3", "numbers"),
        ("   RECT N M1  nan 1 2 3", "finite"),
        ("   CIRC N M1  1 2 3", "CIRC"),
        ("EQUIV 1 0 MICRON", "EQUIV"),
        ("EQUIV 1 1000 PARSEC", "UNIT"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "clip.glp").write_text(CLIP.replace("CNAME Top", line))
    with pytest.raises(InputError, match=rf"clip\.glp, line 3.*{says}"):
        read_layout(tmp_path / "clip.glp")


def test_binary_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "clip.glp").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        read_layout(tmp_path / "clip.glp")
    with pytest.raises(InputError, match="there is none"):
        read_layout(tmp_path / "none.glp")
    (tmp_path / "clip.dxf").write_text("")
    with pytest.raises(InputError, match=r"\.dxf"):
        read_layout(tmp_path / "clip.dxf")
    (tmp_path / "clip.glp").write_text(CLIP)
    with pytest.raises(InputError, match="cells"):
        read_layout(tmp_path / "clip.glp", "Other")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=30),
            st.builds(
                lambda kind, numbers: f"{kind} N M1 {' '.join(map(str, numbers))}",
                st.sampled_from(["RECT", "PGON", "EQUIV"]),
                st.lists(st.one_of(st.integers(), st.floats()), max_size=9),
            ),
        )
    )
)
def test_any_text_is_read_or_refused(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "fuzz.glp").write_text("\n".join(lines), encoding="utf-8", errors="replace")
    try:
        layout = read_layout(tmp_path / "fuzz.glp")
    except InputError:
        return
    for polygons in layout.polygons_by_layer.values():
        assert all(len(points) >= 3 and np.isfinite(points).all() for points in polygons)


@pytest.mark.shared_data
def test_contest_clips(shared_data: Path) -> None:
    counts = []
    for number in range(1, 6):
        layout = read_layout(shared_data / "layouts" / "iccad2013" / f"M1_test{number}.glp")
        counts.append(len(layout.polygons("M1")))
    assert counts == [10, 8, 12, 3, 4]
