from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.layout.read import read_layout
from segsem.layout.svg_path import path_rings

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300" viewBox="0 0 400 300">'


def svg(tmp_path: Path, body: str, head: str = HEAD) -> Path:
    path = tmp_path / "labels.svg"
    path.write_text(f'<?xml version="1.0"?>{head}{body}</svg>', encoding="utf-8")
    return path


def test_fills_become_layers_and_y_is_turned_up(tmp_path: Path) -> None:
    body = (
        '<path d="M10,20 L40,20 L40,60 Z" fill="lime"/><circle cx="100" cy="50" r="8" fill="red"/>'
    )
    layout = read_layout(svg(tmp_path, body))
    assert layout.layer_names == {(1, 0): "lime", (2, 0): "red"}
    assert layout.polygons("lime")[0].tolist() == [[10, 280], [40, 280], [40, 240]]
    circle = layout.polygons("red")[0]
    assert np.hypot(*(circle - (100, 250)).T) == pytest.approx(8)


def test_what_is_not_filled_is_not_read(tmp_path: Path) -> None:
    layout = read_layout(svg(tmp_path, '<path d="M0 0 L9 0 L9 9 Z" fill="none"/>'))
    assert layout.polygons_by_layer == {}


def test_relative_and_absolute_commands_draw_the_same() -> None:
    (absolute,) = path_rings("M10 10 H30 V40 L10,40 Z", "f")
    (relative,) = path_rings("m10 10h20v30l-20,0z", "f")
    assert np.array_equal(absolute, relative)
    assert absolute.tolist() == [[10, 10], [30, 10], [30, 40], [10, 40]]


def test_numbers_without_separators_and_repeated_arguments() -> None:
    (ring,) = path_rings("M0,0 10-5.5.5.25 1e1 7Z", "f")
    assert ring.tolist() == [[0, 0], [10, -5.5], [0.5, 0.25], [10, 7]]


def test_curves_follow_the_cubic() -> None:
    (ring,) = path_rings("M0 0 C0 8 8 8 8 0 Z", "f")
    assert ring[8].tolist() == [4, 6]  # at t = 1/2
    (relative,) = path_rings("M0 0 c0 8 8 8 8 0 z", "f")
    assert np.array_equal(ring, relative)


def test_several_subpaths() -> None:
    first, second = path_rings("M0 0 L5 0 L5 5 Z m20 0 l5 0 l0 5 z", "f")
    assert second.tolist() == np.add(first, (20, 0)).tolist()
    again = path_rings("M0 0 L5 0 L5 5 Z L-5 0 L-5 -5 Z", "f")
    assert [len(ring) for ring in again] == [3, 3]


@pytest.mark.parametrize(
    "data",
    [
        "L0 0 1 1",
        "M0 0 A1 1 0 0 0 2 2",
        "M0 0 L1",
        "M0 0 Z 3",
        "M0 0 L1 q",
        "5 5",
        "M1e999 0",
        "M#",
    ],
)
def test_other_path_data_is_refused(data: str) -> None:
    with pytest.raises(InputError, match=r"^f: "):
        path_rings(data, "f")


@pytest.mark.parametrize(
    ("body", "head", "says"),
    [
        ('<g transform="scale(2)"></g>', HEAD, "transform"),
        ('<rect width="3" height="3"/>', HEAD, "rect"),
        ('<circle r="0"/>', HEAD, "above 0"),
        ('<circle r="x"/>', HEAD, "number"),
        ("<path>", HEAD, "well-formed"),
        ("", "<svg>", "number"),
        ("", '<svg viewBox="5 5 10 10">', "0 0"),
    ],
)
def test_other_drawings_are_refused(tmp_path: Path, body: str, head: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_layout(svg(tmp_path, body, head))


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.svg"
    path.write_text(
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + HEAD + "&b;</svg>"
    )
    with pytest.raises(InputError, match="entity"):
        read_layout(path)
    path.write_text('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + HEAD + "&x;</svg>")
    with pytest.raises(InputError, match="entity"):
        read_layout(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode)))
def test_any_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzz.svg"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_layout(path)


@settings(deadline=None)
@given(st.text(alphabet="MLHVCZmlhvcz0123456789.,-+ eE", max_size=60))
def test_any_path_data_is_read_or_refused(data: str) -> None:
    try:
        rings = path_rings(data, "f")
    except InputError:
        return
    assert all(ring.shape[1] == 2 and np.isfinite(ring).all() for ring in rings)


@pytest.mark.shared_data
def test_labels_of_a_real_metal_layer(shared_data: Path) -> None:
    layout = read_layout(shared_data / "layouts" / "emsec_metal2_svg" / "label0000.svg")
    assert len(layout.polygons("lime")) == 751
    assert len(layout.polygons("red")) == 701
    points = np.concatenate(layout.polygons("lime"))
    assert points.min() >= 0
    assert np.all(points.max(axis=0) <= (4096, 3536))
