"""`segsem extract --design` as a user starts it, with the bundled model."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tifffile

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """`tests/fakes/designed.py`."""
    path = Path(__file__).parents[1] / "fakes" / "designed.py"
    spec = importlib.util.spec_from_file_location("designed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of the design, with faults and without, and layouts good and bad."""
    folder = tmp_path_factory.mktemp("site")
    tifffile.imwrite(folder / "faults.tif", made.image().data)
    (folder / "images").mkdir()
    shutil.copy(folder / "faults.tif", folder / "images")
    tifffile.imwrite(folder / "images" / "right.tif", made.image(faults=False, seed=4).data)
    made.write_layout(folder / "design.oas")
    made.write_layout(folder / "design.gds")
    (folder / "cut.oas").write_bytes((folder / "design.oas").read_bytes()[:-300])
    spoilt = bytearray((folder / "design.oas").read_bytes())
    spoilt[60:90] = b"\xff" * 30
    (folder / "spoilt.oas").write_bytes(bytes(spoilt))
    (folder / "text.oas").write_text("no layout at all\n" * 40)
    return folder


def regions(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "regions.json").read_text(encoding="utf-8")))


def test_faults_are_flagged_in_files_and_summary(
    segsem: Segsem, made: ModuleType, site: Path, tmp_path: Path
) -> None:
    done = segsem(
        "extract", site / "images", "--pixel-size", "2", "--design", site / "design.oas",
        "--layer", "5/0", "--formats", "csv", "-o", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "design: 1 missing, 1 extra, 1 bridged" in done.stdout
    assert "design: as drawn" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 images")
    found = regions(tmp_path / "faults")
    flags = sorted(flag for region in found["regions"] for flag in region["flags"])
    assert flags == ["bridged", "extra"]
    record = found["provenance"]["design"]
    assert (record["file"], record["cell"], record["layer"]) == ("design.oas", "TOP", "5/0")
    assert len(record["sha256"]) == 64
    place = record["registration"]["place"]
    assert place["position_nm"] == pytest.approx(made.POSITION_NM, abs=0.05 * made.PIXEL_NM)
    assert place["rotation_deg"] == pytest.approx(made.ROTATION_DEG, abs=0.005)
    assert record["registration"]["residual_rms_px"] < 0.1
    missing = [fault for fault in record["faults"] if fault["fault"] == "missing"]
    assert [fault["features"] for fault in missing] == [[made.feature(*made.MISSING)]]
    with_design = [
        tile
        for region in found["regions"]
        for tile in region["prompts"]["tiles"]
        if tile.get("design_features")
    ]
    assert len(with_design) > 10
    assert [r["flags"] for r in regions(tmp_path / "right")["regions"]] == [[]] * len(made.boxes())

    again = segsem(
        "extract", site / "images", "--pixel-size", "2", "--design", site / "design.oas",
        "--layer", "5/0", "--formats", "csv", "-o", tmp_path,
    )  # fmt: skip
    assert again.stdout.count("complete from an earlier run") == 2
    assert "design: 1 missing, 1 extra, 1 bridged" in again.stdout

    measured = segsem(
        "measure", tmp_path, "--design", site / "design.gds", "--layer", "5/0",
        "-o", tmp_path / "tables",
    )  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    for name in ("faults", "right"):
        for figure in ("epe_map", "epe_histogram"):
            picture = tmp_path / "tables" / "figures" / f"{name}_{figure}.png"
            assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_design_that_does_not_fit_is_said_and_left_out(
    segsem: Segsem, site: Path, tmp_path: Path
) -> None:
    done = segsem(
        "extract", site / "faults.tif", "--pixel-size", "2", "--fallback-only", "--formats", "csv",
        "--design", site / "design.oas", "--layer", "7/0", "-o", tmp_path, "--events", "jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (image,) = (event for event in events if event["event"] == "image")
    assert image["design_faults"] is None
    (warning,) = (text for text in image["warnings"] if "design" in text)
    assert warning.startswith("the design is not used: ")
    record = regions(tmp_path / "faults")["provenance"]["design"]
    assert not record["used"]
    assert record["note"] == warning


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--layer", "5/0"], 2, "Expected --design FILE beside --layer"),
        (["--design", "{site}/design.oas"], 3, "Choose with --layer out of: 5/0, 6/0, 7/0"),
        (["--design", "{site}/design.oas", "--layer", "9/0"], 3, "a layer of the file"),
        (["--design", "{site}/design.oas", "--layer", "metal"], 3, "a layer as L/D"),
        (["--design", "{site}/design.oas", "--cell", "NO"], 3, "one of its cells (TOP, OTHER)"),
        (["--design", "{site}/design.oas", "--layer", "5/0", "--at", "here"], 2, "--at X,Y in nm"),
        (["--design", "{site}/nowhere.oas"], 3, "there is none at"),
        (["--design", "{site}/faults.tif"], 3, "expected a layout (.gds"),
        (["--design", "{site}/text.oas"], 3, "does not begin like one"),
        (["--design", "{site}/cut.oas"], 3, "damaged or incomplete"),
        (["--design", "{site}/spoilt.oas"], 3, "spoilt.oas: "),
    ],
)
def test_bad_input_is_one_line(
    segsem: Segsem, site: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    words = [word.format(site=site) for word in arguments]
    out = tmp_path / "out"
    done = segsem("extract", site / "faults.tif", "--pixel-size", "2", "-o", out, *words)
    assert done.returncode == code, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert message in line
    assert "Traceback" not in done.stderr
    assert not out.exists()


def test_an_unknown_pixel_size_is_one_line(segsem: Segsem, site: Path, tmp_path: Path) -> None:
    done = segsem(
        "extract", site / "faults.tif", "--fallback-only", "--design", site / "design.oas",
        "--layer", "5/0", "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 3
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "expected a pixel size to lay the image on the design" in line
    assert not (tmp_path / "out" / "faults").exists()
