"""Bad input: one clear line, the right exit code, nothing half-written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]


def lines(size: int = 96, pitch: int = 16) -> np.ndarray:
    """Vertical bright lines with a little noise, uint8."""
    rng = np.random.default_rng(7)
    bright = (np.arange(size) // (pitch // 2)) % 2
    return np.clip(60 + 120 * bright + rng.normal(0, 4, (size, size)), 0, 255).astype(np.uint8)


def text_named_png(folder: Path) -> Path:
    path = folder / "notes.png"
    path.write_text("CD target 32 nm\n")
    return path


def truncated_tiff(folder: Path) -> Path:
    path = folder / "cut.tif"
    tifffile.imwrite(path, lines())
    path.write_bytes(path.read_bytes()[:3000])
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.tif"
    path.touch()
    return path


def one_pixel(folder: Path) -> Path:
    path = folder / "dot.png"
    Image.fromarray(np.array([[7]], dtype=np.uint8)).save(path)
    return path


def nan_tiff(folder: Path) -> Path:
    path = folder / "nan.tif"
    data = lines().astype(np.float32)
    data[10, 10] = np.nan
    tifffile.imwrite(path, data)
    return path


def good_image(folder: Path) -> Path:
    path = folder / "lines.png"
    Image.fromarray(lines()).save(path)
    return path


def missing_file(folder: Path) -> Path:
    return folder / "nowhere.tif"


def empty_folder(folder: Path) -> Path:
    path = folder / "nothing"
    path.mkdir()
    return path


CASES = {
    "no such file": (missing_file, [], 3, "nowhere.tif"),
    "text named .png": (text_named_png, [], 3, "notes.png"),
    "truncated TIFF": (truncated_tiff, [], 3, "cut.tif"),
    "0 bytes": (empty_file, [], 3, "empty.tif"),
    "1x1": (one_pixel, [], 3, "dot.png"),
    "above the pixel limit": (good_image, ["--max-pixels", "1000"], 3, "--max-pixels"),
    "NaN in a float TIFF": (nan_tiff, [], 3, "nan.tif"),
    "layout without pixel size": (good_image, ["--formats", "oas"], 3, "--pixel-size"),
    "folder without images": (empty_folder, [], 3, "nothing"),
    "both routings": (good_image, ["--no-fallback"], 2, "--fallback-only"),
    "unknown format": (good_image, ["--formats", "dxf"], 2, "dxf"),
    "pixel size no number": (good_image, ["--pixel-size", "small"], 2, "--pixel-size"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_clear_line_and_nothing_written(
    case: tuple[Callable[[Path], Path], list[str], int, str], segsem: Segsem, tmp_path: Path
) -> None:
    make, options, exit_code, word = case
    out = tmp_path / "out"
    done = segsem("extract", make(tmp_path), "-o", out, "--fallback-only", *options)
    assert done.returncode == exit_code, done.stderr
    assert_one_clear_line(done, word)
    assert not out.exists()


def test_unwritable_folder(segsem: Segsem, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    done = segsem("extract", good_image(tmp_path), "-o", out, "--fallback-only")
    assert done.returncode == 3
    assert_one_clear_line(done, str(out))


def test_unknown_model(segsem: Segsem, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = segsem("extract", good_image(tmp_path), "-o", out, "--model", "sam9_huge")
    assert done.returncode == 4
    assert_one_clear_line(done, "sam9_huge")
    assert not out.exists()


def test_all_black_is_no_error(segsem: Segsem, tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(path)
    done = segsem("extract", path, "-o", tmp_path / "out", "--fallback-only", "--pixel-size", "1")
    assert done.returncode == 0, done.stderr
    assert "black: 0 regions" in done.stdout
    assert "warning: black: " in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "black" / "contours.csv").read_text().count("\n") == 1


def test_bad_images_do_not_stop_the_good_ones(segsem: Segsem, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    good_image(images)
    truncated_tiff(images)
    done = segsem("extract", images, "-o", tmp_path / "out", "--fallback-only")
    assert done.returncode == 5, done.stderr
    assert "error: cut: " in done.stderr
    assert "error: 1 of 2 images failed: cut" in done.stderr
    assert "Traceback" not in done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"lines", "summary.csv"}


def assert_one_clear_line(done: subprocess.CompletedProcess[str], word: str) -> None:
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert word in done.stderr
    assert done.stdout == ""
