"""Random and corrupted input: an `InputError` or an answer, never anything else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.imaging.image import SEMImage
from segsem.imaging.manifest import Manifest, read_manifest
from segsem.imaging.pixel_size import tag_record
from segsem.imaging.read import read_image
from segsem.imaging.sidecar import decode_text, parse_sidecar
from segsem.imaging.vendor.record import VendorRecord, is_plausible

T = TypeVar("T")

FUZZ = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GREY = np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)

HITACHI = "[SemImageFile]\r\nDataSize=1280x960\r\nPixelSize=1.25\r\nSignalName=SE(U)\r\n"
JEOL = "$CM_MAG 50000\n$$SM_MICRON_BAR 50\n$$SM_MICRON_MARKER 100nm\n$CM_FULL_SIZE 1280 960\n"
TESCAN = "[MAIN]\nPixelSizeX=2.5e-9\nPixelSizeY=2.5e-9\nImageStripSize=64\n"
FEI = "[Beam]\nScan=EScan\n[Scan]\nPixelWidth=2e-9\n[Image]\nResolutionX=64\n[DataBar]\nHFW=1\n"
ZEISS_KEYS = ("", "ap_image_pixel_size", "ap_pixel_size", "ap_width", "dp_image_store")


def _image_bytes() -> dict[str, bytes]:
    stored: dict[str, bytes] = {}
    for kind in ("PNG", "JPEG", "BMP"):
        buffer = io.BytesIO()
        Image.fromarray(GREY).save(buffer, kind)
        stored[kind] = buffer.getvalue()
    variants = {
        "plain": {},
        "deflate": {"compression": "zlib", "predictor": True},
        "tiled": {"tile": (16, 16)},
        "sfeg": {"extratags": [(34681, "s", 0, FEI, True)]},
        "helios": {"extratags": [(34682, "s", 0, FEI, True)]},
        "zeiss": {
            "extratags": [(34118, "s", 0, "0\r\nAP_WIDTH\r\nWidth = 5.9 um\r\n", True)],
        },
        "xp": {"extratags": [(40092, "B", 0, HITACHI.encode("utf-16-le"), True)]},
    }
    for name, options in variants.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, GREY, **options)
        stored[name] = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "TIFF", compression="tiff_lzw")
    stored["lzw"] = buffer.getvalue()
    return stored


STORED = _image_bytes()


def _result_or_message(call: Callable[[], T]) -> T | str:
    try:
        return call()
    except InputError as error:
        return str(error)


def _check_image(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    image = _result_or_message(lambda: read_image(path, max_pixels=1_000_000))
    if isinstance(image, str):
        assert "\n" not in image
        return
    assert isinstance(image, SEMImage)
    assert image.data.dtype in (np.uint8, np.uint16, np.float32)
    assert min(image.shape) >= 16
    assert np.isfinite(image.data).all()
    if image.pixel_size_nm is not None:
        assert all(is_plausible(side) for side in image.pixel_size_nm)
    json.dumps(image.metadata, allow_nan=False)


def _check_record(record: VendorRecord | None) -> None:
    if record is None:
        return
    if record.pixel_size_nm is not None:
        assert all(side > 0 and np.isfinite(side) for side in record.pixel_size_nm)
    json.dumps(record.metadata, allow_nan=False)


@FUZZ
@given(st.binary(max_size=400), st.sampled_from([b"", b"II*\0", b"MM\0*", b"BM", b"\xff\xd8\xff"]))
def test_random_bytes(tmp_path: Path, raw: bytes, signature: bytes) -> None:
    _check_image(tmp_path / "a.tif", signature + raw)


@settings(FUZZ, max_examples=25)
@pytest.mark.parametrize("kind", sorted(STORED))
@given(data=st.data())
def test_corrupted_images(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    raw = bytearray(STORED[kind])
    # Most structure stands in the first and (TIFF written by Pillow) in the last bytes.
    near = st.integers(0, min(260, len(raw) - 1))
    places = st.one_of(near, near.map(lambda i: len(raw) - 1 - i), st.integers(0, len(raw) - 1))
    changes = st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)
    for place, value in data.draw(changes):
        raw[place] = value
    end = data.draw(st.one_of(st.none(), st.integers(0, len(raw))))
    _check_image(tmp_path / "a.tif", bytes(raw[:end]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", sorted(STORED))
def test_no_truncation_is_read_in_silence(tmp_path: Path, kind: str) -> None:
    """Whatever is cut off, the pixels are the whole ones or there is an error."""
    path = tmp_path / "a.tif"
    path.write_bytes(STORED[kind])
    whole = read_image(path).data
    for end in range(0, len(STORED[kind]), 13):
        path.write_bytes(STORED[kind][:end])
        try:
            image = read_image(path)
        except InputError:
            continue
        np.testing.assert_array_equal(image.data, whole)


SHAPES = st.tuples(st.integers(16, 5000), st.integers(16, 5000))


@FUZZ
@given(st.text(max_size=300), SHAPES)
def test_random_sidecars(text: str, shape: tuple[int, int]) -> None:
    _check_record(parse_sidecar(text, shape, "a.txt"))


@settings(FUZZ, max_examples=100)
@given(
    st.sampled_from([HITACHI, JEOL, TESCAN]),
    st.lists(st.tuples(st.integers(0, 200), st.text(max_size=6)), max_size=4),
    SHAPES,
)
def test_corrupted_sidecars(
    text: str, edits: list[tuple[int, str]], shape: tuple[int, int]
) -> None:
    for place, inserted in edits:
        text = text[:place] + inserted + text[place + len(inserted) :]
    _check_record(parse_sidecar(text, shape, "a.txt"))


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_text(raw: bytes) -> None:
    assert isinstance(decode_text(raw), str)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["nm", "µm", "1e-9", "512 * 384"]),
)
ENTRIES = st.one_of(VALUES, st.lists(VALUES, max_size=5).map(tuple))


@settings(FUZZ, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(ZEISS_KEYS), ENTRIES),
    st.dictionaries(
        st.sampled_from(["Beam", "Scan", "EScan", "EBeam", "Image", "DataBar", "PrivateFei"]),
        st.dictionaries(
            st.sampled_from(
                ["PixelWidth", "PixelHeight", "HFW", "VFW", "ResolutionX", "ResolutionY", "Scan"]
            ),
            VALUES,
        ),
    ),
    st.one_of(VALUES, st.binary(max_size=40), st.lists(st.integers(-5, 300), max_size=20)),
    SHAPES,
)
def test_any_tag_value(
    zeiss: dict[str, object], fei: dict[str, object], other: object, shape: tuple[int, int]
) -> None:
    for code in (34118, 34680, 34681, 34682, 40092, 50431):
        for value in (zeiss, fei, other):
            _check_record(tag_record({code: value}, shape))


def _check_manifest(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    manifest = _result_or_message(lambda: read_manifest(path))
    if isinstance(manifest, str):
        assert "\n" not in manifest
        return
    assert isinstance(manifest, Manifest)
    assert manifest.rows
    for row in manifest.rows:
        assert manifest.row_for(row.path) is row
        if row.pixel_size_nm is not None:
            assert all(is_plausible(side) for side in row.pixel_size_nm)


CSV = "image,pixel_size_nm,tone,site\na.tif,1.25,bright,7\nb.tif,2,,8\n"
JSON = '[{"image": "a.tif", "pixel_size_nm": [1, 2]}, {"image": "b.tif", "tone": "dark"}]'


@settings(FUZZ, max_examples=80)
@given(
    st.sampled_from(["m.csv", "m.json"]),
    st.lists(st.tuples(st.integers(0, 80), st.text(max_size=4)), max_size=4),
)
def test_corrupted_manifests(tmp_path: Path, name: str, edits: list[tuple[int, str]]) -> None:
    text = CSV if name.endswith("csv") else JSON
    for place, inserted in edits:
        text = text[:place] + inserted + text[place + len(inserted) :]
    _check_manifest(tmp_path / name, text.encode("utf-8", "surrogatepass"))


@FUZZ
@given(st.sampled_from(["m.csv", "m.json"]), st.binary(max_size=200))
def test_random_manifests(tmp_path: Path, name: str, raw: bytes) -> None:
    _check_manifest(tmp_path / name, raw)
    _check_manifest(tmp_path / name, b"image,tone\n" + raw)
