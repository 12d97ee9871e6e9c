"""The same function as SAM2's own predictor: same weights, same square image, same answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from segsem.benchmark.peer import OfficialPredictor, rgb_of
from segsem.core.exceptions import ModelError
from segsem.models.build import build_model
from segsem.models.load import load_model
from segsem.segmentation.predictor import ImageEmbedding
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.sam2_predictor import SAM2Predictor
from segsem.synth.training import random_crop
from segsem.training.score import prompts_of

TOLERANCE = 1e-3
CHANGED_BY_BF16 = 0.005
KINDS = ("click", "points", "box", "box+points", "mask", "click+mask")

pytestmark = pytest.mark.slow


@dataclass
class Pair:
    """Both predictors with one image."""

    ours: SAM2Predictor
    theirs: OfficialPredictor
    embedding: ImageEmbedding
    frame_px: int

    def prompts(self, kind: str) -> Prompts:
        side, cells = self.frame_px, self.frame_px // 4
        points = [(0.31 * side, 0.42 * side), (0.03 * side, 0.9 * side), (0.7 * side, 0.66 * side)]
        mask = np.linspace(-5.0, 5.0, cells * cells, dtype=np.float32).reshape(cells, cells)
        box = (0.1 * side, 0.2 * side, 0.5 * side, 0.83 * side)
        return {
            "click": Prompts(points[:1], [1]),
            "points": Prompts(points, [1, 0, 1]),
            "box": Prompts(box_rc=box),
            "box+points": Prompts(points[:2], [1, 0], box),
            "mask": Prompts(mask_input=mask),
            "click+mask": Prompts(points[:1], [1], mask_input=mask),
        }[kind]

    def their_answer(self, asked: Prompts, multimask: bool) -> tuple[npt.NDArray[np.float32], ...]:
        _, scores, logits = self.theirs.predict(
            asked.points_rc, asked.point_labels, asked.box_rc, asked.mask_input, multimask
        )
        order = np.argsort(-scores, kind="stable")
        return scores[order], logits[order]


def make_pair(model: torch.nn.Module, image: npt.NDArray[np.uint8]) -> Pair:
    try:
        theirs = OfficialPredictor(model)
    except ModelError as error:
        pytest.skip(str(error))
    ours = SAM2Predictor(model, "either", "ef" * 32, model.image_size, precision="fp32")
    theirs.set_image(rgb_of(image))
    return Pair(ours, theirs, ours.encode(image), model.image_size)


def crop(side_px: int) -> npt.NDArray[np.uint8]:
    return random_crop(np.random.default_rng(side_px), side_px)[0]


@pytest.fixture(scope="module")
def official_model() -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("sam2.1_hiera_t")


@pytest.fixture(scope="module")
def nano_model() -> torch.nn.Module:
    return load_model("segsem-nano")[0]


@pytest.fixture(scope="module")
def official(official_model: torch.nn.Module) -> Pair:
    return make_pair(official_model, crop(1024))


@pytest.fixture(scope="module")
def nano(nano_model: torch.nn.Module) -> Pair:
    return make_pair(nano_model, crop(256))


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Pair:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("pair", ["official", "nano"], indirect=True)
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_scores_are_metas(pair: Pair, kind: str, multimask: bool) -> None:
    asked = pair.prompts(kind)

    scores, logits = pair.their_answer(asked, multimask)
    answer = pair.ours.decode(pair.embedding, asked, multimask)

    assert answer.low_res_logits.shape == logits.shape
    assert np.abs(answer.iou_pred - scores).max() <= TOLERANCE
    assert np.abs(answer.low_res_logits - logits).max() <= TOLERANCE


def test_bf16_changes_no_mask_by_more_than_half_a_percent(
    official: Pair, official_model: torch.nn.Module
) -> None:
    near = SAM2Predictor(official_model, "either", "ef" * 32, 1024, precision="bf16")
    embedding = near.encode(crop(1024))

    for kind in KINDS:
        asked = official.prompts(kind)
        expected = official.ours.decode(official.embedding, asked)
        found = near.decode(embedding, asked)
        for mask, other in zip(expected.masks, found.masks, strict=True):
            assert np.count_nonzero(mask ^ other) <= CHANGED_BY_BF16 * np.count_nonzero(mask)


def nano_masks(predictor: SAM2Predictor) -> list[npt.NDArray[np.bool_]]:
    """Masks of synthetic frames with prompts as a person and as the extraction asks."""
    masks = []
    for number in range(4):
        image, labels = random_crop(np.random.default_rng([11, number]), 256)
        embedding = predictor.encode(image)
        sizes = np.bincount(labels.ravel())
        asked = [
            prompts_of(kind, labels == label, labels > 0)
            for label in (np.flatnonzero(sizes[1:] >= 64) + 1)[:3]
            for kind in ("click", "box", "box+click", "automatic")
        ]
        masks += [answer.best_mask for answer in predictor.decode_batch(embedding, asked)]
    return masks


@pytest.fixture(scope="module")
def own_masks(nano_model: torch.nn.Module) -> list[npt.NDArray[np.bool_]]:
    """By the model's own forward in float32."""
    with pytest.MonkeyPatch.context() as patch:
        runner = "segsem.segmentation.inference.runner"
        patch.setattr(f"{runner}.can_be_fast", lambda model: False)
        patch.setattr(f"{runner}.can_decode_fast", lambda model: False)
        return nano_masks(SAM2Predictor(nano_model, "nano", "ab" * 32, 256, precision="fp32"))


def overlaps(predictor: SAM2Predictor, own: list[npt.NDArray[np.bool_]]) -> npt.NDArray[np.float64]:
    quick = nano_masks(predictor)
    assert len(own) >= 30
    unions = [np.count_nonzero(a | b) for a, b in zip(quick, own, strict=True)]
    shared = [np.count_nonzero(a & b) for a, b in zip(quick, own, strict=True)]
    assert min(unions) > 0
    return np.array(shared) / np.array(unions)


def test_nanos_masks_are_those_of_its_own_forward(nano_model, own_masks) -> None:
    predictor = SAM2Predictor(nano_model, "nano", "ab" * 32, 256)

    assert overlaps(predictor, own_masks).min() >= 0.995


def test_nanos_masks_in_bf16(nano_model, own_masks) -> None:
    """Not what it runs in: one pixel of a small mask is more than half a percent of it."""
    predictor = SAM2Predictor(nano_model, "nano", "ab" * 32, 256, precision="bf16")

    found = overlaps(predictor, own_masks)

    assert found.mean() >= 0.998
    assert np.quantile(found, 0.05) >= 0.99
