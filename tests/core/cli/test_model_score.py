from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segsem.cli.app import build_app
from segsem.core.exceptions import InputError, UsageError
from segsem.evaluation import heldout as scoring
from segsem.evaluation.protocol import KINDS, ORACLE
from segsem.synth import heldout

runner = CliRunner()


def score(*arguments: str) -> str:
    done = runner.invoke(build_app(), ["models", "score", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("option", [["--quick"], ["--json", "a.json"], ["--outlines", "folder"]])
def test_options_of_held_out_scoring_need_it(option: list[str]) -> None:
    with pytest.raises(UsageError, match="Expected --held-out or --real"):
        score(*option)
    with pytest.raises(UsageError, match="together with --references"):
        score("--images", "folder")


def test_a_folder_without_real_images_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected an image at"):
        score("--real", str(tmp_path))


def test_held_out_scores_are_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heldout, "SETS", (heldout.get_set("cell_array"),))
    monkeypatch.setattr(scoring, "QUICK_OBJECTS", 1)
    json_file, markdown = tmp_path / "scores.json", tmp_path / "scores.md"

    printed = score("--held-out", "--quick", "--json", str(json_file), "--markdown", str(markdown))

    assert markdown.read_text() in printed
    assert "| families: cell_array | 3 |" in printed
    values = json.loads(json_file.read_text())
    assert values["model"] == "segsem-nano"
    assert values["heldout_version"] == heldout.HELDOUT_VERSION
    first = values["held_out"]["objects"][0]
    assert set(first["scores"]) == {*KINDS, ORACLE}
    assert 0.0 <= first["scores"]["click"]["iou"] <= 1.0
