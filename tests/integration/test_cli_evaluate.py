from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest


def segsem(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "segsem", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def truth_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "set"
    # A seed of its own: never the reported set.
    done = segsem("synth", "-o", folder, "--preset", "edges", "--seed", 3, "--count", 2)
    assert done.returncode == 0, done.stderr
    return folder


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_and_extraction_now_give_the_same_figures(truth_set: Path, tmp_path: Path) -> None:
    manifest = truth_set / "manifest.csv"
    done = segsem("extract", manifest, "-o", tmp_path / "results", "--fallback-only")
    assert done.returncode == 0, done.stderr
    done = segsem(
        *("evaluate", truth_set, "-o", tmp_path / "out"),
        *("--results", tmp_path / "results", "--routing", "fallback-only"),
    )
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "out")
    assert [row["variant"] for row in rows[2:]] == ["Sauvola, half"] * 2
    for read, now in zip(rows[:2], rows[2:], strict=True):
        assert read["image_id"] == now["image_id"]
        assert float(read["bias_px"]) == pytest.approx(float(now["bias_px"]), abs=1e-4)
        assert float(read["sigma_px"]) == pytest.approx(float(now["sigma_px"]), abs=1e-4)
        assert (read["missing"], read["extra"]) == (now["missing"], now["extra"])
        assert float(now["completeness"]) > 0.9
        assert 0.05 < float(now["bound_px"]) < 3
    text = (tmp_path / "out" / "table.md").read_text("utf-8")
    assert "less Sauvola, half" in text
    assert "of the reported set" not in text


def test_results_of_a_part_of_the_set_are_told(truth_set: Path, tmp_path: Path) -> None:
    first = sorted((truth_set / "images").glob("*.png"))[0]
    done = segsem("extract", first, "-o", tmp_path / "results", "--fallback-only")
    assert done.returncode == 0, done.stderr
    done = segsem("evaluate", truth_set, "-o", tmp_path / "out", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 results are not there" in done.stderr
    assert len(rows_of(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("dataset", "arguments", "code", "says"),
    [
        ("nowhere", ("--routing", "fallback-only"), 3, "is not a folder"),
        (".", ("--routing", "fallback-only"), 3, "manifest.csv"),
        ("set", (), 2, "--results"),
        ("set", ("--routing", "hybrid"), 2, "--model"),
        ("set", ("--model", "nosuch"), 4, "nosuch"),
        ("set", ("--results", "nowhere"), 3, "nowhere"),
    ],
)
def test_bad_calls_are_one_line_and_leave_nothing(
    truth_set: Path,
    tmp_path: Path,
    dataset: str,
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    done = segsem("evaluate", truth_set.parent / dataset, "-o", tmp_path / "out", *arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_set_without_truth_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    done = segsem("evaluate", tmp_path, "-o", tmp_path / "out", "--routing", "fallback-only")
    assert done.returncode == 3
    assert "1 of 1 images" in done.stderr
    assert done.stderr.strip().count("\n") == 0
