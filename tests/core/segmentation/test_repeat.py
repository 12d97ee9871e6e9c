"""Instances of an object in arrays whose contacts are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.exceptions import InputError
from segsem.core.mask_patch import MaskPatch
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.repeat import ALL_TURNS, Instance, Repeats, find_repeats
from segsem.segmentation.repeat_refine import FEW_MORE, agreement, offered, refine_many
from segsem.segmentation.repeat_threshold import choose_threshold

PITCH, RADIUS, COUNT = 50, 12, 7
SIDE = PITCH * COUNT
MISSING = {(1, 1), (3, 4), (0, 6), (6, 2)}
ALL = {(i, j) for i in range(COUNT) for j in range(COUNT)}


def disc(centre: tuple[float, float], radius: float = RADIUS) -> np.ndarray:
    rows, cols = np.ogrid[:SIDE, :SIDE]
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2


def centre(place: tuple[int, int]) -> tuple[float, float]:
    # Not on a grid of whole pixels.
    row, col = place
    return PITCH * (row + 0.5) + 0.3 * (col % 3), PITCH * (col + 0.5) + 0.4 * (row % 2)


def scene(places, noise=8.0, others=(), other_radius=0.0, lines=False) -> np.ndarray:
    image = np.full((SIDE, SIDE), 60.0)
    if lines:
        for col in range(0, SIDE, PITCH):
            image[:, col : col + 6] = 120
    for place in places:
        image[disc(centre(place))] = 170
    for place in others:
        row, col = (round(value) for value in centre(place))
        if other_radius:
            image[disc(centre(place), other_radius)] = 170
        else:
            image[row - 8 : row + 8, col - 18 : col + 18] = 170
    image = ndi.gaussian_filter(image, 1.5)
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def found_in(image: np.ndarray, first=(0, 0), **options) -> set[tuple[int, int]]:
    repeats = find_repeats(image, MaskPatch.of(disc(centre(first))), **options)
    places = set()
    for instance in repeats.instances:
        if instance.score < repeats.threshold:
            continue
        row, col = instance.centre_rc
        place = (int(row // PITCH), int(col // PITCH))
        assert np.hypot(row - centre(place)[0], col - centre(place)[1]) < 1.2
        assert place not in places
        places.add(place)
    return places


@pytest.mark.parametrize("noise", [2.0, 8.0, 40.0])
@pytest.mark.parametrize("lines", [False, True])
def test_all_instances_are_found_and_none_extra(noise, lines):
    present = ALL - MISSING
    assert found_in(scene(present, noise, lines=lines)) == present - {(0, 0)}


@pytest.mark.parametrize("radius", [0.0, 9.0, 16.0])
def test_another_kind_of_object_is_left_out(radius):
    image = scene(ALL - MISSING, others=MISSING, other_radius=radius)
    assert found_in(image) == ALL - MISSING - {(0, 0)}


@pytest.mark.parametrize("lines", [False, True])
def test_a_lonely_object_has_no_instances(lines):
    assert found_in(scene({(3, 3)}, lines=lines), first=(3, 3)) == set()


def test_contacts_cut_by_the_border_are_left_out_and_those_near_it_found():
    image = scene(ALL)
    # Cut the outermost contacts in half above and on the left; one pixel remains below.
    top, bottom = round(centre((0, 0))[0]), round(centre((6, 0))[0]) + RADIUS + 2
    part = image[top:bottom, round(centre((0, 0))[1]) :]
    known = MaskPatch.of(disc(centre((3, 3)))).moved(-top, -round(centre((0, 0))[1]))
    repeats = find_repeats(part, known)
    assert sum(each.score >= repeats.threshold for each in repeats.instances) == 6 * 6 - 1


def test_accepted_objects_are_left_out():
    taken = disc(centre((2, 2))) | disc(centre((4, 5)), RADIUS / 1.5)
    assert found_in(scene(ALL), taken=taken) == ALL - {(0, 0), (2, 2), (4, 5)}


def test_masks_are_moved_by_parts_of_a_pixel():
    repeats = find_repeats(scene(ALL, noise=1.0), MaskPatch.of(disc(centre((0, 0)))))
    for instance in repeats.instances:
        row, col = instance.centre_rc
        truth = disc(centre((int(row // PITCH), int(col // PITCH))))
        assert agreement(instance.mask, MaskPatch.of(truth)) > 0.93


def test_turned_instances_are_found_where_they_are_wanted():
    flag = np.zeros((30, 20), dtype=bool)
    flag[:, :6] = True
    flag[:12] = True
    image = np.full((200, 300), 60.0)
    spots = [(20, 20), (20, 120), (120, 20), (120, 120), (20, 220), (120, 220)]
    masks = [turn.of(flag) for turn in ALL_TURNS[:6]]
    for (row, col), mask in zip(spots, masks, strict=True):
        image[row : row + mask.shape[0], col : col + mask.shape[1]][mask] = 170
    grey = np.rint(ndi.gaussian_filter(image, 1.2)).astype(np.uint8)
    known = MaskPatch.of(flag, spots[0])
    untilted = find_repeats(grey, known)
    assert not any(each.score >= untilted.threshold for each in untilted.instances)
    turned = find_repeats(grey, known, turns=ALL_TURNS)
    best = [each for each in turned.instances if each.score >= turned.threshold]
    assert len(best) == 5
    for spot, mask in zip(spots[1:], masks[1:], strict=True):
        assert max(agreement(each.mask, MaskPatch.of(mask, spot)) for each in best) > 0.9


def test_whole_lines_across_the_image_repeat():
    image = np.full((120, 300), 60.0)
    for col in range(20, 300, 40):
        image[:, col : col + 15] = 170
    grey = np.rint(ndi.gaussian_filter(image, 1.2)).astype(np.uint8)
    mask = np.zeros(grey.shape, dtype=bool)
    mask[:, 60:75] = True
    repeats = find_repeats(grey, MaskPatch.of(mask))
    starts = sorted(i.mask.offset_rc[1] for i in repeats.instances if i.score >= repeats.threshold)
    assert starts == [20, 100, 140, 180, 220, 260]


@pytest.mark.parametrize("mask", [np.ones((2, 2), bool), np.ones((30, 400), bool)])
def test_an_object_that_cannot_be_looked_for_is_refused(mask):
    with pytest.raises(InputError, match="Expected an object"):
        find_repeats(scene(ALL), MaskPatch.of(mask))


def test_nothing_is_found_in_a_blank_image():
    blank = np.full((100, 100), 77, np.uint8)
    assert find_repeats(blank, MaskPatch.of(np.ones((9, 9), bool), (40, 40))) == Repeats((), 1.0)


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        ([], 0),
        ([0.55, 0.5, 0.45], 0),
        ([0.95] * 20 + [0.45], 20),
        ([0.99] * 20 + [0.89] * 5 + [0.4], 20),
        ([0.9, 0.86, 0.83, 0.8, 0.78, 0.45, 0.44], 5),
        ([0.97], 1),
        (list(np.linspace(0.9, 0.42, 60)), 7),
    ],
)
def test_the_threshold_lies_in_the_gap_below_the_kind(scores, count):
    threshold = choose_threshold(np.random.default_rng(0).permutation(scores).tolist())
    assert sum(score >= threshold for score in scores) == count


def instance(score: float, col: int = 0) -> Instance:
    return Instance(MaskPatch.of(np.ones((10, 10), bool), (20, 20 + col)), score, (0, 0))


def test_some_of_the_rest_are_offered_too():
    many = Repeats(tuple(instance(0.9) for _ in range(3)) + (instance(0.6),) * 90, 0.8)
    assert len(offered(many)) == 3 + FEW_MORE
    assert offered(Repeats((instance(0.45),), 0.8)) == []


class Half:
    """Sees the whole of what is left of column 100, and only a half of the rest."""

    name, weights_sha256, frame_px = "half", "0" * 64, 256

    def encode(self, image):
        return ImageEmbedding(image.shape, image.shape, image, "")

    def decode(self, embedding, prompts):
        mask = np.zeros(embedding.shape, dtype=bool)
        row0, col0, row1, col1 = (round(value) for value in prompts.box_rc)
        mask[row0 : row1 + 1, col0 : (col1 + 1 if col0 < 100 else (col0 + col1) // 2)] = True
        wrong = np.roll(mask, 50, axis=0)
        logits = np.where([wrong, mask], 4.0, -4.0).astype(np.float32)
        return MaskPrediction(logits, np.zeros((2, 64, 64), np.float32), np.float32([0.9, 0.8]))

    def decode_batch(self, embedding, prompts):
        return [self.decode(embedding, prompt) for prompt in prompts]


def test_the_moved_mask_stands_where_the_model_sees_something_else():
    model, shape = Half(), (200, 200)
    asked = [instance(0.9), instance(0.8, 120)]
    image = np.zeros(shape, np.uint8)
    parts = refine_many(model, lambda w: model.encode(w.crop(image)), asked, shape)
    first, second = sorted((a for part in parts for a in part), key=lambda a: a.index)
    assert first.masks == (asked[0].mask,)
    assert (first.match, first.from_template) == (0.9, False)
    assert first.iou_pred == pytest.approx((0.8,))
    assert second.masks == (asked[1].mask,)
    assert (second.match, second.from_template) == (0.8, True)
