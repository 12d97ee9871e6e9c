from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.contour import Contour
from segsem.core.exceptions import ExportError, InputError
from segsem.core.extraction import Extraction
from segsem.export.labels import (
    read_confidence,
    read_labels,
    write_confidence,
    write_labels,
)
from segsem.export.outputs import write_results
from segsem.export.results import find_results, read_results


def assert_same(got: Extraction, want: Extraction) -> None:
    for name in (
        "image_id", "shape", "valid_rows", "pixel_size_nm", "pixel_size_source", "warnings"
    ):  # fmt: skip
        assert getattr(got, name) == getattr(want, name), name
    np.testing.assert_array_equal(got.confidence_map, want.confidence_map)
    np.testing.assert_array_equal(got.labels(), want.labels())
    assert len(got.regions) == len(want.regions)
    for a, b in zip(got.regions, want.regions, strict=True):
        for name in (
            "region_id", "offset_rc", "source", "fallback_reason", "needs_human", "status",
            "prompts",
        ):  # fmt: skip
            assert getattr(a, name) == getattr(b, name), name
        np.testing.assert_array_equal(a.mask, b.mask)
        assert a.evidence.keys() == b.evidence.keys()
        np.testing.assert_equal(list(a.evidence.values()), list(b.evidence.values()))
        assert a.confidence == b.confidence
        for c, d in zip(a.contours, b.contours, strict=True):
            for field in fields(Contour):
                got_field, want_field = getattr(c, field.name), getattr(d, field.name)
                if want_field is None:
                    assert got_field is None
                    continue
                np.testing.assert_allclose(got_field, want_field, rtol=0, atol=6e-5)


@pytest.mark.parametrize("name", ["extraction", "undecided", "uncalibrated"])
def test_round_trip(tmp_path: Path, request: pytest.FixtureRequest, name: str) -> None:
    extraction: Extraction = request.getfixturevalue(name)
    write_results(extraction, tmp_path)
    assert_same(read_results(tmp_path / "site 07"), extraction)


def test_round_trip_of_no_regions(tmp_path: Path, extraction: Extraction) -> None:
    empty = replace(extraction, regions=())
    write_results(empty, tmp_path)
    assert_same(read_results(tmp_path / "site 07"), empty)


def test_writing_what_was_read_gives_the_same_bytes(tmp_path: Path, extraction: Extraction) -> None:
    first = write_results(extraction, tmp_path / "a")
    second = write_results(read_results(tmp_path / "a" / "site 07"), tmp_path / "b")
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_label_dtype_is_the_smallest_that_holds_all_ids(
    tmp_path: Path, extraction: Extraction
) -> None:
    write_labels(tmp_path / "small.tif", extraction)
    many = replace(extraction.regions[0], region_id=70_000)
    write_labels(tmp_path / "large.tif", replace(extraction, regions=(many,)))
    assert tifffile.imread(tmp_path / "small.tif").dtype == np.uint16
    assert tifffile.imread(tmp_path / "large.tif").dtype == np.int32
    assert read_labels(tmp_path / "large.tif").max() == 70_000
    assert (tmp_path / "small.tif").stat().st_size < 4000


def test_confidence_is_nan_in_the_data_bar_whatever_came_in(
    tmp_path: Path, extraction: Extraction
) -> None:
    full = replace(extraction, confidence_map=np.full((120, 160), 0.5, dtype=np.float32))
    write_results(full, tmp_path)
    stored = tifffile.imread(tmp_path / "site 07" / "confidence.tif")
    assert stored.dtype == np.float32
    assert np.isnan(stored[100:]).all()
    assert (stored[:100] == 0.5).all()


def test_files_that_do_not_belong_together(tmp_path: Path, extraction: Extraction) -> None:
    write_results(extraction, tmp_path / "a")
    fewer = replace(extraction, regions=extraction.regions[:2])
    write_results(fewer, tmp_path / "b")
    folder = tmp_path / "a" / "site 07"
    for name in ("contours.csv", "regions.json"):
        own = (folder / name).read_bytes()
        (folder / name).write_bytes((tmp_path / "b" / "site 07" / name).read_bytes())
        with pytest.raises(InputError, match="do not belong together"):
            read_results(folder)
        (folder / name).write_bytes(own)
    read_results(folder)


def test_labels_of_another_shape(tmp_path: Path, extraction: Extraction) -> None:
    write_results(extraction, tmp_path)
    folder = tmp_path / "site 07"
    tifffile.imwrite(folder / "labels.tif", np.zeros((5, 5), dtype=np.uint16))
    with pytest.raises(InputError, match=r"labels.tif to have shape \(120, 160\)"):
        read_results(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a TIFF", b"II*\x00\xff\xff\xff\xff", "truncated", "rgb", "float"],
)
def test_damaged_labels(tmp_path: Path, extraction: Extraction, content: bytes | str) -> None:
    write_results(extraction, tmp_path)
    path = tmp_path / "site 07" / "labels.tif"
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "rgb": np.zeros((120, 160, 3), dtype=np.uint8),
        "float": np.zeros((120, 160), dtype=np.float32),
    }
    if content == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif isinstance(content, str):
        tifffile.imwrite(path, arrays[content])
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.tif"):
        read_results(tmp_path / "site 07")


def test_a_missing_file_is_named(tmp_path: Path, extraction: Extraction) -> None:
    write_results(extraction, tmp_path)
    for name in ("contours.csv", "labels.tif", "confidence.tif", "regions.json"):
        path = tmp_path / "site 07" / name
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(InputError, match=name):
            read_results(tmp_path / "site 07")
        path.write_bytes(content)


def test_find_results(tmp_path: Path, extraction: Extraction) -> None:
    for name in ("b", "a"):
        write_results(replace(extraction, image_id=name), tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "regions.json").write_text("{}")
    assert find_results(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert find_results(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(InputError, match="found none"):
        find_results(tmp_path / "empty")
    with pytest.raises(InputError, match="not a folder"):
        find_results(tmp_path / "nowhere")


@pytest.mark.parametrize("image_id", ["", ".", "..", "a/b", "a\\b", "../up", ".hidden", "a\0b"])
def test_an_image_id_that_is_no_folder_name(
    tmp_path: Path, extraction: Extraction, image_id: str
) -> None:
    with pytest.raises(ExportError, match="image id"):
        write_results(replace(extraction, image_id=image_id), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_regions_json_is_valid_json_for_strict_parsers(
    tmp_path: Path, extraction: Extraction
) -> None:
    write_results(extraction, tmp_path)
    text = (tmp_path / "site 07" / "regions.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(name))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_spoilt_tiff_is_read_or_refused(
    tmp_path: Path, extraction: Extraction, data: st.DataObject
) -> None:
    for name, write, read in (
        ("labels.tif", write_labels, read_labels),
        ("confidence.tif", write_confidence, read_confidence),
    ):
        write(tmp_path / name, extraction)
        content = bytearray((tmp_path / name).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        (tmp_path / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
        with suppress(InputError):
            read(tmp_path / name)
