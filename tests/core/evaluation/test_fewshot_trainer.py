"""The real trainer's bookkeeping, with a fake fine-tuning: time, subsets, leaks, leftovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import InputError
from segsem.core.progress import run_to_completion
from segsem.dataset.additions import add_all
from segsem.dataset.finding import find_images
from segsem.evaluation import fewshot_trainer
from segsem.evaluation.fewshot_plan import RunKey
from segsem.evaluation.fewshot_trainer import FinetuneTrainer
from segsem.models.registry import NANO_CONFIG
from segsem.project.project import Project
from segsem.training.finetune import Event, Request
from segsem.training.finetune_params import FinetuneParams
from segsem.training.finetune_parts import learning_rate


class FakeFinetune:
    """Says that an epoch takes so many seconds, and keeps what it was asked for."""

    Request = Request

    def __init__(self, epoch_s: float) -> None:
        self.epoch_s, self.asked = epoch_s, []

    def finetune(self, request: Request) -> Iterator[Any]:
        epochs = int(request.params["epochs"])
        self.asked.append(request)
        yield Event("reading", {})
        yield Event("timing", {"expected_s": self.epoch_s * epochs})
        for epoch in range(epochs + 1):
            yield Event("epoch", {"epoch": epoch})
        val = SimpleNamespace(val=SimpleNamespace(score=0.75))
        return SimpleNamespace(rows=[val] * (epochs + 1), best_epoch=epochs - 1, seconds=1.0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        grey = np.random.default_rng(number).integers(0, 255, (40, 50)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "images" / f"i{number}.tif", grey)
        mask = np.zeros((40, 50), np.uint16)
        mask[5:20, 5:20], mask[25:35, 25:45] = 1, 2
        tifffile.imwrite(tmp_path / "masks" / f"i{number}.tif", mask)
    made = Project.create(tmp_path / "p")
    found = find_images([tmp_path / "images"], tmp_path / "masks")
    run_to_completion(add_all(made, found.additions))
    made.close()
    return made.folder


def run(
    project: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeFinetune, key: RunKey, **options: Any
) -> Any:
    modules = {fewshot_trainer.FINETUNE: fake}
    original = fewshot_trainer.importlib.import_module
    monkeypatch.setattr(
        fewshot_trainer.importlib, "import_module", lambda name: modules.get(name) or original(name)
    )
    monkeypatch.setattr(fewshot_trainer, "load_predictor", lambda *given: given[0])
    trainer = FinetuneTrainer(project, **options)
    return run_to_completion(trainer.train(key, ["i0", "i2"], ["i1", "i3"]))


def test_it_asks_for_the_images_and_the_part(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeFinetune(1.0)
    trained = run(project, monkeypatch, fake, RunKey("lora", 2, 1, 3.0), epochs=5)
    (request,) = fake.asked
    assert request.train == ("i0", "i2")
    assert request.held_out == ("i1",)
    # Three times what is usual for LoRA.
    assert request.params == {
        "train": "lora",
        "seed": 1,
        "epochs": 5,
        "learning_rate": pytest.approx(3 * _usual("lora")),
        # Confidence is not what is measured here.
        "calibration_sites": 0,
    }
    assert (trained.val_score, trained.epochs, trained.best_epoch) == (0.75, 5, 4)


def _usual(mode: str) -> float:
    return learning_rate(NANO_CONFIG, FinetuneParams(train=mode))


@pytest.mark.parametrize(("seconds", "epochs"), [(1000.0, [12]), (60.0, [12, 6]), (1.0, [12, 2])])
def test_a_run_that_would_take_too_long_gets_fewer_epochs(
    project: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, epochs: list[int]
) -> None:
    fake = FakeFinetune(10.0)
    monkeypatch.setattr(fewshot_trainer.time, "monotonic", lambda: 0.0)
    run(project, monkeypatch, fake, RunKey("all", 2), seconds=seconds, epochs=12)
    assert [request.params["epochs"] for request in fake.asked] == epochs


def test_the_first_epoch_corrects_the_estimate(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Estimated at nothing; by the clock, the first epoch has ended after 10 s.
    fake, clock = FakeFinetune(0.0), iter(range(0, 10_000, 2))
    monkeypatch.setattr(fewshot_trainer.time, "monotonic", lambda: float(next(clock)))
    run(project, monkeypatch, fake, RunKey("all", 2), seconds=60.0, epochs=12)
    asked = [request.params["epochs"] for request in fake.asked]
    assert asked[0] == 12
    assert 2 <= asked[-1] < 12


def test_leaks_are_found_before_anything_learns(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeFinetune(1.0)
    monkeypatch.setattr(fewshot_trainer.importlib, "import_module", lambda name: fake)
    trainer = FinetuneTrainer(project)
    with pytest.raises(InputError, match="is held out to check on, but the same image teaches"):
        run_to_completion(trainer.train(RunKey("all", 2), ["i0", "i1"], ["i1"]))
    assert fake.asked == []
