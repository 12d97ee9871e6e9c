"""Downloads over real HTTP that end well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from segsem.core.exceptions import ModelError
from segsem.core.progress import run_to_completion
from segsem.models import store
from segsem.models.build import build_model
from segsem.models.download import address_of, download_model
from segsem.models.load import load_predictor
from segsem.models.registry import MODELS
from segsem.models.weights import read_state

NAME = "sam2.1_hiera_tiny"


def test_a_download_becomes_a_model_that_loads(loopback: Any) -> None:
    steps = []
    folder = run_to_completion(download_model("tiny"), steps.append)

    assert folder == loopback.folder
    loopback.assert_installed()
    assert store.read_description(folder).provenance["added_from"] == loopback.spec.url
    assert load_predictor(NAME).name == NAME
    assert load_predictor("tiny").name == NAME
    received = [step.done for step in steps if "downloading" in step.message]
    assert received == sorted(received)
    assert received[-1] == steps[0].total == len(loopback.served.content)


def test_what_is_here_is_not_asked_for_again(loopback: Any) -> None:
    assert loopback.download() == loopback.download()
    assert len(loopback.served.asked) == 1


def test_a_damaged_model_is_downloaded_again(loopback: Any) -> None:
    weights = loopback.download() / store.WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=f"damaged.*Run: segsem models download {NAME}$"):
        store.verify(weights.parent)

    loopback.download()

    loopback.assert_installed()


def test_a_server_that_tells_no_length_will_do(loopback: Any) -> None:
    loopback.served.length = False
    loopback.download()
    loopback.assert_installed()


def test_the_proxy_of_the_environment_is_asked(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The name is known to nobody: only a proxy can lead there.
    monkeypatch.setenv("HTTP_PROXY", loopback.served.url.partition("/weights")[0])

    loopback.download("http://models.invalid/weights/")

    assert loopback.served.asked == [(f"http://models.invalid/weights/{NAME}.pt", None)]
    loopback.assert_installed()


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        ("http://m/x", f"http://m/x/{NAME}.pt"),
        ("http://m/x/", f"http://m/x/{NAME}.pt"),
        ("http://m/other.pt", "http://m/other.pt"),
        ("https://m/get?file=tiny", "https://m/get?file=tiny"),
    ],
)
def test_a_mirror_is_a_folder_or_a_file(
    mirror: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address_of(MODELS[NAME], mirror) == address
    monkeypatch.setenv("SEGSEM_MODEL_URL", mirror)
    assert address_of(MODELS[NAME]) == address


def test_the_command_says_where_the_model_is(loopback: Any) -> None:
    process = loopback.start()
    output, errors = process.communicate(timeout=120)

    assert (process.returncode, errors) == (0, "")
    assert output == f"{NAME} is here: {loopback.folder}\n"
    loopback.assert_installed()


@pytest.mark.slow
def test_the_official_architecture_is_downloaded_and_loads(loopback: Any, tmp_path: Path) -> None:
    torch.manual_seed(4)
    state = build_model("sam2.1_hiera_t").state_dict()
    torch.save({"model": state}, tmp_path / "official.pt")
    loopback.publish((tmp_path / "official.pt").read_bytes(), "sam2.1_hiera_t")

    loopback.download()

    loopback.assert_installed()
    assert load_predictor("tiny", device="cpu").frame_px == 1024
    written = read_state(loopback.folder / store.WEIGHTS_FILE)
    assert all(torch.equal(written[key], value) for key, value in state.items())
