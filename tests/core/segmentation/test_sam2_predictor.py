from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
import torch

from segsem.core.exceptions import InputError, ModelError
from segsem.imaging.image import SEMImage
from segsem.models.build import build_model
from segsem.segmentation.frame import choose_frame
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


@functools.cache
def torchvision_schemas() -> torch.library.Library | None:
    """Two schemas that torchvision needs to load beside a CPU-only torch; kept while they are used.

    A torchvision that works brings its own and ends the process if it finds them defined, so
    another process is asked first.
    """
    command = [sys.executable, "-c", "import torchvision"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def reference_predictor(model: torch.nn.Module) -> object:
    """SAM2's own predictor."""
    torchvision_schemas()
    try:
        from sam2.sam2_image_predictor import SAM2ImagePredictor
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"SAM2ImagePredictor cannot be imported here: {error}")
    return SAM2ImagePredictor(model)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is:DeprecationWarning")
@pytest.mark.parametrize("prompts", ["click", "points", "box", "box+points", "mask"])
@pytest.mark.parametrize("single", [False, True])
def test_same_function_as_sam2s_own_predictor(prompts: str, single: bool) -> None:
    ours, theirs, embedding = official_pair()
    points, labels, box, mask = {
        "click": ([(300, 400)], [1], None, None),
        "points": ([(300, 400), (20, 900), (700, 700)], [1, 0, 1], None, None),
        "box": ((), (), (100, 200, 500, 800), None),
        "box+points": ([(300, 400)], [1], (100, 200, 500, 800), None),
        "mask": ([(300, 400)], [1], None, np.linspace(-5, 5, 65536, dtype=np.float32)),
    }[prompts]
    mask = None if mask is None else mask.reshape(256, 256)

    logits, scores = theirs_answer(theirs, points, labels, box, mask, single)
    if single:
        got_logits, got_scores = single_answer(ours, embedding, points, labels, box, mask)
    else:
        answer = ours.decode(embedding, Prompts(points, labels, box, mask))
        got_logits, got_scores = answer.low_res_logits, answer.iou_pred

    order = np.argsort(-scores, kind="stable")
    assert got_scores == pytest.approx(scores[order], abs=1e-3)
    assert got_logits == pytest.approx(logits[order], abs=1e-3)


_PAIR: list[object] = []


def official_pair():  # type: ignore[no-untyped-def]
    if not _PAIR:
        torch.manual_seed(1)
        model = build_model("sam2.1_hiera_t")
        theirs = reference_predictor(model)
        ours = SAM2Predictor(model, "tiny", "ef" * 32, 1024)
        image = picture(1024, 1024)
        theirs.set_image(np.repeat(image[..., None], 3, axis=2))  # type: ignore[attr-defined]
        _PAIR.extend([ours, theirs, ours.encode(image)])
    return tuple(_PAIR)


def theirs_answer(theirs, points, labels, box, mask, single):  # type: ignore[no-untyped-def]
    xy = np.array([(c, r) for r, c in points], dtype=np.float32) if len(points) else None
    _, scores, low_res = theirs.predict(
        point_coords=xy,
        point_labels=np.array(labels) if len(labels) else None,
        box=None if box is None else np.array([box[1], box[0], box[3], box[2]]),
        mask_input=None if mask is None else mask[None],
        multimask_output=not single,
        return_logits=True,
    )
    return low_res, scores


def single_answer(ours, embedding, points, labels, box, mask):  # type: ignore[no-untyped-def]
    from segsem.segmentation.sam2_forward import decode_prompts

    with torch.inference_mode():
        logits, scores, _ = decode_prompts(
            ours._model,
            embedding.features.features,
            torch.tensor([[(c, r) for r, c in points]], dtype=torch.float32) if points else None,
            torch.tensor([labels]) if labels else None,
            None if box is None else torch.tensor([[box[1], box[0], box[3], box[2]]]).float(),
            None if mask is None else torch.from_numpy(mask)[None, None],
            multimask=False,
        )
    return logits[0].clamp(-32, 32).numpy(), scores[0].numpy()
