from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.export.layer_map import DEFAULT_LAYERS, LayerMap, read_layer_map, write_layer_map

SPECIFIED = {
    **{f"outer_{s}": (1, d) for d, s in enumerate(("sam2", "sauvola", "manual", "mixed"))},
    **{f"hole_{s}": (2, d) for d, s in enumerate(("sam2", "sauvola", "manual", "mixed"))},
    **{f"open_{s}": (3, d) for d, s in enumerate(("sam2", "sauvola", "manual", "mixed"))},
    "field_of_view": (10, 0),
    "needs_human": (10, 1),
    "sauvola_stretch": (10, 2),
    "valid_region": (10, 3),
}


def test_default_layers_are_the_specified_ones() -> None:
    assert dict(DEFAULT_LAYERS) == SPECIFIED
    assert dict(LayerMap().items()) == SPECIFIED


def test_round_trip(tmp_path: Path) -> None:
    layer_map = LayerMap({"outer_sam2": (5, 6)})
    write_layer_map(tmp_path / "layers.csv", layer_map)
    assert read_layer_map(tmp_path / "layers.csv").items() == layer_map.items()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", "name,layer,datatype\nouter_sam2, 5, 6\n\n"),
        ("m.csv", "\ufeffname,layer,datatype\r\nouter_sam2,5,6\r\n"),
        ("m.json", '{"outer_sam2": [5, 6]}'),
    ],
)
def test_partial_maps_keep_the_other_defaults(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    layer_map = read_layer_map(tmp_path / name)
    assert layer_map["outer_sam2"] == (5, 6)
    assert layer_map["hole_sam2"] == (2, 0)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", "", "columns"),
        ("m.csv", "layer,name\n", "columns"),
        ("m.csv", "name,layer,datatype\nouter_sam2,5\n", "row 2 has 2 columns"),
        ("m.csv", "name,layer,datatype\nouter_sam2,five,0\n", "five"),
        ("m.csv", "name,layer,datatype\nouter,5,0\n", "'outer'"),
        ("m.csv", "name,layer,datatype\nouter_sam2,-1,0\n", "-1/0"),
        ("m.csv", "name,layer,datatype\nouter_sam2,1,32768\n", "1/32768"),
        ("m.csv", "name,layer,datatype\nouter_sam2,1,0\nouter_sam2,2,0\n", "twice"),
        ("m.json", "[]", "not an object"),
        ("m.json", '{"outer_sam2": 5}', "outer_sam2"),
        ("m.json", '{"outer_sam2": [1, 2.5]}', "outer_sam2"),
        ("m.json", '{"outer_sam2": [true, 2]}', "outer_sam2"),
        ("m.json", "{", "layer map"),
    ],
)
def test_wrong_maps(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_layer_map(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        read_layer_map(tmp_path / "none.csv")


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text(max_size=40).map(lambda t: b"name,layer,datatype\n" + t.encode("utf-8", "replace")),
        st.dictionaries(
            st.sampled_from(sorted(DEFAULT_LAYERS)), st.lists(st.integers(), max_size=3)
        ).map(lambda d: json.dumps(d).encode()),
    ),
    st.sampled_from(["m.csv", "m.json"]),
)
def test_anything_is_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        layer_map = read_layer_map(tmp_path / name)
    except InputError:
        return
    assert all(0 <= n <= 32767 for _, numbers in layer_map.items() for n in numbers)
