from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from segsem.cli.app import build_app
from segsem.core.exceptions import ExportError, ModelError, UsageError
from segsem.models.build import build_model
from segsem.models.weights import save_state

runner = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HTTP_PROXY", "ALL_PROXY", "SEGSEM_MODEL_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    # The tests' own process must not step back for the rest of its life.
    monkeypatch.setattr("segsem.cli.models.step_back", lambda: None)
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


def add_nano(tmp_path: Path, name: str) -> Path:
    save_state(build_model("segsem-nano"), tmp_path / "nano.safetensors")
    file = str(tmp_path / "nano.safetensors")
    assert f"added {name}:" in run("add", file, "--config", "segsem-nano", "--name", name)
    return tmp_path / "home" / "models" / name


def test_verify_reports_every_model_and_what_to_do(tmp_path: Path) -> None:
    add_nano(tmp_path, "whole")
    weights = add_nano(tmp_path, "changed") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    (add_nano(tmp_path, "undescribed") / "model.json").write_text("{")

    done = runner.invoke(build_app(), ["models", "verify"])

    assert isinstance(done.exception, ModelError)
    assert str(done.exception).startswith("2 of 4 models are damaged")
    lines = done.output.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "segsem-nano"],
        ["damaged", "changed"],
        ["damaged", "undescribed"],
        ["ok", "whole"],
    ]
    assert "segsem models add nano.safetensors --config segsem-nano --name changed" in lines[1]
    assert "is not a model description" in lines[2]
    with pytest.raises(ModelError, match="is damaged"):
        run("verify", "changed")
    assert run("verify", "whole").startswith("ok  whole")


def test_list_names_models_that_cannot_be_read(tmp_path: Path) -> None:
    (add_nano(tmp_path, "undescribed") / "model.json").write_text("{")
    assert "undescribed             (damaged)" in run("list")


@pytest.mark.parametrize("name", ["huge", "segsem-nano", ""])
def test_only_published_models_are_downloaded(name: str) -> None:
    with pytest.raises(UsageError, match="Expected a model out of tiny, small, base_plus, large"):
        run("download", name)


def test_one_file_is_not_two_models() -> None:
    with pytest.raises(UsageError, match="address of a folder for 2 models"):
        run("download", "tiny", "small", "tiny", "--from", "http://mirror.invalid/tiny.pt")


def test_no_network_is_one_line_and_exit_code_4() -> None:
    with pytest.raises(ModelError, match=r"Cannot reach mirror\.invalid: .*segsem models add") as e:
        run("download", "tiny", "--from", "http://mirror.invalid/")
    assert e.value.exit_code == 4
    assert "\n" not in str(e.value)


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
