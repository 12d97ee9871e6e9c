"""What is worked out band by band is what the whole image gives."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.measure import label

from segsem.core.params import ExtractParams, Tone
from segsem.pipeline import extract
from segsem.segmentation import cleaning, evidence, nearest, pieces, regions
from segsem.segmentation.bands import BAND_ROWS, bands
from segsem.segmentation.cleaning import area_by_label
from segsem.segmentation.nearest import FIRST_HALO_PX, nearest_inside
from segsem.segmentation.outlines import outlines
from segsem.segmentation.pieces import owned_pieces


def blobs(seed: int, shape: tuple[int, int], sigma: float = 4.0, share: float = 0.5) -> np.ndarray:
    noise = ndi.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)
    return np.asarray(noise > np.quantile(noise, share))


@given(st.integers(1, 3000), st.integers(0, 40), st.integers(1, 700))
def test_bands_partition_the_rows(height, halo, band_rows):
    covered = np.zeros(height, dtype=int)
    for band in bands(height, halo, band_rows):
        covered[band.rows] += 1
        seen = np.arange(height)[band.seen]
        np.testing.assert_array_equal(seen[band.inner], np.arange(height)[band.rows])
        assert seen[0] == max(band.rows.start - halo, 0)
        assert seen[-1] == min(band.rows.stop + halo, height) - 1
    assert np.all(covered == 1)


def test_edge_hits_of_bands_are_those_of_the_image():
    shape = (2 * BAND_ROWS + 37, 120)
    grey = np.random.default_rng(1).normal(100, 20, shape).astype(np.float32)
    field = evidence.edge_field(ndi.gaussian_filter(grey, 2.0), 2.0, 5.0, 60.0, bright=False)
    mask = blobs(2, shape)
    whole = evidence.edge_hits(mask, field.crop((slice(0, shape[0]), slice(0, shape[1]))))
    assert 0.05 < whole.mean() < 0.95
    np.testing.assert_array_equal(evidence.edge_hits_in_bands(mask, field), whole)


def test_gradients_of_a_window_are_those_of_the_image():
    smoothed = np.random.default_rng(1).normal(100, 20, (60, 70)).astype(np.float32)
    field = evidence.EdgeField(smoothed, -1.0, 0.5)
    for window in ((slice(0, 60), slice(0, 70)), (slice(7, 31), slice(0, 9)), (slice(50, 60),) * 2):
        cut = field.crop(window)
        for axis, gradient in enumerate((cut.grad_r, cut.grad_c)):
            whole = ndi.sobel(smoothed, axis=axis) / -8.0
            np.testing.assert_array_equal(gradient, whole[window])


@pytest.mark.parametrize("share", [0.3, 0.8, 0.97])
def test_edge_share_sees_no_more_than_it_needs(share):
    shape = (150, 160)
    grey = np.random.default_rng(3).normal(100, 20, shape).astype(np.float32)
    field = evidence.edge_field(ndi.gaussian_filter(grey, 2.0), 2.0, 5.0, 60.0, bright=True)
    edges = field.crop((slice(0, 150), slice(0, 160)))
    mask = blobs(5, shape, share=share)
    boundary = evidence.boundary_of(mask)
    hits = evidence.edge_hits(mask, edges)
    assert evidence.edge_share(mask, edges, boundary) == np.mean(hits[boundary])


@pytest.mark.parametrize("share", [0.4, 0.9, 0.9995])
def test_the_nearest_feature_is_that_of_the_whole_image(share):
    shape = (4 * FIRST_HALO_PX + 60, 90)
    inside = blobs(7, shape, sigma=3.0, share=share)
    wanted = ~inside & blobs(8, shape)
    rows, cols = ndi.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    asked = np.zeros(shape, dtype=int)
    for at, found in nearest_inside(~inside, wanted, band_rows=50):
        asked[at] += 1
        np.testing.assert_array_equal(found[0], rows[at])
        np.testing.assert_array_equal(found[1], cols[at])
    np.testing.assert_array_equal(asked, wanted.astype(int))


@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_the_nearest_feature_may_be_far_away(corner, monkeypatch):
    monkeypatch.setattr(nearest, "FIRST_HALO_PX", 4)
    monkeypatch.setattr(nearest, "LAST_HALO_PX", 16)
    outside = np.ones((150, 70), dtype=bool)
    outside[corner] = outside[75, 35] = False
    rows, cols = ndi.distance_transform_edt(outside, return_distances=False, return_indices=True)
    for at, found in nearest_inside(outside, outside, band_rows=20):
        np.testing.assert_array_equal(found[0], rows[at])
        np.testing.assert_array_equal(found[1], cols[at])


def test_without_features_nothing_is_nearest():
    outside = np.ones((20, 20), dtype=bool)
    assert list(nearest_inside(outside, outside)) == []


@pytest.mark.parametrize("owners", [1, 3, 40])
def test_pieces_are_those_of_skimage(owners):
    shape = (BAND_ROWS + 40, 80)
    rng = np.random.default_rng(owners)
    areas = ndi.zoom(rng.integers(1, owners + 1, (24, 8)), (23, 10), order=0)[: shape[0]]
    owner = np.where(blobs(9, shape, sigma=2.0), areas, 0).astype(np.int32)
    expected = label(owner, connectivity=1, background=0)
    found = owned_pieces(owner)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


def test_areas_are_counted_over_all_bands():
    labels = np.random.default_rng(0).integers(0, 9, (BAND_ROWS + 5, 7)).astype(np.int32)
    np.testing.assert_array_equal(
        area_by_label(labels, 9), np.bincount(labels.ravel(), minlength=10)
    )


@pytest.mark.parametrize("tone", [Tone.BRIGHT, Tone.DARK])
def test_an_image_in_many_bands_is_extracted_as_in_one(
    tone, scenes, threshold_predictor, monkeypatch
):
    grey = np.hstack([scenes.holes(shape=(300, 160)), scenes.lines(shape=(300, 140))])
    grey[90:110, 150:] = 180  # the lines hang together with the film: one region with holes
    image = scenes.image(scenes.noisy(grey))
    params = ExtractParams(tone=tone)
    predictor = threshold_predictor(bright=tone is Tone.BRIGHT)
    whole = extract(image, predictor, params)
    for module in (cleaning, evidence, pieces, regions, nearest):
        monkeypatch.setattr(module, "bands", lambda height, halo, rows=17: bands(height, halo, 17))
    monkeypatch.setattr(regions, "outlines", partial(outlines, large_px=0))
    cut = extract(image, predictor, params)
    # Bright: one region with the holes and gaps in it. Dark: each hole and gap by itself.
    assert len(whole.regions) == 1 if tone is Tone.BRIGHT else len(whole.regions) > 20
    assert len(cut.regions) == len(whole.regions)
    np.testing.assert_array_equal(cut.labels(), whole.labels())
    np.testing.assert_array_equal(cut.confidence_map, whole.confidence_map)
    for one, other in zip(cut.regions, whole.regions, strict=True):
        assert len(one.contours) == len(other.contours)
        for first, second in zip(one.contours, other.contours, strict=True):
            np.testing.assert_allclose(first.vertices_rc, second.vertices_rc, rtol=0, atol=1e-9)
            np.testing.assert_array_equal(first.flags, second.flags)
