from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from segsem.core.exceptions import ModelError
from segsem.models.weights import first_difference, load_state, read_state, save_state


def small_model() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))


def test_safetensors_round_trip(tmp_path: Path) -> None:
    model, other = small_model(), small_model()
    save_state(model, tmp_path / "w.safetensors")

    load_state(other, read_state(tmp_path / "w.safetensors"), "w")

    assert first_difference(model.state_dict(), other.state_dict()) is None
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in model.state_dict().items())


def test_official_pt_holds_its_state_under_model(tmp_path: Path) -> None:
    model = small_model()
    torch.save({"model": model.state_dict()}, tmp_path / "w.pt")

    assert list(read_state(tmp_path / "w.pt")) == list(model.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "0.bias is missing"),
        (lambda s: s.update({"0.weight": torch.zeros(5, 3)}), r"0.weight has shape \(5, 3\), exp"),
        (lambda s: s.update({"9.extra": torch.zeros(1)}), "9.extra is not part of it"),
    ],
)
def test_first_difference_is_named(change, message: str) -> None:  # type: ignore[no-untyped-def]
    model = small_model()
    state = dict(model.state_dict())
    change(state)

    with pytest.raises(ModelError, match=message):
        load_state(model, state, "file")


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path: Path) -> None:
    target = tmp_path / "exploded"
    torch.save({"model": Bomb(target)}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb(target)))

    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(ModelError, match="not a usable weights file"):
            read_state(tmp_path / name)
    assert not target.exists()


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    state = {"a": torch.arange(1000.0)}
    torch.save(state, tmp_path / "w.pt")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pt", "w.safetensors"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match="not a usable weights file"):
            read_state(tmp_path / name)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": 1}}, tmp_path / "w.pt")

    with pytest.raises(ModelError, match="no state dict"):
        read_state(tmp_path / "w.pt")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".pt", ".safetensors"]))
def test_any_other_content_is_one_clear_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)

    with pytest.raises(ModelError):
        read_state(path)
