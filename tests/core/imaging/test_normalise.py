"""The 0-255 scale: limits from the sample only, precision kept, nothing blows up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import grey_limits, normalise, normalise_float

RAMP = np.tile(np.linspace(1000, 3000, 2001), (64, 1)).astype(np.uint16)


def test_limits_are_percentiles() -> None:
    image = SEMImage(RAMP, "a")
    assert grey_limits(image) == pytest.approx((1002, 2998), abs=1)
    stretched = normalise(image)
    assert stretched.dtype == np.uint8
    assert (stretched.min(), stretched.max()) == (0, 255)
    expected = np.clip((RAMP - 1002.0) / 1996 * 255, 0, 255)
    assert np.abs(stretched - expected).max() <= 0.7


def test_counting_levels_agrees_with_sorting() -> None:
    data = np.random.default_rng(5).integers(0, 5000, (200, 130), dtype=np.uint16)
    low, high = grey_limits(SEMImage(data, "a"))
    expected = np.percentile(data, [0.1, 99.9], method="lower")
    assert (low, high) == pytest.approx(tuple(expected), abs=1)


def test_a_few_hot_pixels_do_not_set_the_contrast() -> None:
    data = RAMP.copy()
    data[0, :20] = 65535
    assert grey_limits(SEMImage(data, "a")) == pytest.approx((1002, 2998), abs=3)


def test_the_data_bar_does_not_set_the_contrast() -> None:
    data = RAMP.copy()
    data[40:] = 65535
    image = SEMImage(data, "a", data_bar_row=40)
    above = SEMImage(RAMP[:40], "a")
    assert grey_limits(image) == grey_limits(above)
    np.testing.assert_array_equal(normalise(image)[:40], normalise(above))
    assert normalise(image).shape == data.shape
    assert (normalise(image)[40:] == 255).all()


def test_float_scale_is_neither_rounded_nor_clipped() -> None:
    image = SEMImage(RAMP, "a")
    low, high = grey_limits(image)
    stretched = normalise_float(image)
    assert stretched.dtype == np.float32
    expected = (RAMP.astype(np.float64) - low) * 255 / (high - low)
    np.testing.assert_allclose(stretched, expected, atol=1e-3)
    assert len(np.unique(stretched)) == len(np.unique(RAMP))
    assert stretched.max() > 255
    assert np.abs(np.clip(stretched, 0, 255) - normalise(image)).max() <= 0.501


def test_sparse_features_on_a_flat_floor_are_kept() -> None:
    data = np.full((200, 200), 30, np.uint8)
    data[5:8, 5:8] = 90
    stretched = normalise(SEMImage(data, "a"))
    assert (stretched[5:8, 5:8] == 255).all()
    assert stretched[0, 0] == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("value", [0, 255])
def test_constant_images_are_zero(dtype: type[np.generic], value: int) -> None:
    image = SEMImage(np.full((32, 32), value, dtype), "a")
    assert not normalise(image).any()
    assert not normalise_float(image).any()


def test_the_result_depends_on_the_data_only() -> None:
    image = SEMImage(RAMP, "a", pixel_size_nm=(1.0, 1.0))
    other = replace(image, name="b", pixel_size_nm=None, metadata={"contrast": 3})
    np.testing.assert_array_equal(normalise(image), normalise(other))


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": 0, "max_value": 200},
    )
)
def test_order_of_greys_is_kept(data: np.ndarray) -> None:
    image = SEMImage(data, "a")
    order = np.argsort(data, axis=None, kind="stable")
    assert (np.diff(normalise(image).ravel()[order].astype(int)) >= 0).all()
    stretched = normalise_float(image)
    assert np.isfinite(stretched).all()
    assert (np.diff(stretched.ravel()[order]) >= 0).all()
