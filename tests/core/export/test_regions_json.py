from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.params import Tone
from segsem.export.regions_json import plain_json, read_regions_json, write_regions_json

VERSION_1 = Path(__file__).parent / "data" / "regions_v1.json"


@pytest.fixture
def written(tmp_path: Path, extraction: Extraction) -> Path:
    path = tmp_path / "regions.json"
    write_regions_json(path, extraction)
    return path


def test_what_is_written(written: Path) -> None:
    content = json.loads(written.read_text(encoding="utf-8"))
    assert (content["format"], content["version"]) == ("segsem-regions", 1)
    assert content["shape_px"] == [120, 160]
    assert content["valid_rows"] == [0, 100]
    assert content["pixel_size_nm"] == [1.5, 2.0]
    assert content["pixel_size_source"] == "manifest"
    assert content["weight_unit"] == "1/nm²"
    assert content["provenance"]["edge_definition"]["edge_side"] == "outer"
    assert content["provenance"]["snr"] == 7.25
    first, second = content["regions"][:2]
    assert first["area_px"] == 31 * 21 - 25 * 15
    assert first["area_nm2"] == first["area_px"] * 3.0
    assert first["bbox_rc"] == [10, 10, 41, 31]
    assert first["evidence"] == {"iou": 0.8, "stability": None}
    assert second["fallback_reason"] == "confidence 0.31 below 0.85"
    assert second["contours"] == [
        {"id": 2, "is_hole": False, "closed": True, "points": 4},
        {"id": 3, "is_hole": True, "closed": True, "points": 4},
    ]


def test_unknown_pixel_size_has_no_area_in_nm(tmp_path: Path, uncalibrated: Extraction) -> None:
    path = tmp_path / "regions.json"
    write_regions_json(path, uncalibrated)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["pixel_size_nm"] is None
    assert content["weight_unit"] == "1/px²"
    assert {region["area_nm2"] for region in content["regions"]} == {None}


def test_version_1_stays_readable() -> None:
    record = read_regions_json(VERSION_1)
    assert record.image_id == "S2"
    assert record.shape_px == (954, 1024)
    assert record.pixel_size_nm == (1.4844, 1.4844)
    (region,) = record.regions
    assert (region.id, region.source.value, region.status.value) == (3, "sauvola", "accepted")
    assert region.contours[1].is_hole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 1, but got 2"),
        ({"version": None}, "version"),
        ({"format": "other"}, "segsem-regions"),
        ({"image_id": ""}, "image_id"),
        ({"shape_px": [954]}, "shape_px"),
        ({"shape_px": [0, 5]}, "0 x 5"),
        ({"valid_rows": [0, 9999]}, "valid rows"),
        ({"pixel_size_nm": [0.0, 1.0]}, "pixel size"),
        ({"regions": {}}, "regions"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    content = json.loads(VERSION_1.read_text(encoding="utf-8"))
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(content | change), encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read_regions_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "sam3"}, "source"),
        ({"confidence": 1.5}, "confidence"),
        ({"bbox_rc": [0, 0, 9999, 5]}, "outside the image"),
        ({"contours": [{"id": 1, "is_hole": False, "closed": True, "points": 3}] * 2}, "twice"),
    ],
)
def test_a_wrong_region_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    content = json.loads(VERSION_1.read_text(encoding="utf-8"))
    content["regions"][0] |= change
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_regions_json(path)


def test_names_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    content = json.loads(VERSION_1.read_text(encoding="utf-8"))
    content["later"] = content["regions"][0]["later"] = 1
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_regions_json(path).image_id == "S2"


def test_plain_json() -> None:
    value = {
        Path("a"): Path("/b"),
        "n": [np.float32(0.5), np.int64(3), np.bool_(True), float("inf")],
        "array": np.array([[1.0, np.nan]]),
        "tone": Tone.BRIGHT,
        "tuple": (None, "x"),
    }
    assert plain_json(value) == {
        "a": "/b",
        "n": [0.5, 3, True, None],
        "array": [[1.0, None]],
        "tone": "bright",
        "tuple": [None, "x"],
    }
    with pytest.raises(TypeError, match="object"):
        plain_json({"x": object()})


def test_non_finite_provenance_is_written_as_null(tmp_path: Path, extraction: Extraction) -> None:
    path = tmp_path / "regions.json"
    write_regions_json(path, replace(extraction, provenance={"snr": float("nan")}))
    assert read_regions_json(path).provenance == {"snr": None}


fuzz = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
VERSION_1_CONTENT = json.loads(VERSION_1.read_text(encoding="utf-8"))


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "regions.json"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_regions_json(path)


@fuzz
@given(st.sampled_from(sorted(VERSION_1_CONTENT)), JSON_VALUES)
def test_any_value_is_read_or_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(VERSION_1_CONTENT | {name: value}), encoding="utf-8")
    try:
        record = read_regions_json(path)
    except InputError:
        return
    assert record.version == 1


@fuzz
@given(st.sampled_from(sorted(VERSION_1_CONTENT["regions"][0])), JSON_VALUES)
def test_any_value_in_a_region_is_read_or_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "regions.json"
    region = VERSION_1_CONTENT["regions"][0] | {name: value}
    path.write_text(json.dumps(VERSION_1_CONTENT | {"regions": [region]}), encoding="utf-8")
    try:
        record = read_regions_json(path)
    except InputError:
        return
    assert len(record.regions) == 1
