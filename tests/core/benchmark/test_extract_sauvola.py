"""Benchmarks of extraction and of Sauvola's threshold say what they measured."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from segsem.benchmark import sauvola
from segsem.benchmark.extract import STAGES, benchmark_extract
from segsem.cli.app import build_app
from segsem.core.params import EdgeMethod
from segsem.core.progress import run_to_completion


def test_sauvola_is_within_a_tenth_of_a_grey_level_of_scikit_image() -> None:
    report = run_to_completion(sauvola.benchmark_sauvola(1, shape=(200, 260), window_px=41))

    assert set(report.times) == {sauvola.OURS, sauvola.THEIRS}
    assert report.checks["largest_difference_grey"] < 0.1
    assert f"{sauvola.THEIRS} / {sauvola.OURS}" in report.ratios


def test_extract_counts_points_and_profiles_every_stage() -> None:
    report = run_to_completion(benchmark_extract(1, side_px=300))

    values = report.as_json()
    methods = {method.value for method in EdgeMethod}
    assert set(report.checks["points_per_second"]) == methods
    assert set(report.checks["points_per_processor_second"]) == methods
    assert report.checks["regions"] == report.checks["features"] > 0
    assert set(report.checks["profile_ms"]) == {"all", *STAGES}
    assert {f"placement, {name}" for name in methods} < set(values["times"])
    json.dumps(values, allow_nan=False)


def test_the_command_writes_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "out" / "sauvola.json"

    shown = CliRunner().invoke(
        build_app(), ["benchmark", "sauvola", "--repeats", "1", "--json", str(path)]
    )

    assert shown.exit_code == 0, shown.output
    assert "scikit-image / segsem" in shown.output
    assert json.loads(path.read_text())["benchmark"] == "sauvola"
