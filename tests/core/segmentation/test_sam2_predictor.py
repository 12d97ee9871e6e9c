from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from segsem.core.exceptions import InputError, ModelError
from segsem.imaging.image import SEMImage
from segsem.models.build import build_model
from segsem.segmentation.ahead import in_order
from segsem.segmentation.frame import choose_frame
from segsem.segmentation.inference.threads import side_by_side
from segsem.segmentation.predictor import Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.sam2_predictor import SAM2Predictor

CLICK = Prompts([(50.0, 60.0)], [1])
BOX = Prompts(box_rc=(10.0, 20.0, 90.0, 70.0))
BOTH = Prompts([(40.0, 45.0), (5.0, 5.0)], [1, 0], (10.0, 20.0, 90.0, 70.0))


@pytest.fixture(scope="module")
def predictor() -> SAM2Predictor:
    torch.manual_seed(0)
    return SAM2Predictor(build_model("segsem-nano"), "nano", "ab" * 32, 256)


def picture(height: int, width: int) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (height, width)).astype(np.uint8)


def test_it_is_a_predictor(predictor: SAM2Predictor) -> None:
    assert isinstance(predictor, Predictor)


@pytest.mark.parametrize("shape", [(100, 100), (256, 256), (61, 200), (400, 300), (3, 900)])
def test_logits_have_the_images_shape_best_first(
    predictor: SAM2Predictor, shape: tuple[int, int]
) -> None:
    embedding = predictor.encode(picture(*shape))
    prediction = predictor.decode(embedding, Prompts([(1.0, 2.0)], [1]))

    assert embedding.shape == shape
    assert prediction.logits.shape == (3, *shape)
    assert prediction.low_res_logits.shape[1] == prediction.low_res_logits.shape[2]
    assert list(prediction.iou_pred) == sorted(prediction.iou_pred, reverse=True)
    assert max(embedding.frame_shape) <= predictor.frame_px


@pytest.mark.parametrize(
    ("shape", "fixed", "side", "filled"),
    [
        ((100, 90), False, 128, (100, 90)),
        ((129, 90), False, 160, (129, 90)),
        ((256, 256), False, 256, (256, 256)),
        ((512, 257), False, 256, (256, 128)),
        ((100, 50), True, 256, (256, 128)),
    ],
)
def test_frame(shape: tuple[int, int], fixed: bool, side: int, filled: tuple[int, int]) -> None:
    frame = choose_frame(shape, 256, fixed=fixed)

    assert (frame.side_px, frame.filled) == (side, filled)
    # The image's corners are the filled part's corners.
    corners = frame.to_frame(np.array([[-0.5, -0.5], [shape[0] - 0.5, shape[1] - 0.5]]))
    assert corners == pytest.approx(np.array([[-0.5, -0.5], [filled[0] - 0.5, filled[1] - 0.5]]))


def test_a_batch_answers_as_one_by_one(predictor: SAM2Predictor) -> None:
    embedding = predictor.encode(picture(128, 120))
    mask = predictor.decode(embedding, CLICK).low_res_logits[0]
    prompts = [CLICK, BOX, BOTH, Prompts([(9.0, 9.0)], [1]), Prompts(mask_input=mask)]

    together = predictor.decode_batch(embedding, prompts)

    for prompt, answer in zip(prompts, together, strict=True):
        alone = predictor.decode(embedding, prompt)
        assert answer.logits == pytest.approx(alone.logits, abs=1e-4)
        assert answer.iou_pred == pytest.approx(alone.iou_pred, abs=1e-5)


def test_nothing_asked_nothing_answered(predictor: SAM2Predictor) -> None:
    assert predictor.decode_batch(predictor.encode(picture(64, 64)), []) == []


def test_calls_leave_no_trace(predictor: SAM2Predictor) -> None:
    first, second = picture(128, 128), picture(100, 128)
    embedding = predictor.encode(first)
    before = predictor.decode(embedding, BOX).logits
    predictor.decode(predictor.encode(second), CLICK)

    assert np.array_equal(predictor.decode(embedding, BOX).logits, before)
    assert np.array_equal(predictor.decode(predictor.encode(first), BOX).logits, before)


def test_a_whole_image_is_normalised_first(predictor: SAM2Predictor) -> None:
    data = picture(64, 64).astype(np.uint16) * 100 + 7
    low, high = np.percentile(data, [0.1, 99.9])
    grey = np.clip(np.rint((data - low) * 255.0 / (high - low)), 0, 255).astype(np.uint8)

    as_image = predictor.decode(predictor.encode(SEMImage(data, "x")), Prompts([(5, 5)], [1]))
    as_array = predictor.decode(predictor.encode(grey), Prompts([(5, 5)], [1]))

    assert as_image.logits == pytest.approx(as_array.logits, abs=1e-4)


def test_another_models_embedding_is_refused(predictor: SAM2Predictor) -> None:
    other = SAM2Predictor(build_model("segsem-nano"), "other", "cd" * 32, 256)

    with pytest.raises(ModelError, match="another model than nano"):
        predictor.decode(other.encode(picture(64, 64)), CLICK)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((0, 4), dtype=np.uint8)],
)
def test_anything_but_a_grey_uint8_array_is_refused(
    predictor: SAM2Predictor, array: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(InputError, match="uint8 image"):
        predictor.encode(array)


def test_a_mask_input_of_another_frame_is_refused(predictor: SAM2Predictor) -> None:
    embedding = predictor.encode(picture(128, 128))

    with pytest.raises(InputError, match=r"shape \(32, 32\)"):
        predictor.decode(embedding, Prompts(mask_input=np.zeros((64, 64), dtype=np.float32)))


def test_one_mask_instead_of_three(predictor: SAM2Predictor) -> None:
    embedding = predictor.encode(picture(128, 128))

    one = predictor.decode(embedding, CLICK, multimask=False)

    assert one.logits.shape == (1, 128, 128)
    assert one.low_res_logits.shape == (1, 32, 32)
    assert one.iou_pred.shape == (1,)


@pytest.mark.parametrize("shape", [(128, 128), (100, 90), (256, 200), (400, 300), (3, 900)])
def test_the_part_around_a_mask_is_the_whole_images(
    predictor: SAM2Predictor, shape: tuple[int, int]
) -> None:
    answer = predictor.decode(predictor.encode(picture(*shape)), Prompts([(1.0, 2.0)], [1]))

    for index in range(3):
        (row, col), part = answer.around(index)
        whole = np.full(shape, -1.0)
        whole[row : row + part.shape[0], col : col + part.shape[1]] = part
        assert np.array_equal(whole > 0, answer.logits_of(index) > 0)


def test_padding_of_the_frame_is_zero_after_normalisation(predictor: SAM2Predictor) -> None:
    grey = np.full((3, 5), 7, dtype=np.uint8)

    pixels = predictor._pixels(grey, choose_frame(grey.shape, 256, fixed=False))

    expected = (7 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    assert pixels.shape == (1, 3, 128, 128)
    assert pixels[0, :, 2, 4].numpy() == pytest.approx(expected, abs=1e-6)
    assert not pixels[0, :, 3:].any()
    assert not pixels[0, :, :, 5:].any()


def test_the_precision_is_part_of_what_embeddings_depend_on() -> None:
    model = build_model("segsem-nano")
    kinds = set()
    for precision in ("fp32", "bf16"):
        made = SAM2Predictor(model, "nano", "ab" * 32, 256, precision=precision)
        assert made.precision == precision
        kinds.add(made.embedding_kind)

    assert len(kinds) == 2


def test_a_released_model_gives_up_its_encoder_only() -> None:
    torch.manual_seed(0)
    model = build_model("segsem-nano")
    image = picture(64, 64)
    kept = SAM2Predictor(model, "nano", "ab" * 32, 256)
    before = kept.decode(kept.encode(image), BOX).logits

    released = SAM2Predictor(model, "nano", "ab" * 32, 256, release=True)

    assert not list(model.image_encoder.parameters())
    assert np.array_equal(released.decode(released.encode(image), BOX).logits, before)


def test_an_encoder_that_is_not_known_runs_as_it_is() -> None:
    torch.manual_seed(0)
    model = build_model("segsem-nano")
    quick = SAM2Predictor(model, "nano", "ab" * 32, 256)
    model.image_encoder.neck.fuse_type = "avg"
    plain = SAM2Predictor(model, "nano", "ab" * 32, 256)
    model.image_encoder.neck.fuse_type = "sum"
    calls: list[int] = []
    plain.set_checkpoint(lambda: calls.append(1))

    expected = quick.decode(quick.encode(picture(64, 64)), BOX)
    found = plain.decode(plain.encode(picture(64, 64)), BOX)

    assert calls
    assert found.logits == pytest.approx(expected.logits, abs=1e-4)


def test_frames_side_by_side_are_answered_as_one_by_one(predictor: SAM2Predictor) -> None:
    def work(number: int) -> npt.NDArray[np.float32]:
        answers = predictor.decode_batch(predictor.encode(pictures[number]), [BOTH, BOTH])
        return answers[1].logits

    pictures = [np.roll(picture(120, 128), shift) for shift in range(6)]
    cores = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = [work(number) for number in range(6)]
        torch.set_num_threads(2)
        with predictor.helpers() as helpers:
            assert helpers is not None
            assert helpers.count == 2
            assert set(helpers.executor.map(lambda _: torch.get_num_threads(), range(4))) == {1}
            for number, logits in in_order(work, range(6), helpers):
                np.testing.assert_array_equal(logits, expected[number])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(cores)


@pytest.mark.parametrize(("cores", "frame_px"), [(1, 256), (2, 1024)])
def test_one_core_or_a_large_frame_needs_no_helpers(cores: int, frame_px: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(cores)
        with side_by_side(frame_px, torch.device("cpu")) as helpers:
            assert helpers is None
    finally:
        torch.set_num_threads(before)
