from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from segsem.cli.app import build_app
from segsem.core.exceptions import ExportError, ModelError, UsageError

runner = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str) -> str:
    done = runner.invoke(build_app(), ["models", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_list_names_what_is_here_and_where_the_rest_is_published() -> None:
    listed = run("list")

    assert "segsem-nano" in listed
    assert "not here: https://dl.fbaipublicfiles.com/" in listed


def test_verify_checks_the_bundled_weights() -> None:
    assert run("verify").startswith("ok  segsem-nano")


def test_verify_fails_on_damaged_weights(tmp_path: Path) -> None:
    run("train-nano", "-o", str(tmp_path / "home" / "models" / "mine"), "--steps", "1")
    weights = tmp_path / "home" / "models" / "mine" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")

    with pytest.raises(ModelError, match="is damaged"):
        run("verify")


def test_training_writes_a_model_that_can_be_resumed_and_scored(tmp_path: Path) -> None:
    out = str(tmp_path / "nano")
    run("train-nano", "-o", out, "--steps", "1", "--seed", "3")
    run("train-nano", "-o", out, "--steps", "2", "--seed", "3", "--resume")

    assert "box+click" in run("score", "--model", out, "--frames", "1", "--size-px", "64")


def test_a_folder_that_cannot_be_written_is_one_clear_error() -> None:
    with pytest.raises(ExportError, match="Cannot write"):
        run("train-nano", "-o", "/proc/nowhere", "--steps", "1")


def test_scoring_images_needs_their_references(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--references"):
        run("score", "--images", str(tmp_path))
