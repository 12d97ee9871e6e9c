"""Images that only rims divide, and images without any noise: exact geometry, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.params import ExtractParams, Routing, Tone
from segsem.pipeline import extract
from segsem.segmentation.edge_only import find_rim_scene

SHAPE = (200, 240)


def rings() -> np.ndarray:
    """Material: frames with square holes, and solid squares; none is cut by the border."""
    material = np.zeros(SHAPE, dtype=bool)
    for row in (20, 110):
        for col in (20, 130):
            material[row : row + 60, col : col + 60] = True
    material[40:60, 40:60] = False
    material[130:150, 150:170] = False
    return material


def rims_of(material: np.ndarray, noise: float = 6.0) -> np.ndarray:
    """Equal plateaus; a rim that falls off into the material, a shadow beside it, a blur."""
    into = ndi.distance_transform_edt(material) - 0.5
    out = ndi.distance_transform_edt(~material) - 0.5
    grey = 90 + np.where(material, 110 * np.exp(-into / 2.5), -25 * np.exp(-out / 4.0))
    rng = np.random.default_rng(3)
    blurred = ndi.gaussian_filter(grey, 1.2) + rng.normal(0, noise, material.shape)
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def found(scenes, grey: np.ndarray, tone: Tone) -> tuple[np.ndarray, list]:
    params = ExtractParams(routing=Routing.SAUVOLA_ONLY, tone=tone)
    extraction = extract(scenes.image(grey), None, params)
    mask = np.zeros(grey.shape, dtype=bool)
    for region in extraction.regions:
        row, col = region.offset_rc
        height, width = region.mask.shape
        mask[row : row + height, col : col + width] |= region.mask
    return mask, list(extraction.regions)


@pytest.mark.parametrize("noise", [0.0, 6.0, 12.0])
def test_rims_alone_give_filled_features_and_keep_their_holes(scenes, noise):
    material = rings()
    mask, regions = found(scenes, rims_of(material, noise), Tone.BRIGHT)
    assert len(regions) == 4
    assert sum(contour.is_hole for r in regions for contour in r.contours) == 2
    assert np.mean(mask != material) < 0.02


def test_gaps_between_rims_are_features_of_dark_tone(scenes):
    material = ~rings()
    mask, regions = found(scenes, rims_of(material), Tone.DARK)
    assert len(regions) == 4
    assert np.mean(mask == material) < 0.02


def test_rims_tell_lines_from_spaces(scenes):
    material = np.zeros(SHAPE, dtype=bool)
    for col in range(25, 240, 50):
        material[:, col : col + 20] = True
    mask, regions = found(scenes, rims_of(material), Tone.AUTO)
    assert len(regions) == 5
    assert np.mean(mask != material) < 0.02


def test_phases_of_unlike_grey_need_no_rims(scenes):
    grey = scenes.noisy(scenes.lines()).astype(np.float32)
    assert find_rim_scene(grey, 12.0) is None


def test_thin_bright_lines_are_no_rims(scenes):
    grey = scenes.noisy(scenes.lines(width=6.0), 6.0).astype(np.float32)
    assert find_rim_scene(grey, 6.0) is None


@pytest.mark.parametrize("bright", [True, False])
@pytest.mark.parametrize("kind", ["square", "dots", "lines", "frames"])
def test_two_grey_levels_without_noise_are_segmented_to_the_pixel(scenes, kind, bright):
    truth = np.zeros(SHAPE, dtype=bool)
    if kind == "square":
        truth[60:120, 80:160] = True
    elif kind == "frames":
        truth = rings()
    else:
        for start in range(20, 220, 40):
            truth[:, start : start + 16] = True
        if kind == "dots":
            truth[np.arange(200) % 40 >= 16] = False
            truth[184:] = False
    grey = np.where(truth == bright, 180, 60).astype(np.uint8)
    mask, _ = found(scenes, grey, Tone.BRIGHT if bright else Tone.DARK)
    # Square corners are rounded by the smoothing along contours, by less than 3 px each.
    assert np.count_nonzero(mask != truth) <= 3 * 4 * ndi.label(truth)[1] + 8
