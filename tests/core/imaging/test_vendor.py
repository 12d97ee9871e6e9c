"""Vendor metadata: hand-made tags with known answers, and the real files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.imaging.pixel_size import tag_record
from segsem.imaging.read import read_image
from segsem.imaging.sidecar import parse_sidecar
from segsem.imaging.vendor.fei import parse_fei
from segsem.imaging.vendor.hitachi import parse_hitachi, xp_comment
from segsem.imaging.vendor.jeol import parse_jeol
from segsem.imaging.vendor.record import fit_to_stored, quantity_nm, to_float
from segsem.imaging.vendor.tescan import parse_tescan
from segsem.imaging.vendor.zeiss import parse_zeiss

HITACHI = (
    "[SemImageFile]\r\nInstructName=SU8000\r\nDataSize=1280x960\r\nPixelSize=1.25\r\n"
    "SignalName=SE(U)\r\nMagnification=80000\r\n"
)
JEOL = (
    "$SEM_DATA_VERSION 1\r\n$CM_MAG 50000\r\n$$SM_MICRON_BAR 50\r\n$$SM_MICRON_MARKER 100nm\r\n"
    "$CM_FULL_SIZE 1280 960\r\n"
)
TESCAN = "[MAIN]\r\nDevice=VEGA3\r\nPixelSizeX=2.5e-9\r\nPixelSizeY=2.5e-9\r\nImageStripSize=64\r\n"


def _only(size: tuple[float, float] | None) -> float:
    assert size is not None
    assert size[0] == pytest.approx(size[1])
    return size[1]


class TestZeiss:
    def test_image_pixel_size_stands(self) -> None:
        tag = {"ap_image_pixel_size": ("Image Pixel Size", 2.615, "µm")}
        record = parse_zeiss(tag, (768, 1024))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(2615)
        assert "ap_image_pixel_size" in record.source
        assert record.warnings == ()

    def test_image_pixel_size_beats_a_pixel_size_off_by_two(self) -> None:
        tag = {
            "ap_image_pixel_size": ("Image Pixel Size", 1.117, "nm"),
            "ap_pixel_size": ("Pixel Size", 2.234, "nm"),
        }
        record = parse_zeiss(tag, (1536, 2048))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(1.117)

    def test_pixel_size_alone_is_on_a_1024_px_basis(self) -> None:
        tag = {
            "ap_pixel_size": ("Pixel Size", 5.825, "nm"),
            "ap_width": ("Width", 5.965, "µm"),
        }
        record = parse_zeiss(tag, (384, 512))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(11.65)
        assert record.warnings == ()

    def test_field_of_view_decides_where_the_1024_px_basis_does_not_hold(self) -> None:
        tag = {
            "ap_pixel_size": ("Pixel Size", 5.0, "nm"),
            "ap_width": ("Width", 10.24, "µm"),
        }
        record = parse_zeiss(tag, (1536, 2048))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(5.0)
        assert "ap_width" in record.source

    def test_pixel_size_without_field_of_view_is_used_with_a_warning(self) -> None:
        record = parse_zeiss({"ap_pixel_size": ("Pixel Size", 5.825, "nm")}, (384, 512))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(11.65)
        assert len(record.warnings) == 1

    def test_disagreement_with_the_field_of_view_is_reported(self) -> None:
        tag = {
            "ap_image_pixel_size": ("Image Pixel Size", 2.0, "nm"),
            "ap_width": ("Width", 4.096, "µm"),
        }
        record = parse_zeiss(tag, (768, 1024))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(2.0)
        assert "4 nm/px" in record.warnings[0]

    def test_exact_digits_come_from_the_unnamed_block(self) -> None:
        tag = {
            "": (0, 0, 0, 2.614514e-06),
            "ap_image_pixel_size": ("Image Pixel Size", 2.615, "µm"),
        }
        record = parse_zeiss(tag, (768, 1024))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(2614.514, rel=1e-9)

    def test_resized_copy(self) -> None:
        tag = {
            "ap_image_pixel_size": ("Image Pixel Size", 2.0, "nm"),
            "dp_image_store": ("Store resolution", "1024 * 768"),
        }
        record = parse_zeiss(tag, (384, 512))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(4.0)
        assert "resized copy" in record.warnings[0]

    @pytest.mark.parametrize("value", [0.0, -3.0, "nonsense", float("nan"), float("inf")])
    def test_no_size_in_a_bad_value(self, value: object) -> None:
        record = parse_zeiss({"ap_image_pixel_size": ("Image Pixel Size", value, "nm")}, (64, 64))
        assert record is not None
        assert record.pixel_size_nm is None


class TestFei:
    def test_pixel_width_and_height(self) -> None:
        tag = {
            "Beam": {"Beam": "EBeam", "Scan": "EScan"},
            "Scan": {"PixelWidth": 2e-9, "PixelHeight": 2.5e-9},
            "Image": {"ResolutionX": 1024, "ResolutionY": 884},
        }
        record = parse_fei(tag, 34682, (943, 1024))
        assert record is not None
        assert record.pixel_size_nm == pytest.approx((2.5, 2.0))
        assert record.scan_height_px == 884
        assert "34682" in record.source

    def test_field_width_where_the_scan_section_is_missing(self) -> None:
        tag = {
            "Beam": {"Beam": "IBeam"},
            "EBeam": {"HFW": 9e-6},
            "IBeam": {"HFW": 2.048e-6, "VFW": 1.768e-6},
            "Image": {"ResolutionX": 1024, "ResolutionY": 884},
        }
        record = parse_fei(tag, 34682, (884, 1024))
        assert record is not None
        assert record.pixel_size_nm == pytest.approx((2.0, 2.0))
        assert "IBeam" in record.source

    def test_s_feg_text(self) -> None:
        text = "[DataBar]\nEBeamHV = 15000\nScanResolution = 1024\nHFW = 1.52\n"
        for tag in (text, text.encode()):
            record = parse_fei(tag, 34681, (954, 1024))
            assert record is not None
            assert _only(record.pixel_size_nm) == pytest.approx(1.484375)
            assert "34681" in record.source

    def test_malformed_floats_are_no_pixel_size(self) -> None:
        tag = {
            "Beam": {"Beam": "IRBeam", "HV": "notafloat"},
            "IRBeam": {"HFW": "notafloat"},
            "Scan": {"PixelWidth": "", "PixelHeight": "notafloat"},
        }
        record = parse_fei(tag, 34682, (551, 768))
        assert record is not None
        assert record.pixel_size_nm is None

    def test_resized_copy_with_its_data_bar(self) -> None:
        tag = {
            "Scan": {"PixelWidth": 2e-9, "PixelHeight": 2e-9},
            "Image": {"ResolutionX": 1024, "ResolutionY": 884},
            "PrivateFei": {"DatabarHeight": 60},
        }
        record = parse_fei(tag, 34682, (472, 512))
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(4.0)
        assert record.scan_height_px is None
        assert "resized copy" in record.warnings[0]


class TestHitachi:
    @pytest.mark.parametrize("text", [HITACHI, HITACHI.split("\r\n", 1)[1]], ids=["", "no-head"])
    def test_sidecar(self, text: str) -> None:
        record = parse_hitachi(text, (960, 1280), "sidecar a.txt")
        assert record is not None
        assert _only(record.pixel_size_nm) == 1.25
        assert record.warnings == ()

    def test_resized_copy(self) -> None:
        record = parse_hitachi(HITACHI, (480, 640), "sidecar a.txt")
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(2.5)
        assert "resized copy" in record.warnings[0]

    def test_cropped_rows_keep_the_scale(self) -> None:
        record = parse_hitachi(HITACHI, (880, 1280), "sidecar a.txt")
        assert record is not None
        assert _only(record.pixel_size_nm) == 1.25

    def test_unknown_geometry_is_no_scale(self) -> None:
        record = parse_hitachi(HITACHI, (600, 640), "sidecar a.txt")
        assert record is not None
        assert record.pixel_size_nm is None
        assert "cropped or resized" in record.warnings[0]

    def test_other_text_is_not_hitachi(self) -> None:
        assert parse_hitachi("PixelSize=3 nm, my notes", (64, 64), "sidecar a.txt") is None

    def test_xp_comment_bytes(self) -> None:
        assert xp_comment("PixelSize=1".encode("utf-16-le")) == "PixelSize=1"
        assert xp_comment(tuple(b"P\0i\0")) == "Pi"
        assert xp_comment((300, -1)) == ""
        assert xp_comment(None) == ""


class TestJeol:
    def test_scale_bar(self) -> None:
        record = parse_jeol(JEOL, (1024, 1280), "sidecar a.txt")
        assert record is not None
        assert _only(record.pixel_size_nm) == 2.0
        assert record.scan_height_px == 960

    @pytest.mark.parametrize(("marker", "nm"), [("5um", 5000), ("1 µm", 1000), ("0.2mm", 2e5)])
    def test_units(self, marker: str, nm: float) -> None:
        record = parse_jeol(JEOL.replace("100nm", marker), (960, 1280), "sidecar a.txt")
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(nm / 50)
        assert record.scan_height_px is None

    @pytest.mark.parametrize("bar", ["0", "-5", "", "none", "1e-300"])
    def test_bad_bar(self, bar: str) -> None:
        text = JEOL.replace("SM_MICRON_BAR 50", f"SM_MICRON_BAR {bar}")
        record = parse_jeol(text, (960, 1280), "sidecar a.txt")
        assert record is not None
        assert record.pixel_size_nm is None


class TestTescan:
    def test_header(self) -> None:
        record = parse_tescan(TESCAN, (832, 1024), "sidecar a.hdr")
        assert record is not None
        assert _only(record.pixel_size_nm) == pytest.approx(2.5)
        assert record.scan_height_px == 768

    def test_tag_with_a_preview_before_the_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        value = b"\x01\x9f\xff\0\0JFIF..." + TESCAN.encode()
        data = np.zeros((64, 96), np.uint8)
        tifffile.imwrite(path, data, extratags=[(50431, "B", len(value), value, True)])
        image = read_image(path)
        assert _only(image.pixel_size_nm) == pytest.approx(2.5)
        assert image.pixel_size_source == "vendor tag TESCAN 50431 PixelSizeX"


@pytest.mark.parametrize(
    ("name", "text", "shape", "expected"),
    [
        ("a.txt", HITACHI.encode("ascii"), (96, 128), 12.5),
        ("a.txt", HITACHI.encode("utf-16"), (96, 128), 12.5),
        ("a.txt", HITACHI.encode("utf-16-le"), (96, 128), 12.5),
        ("a.TXT", HITACHI.replace("SE(U)", "µ").encode("latin-1"), (96, 128), 12.5),
        ("a.tif.txt", HITACHI.encode(), (96, 128), 12.5),
        ("a.txt", JEOL.encode(), (72, 1280), 2.0),
        ("a.hdr", TESCAN.encode(), (96, 128), 2.5),
        ("a-tif.hdr", TESCAN.encode(), (96, 128), 2.5),
        ("a.txt", b"lot 7, wafer 3, looks good\n", (96, 128), None),
        ("b.txt", HITACHI.encode(), (96, 128), None),
    ],
)
def test_sidecars_are_found_by_name_and_known_by_content(
    tmp_path: Path, name: str, text: bytes, shape: tuple[int, int], expected: float | None
) -> None:
    path = tmp_path / "a.tif"
    # A print resolution must never become a scale.
    data = np.zeros(shape, np.uint8)
    tifffile.imwrite(path, data, resolution=(254_000, 254_000), resolutionunit="inch")
    (tmp_path / name).write_bytes(text)
    image = read_image(path)
    if expected is None:
        assert image.pixel_size_nm is None
        assert image.pixel_size_source is None
    else:
        assert _only(image.pixel_size_nm) == pytest.approx(expected)
        assert image.pixel_size_source is not None
        assert image.pixel_size_source.startswith(f"sidecar {name}")


@pytest.mark.parametrize(
    ("text", "nm"),
    [
        *(("100nm", 100), ("5um", 5000), ("2.615 µm", 2615), ("1e-3 mm", 1000), ("12 pm", 0.012)),
        *(("5", None), ("nm", None), ("", None), ("5 inch", None), ("1e999nm", None)),
    ],
)
def test_quantities(text: str, nm: float | None) -> None:
    assert quantity_nm(text) == (nm if nm is None else pytest.approx(nm))


def test_numbers_that_are_none() -> None:
    values = ("notafloat", "", "nan", "inf", None, True, float("nan"), 10**400, [], {})
    assert [to_float(value) for value in values] == [None] * len(values)


def test_rounded_scan_size_still_counts_as_a_resized_copy() -> None:
    size, warnings = fit_to_stored((2.0, 2.0), (884, 1024), (295, 341), "x")
    assert size == pytest.approx((2 * 884 / 295, 2 * 1024 / 341))
    assert warnings


def test_first_tag_with_a_size_stands() -> None:
    tags: Mapping[int, object] = {
        34118: {"ap_width": ("Width", "broken", "µm")},
        34681: "[DataBar]\nHFW = 1.024\nScanResolution = 1024\n",
    }
    record = tag_record(tags, (884, 1024))
    assert record is not None
    assert _only(record.pixel_size_nm) == pytest.approx(1.0)


TRUTH = {
    "vendor_meta/zeiss_merlin_1k.tif": (2614.514, 691),
    "vendor_meta/zeiss_ultra55_512pix.tif": (11.65, 350),
    "vendor_meta/fei_helios_8bit.tif": (3372.4, 442),
    "vendor_meta/fei_helios_16bit.tif": (3372.4, 442),
    "vendor_meta/fei_helios_navcam_no_scale.tif": (None, 512),
    "vendor_meta/hitachi_su8200_xpcomment.tif": (0.9921875, 896),
    "vendor_meta/jeol_7600f_etched_sidewall.tif": (1.887, 960),
    "real_sem/uuhy_resist/S1_200kX.TIF": (1.4844, 884),
    "real_sem/uuhy_resist/S2_200kX.TIF": (1.4844, 884),
    "real_sem/uuhy_resist/Square_100nm_100kX.TIF": (2.969, 884),
    "real_sem/barwidth_cat_grating/PostKOH_Center_Frontside-1.jpg": (None, 698),
    "real_sem/barwidth_cat_grating/PostKOH_Center_Frontside.jpg": (None, 349),
    "real_sem/giyorah_defect_sem/case1_inspected_image.tif": (None, None),
    "real_sem/prefab_soi_ebl/SEM/random_lpass_0.03_1.png": (None, None),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", TRUTH)
def test_real_files(shared_data: Path, name: str) -> None:
    expected_nm, expected_bar = TRUTH[name]
    image = read_image(shared_data / name)
    if expected_nm is None:
        assert image.pixel_size_nm is None
        assert image.pixel_size_source is None
    else:
        assert _only(image.pixel_size_nm) == pytest.approx(expected_nm, rel=0.005)
        assert image.pixel_size_source is not None
    assert image.data_bar_row == expected_bar


@pytest.mark.shared_data
def test_real_hitachi_sidecar_without_its_first_line(shared_data: Path) -> None:
    text = (shared_data / "vendor_meta/hitachi_tm3000_sidecar_only.txt").read_text()
    record = parse_sidecar(text, (1100, 1280), "a.txt")
    assert record is not None
    assert _only(record.pixel_size_nm) == 506.25
