"""`segsem extract` from an image on disk to contours in nm, in a process of its own."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import gdstk
import numpy as np
import pytest
from PIL import Image
from scipy.special import erf

from segsem.export.results import read_results

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]

HEIGHT, WIDTH = 128, 160
LINE_EDGES_PX = [(20.3, 38.8), (60.3, 78.8), (100.3, 118.8)]
PIXEL_SIZE_NM = 2.0

HEADER = (
    "image_id,region_id,contour_id,point,is_hole,closed,x_px,y_px,x_raw_px,y_raw_px,sigma_px,"
    "x_nm,y_nm,nx,ny,s_nm,sigma_nm,offset_nm,slope,contrast,weight,confidence,source,flags"
)


def line_image(noise: float = 3.0) -> np.ndarray:
    """Three bright vertical lines with known edges, blurred by 1.5 px, no bright rim."""
    x = np.arange(WIDTH, dtype=np.float64)
    profile = np.zeros(WIDTH)
    for left, right in LINE_EDGES_PX:
        profile += 0.5 * (erf((x - left) / (1.5 * 2**0.5)) - erf((x - right) / (1.5 * 2**0.5)))
    image = 60.0 + 120.0 * np.tile(profile, (HEIGHT, 1))
    image += np.random.default_rng(3).normal(0.0, noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    Image.fromarray(line_image()).save(folder / "lines.png")
    Image.fromarray(line_image(noise=6.0)).save(folder / "noisy.png")
    return folder


@pytest.fixture(scope="module")
def results(
    images: Path, segsem: Segsem, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("results") / "out"
    done = segsem("extract", images, "-o", out, "--fallback-only", "--pixel-size", PIXEL_SIZE_NM)
    assert done.returncode == 0, done.stderr
    return out, done


Results = tuple[Path, "subprocess.CompletedProcess[str]"]


def test_every_file_of_the_design_is_there_and_named(results: Results) -> None:
    out, done = results
    for name in ("contours.csv", "regions.json", "labels.tif", "confidence.tif", "overlay.png"):
        assert (out / "lines" / name).is_file()
        assert name in done.stdout
    for name in ("contours.oas", "contours.gds", "summary.csv"):
        assert (out / name).is_file()
        assert str(out / name) in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 images: 6 regions, sauvola 6, ")
    assert "2 nm/px" in done.stdout
    assert "Traceback" not in done.stderr


def test_columns_and_frames_of_contours_csv(results: Results) -> None:
    rows = read_rows(results[0] / "lines" / "contours.csv")
    assert ",".join(rows[0]) == HEADER
    for row in rows:
        x_nm = (float(row["x_px"]) + 0.5) * PIXEL_SIZE_NM
        y_nm = (HEIGHT - 0.5 - float(row["y_px"])) * PIXEL_SIZE_NM
        assert float(row["x_nm"]) == pytest.approx(x_nm, abs=1e-3)
        assert float(row["y_nm"]) == pytest.approx(y_nm, abs=1e-3)


def test_edges_lie_where_the_image_has_them(results: Results) -> None:
    rows = read_rows(results[0] / "lines" / "contours.csv")
    x = np.array([float(row["x_px"]) for row in rows])
    for edge in np.ravel(LINE_EDGES_PX):
        near = x[np.abs(x - edge) < 4.0]
        assert len(near) > 0.8 * HEIGHT
        assert np.median(near) == pytest.approx(edge, abs=0.15)


def test_lines_cut_by_the_image_are_open(results: Results) -> None:
    extraction = read_results(results[0] / "lines")
    contours = [contour for region in extraction.regions for contour in region.contours]
    assert len(contours) == 6
    assert not any(contour.closed for contour in contours)


def test_layout_has_one_cell_for_each_image(results: Results) -> None:
    library = gdstk.read_oas(results[0] / "contours.oas")
    names = sorted(cell.name for cell in library.cells)
    assert len(names) == 2
    assert names[0].startswith("lines")
    assert names[1].startswith("noisy")


def test_second_run_keeps_the_first(results: Results, images: Path, segsem: Segsem) -> None:
    out, _ = results
    before = (out / "lines" / "regions.json").stat().st_mtime_ns
    again = segsem("extract", images, "-o", out, "--fallback-only", "--pixel-size", PIXEL_SIZE_NM)
    assert again.returncode == 0
    assert again.stdout.count("complete from an earlier run") == 2
    assert (out / "lines" / "regions.json").stat().st_mtime_ns == before


def test_events_are_json_lines_and_tell_the_same(
    images: Path, segsem: Segsem, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = segsem(
        "extract", images / "lines.png", "-o", out, "--fallback-only", "--events", "jsonl"
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events} == {"progress", "image", "done"}
    image = next(event for event in events if event["event"] == "image")
    assert image["sources"] == {"sam2": 0, "sauvola": 3, "manual": 0, "mixed": 0}
    assert image["folder"] == str(out / "lines")
    assert events[-1]["exit_code"] == 0
    assert events[-1]["files"] == [str(out / "summary.csv")]


def test_errors_are_events_too(segsem: Segsem, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.csv"
    done = segsem("extract", missing, "-o", tmp_path, "--fallback-only", "--events", "jsonl")
    assert done.returncode == 3
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "error"
    assert last["exit_code"] == 3
    assert "nowhere.csv" in last["message"]


def test_failed_images_are_events_too(images: Path, segsem: Segsem, tmp_path: Path) -> None:
    inputs = [images / "lines.png", tmp_path / "nowhere.png"]
    done = segsem("extract", *inputs, "-o", tmp_path, "--fallback-only", "--events", "jsonl")
    assert done.returncode == 5
    events = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [event for event in events if event.get("status") == "failed"]
    assert [event["image_id"] for event in failed] == ["nowhere"]
    assert "does not exist" in failed[0]["error"]
    assert events[-1]["event"] == "done"
    assert events[-1]["failed"] == ["nowhere"]
    assert events[-1]["exit_code"] == 5


def test_px_without_pixel_size(images: Path, segsem: Segsem, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = segsem("extract", images / "lines.png", "-o", out, "--fallback-only")
    assert done.returncode == 0
    assert "pixel size unknown" in done.stdout
    assert not (out / "contours.oas").exists()
    row = read_rows(out / "lines" / "contours.csv")[0]
    assert row["x_px"]
    assert row["x_nm"] == row["sigma_nm"] == ""


def test_edge_definition_is_written_into_the_result(
    images: Path, segsem: Segsem, tmp_path: Path
) -> None:
    options = ["--edge-method", "slope", "--edge-side", "middle", "--threshold", "0.6"]
    done = segsem(
        "extract", images / "lines.png", "-o", tmp_path, "--fallback-only", "--formats", "csv",
        *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    params = read_results(tmp_path / "lines").provenance["params"]
    assert params["edge"]["edge_method"] == "slope"
    assert params["edge"]["edge_side"] == "middle"
    assert params["threshold"] == 0.6


def test_groups_of_the_manifest_that_tell_repeats_are_kept(
    images: Path, segsem: Segsem, tmp_path: Path
) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "image,pixel_size_nm,wafer,site,repeat\n"
        f"{images / 'lines.png'},2.0,W7,A3,1\n{images / 'noisy.png'},2.0,,,2\n",
        encoding="utf-8",
    )
    segsem("extract", manifest, "-o", tmp_path / "out", "--fallback-only")
    said = {
        name: json.loads((tmp_path / "out" / name / "regions.json").read_text(encoding="utf-8"))
        for name in ("lines", "noisy")
    }
    assert said["lines"]["provenance"]["groups"] == {"wafer": "W7", "site": "A3"}
    assert "groups" not in said["noisy"]["provenance"]
