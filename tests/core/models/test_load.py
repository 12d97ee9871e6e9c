from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from segsem.core.exceptions import ModelError
from segsem.models.add import add_model, write_model
from segsem.models.build import build_model
from segsem.models.load import choose_device, load_predictor
from segsem.models.store import find_model, read_description
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_bundled_model_answers(  # the default of everything that segments
) -> None:
    predictor = load_predictor()
    image = np.zeros((160, 200), dtype=np.uint8)
    image[40:120, 60:140] = 200

    prediction = predictor.decode(predictor.encode(image), Prompts(box_rc=(40, 60, 119, 139)))

    assert isinstance(predictor, Predictor)
    assert predictor.name == "segsem-nano"
    truth = image > 0
    overlap = (prediction.best_mask & truth).sum() / (prediction.best_mask | truth).sum()
    assert overlap > 0.85


def test_bundled_weights_are_small_and_say_where_they_come_from() -> None:
    folder = find_model("segsem-nano")
    description = read_description(folder)

    assert (folder / "weights.safetensors").stat().st_size <= 12e6
    provenance = description.provenance
    course = provenance.get("phases") or [provenance["command"]]
    assert all("--recipe" in phase and "--seed" in phase for phase in course)
    assert "random_crop" in provenance["data"]


def test_a_written_model_loads_by_folder(tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = build_model("segsem-nano")
    description = write_model(model, tmp_path / "m", "mine", "segsem-nano", {})

    predictor = load_predictor(tmp_path / "m", device="cpu")

    assert (predictor.name, predictor.weights_sha256) == ("mine", description.weights_sha256)


def test_added_weights_load_by_their_name(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "nano.pt"
    torch.save({"model": build_model("segsem-nano").state_dict()}, path)

    description = add_model(path, "segsem-nano", "my-nano")

    assert find_model("my-nano") == home / "models" / "my-nano"
    assert load_predictor("my-nano").weights_sha256 == description.weights_sha256


@pytest.mark.parametrize(
    "device", ["quantum", "cuda:99x" if not torch.cuda.is_available() else "x"]
)
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ModelError, match="not available here"):
        choose_device(device)


def test_importing_the_loader_loads_no_torch() -> None:
    modules = "segsem.models.load, segsem.models.download, segsem.cli.models, segsem.cli.doctor"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
