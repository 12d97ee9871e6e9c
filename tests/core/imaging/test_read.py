"""Files of every supported kind come back with the very grey values that were written."""

from __future__ import annotations

import hashlib
import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.imaging.read import read_image

RNG = np.random.default_rng(7)
GREY_8 = RNG.integers(0, 256, (40, 56), dtype=np.uint8)
GREY_16 = RNG.integers(0, 65536, (40, 56), dtype=np.uint16)
GREY_FLOAT = RNG.normal(100, 30, (40, 56)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_8_bit_grey_is_unchanged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"site07.{suffix}"
    Image.fromarray(GREY_8).save(path)
    image = read_image(path)
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, GREY_8)
    assert image.name == "site07"
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.warnings == ()
    assert image.pixel_size_nm is None
    assert image.pixel_size_source is None


@pytest.mark.parametrize("data", [GREY_8, GREY_16, GREY_FLOAT], ids=["u1", "u2", "f4"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
        {"rowsperstrip": 7},
        {"bigtiff": True},
        {"byteorder": ">"},
    ],
    ids=str,
)
def test_tiff_layouts_are_lossless(
    tmp_path: Path, data: npt.NDArray[np.generic], options: dict[str, object]
) -> None:
    path = tmp_path / "a.tif"
    if options.get("predictor") and data.dtype.kind == "f":
        options = {"compression": "zlib"}
    tifffile.imwrite(path, data, photometric="minisblack", **options)
    image = read_image(path)
    assert image.data.dtype == data.dtype
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("data", [GREY_8, GREY_16], ids=["u1", "u2"])
def test_compressions_that_need_libtiff(
    tmp_path: Path, data: npt.NDArray[np.generic], compression: str
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(data).save(path, compression=compression)
    np.testing.assert_array_equal(read_image(path).data, data)


def test_fax_compressed_1_bit_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    mask = GREY_8 > 127
    Image.fromarray(mask).save(path, compression="group4")
    np.testing.assert_array_equal(read_image(path).data, np.where(mask, 255, 0))


def test_16_bit_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GREY_16).save(path)
    image = read_image(path)
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data, GREY_16)


def test_16_bit_rgb_png_keeps_its_depth(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), np.stack([GREY_16] * 3, axis=-1))
    image = read_image(path)
    assert image.data.dtype == np.uint16
    np.testing.assert_array_equal(image.data, GREY_16)


@pytest.mark.parametrize(
    "samples",
    [
        np.stack([GREY_8] * 3, axis=-1),
        np.dstack([GREY_8, GREY_8, GREY_8, np.full_like(GREY_8, 255)]),
    ],
    ids=["rgb", "rgba"],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_stored_as_colour_is_grey_without_a_warning(
    tmp_path: Path, samples: npt.NDArray[np.uint8], suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(samples).save(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, GREY_8)
    assert image.warnings == ()


def test_planar_rgb_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    planes = np.stack([GREY_8] * 3)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(path).data, GREY_8)


def test_colour_becomes_luminance_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    samples = np.stack([GREY_8] * 3, axis=-1)
    samples[:10] = (200, 100, 50)
    Image.fromarray(samples).save(path)
    image = read_image(path)
    assert (image.data[:10] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()
    np.testing.assert_array_equal(image.data[10:], GREY_8[10:])
    assert len(image.warnings) == 1
    assert "560 coloured pixels" in image.warnings[0]


def test_palette_is_looked_up(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    reverse = np.arange(255, -1, -1, dtype=np.uint16) * 257
    tifffile.imwrite(path, GREY_8, photometric="palette", colormap=np.stack([reverse] * 3))
    np.testing.assert_array_equal(read_image(path).data, 255 - GREY_8)


def test_miniswhite_is_inverted(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY_16, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path).data, 65535 - GREY_16)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_1_bit_becomes_0_and_255(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    mask = GREY_8 > 127
    Image.fromarray(mask).save(path)
    np.testing.assert_array_equal(read_image(path).data, np.where(mask, 255, 0))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GREY_FLOAT.astype(np.float64), np.float32),
        (GREY_FLOAT.astype(np.float16), np.float32),
        (GREY_16.astype(np.int32), np.uint16),
        (GREY_16.astype(np.uint32) + 70_000, np.float32),
        (GREY_8.astype(np.int16) - 100, np.float32),
    ],
    ids=["f8", "f2", "i4", "u4-large", "i2-negative"],
)
def test_other_types_become_one_of_three(
    tmp_path: Path, data: npt.NDArray[np.generic], expected: type[np.generic]
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data)
    image = read_image(path)
    assert image.data.dtype == expected
    np.testing.assert_allclose(image.data, data.astype(np.float64), rtol=1e-6)


def test_multipage_takes_the_first_page_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([GREY_8, 255 - GREY_8]), photometric="minisblack")
    image = read_image(path)
    np.testing.assert_array_equal(image.data, GREY_8)
    assert "1 of 2" in image.warnings[0]
    np.testing.assert_array_equal(read_image(path, page=1).data, 255 - GREY_8)
    with pytest.raises(InputError, match="2 page"):
        read_image(path, page=2)


def test_jpeg_decodes_close_to_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    smooth = np.tile(np.linspace(20, 220, 64), (64, 1)).astype(np.uint8)
    Image.fromarray(np.stack([smooth] * 3, axis=-1)).save(path, quality=95)
    image = read_image(path)
    assert np.abs(image.data.astype(int) - smooth).max() <= 4
    assert image.warnings == ()


def test_orientation_is_not_applied_but_told(tmp_path: Path) -> None:
    jpeg, tiff = tmp_path / "a.jpg", tmp_path / "a.tif"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY_8).save(jpeg, exif=exif)
    tifffile.imwrite(tiff, GREY_8, extratags=[(274, "H", 1, 6, True)])
    for path in (jpeg, tiff):
        image = read_image(path)
        assert image.shape == GREY_8.shape
        assert "orientation 6 is not applied" in image.warnings[0]


def _bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name: (file, what the message must say)."""
    png, tiff = io.BytesIO(), io.BytesIO()
    Image.fromarray(GREY_8).save(png, "PNG")
    tifffile.imwrite(tiff, GREY_16)
    jpeg = io.BytesIO()
    Image.fromarray(GREY_8).save(jpeg, "JPEG")
    nan = io.BytesIO()
    tifffile.imwrite(nan, np.where(GREY_FLOAT > 150, np.nan, GREY_FLOAT))
    inf = io.BytesIO()
    tifffile.imwrite(inf, np.where(GREY_FLOAT > 150, 1e300, GREY_FLOAT.astype(np.float64)))
    small = io.BytesIO()
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(small, "PNG")
    thin = io.BytesIO()
    tifffile.imwrite(thin, np.zeros((15, 400), np.uint8))
    phases = io.BytesIO()
    tifffile.imwrite(phases, GREY_FLOAT.astype(np.complex64))
    sparse = io.BytesIO()
    tifffile.imwrite(sparse, GREY_8, rowsperstrip=8)
    holes = bytearray(sparse.getvalue())
    sparse.seek(0)
    with tifffile.TiffFile(sparse) as parsed:
        counts = parsed.pages[0].tags["StripByteCounts"]
        size = {3: 2, 4: 4}[int(counts.dtype)]
        holes[counts.valueoffset : counts.valueoffset + size] = bytes(size)
    chunk = bytearray(png.getvalue())
    chunk[len(chunk) // 2] ^= 0xFF
    contents = {
        "empty.tif": (b"", "is empty"),
        "text.png": (b"not an image at all\n", "is not a PNG, TIFF, JPEG or BMP"),
        "cut.png": (png.getvalue()[:-800], "truncated or damaged"),
        "flipped.png": (bytes(chunk), "truncated or damaged"),
        "cut.jpg": (jpeg.getvalue()[:-300], "truncated or damaged"),
        "cut.tif": (tiff.getvalue()[:-500], "truncated"),
        "header.tif": (tiff.getvalue()[:12], "damaged"),
        "hole.tif": (bytes(holes), "missing"),
        "nan.tif": (nan.getvalue(), "NaN or infinite"),
        "inf.tif": (inf.getvalue(), "NaN or infinite"),
        "one.png": (small.getvalue(), "at least 16 px"),
        "thin.tif": (thin.getvalue(), "at least 16 px"),
        "complex.tif": (phases.getvalue(), "complex64"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    bad = {name: (folder / name, message) for name, (_, message) in contents.items()}
    bad["missing"] = (folder / "nosuch.tif", "does not exist")
    bad["folder"] = (folder, "is a folder")
    bad["null"] = (folder / "a\0b.png", "a")
    return bad


@pytest.mark.parametrize(
    "name",
    [
        *("empty.tif", "text.png", "cut.png", "flipped.png", "cut.jpg", "cut.tif", "header.tif"),
        *("hole.tif", "nan.tif", "inf.tif", "one.png", "thin.tif", "complex.tif"),
        *("missing", "folder", "null"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path, message = _bad_files(tmp_path)[name]
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert path.name.replace("\0", "")[:1] in str(caught.value)
    assert capfd.readouterr() == ("", "")


def _png_header(width: int, height: int) -> bytes:
    """Write a PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    empty = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + empty + chunk(b"IEND", b"")


def test_pixel_limit_is_checked_before_decoding(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    huge.write_bytes(_png_header(60_000, 60_000))
    with pytest.raises(InputError, match=r"60000 x 60000 px.*--max-pixels 3600000000"):
        read_image(huge)
    tiff = tmp_path / "huge.tif"
    tifffile.imwrite(tiff, GREY_8)
    with tifffile.TiffFile(tiff, mode="r+") as parsed:
        for code in (256, 257):
            parsed.pages[0].tags[code].overwrite(20_000)
    with pytest.raises(InputError, match="--max-pixels"):
        read_image(tiff)


def test_pixel_limit_can_be_moved(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GREY_8).save(path)
    with pytest.raises(InputError, match="--max-pixels 2240"):
        read_image(path, max_pixels=2239)
    assert read_image(path, max_pixels=2240).shape == (40, 56)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_the_kind_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.tif"
    Image.fromarray(GREY_8).save(path, "PNG")
    np.testing.assert_array_equal(read_image(path).data, GREY_8)


def test_decoders_stay_quiet_and_leave_logging_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    # A tag with an offset beyond the file makes tifffile log an error.
    tifffile.imwrite(path, GREY_8, extratags=[(34118, "s", 0, "x" * 40, True)])
    raw = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as parsed:
        offset = parsed.pages[0].tags[34118].offset
    raw[offset + 8 : offset + 12] = struct.pack("<I", 1 << 30)
    path.write_bytes(raw)
    before = list(logging.getLogger("tifffile").filters)
    np.testing.assert_array_equal(read_image(path).data, GREY_8)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("tifffile").filters == before
