from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLIP = """EQUIV 1 1000 MICRON +X,+Y
CELL Top PRIME
RECT N M1 0 0 60 3000
RECT N M1 140 0 60 3000
RECT N M1 280 0 60 3000
RECT N V1 10 20 30 40
"""


def segsem(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "segsem", "synth", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_set_is_written_and_named(tmp_path: Path) -> None:
    done = segsem("-o", tmp_path / "set", "--count", 2, "--seed", 3, "--preset", "fewshot")
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("\n", "").endswith("manifest.csv")
    for name in ("fewshot_0000_metal2d", "fewshot_0001_metal2d"):
        assert (tmp_path / "set" / "images" / f"{name}.png").is_file()
        assert (tmp_path / "set" / "truth" / name / "contours.csv").is_file()
        assert (tmp_path / "set" / "truth" / name / "labels.tif").is_file()
        assert (tmp_path / "set" / "design" / f"{name}.oas").is_file()


def test_patterns_from_a_layout(tmp_path: Path) -> None:
    (tmp_path / "clip.glp").write_text(CLIP)
    common = ("-o", tmp_path / "set", "--count", 1, "--preset", "fewshot")
    done = segsem(*common, "--layout", tmp_path / "clip.glp", "--layer", "M1")
    assert done.returncode == 0, done.stderr
    assert ",layout," in (tmp_path / "set" / "manifest.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--preset", "nosuch"), 2, "free-form"),
        (("--layer", "1/0"), 2, "--layout"),
        (("--layout", "none.gds"), 3, "none.gds"),
        (("--count", "0"), 2, "count"),
    ],
)
def test_bad_calls_are_one_line_and_a_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = segsem("-o", tmp_path / "set", *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "set").exists()


def test_several_layers_want_a_choice(tmp_path: Path) -> None:
    (tmp_path / "clip.glp").write_text(CLIP)
    done = segsem("-o", tmp_path / "set", "--layout", tmp_path / "clip.glp")
    assert done.returncode == 3
    assert "1/0 (M1), 2/0 (V1)" in " ".join(done.stderr.split())
