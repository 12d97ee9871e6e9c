"""`segsem info` as its user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.special import erf

# Edges of a blur of 1 px, between 60 and 180.
EDGES = 12 - np.abs((np.arange(192) + 0.3) % 48 - 24)
GRATING = np.tile(120 + 60 * erf(EDGES / np.sqrt(2)), (160, 1))
NOISY = np.clip(GRATING + np.random.default_rng(0).normal(0, 8, GRATING.shape), 0, 255)
KEYS = [
    *("file", "shape", "dtype", "pixel_size_nm", "pixel_size_source", "data_bar_row"),
    *("snr", "blur_px", "saturated_fraction"),
]


Info = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def info(segsem: Info) -> Info:
    return lambda *arguments: segsem("info", *arguments)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "site07.tif"
    text = "[DataBar]\nScanResolution = 192\nHFW = 0.384\n"
    tifffile.imwrite(path, NOISY.astype(np.uint8), extratags=[(34681, "s", 0, text, True)])
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.png"
    Image.fromarray(NOISY.astype(np.uint8)).save(path)
    return path


def test_json(info: Info, image: Path, plain: Path) -> None:
    result = info(image, plain, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    with_scale, without = json.loads(result.stdout)
    assert list(with_scale)[: len(KEYS)] == KEYS
    assert with_scale["file"] == str(image)
    assert with_scale["shape"] == [160, 192]
    assert with_scale["dtype"] == "uint8"
    assert with_scale["pixel_size_nm"] == [2.0, 2.0]
    assert with_scale["pixel_size_source"] == "vendor tag FEI 34681 HFW"
    assert with_scale["data_bar_row"] is None
    assert with_scale["snr"] == pytest.approx(15, rel=0.15)
    assert with_scale["blur_px"] == pytest.approx(1, rel=0.15)
    assert with_scale["saturated_fraction"] == 0
    assert without["pixel_size_nm"] is None
    assert without["pixel_size_source"] is None


def test_for_people(info: Info, image: Path, plain: Path) -> None:
    result = info(image, plain)
    assert (result.returncode, result.stderr) == (0, "")
    assert str(image) in result.stdout
    assert "2 nm (vendor tag FEI 34681 HFW)" in result.stdout
    assert "unknown: give it with --pixel-size" in result.stdout
    assert "SNR 1" in result.stdout


def test_pixel_size_fills_the_gap_and_is_compared(info: Info, image: Path, plain: Path) -> None:
    result = info(image, plain, "--json", "--pixel-size", "3")
    tagged, filled = json.loads(result.stdout)
    assert tagged["pixel_size_nm"] == [2.0, 2.0]
    assert "user says 3 nm" in tagged["warnings"][0]
    assert (filled["pixel_size_nm"], filled["pixel_size_source"]) == ([3.0, 3.0], "user")
    (entry,) = json.loads(info(plain, "--json", "--pixel-size", "2.5,3").stdout)
    assert entry["pixel_size_nm"] == [2.5, 3.0]


def test_some_bad(info: Info, image: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    result = info(tmp_path / "nosuch.tif", image, tmp_path / "text.png", "--json")
    assert result.returncode == 5
    assert [entry["file"] for entry in json.loads(result.stdout)] == [str(image)]
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert "nosuch.tif does not exist" in lines[0]
    assert "text.png is not a PNG" in lines[1]


def test_all_bad(info: Info, tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    result = info(tmp_path / "empty.tif", "--json")
    assert result.returncode == 3
    assert json.loads(result.stdout) == []
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_folder_and_manifest(info: Info, image: Path, plain: Path) -> None:
    manifest = plain.parent / "list.csv"
    manifest.write_text("image,px_x_nm,px_y_nm\nplain.png,1.5,1.25\n")
    (listed,) = json.loads(info(manifest, "--json").stdout)
    assert listed["pixel_size_nm"] == [1.25, 1.5]
    assert listed["pixel_size_source"] == "manifest"
    assert len(json.loads(info(image.parent, "--json").stdout)) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pixel-size", "x"), "--pixel-size"),
        (("--pixel-size", "-1"), "--pixel-size"),
        (("--pixel-size", "1,2,3"), "--pixel-size"),
        (("--max-pixels", "0"), "--max-pixels"),
    ],
)
def test_usage(info: Info, image: Path, options: tuple[str, str], message: str) -> None:
    result = info(image, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_pixel_limit(info: Info, image: Path) -> None:
    result = info(image, "--max-pixels", "30719")
    assert result.returncode == 3
    assert "--max-pixels 30720" in result.stderr
    assert info(image, "--max-pixels", "30720").returncode == 0


TRUTH_NM = {
    "zeiss_merlin_1k.tif": 2614.514,
    "zeiss_ultra55_512pix.tif": 11.65,
    "fei_helios_8bit.tif": 3372.4,
    "fei_helios_16bit.tif": 3372.4,
    "fei_helios_navcam_no_scale.tif": None,
    "hitachi_su8200_xpcomment.tif": 0.9921875,
    "jeol_7600f_etched_sidewall.tif": 1.887,
    "S1_200kX.TIF": 1.4844,
    "S2_200kX.TIF": 1.4844,
    "Square_100nm_100kX.TIF": 2.969,
}


@pytest.mark.shared_data
def test_real_files(info: Info, shared_data: Path) -> None:
    folders = (shared_data / "vendor_meta", shared_data / "real_sem" / "uuhy_resist")
    result = info(*folders, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    entries = json.loads(result.stdout)
    sizes = {Path(entry["file"]).name: entry["pixel_size_nm"] for entry in entries}
    assert sizes.keys() == TRUTH_NM.keys()
    for name, expected in TRUTH_NM.items():
        if expected is None:
            assert sizes[name] is None
        else:
            assert sizes[name] == pytest.approx([expected, expected], rel=0.005)
