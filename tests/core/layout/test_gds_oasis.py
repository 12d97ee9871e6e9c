from __future__ import annotations

from pathlib import Path

import gdstk
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.layout.layout import Layout
from segsem.layout.read import read_layout


def write(path: Path, library: gdstk.Library) -> Path:
    if path.suffix == ".gds":
        library.write_gds(path)
    else:
        library.write_oas(path)
    return path


@pytest.fixture
def library() -> gdstk.Library:
    library = gdstk.Library(unit=1e-6, precision=1e-10)
    part = library.new_cell("PART")
    part.add(gdstk.rectangle((0, 0), (0.01, 0.02), layer=11))
    part.add(gdstk.Polygon([(0, 0), (0.03, 0), (0, 0.05)], layer=7, datatype=2))
    top = library.new_cell("TOP")
    top.add(gdstk.Reference(part, (1, 2), columns=3, rows=2, spacing=(0.1, 0.2)))
    top.add(gdstk.FlexPath([(0, 0), (0.5, 0)], 0.1, layer=5))
    return library


@pytest.mark.parametrize("suffix", [".gds", ".oas"])
def test_cells_are_flattened_into_nm(tmp_path: Path, library: gdstk.Library, suffix: str) -> None:
    layout = read_layout(write(tmp_path / f"chip{suffix}", library))
    assert layout.cell == "TOP"
    assert set(layout.cells) == {"PART", "TOP"}
    assert layout.unit_nm == pytest.approx(1000 if suffix == ".gds" else layout.unit_nm)
    assert {key: len(found) for key, found in layout.polygons_by_layer.items()} == {
        (11, 0): 6,
        (7, 2): 6,
        (5, 0): 1,
    }
    corners = sorted(tuple(points.min(axis=0).round(3)) for points in layout.polygons("11/0"))
    expected = [(1000 + 100 * i, 2000 + 200 * j) for i in range(3) for j in range(2)]
    assert corners == expected
    assert np.ptp(layout.polygons("5")[0], axis=0) == pytest.approx([500, 100])


def test_a_cell_can_be_named_and_layers_are_told(tmp_path: Path, library: gdstk.Library) -> None:
    path = write(tmp_path / "chip.gds", library)
    assert len(read_layout(path, "PART").polygons("11/0")) == 1
    with pytest.raises(InputError, match="PART, TOP"):
        read_layout(path, "NOPE")
    layout = read_layout(path)
    with pytest.raises(InputError, match="5/0, 7/2, 11/0"):
        layout.polygons("3/0")
    with pytest.raises(InputError, match="--layer"):
        layout.polygons()
    with pytest.raises(InputError, match="L/D"):
        layout.polygons("metal")


def test_several_top_cells_want_a_name(tmp_path: Path, library: gdstk.Library) -> None:
    library.new_cell("OTHER")
    with pytest.raises(InputError, match="name one"):
        read_layout(write(tmp_path / "chip.gds", library))


def test_a_cell_that_holds_itself_is_refused(tmp_path: Path) -> None:
    library = gdstk.Library()
    first, second = library.new_cell("A"), library.new_cell("B")
    first.add(gdstk.Reference(second))
    second.add(gdstk.Reference(first))
    path = write(tmp_path / "loop.gds", library)
    with pytest.raises(InputError, match="refers to itself"):
        read_layout(path)


def test_an_array_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    library = gdstk.Library()
    below = library.new_cell("C0")
    below.add(gdstk.rectangle((0, 0), (1, 1)))
    for level in range(1, 4):
        cell = library.new_cell(f"C{level}")
        cell.add(gdstk.Reference(below, columns=1000, rows=1000, spacing=(2, 2)))
        below = cell
    with pytest.raises(InputError, match="when flattened"):
        read_layout(write(tmp_path / "bomb.oas", library))


def test_an_empty_cell_has_no_layers(tmp_path: Path) -> None:
    library = gdstk.Library()
    library.new_cell("EMPTY")
    layout = read_layout(write(tmp_path / "empty.gds", library))
    assert layout.polygons_by_layer == {}
    with pytest.raises(InputError, match="the cell is empty"):
        layout.polygons()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x00" * 64, b"%SEMI-OASIS\r\n", b"PK\x03\x04" * 9]
)
@pytest.mark.parametrize("suffix", [".gds", ".oas"])
def test_other_content_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\."):
        read_layout(path)


@pytest.mark.parametrize("suffix", [".gds", ".oas"])
def test_a_truncated_file_is_refused(tmp_path: Path, library: gdstk.Library, suffix: str) -> None:
    path = write(tmp_path / f"chip{suffix}", library)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="damaged"):
        read_layout(path)


@pytest.mark.parametrize("suffix", [".gds", ".oas"])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
def test_damaged_bytes_never_take_the_program_down(
    tmp_path: Path, library: gdstk.Library, suffix: str, changes: list[tuple[int, int]]
) -> None:
    path = write(tmp_path / f"fuzz{suffix}", library)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path.write_bytes(content)
    try:
        layout = read_layout(path)
    except InputError:
        return
    assert isinstance(layout, Layout)


@pytest.mark.shared_data
def test_real_layouts(shared_data: Path) -> None:
    gcd = read_layout(shared_data / "layouts" / "freepdk45" / "gcd_45nm.gds")
    metal = gcd.polygons("11/0")
    assert len(metal) == 1776
    extent = np.ptp(np.concatenate(metal), axis=0)
    assert extent == pytest.approx([30600, 29600], rel=0.03)
