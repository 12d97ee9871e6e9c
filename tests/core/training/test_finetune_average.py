"""Averaged weights: the average itself, its place in the model, what is kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from segsem.core.progress import run_to_completion
from segsem.models.store import read_description
from segsem.training.finetune import Request, finetune
from segsem.training.finetune_average import WeightAverage


def parameter(*values: float) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=torch.float64))


def moved(weight: torch.nn.Parameter, value: float) -> None:
    with torch.no_grad():
        weight.fill_(value)


def test_old_weights_are_forgotten_at_the_given_rate() -> None:
    weight = parameter(1.0)
    average = WeightAverage({"w": weight}, 0.3)
    expected = 1.0
    for step, value in enumerate((2.0, -1.0, 5.0, 0.5)):
        moved(weight, value)
        average.update(step)
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.weights["w"]) == pytest.approx(expected, abs=1e-12)


def test_the_model_has_the_average_for_a_while_and_its_own_weights_after() -> None:
    weight = parameter(1.0, 2.0)
    average = WeightAverage({"w": weight}, 0.9)
    moved(weight, 3.0)
    average.update(100)
    kept = average.weights["w"].clone()

    def fail() -> None:
        with average.in_place():
            assert torch.equal(weight, kept)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert weight.tolist() == [3.0, 3.0]
    assert torch.equal(average.weights["w"], kept)
    average.update(101)
    assert not torch.equal(average.weights["w"], kept)


def test_an_average_goes_on_from_a_checkpoint() -> None:
    weight = parameter(1.0)
    average, again = (WeightAverage({"w": weight}, 0.9) for _ in range(2))
    moved(weight, 7.0)
    average.update(50)
    again.restore(dict(average.weights))
    assert torch.equal(again.weights["w"], average.weights["w"])
    with pytest.raises(KeyError):
        again.restore({})


def test_without_averaging_the_weights_themselves_are_kept() -> None:
    weight = parameter(1.0)
    average = WeightAverage({"w": weight}, 0.0)
    moved(weight, 4.0)
    average.update(0)
    with average.in_place():
        assert weight.tolist() == [4.0]
    assert average.weights["w"].tolist() == [4.0]


def test_what_is_kept_is_the_average(five_images: Path, few_shot: SimpleNamespace) -> None:
    found = set()
    for name, averaging in (("average", 0.9), ("last-step", 0.0)):
        params = {**few_shot.small_run, "averaging": averaging}
        run_to_completion(finetune(Request(five_images, name, params=params)))
        found.add(read_description(five_images / "models" / name).weights_sha256)
    assert len(found) == 2
