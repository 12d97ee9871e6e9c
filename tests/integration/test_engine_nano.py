"""The engine with the bundled model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segsem.engine.client import EngineClient
from segsem.segmentation.prompts import Prompts

WAIT_S = 120.0


@pytest.fixture(scope="module")
def pad() -> np.ndarray:
    """(600, 700) uint8 with one bright 80 px pad at rows 300-379, cols 400-479."""
    image = np.full((600, 700), 60.0)
    image[300:380, 400:480] = 190.0
    image = ndimage.gaussian_filter(image, 1.5)
    image += np.random.default_rng(3).normal(0, 6, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def test_a_box_around_a_pad_gives_the_pad(pad: np.ndarray) -> None:
    client = EngineClient("segsem-nano")
    try:
        facts = client.start().result(WAIT_S)
        client.set_image("pad", pad)
        answer = client.predict("pad", Prompts(box_rc=(290.0, 390.0, 390.0, 490.0))).result(WAIT_S)
    finally:
        client.close()
    assert facts.name == "segsem-nano"
    assert len(facts.weights_sha256) == 64
    found = np.zeros(pad.shape, bool)
    found[answer.slices] = answer.mask(0)
    truth = np.zeros(pad.shape, bool)
    truth[300:380, 400:480] = True
    overlap = np.count_nonzero(found & truth) / np.count_nonzero(found | truth)
    assert answer.logits.shape == (3, facts.frame_px, facts.frame_px)
    assert overlap > 0.8
