from __future__ import annotations

import os
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segsem.core.exceptions import ModelError
from segsem.models.add import add_model, fitting_config
from segsem.models.build import build_model
from segsem.models.load import load_predictor
from segsem.models.registry import OFFICIAL_CONFIGS, config_named
from segsem.models.store import WEIGHTS_FILE, find_model
from segsem.models.weights import read_state, save_state
from segsem.segmentation.prompts import Prompts

QUICK = ("sam2.1_hiera_t", "sam2_hiera_t", "sam2.1_hiera_s", "sam2_hiera_s")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@cache
def shapes(config: str) -> dict[str, torch.Tensor]:
    """The official names and shapes; one zero stands for all values, so nothing is large."""
    state = build_model(config).state_dict()
    return {key: torch.zeros(1).expand(value.shape) for key, value in state.items()}


def official_file(folder: Path, config: str) -> Path:
    """A checkpoint as Meta publishes it, small on disk."""
    path = folder / f"{config}.pt"
    torch.save({"model": shapes(config)}, path)
    return path


@pytest.mark.parametrize("config", ["sam2.1_hiera_t", "sam2_hiera_t"])
def test_an_official_checkpoint_is_added_value_by_value(
    config: str, tmp_path: Path, home: Path
) -> None:
    torch.manual_seed(2)
    state = build_model(config).state_dict()
    torch.save({"model": state}, tmp_path / "official.pt")

    description = add_model(tmp_path / "official.pt", config, "mine")

    predictor = load_predictor("mine", device="cpu")
    written = read_state(find_model("mine") / WEIGHTS_FILE)
    assert (description.config, predictor.frame_px) == (config, 1024)
    assert set(written) == set(state)
    assert all(torch.equal(written[key], value) for key, value in state.items())
    image = np.full((64, 48), 90, dtype=np.uint8)
    answer = predictor.decode(predictor.encode(image), Prompts(box_rc=(10, 10, 40, 30)))
    assert answer.masks.shape == (3, 64, 48)


def test_safetensors_of_the_official_architecture_are_added(tmp_path: Path, home: Path) -> None:
    state = {key: value.contiguous() for key, value in shapes("sam2_hiera_t").items()}
    save_file(state, tmp_path / "w.safetensors")

    # Nothing is published under this configuration, so its name is the model's.
    description = add_model(tmp_path / "w.safetensors", "sam2_hiera_t")

    assert find_model("sam2_hiera_t") == home / "models" / "sam2_hiera_t"
    assert description.provenance["added_from"] == "w.safetensors"


@pytest.mark.parametrize("config", QUICK)
def test_the_fitting_configuration_is_found(config: str) -> None:
    assert fitting_config(shapes(config)) == config


@pytest.mark.slow
@pytest.mark.parametrize("config", [name for name in OFFICIAL_CONFIGS if name not in QUICK])
def test_the_fitting_configuration_of_the_larger_ones_is_found(config: str) -> None:
    assert fitting_config(shapes(config)) == config


@pytest.mark.parametrize(
    ("given", "wanted", "key"),
    [
        ("sam2_hiera_t", "sam2.1_hiera_t", r"no_obj_embed_spatial is missing"),
        ("sam2.1_hiera_t", "sam2_hiera_t", r"no_obj_embed_spatial is not part of it"),
        (
            "sam2.1_hiera_t",
            "sam2.1_hiera_s",
            r"blocks\.10\.attn\.qkv\.weight has shape \(2304, 3",
        ),
        ("sam2.1_hiera_s", "sam2.1_hiera_b+", r"trunk\.pos_embed has shape \(1, 96, 7, 7\), exp"),
        ("sam2.1_hiera_t", "segsem-nano", r"maskmem_tpos_enc has shape \(7, 1, 1, 64\), expected"),
    ],
)
def test_another_architecture_names_the_first_key_and_the_fitting_configuration(
    given: str, wanted: str, key: str, tmp_path: Path
) -> None:
    path = official_file(tmp_path, given)

    with pytest.raises(
        ModelError, match=rf"does not fit .*: .*{key}.* It fits --config "
    ) as caught:
        add_model(path, wanted, "mine")

    assert str(caught.value).endswith(f"It fits --config {given}.")
    with pytest.raises(ModelError, match="Unknown model"):
        find_model("mine")


def test_nano_weights_are_no_official_ones(tmp_path: Path) -> None:
    save_state(build_model("segsem-nano"), tmp_path / "nano.safetensors")
    with pytest.raises(ModelError, match=r"maskmem_tpos_enc has .*It fits --config segsem-nano\.$"):
        add_model(tmp_path / "nano.safetensors", "sam2.1_hiera_t")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("image_encoder.trunk.patch_embed.proj.weight"),
        lambda state: state.update({"sam_mask_decoder.iou_token.weight": torch.zeros(7, 256)}),
        lambda state: state.update(
            {"image_encoder.trunk.patch_embed.proj.weight": torch.zeros(())}
        ),
        lambda state: state.update({"of_another_project": torch.zeros(1)}),
    ],
)
def test_where_no_configuration_fits_the_known_ones_are_listed(change, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    state = dict(shapes("sam2.1_hiera_t"))
    change(state)
    torch.save(state, tmp_path / "w.pt")

    with pytest.raises(ModelError, match=r"It fits none of the known configurations: segsem-nano"):
        add_model(tmp_path / "w.pt", "sam2.1_hiera_t")


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("sam2.1_hiera_b+", "sam2.1_hiera_b+"),
        ("configs/sam2.1/sam2.1_hiera_l.yaml", "sam2.1_hiera_l"),
        ("sam2_hiera_t.yaml", "sam2_hiera_t"),
        ("sam2.1_hiera_base_plus", "sam2.1_hiera_b+"),
        ("sam2_hiera_large", "sam2_hiera_l"),
        ("small", "sam2.1_hiera_s"),
        ("segsem-nano", "segsem-nano"),
    ],
)
def test_a_configuration_has_several_names(text: str, config: str) -> None:
    assert config_named(text) == config


@pytest.mark.parametrize("text", ["", "sam3_hiera_t", "t", "sam2.1_hiera_", "../sam2_hiera_t.yml"])
def test_an_unknown_configuration_names_the_known_ones(text: str) -> None:
    with pytest.raises(ModelError, match=r"Unknown configuration .* segsem-nano, sam2\.1_hiera_t"):
        config_named(text)


def test_other_bytes_under_a_published_name_are_refused(tmp_path: Path, home: Path) -> None:
    path = official_file(tmp_path, "sam2.1_hiera_t")

    with pytest.raises(ModelError, match=r"is not the published sam2\.1_hiera_tiny"):
        add_model(path, "sam2.1_hiera_t")
    assert not home.exists()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", ["bomb.pt", "bomb.safetensors", "bomb.pth", "bomb"])
@pytest.mark.parametrize("form", ["archive", "archive beside weights", "old torch", "pickle"])
def test_a_pickle_bomb_never_goes_off(name: str, form: str, tmp_path: Path, home: Path) -> None:
    target, path = tmp_path / "exploded", tmp_path / name
    bomb = Bomb(target)
    if form == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        weights = shapes("sam2.1_hiera_t") if form == "archive beside weights" else {}
        content = {"model": {**weights, "bomb": bomb}}
        torch.save(content, path, _use_new_zipfile_serialization=form != "old torch")

    with pytest.raises(ModelError, match="not a usable weights file"):
        add_model(path, "sam2.1_hiera_t", "mine")

    assert not target.exists()
    assert not home.exists()


def test_the_bomb_of_these_tests_would_go_off(tmp_path: Path) -> None:
    torch.save({"model": Bomb(tmp_path / "exploded")}, tmp_path / "bomb.pt")
    torch.load(tmp_path / "bomb.pt", weights_only=False)
    assert (tmp_path / "exploded").is_dir()
