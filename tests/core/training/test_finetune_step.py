"""One step of fine-tuning: frames as inference cuts them, gradients, what is never looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segsem.dataset.splits import Site
from segsem.models.build import build_model
from segsem.segmentation.sam2_predictor import SAM2Predictor
from segsem.segmentation.window import Window
from segsem.training.few_shot_frames import FewShotBatch, FrameSource, ModelFrame, parts_in
from segsem.training.finetune_loss import StepGradient, frame_pixels, known_places
from segsem.training.finetune_params import FinetuneParams, TrainedPart
from segsem.training.finetune_parts import (
    choose_learning,
    learning_rate,
    parameter_groups,
    set_modes,
)
from segsem.training.lora import LoRALinear, merge_lora
from segsem.training.sem_augmentation import Cut, oriented, other_exposure, rotated_window
from segsem.training.validation import Validation, edge_distance_px, usable_sites

NANO = ModelFrame(256, fixed=False)
PLAIN = FinetuneParams(augment=False, objects_per_frame=3, corrections=1)


@pytest.fixture
def images(five_images: Path, few_shot: SimpleNamespace) -> list:
    return few_shot.images_of(five_images)


def nano(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_model("segsem-nano")


@pytest.mark.parametrize("fixed", [False, True])
def test_frames_are_those_of_inference(images: list, fixed: bool) -> None:
    frame = ModelFrame(256, fixed)
    batch = FrameSource(images[:1], (), frame, PLAIN, 1).batch(0).batch
    predictor = SAM2Predictor(nano(), "n", "0", 256)
    place = frame.of(images[0].grey.shape)
    expected = predictor._pixels(place.place(images[0].grey), place)

    found = frame_pixels(batch, torch.device("cpu"))
    torch.testing.assert_close(found, expected.contiguous(), rtol=0, atol=1e-6)
    # Masks lie where their features are.
    inside = batch.grey[0][batch.labels[0] > 0]
    assert float(np.mean(inside > 125)) > 0.99


def test_a_large_image_is_cut_natively() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((600, 700), dtype=np.uint8)
    labels[100:500, 300:340] = 1
    grey = rng.integers(0, 255, labels.shape).astype(np.uint8)
    image = SimpleNamespace(image_id="a", grey=grey, labels=labels)
    batch = FrameSource([image], (), NANO, PLAIN, 2).batch(0).batch
    assert batch.grey.shape[1:] == (256, 256)
    windows = np.lib.stride_tricks.sliding_window_view(grey, (256, 256))
    for frame in batch.grey:
        assert (windows[::4, ::4, 0, 0] == frame[0, 0]).any()
        starts = np.argwhere(windows[:, :, 0, 0] == frame[0, 0])
        assert any(np.array_equal(windows[r, c], frame) for r, c in starts)


@pytest.mark.parametrize(("count", "per_image"), [(2, 4), (24, 4), (32, 3), (42, 2), (90, 2)])
def test_an_epoch_stays_short_where_many_images_teach(count: int, per_image: int) -> None:
    grey = np.zeros((512, 512), dtype=np.uint8)
    image = SimpleNamespace(image_id="a", grey=grey, labels=grey)
    source = FrameSource([image] * count, (), NANO, PLAIN, 2)
    assert source.steps_per_epoch == count * per_image // 2


def test_masks_of_a_validation_site_never_teach(images: list) -> None:
    image = images[0]
    height, width = image.grey.shape
    site = Site(image.image_id, 0, 0, height, width // 2)
    source = FrameSource([image], (site,), NANO, FinetuneParams(rotation_deg=0), 1)
    other = SimpleNamespace(
        image_id=image.image_id, grey=image.grey, about=image.about, labels=image.labels.copy()
    )
    other.labels[site.slices] = 0
    # Cut objects stay whole in the count of parts only where the site cuts through them.
    spoilt = FrameSource([other], (site,), NANO, FinetuneParams(rotation_deg=0), 1)
    for step in range(6):
        frames, without = source.batch(step), spoilt.batch(step)
        assert not frames.batch.labels[frames.not_rated].any()
        assert np.array_equal(frames.batch.labels > 0, without.batch.labels > 0)


def test_an_object_that_a_site_cuts_gets_no_box(images: list) -> None:
    image = images[0]
    rows, _ = np.nonzero(image.labels == 1)
    middle = int(rows.mean())
    site = Site(image.image_id, 0, 0, middle, image.grey.shape[1])
    params = FinetuneParams(augment=False, box_share=1.0, objects_per_frame=6)
    source = FrameSource([image], (site,), NANO, params, 1)
    seen = 0
    for step in range(8):
        frames = source.batch(step)
        batch = frames.batch
        for number, (frame, name) in enumerate(
            zip(batch.frame_index, batch.object_label, strict=True)
        ):
            top = np.nonzero(batch.labels[frame] == name)[0].min()
            if top == middle:
                seen += 1
                assert not batch.prompts.boxed[number]
    assert seen > 0


def test_one_object_in_two_places_of_a_window_is_two() -> None:
    labels = np.array([[1, 0, 1], [2, 0, 1], [2, 2, 0]], dtype=np.int32)
    assert parts_in(labels).max() == 3


def batches(images: list, params: FinetuneParams = PLAIN) -> Iterator[FewShotBatch]:
    source = FrameSource(images, (), NANO, params, 2)
    yield from (source.batch(step) for step in range(source.steps_per_epoch))


def gradients(images: list, at_once: int, save_memory: bool = False) -> list[torch.Tensor]:
    model = nano()
    choose_learning(model, PLAIN)
    set_modes(model, TrainedPart.IMAGE_ENCODER)
    gradient = StepGradient(model, at_once, 0, save_memory=save_memory)
    gradient(next(batches(images)), (0, 0))
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_objects_a_few_at_a_time_give_the_same_gradient(images: list) -> None:
    whole, parts = gradients(images, 99), gradients(images, 2)
    assert len(whole) == len(parts) > 50
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_recomputed_blocks_give_the_same_gradient(images: list) -> None:
    for a, b in zip(gradients(images, 99), gradients(images, 99, save_memory=True), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("train", list(TrainedPart))
def test_only_what_learns_gets_a_gradient_and_trains(images: list, train: TrainedPart) -> None:
    model = nano()
    choose_learning(model, FinetuneParams(train=train))
    set_modes(model, train)
    StepGradient(model, 12, 1)(next(batches(images)), (0, 0))

    learnt = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learnt
    assert learnt <= {name for name, p in model.named_parameters() if p.requires_grad}
    assert model.image_encoder.training is (train is not TrainedPart.MASK_DECODER)
    assert model.sam_mask_decoder.training is (train in (TrainedPart.MASK_DECODER, TrainedPart.ALL))
    assert model.sam_prompt_encoder.training is (train is TrainedPart.ALL)


def test_lora_begins_as_nothing_and_merges_into_plain_weights() -> None:
    model = nano()
    keys = list(model.state_dict())
    pixels = torch.randn(1, 3, 128, 128)
    before = model.forward_image(pixels)["backbone_fpn"][0]
    choose_learning(model, FinetuneParams(train=TrainedPart.LORA))
    layers = [m for m in model.modules() if isinstance(m, LoRALinear)]
    assert len(layers) == 2 * len(model.image_encoder.trunk.blocks)
    torch.testing.assert_close(model.forward_image(pixels)["backbone_fpn"][0], before)
    with torch.no_grad():
        for layer in layers:
            layer.up.normal_(0, 0.05)
    changed = model.forward_image(pixels)["backbone_fpn"][0]
    assert not torch.allclose(changed, before)
    merge_lora(model)
    assert list(model.state_dict()) == keys
    torch.testing.assert_close(
        model.forward_image(pixels)["backbone_fpn"][0], changed, rtol=1e-4, atol=1e-4
    )


def test_deeper_blocks_learn_faster_and_only_matrices_decay() -> None:
    model = nano()
    params = FinetuneParams(layer_decay=0.5, weight_decay=0.1)
    choose_learning(model, params)
    rates = {}
    for group in parameter_groups(model, params, 1.0):
        for parameter in group["params"]:
            rates[id(parameter)] = group["rate"]
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)
    blocks = model.image_encoder.trunk.blocks
    first, last = (rates[id(blocks[i].attn.qkv.weight)] for i in (0, -1))
    assert first == pytest.approx(last * 0.5 ** (len(blocks) - 1))
    assert rates[id(model.image_encoder.neck.convs[0].conv.weight)] == 1.0


def test_the_usual_rate_depends_on_the_model_unless_one_is_given() -> None:
    assert learning_rate("sam2.1_hiera_t", FinetuneParams()) < learning_rate(
        "segsem-nano", FinetuneParams()
    )
    assert learning_rate("segsem-nano", FinetuneParams(learning_rate=0.01)) == 0.01


def test_background_is_known_near_objects_alone() -> None:
    labels = torch.zeros(1, 64, 64)
    labels[0, 20:40, 20:40] = 1
    hidden = torch.zeros(1, 64, 64, dtype=torch.bool)
    hidden[0, :25] = True
    known = known_places(labels, hidden)
    assert known[0, 30, 15] == 1
    assert known[0, 30, 10] == 0
    assert known[0, 22, 30] == 0


def test_orientation_and_rotation_move_masks_with_the_image() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((200, 260), dtype=np.int32)
    labels[60:140, 70:180] = 7
    grey = np.where(labels > 0, 200, 40).astype(np.uint8)
    whole = Cut(grey, labels, np.zeros(labels.shape, dtype=bool))
    turned = rotated_window(whole, Window(20, 30, 180, 220), 4.0)
    assert turned.grey.shape == (160, 190)
    assert np.mean((turned.grey > 120) == (turned.labels == 7)) > 0.995
    assert not np.array_equal(turned.labels, labels[20:180, 30:220])
    for _ in range(8):
        made = oriented(rng, turned)
        assert np.mean((made.grey > 120) == (made.labels == 7)) > 0.995
        assert np.count_nonzero(made.labels) == np.count_nonzero(turned.labels)


def test_beyond_the_image_nothing_is_learnt() -> None:
    labels = np.ones((100, 100), dtype=np.int32)
    whole = Cut(labels.astype(np.uint8), labels, np.zeros(labels.shape, dtype=bool))
    turned = rotated_window(whole, Window(0, 0, 100, 100), 4.0)
    assert turned.not_rated[0, 0] or turned.not_rated[0, -1]
    assert not turned.not_rated[40:60, 40:60].any()


def test_another_exposure_keeps_edges_where_they_are() -> None:
    grey = np.full((64, 64), 60, dtype=np.uint8)
    grey[:, 32:] = 190
    rng = np.random.default_rng(1)
    for _ in range(30):
        made = other_exposure(rng, grey).astype(float)
        rise = np.diff(made.mean(axis=0)[24:40])
        assert abs(int(rise.argmax()) - 7) <= 1


def test_validation_looks_at_sites_alone_and_is_the_same_each_time(images: list) -> None:
    height, width = images[0].grey.shape
    sites = [Site(image.image_id, 0, 0, height, width // 2) for image in images]
    assert usable_sites(images, sites) == tuple(sites)
    validation = Validation(images, sites, NANO, 4)
    model = nano()
    score = validation.score(model)
    assert validation.score(model) == score
    # Two of the four squares of each image lie in its site.
    assert score.objects == 2 * len(images)
    assert 0 <= score.iou <= 1
    assert 0 <= score.edge_px <= 10


def test_a_site_without_objects_or_with_all_of_them_is_no_use(images: list) -> None:
    height, width = images[0].grey.shape
    name = images[0].image_id
    assert usable_sites(images, [Site(name, 0, 0, 4, 4), Site(name, 0, 0, height, width)]) == ()


def test_edge_distance_counts_a_missing_outline_in_full() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:30, 10:30] = True
    assert edge_distance_px(mask, mask) == 0
    assert edge_distance_px(np.zeros_like(mask), mask) == 10
    assert edge_distance_px(np.roll(mask, 2, axis=0), mask) == pytest.approx(1.0, abs=0.5)
