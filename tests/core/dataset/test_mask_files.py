"""Masks in files: labels, binary masks, and one line for what is neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.dataset.kinds import MaskKind
from segsem.dataset.mask_files import LABELS_MARK, read_masks
from segsem.imaging.plane_tiff import write_plane

SHAPE = (12, 16)


def two_squares(value_a: int, value_b: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:5, 1:5] = value_a
    mask[7:11, 8:14] = value_b
    return mask


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_of_one_value_is_cut_into_its_parts(tmp_path: Path, value: int) -> None:
    Image.fromarray(two_squares(value, value)).save(tmp_path / "a.png")
    assert np.array_equal(read_masks(tmp_path / "a.png", SHAPE), two_squares(1, 2))
    whole = read_masks(tmp_path / "a.png", SHAPE, MaskKind.LABELS)
    assert np.array_equal(whole, two_squares(1, 1))


def test_labels_are_numbered_without_gaps(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", two_squares(0, 0).astype(np.uint16) + 0)
    labels = two_squares(7, 3).astype(np.uint16) * 1000
    tifffile.imwrite(tmp_path / "a.tif", labels)
    assert np.array_equal(read_masks(tmp_path / "a.tif", SHAPE), two_squares(2, 1))


def test_our_own_labels_are_never_cut(tmp_path: Path) -> None:
    write_plane(tmp_path / "a.tif", two_squares(1, 1), LABELS_MARK)
    assert np.array_equal(read_masks(tmp_path / "a.tif", SHAPE), two_squares(1, 1))


def test_one_bit_and_grey_in_three_channels_are_masks(tmp_path: Path) -> None:
    Image.fromarray(two_squares(1, 1).astype(bool)).save(tmp_path / "bit.png")
    grey = np.repeat(two_squares(255, 255)[..., None], 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "rgb.png")
    for name in ("bit.png", "rgb.png"):
        assert np.array_equal(read_masks(tmp_path / name, SHAPE), two_squares(1, 2))


def test_soft_edges_are_told_apart_from_labels(tmp_path: Path) -> None:
    mask = two_squares(255, 255)
    mask[1, 1:5] = (40, 90, 140, 200)
    mask[10, 8:14] = (30, 60, 100, 150, 180, 210)
    mask[7:11, 8] = (20, 70, 120, 160)
    mask[4, 1:5] = (35, 85, 130, 190)
    Image.fromarray(mask).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="soft edges; say --mask-kind binary"):
        read_masks(tmp_path / "a.png", SHAPE)
    labels = read_masks(tmp_path / "a.png", SHAPE, MaskKind.BINARY)
    assert np.array_equal(labels > 0, mask > 127)


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.zeros((5, 5), np.uint8), "is 5 x 5 px, but its image is 12 x 16"),
        (np.zeros(SHAPE, np.uint8), "holds no object"),
        (np.full(SHAPE, -1, np.int16), "negative"),
        (np.full(SHAPE, 0.5, np.float32), "whole numbers"),
        (np.full(SHAPE, 2**31 + 1, np.uint32), "at most"),
        (
            np.ones((*SHAPE, 3), np.uint8),
            "12 x 16 x 3 px, but",
        ),
    ],
)
def test_bad_masks_are_one_line(tmp_path: Path, array: np.ndarray, line: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(InputError, match=line) as caught:
        read_masks(tmp_path / "a.tif", SHAPE)
    assert "\n" not in str(caught.value)


def test_colour_is_no_mask(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 9, (*SHAPE, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="is in colour"):
        read_masks(tmp_path / "a.png", SHAPE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    content=st.binary(max_size=120),
    suffix=st.sampled_from([".png", ".tif"]),
    damage=st.none() | st.integers(0, 200),
)
def test_damaged_files_are_bad_input(
    tmp_path: Path, content: bytes, suffix: str, damage: int | None
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(two_squares(1, 2)).save(path)
    whole = path.read_bytes()
    cut = content if damage is None else whole[:damage] + content + whole[damage + len(content) :]
    path.write_bytes(cut)
    labels, line = np.ones(SHAPE), ""
    try:
        labels = read_masks(path, SHAPE)
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert labels.shape == SHAPE
    assert labels.max() >= 1
