from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from segsem.core.exceptions import TaskError
from segsem.core.progress import run_to_completion
from segsem.models.build import build_model
from segsem.training.batch import Batch, make_batch
from segsem.training.curriculum import Stage, stage_at
from segsem.training.pretrain import pretrain_nano
from segsem.training.recipe import RECIPES, Recipe
from segsem.training.trainer import Trainer, TrainOptions

SIDE = 64


def squares(step: int) -> Batch:
    rng = np.random.default_rng([4, step])
    crops = []
    for _ in range(2):
        labels = np.zeros((SIDE, SIDE), dtype=np.int32)
        row, col = rng.integers(4, 24, 2)
        labels[row : row + 30, col : col + 30] = 1
        image = np.where(labels > 0, 200, 40) + rng.normal(0, 5, labels.shape)
        crops.append((image.astype(np.uint8), labels))
    return make_batch(rng, crops, 2, inverted_share=0.0)


def trainer(folder: Path, steps: int) -> Trainer:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    options = TrainOptions(steps=steps, seed=4, warmup_steps=2, history_every=2)
    return Trainer(build_model("segsem-nano"), options, folder)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights(of: Trainer) -> list[torch.Tensor]:
    return [*of.model.state_dict().values(), *of.averaged.state_dict().values()]


def test_a_cancelled_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 5)
    run_to_completion(whole.run(squares))

    first = trainer(tmp_path / "cut", 5)
    steps = first.run(squares)
    for _ in range(3):
        next(steps)
    steps.close()
    second = trainer(tmp_path / "cut", 5)
    assert second.resume()
    assert second.step == 3
    run_to_completion(second.run(squares))

    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))
    rows = history(tmp_path / "cut")
    assert [row["step"] for row in rows] == ["2", "4"]


def test_there_may_be_nothing_to_resume(tmp_path: Path) -> None:
    assert not trainer(tmp_path, 1).resume()


def test_averaged_weights_lag_behind(tmp_path: Path) -> None:
    some = trainer(tmp_path, 3)
    start = some.model.sam_mask_decoder.iou_token.weight.detach().clone()
    run_to_completion(some.run(squares))

    moved = (some.model.sam_mask_decoder.iou_token.weight.detach() - start).abs().sum()
    lagging = (some.averaged.sam_mask_decoder.iou_token.weight - start).abs().sum()
    assert 0 < float(lagging) < float(moved)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model("segsem-nano")
    model.sam_mask_decoder.requires_grad_(False)
    before = [p.clone() for p in model.sam_mask_decoder.parameters()]
    some = Trainer(model, TrainOptions(steps=2, warmup_steps=1), tmp_path)
    run_to_completion(some.run(squares))

    after = list(model.sam_mask_decoder.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert any(p.grad is not None for p in model.image_encoder.parameters())


def test_learning_rate_warms_up_and_falls(tmp_path: Path) -> None:
    options = TrainOptions(steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate=0.1)
    some = Trainer(build_model("segsem-nano"), options, tmp_path)

    assert some.learning_rate(0) == pytest.approx(0.1, abs=0.01)
    assert some.learning_rate(50) == pytest.approx(0.55)
    assert some.learning_rate(100) == pytest.approx(0.1)


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = TrainOptions(steps=60, warmup_steps=10, history_every=10, box_share=1.0)
    run_to_completion(Trainer(build_model("segsem-nano"), options, tmp_path).run(squares))

    rows = history(tmp_path)
    assert float(rows[-1]["best_iou"]) > 0.7
    assert float(rows[-1]["loss"]) < 0.6 * float(rows[0]["loss"])


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_covers_all_steps_in_order(recipe: Recipe) -> None:
    curriculum = recipe.curriculum
    stages = [curriculum.index(stage_at(step, 1000, curriculum)) for step in range(1000)]

    assert stages == sorted(stages)
    assert set(stages) == set(range(len(curriculum)))
    assert stages.count(0) == round(curriculum[0].share * 1000)
    TrainOptions(steps=1, **recipe.options)


def test_a_recipe_goes_on_from_weights_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    start = build_model("segsem-nano").state_dict()
    recipe = Recipe((Stage(1.0, 128, 2, 2),), trained=("sam_mask_decoder",))
    options = TrainOptions(steps=2, warmup_steps=1)
    trained = run_to_completion(pretrain_nano(tmp_path, options, recipe=recipe, start=start))

    changed = [key for key, value in trained.state_dict().items() if (value != start[key]).any()]
    assert changed
    assert all(key.startswith("sam_mask_decoder") for key in changed)


def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy(tmp_path: Path) -> None:
    some = trainer(tmp_path, 4)
    with torch.no_grad():
        some.model.sam_mask_decoder.iou_token.weight.fill_(math.nan)

    with pytest.raises(TaskError, match="Lower the learning rate"):
        run_to_completion(some.run(squares))
