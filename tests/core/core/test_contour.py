"""Shapes that contours and regions insist on."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import PACKED_FROM_PX, SOURCE_CODES, Contour, PointFlag, Region, Source
from segsem.core.extraction import Extraction


def contour(n_points: int = 3, **changes: Any) -> Contour:
    fields: dict[str, Any] = {
        "contour_id": 1,
        "vertices_rc": np.zeros((n_points, 2)),
        "raw_vertices_rc": np.zeros((n_points, 2)),
        "normals_rc": np.zeros((n_points, 2)),
        "closed": True,
        "is_hole": False,
        "sigma_px": np.zeros(n_points),
        "slope": np.zeros(n_points),
        "contrast": np.zeros(n_points),
        "confidence": np.zeros(n_points),
        "source_code": np.zeros(n_points, dtype=np.uint8),
        "flags": np.zeros(n_points, dtype=np.uint8),
    }
    return Contour(**{**fields, **changes})


def region(mask: np.ndarray, offset_rc: tuple[int, int] = (0, 0), region_id: int = 1) -> Region:
    return Region(region_id, offset_rc, mask, (), Source.SAM2, 0.9)


@pytest.mark.parametrize("name", ["vertices_rc", "raw_vertices_rc", "normals_rc"])
def test_contour_refuses_points_that_are_not_pairs(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` to have shape \(3, 2\), but got \(3, 3\)"):
        contour(**({"vertices_rc": np.zeros((3, 2))} | {name: np.zeros((3, 3))}))


@pytest.mark.parametrize(
    "name", ["sigma_px", "slope", "contrast", "confidence", "source_code", "flags"]
)
def test_contour_refuses_evidence_of_another_length(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` to have shape \(3,\), but got \(2,\)"):
        contour(**{name: np.zeros(2)})


def test_length_of_a_contour_is_its_number_of_points() -> None:
    assert len(contour(7)) == 7
    assert len(contour(0)) == 0


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 2), dtype=np.uint8), np.zeros(4, dtype=bool), np.zeros((1, 2, 2), bool)]
)
def test_region_refuses_what_is_no_mask(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(h, w\) bool"):
        region(mask)


def test_region_box_and_area() -> None:
    mask = np.array([[True, False, True], [False, True, False]])
    found = region(mask, offset_rc=(10, 20))
    assert found.area_px == 3
    assert found.bbox_rc == (10, 20, 12, 23)


@pytest.mark.parametrize("shape", [(900, 1100), (1025, 1024), (1, 1_100_003)])
def test_large_masks_are_kept_as_bits_and_read_as_they_were(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(shape) > 0.5
    found = region(mask, (7, 9))
    for one in (found, replace(found, confidence=0.1), pickle.loads(pickle.dumps(found))):
        assert one.mask.dtype == np.bool_
        np.testing.assert_array_equal(one.mask, mask)
        assert one.bbox_rc == (7, 9, 7 + shape[0], 9 + shape[1])
        assert one.area_px == np.count_nonzero(mask)
    if mask.size >= PACKED_FROM_PX:
        assert len(pickle.dumps(found)) < mask.size / 7


def test_labels_paint_each_region_where_it_lies() -> None:
    extraction = Extraction(
        image_id="a",
        shape=(4, 5),
        valid_rows=(0, 4),
        pixel_size_nm=None,
        pixel_size_source=None,
        regions=(
            region(np.array([[True, True], [True, False]]), (0, 0), 1),
            region(np.array([[True], [True]]), (2, 4), 2),
        ),
        confidence_map=np.zeros((4, 5), dtype=np.float32),
    )
    expected = [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 2], [0, 0, 0, 0, 2]]
    labels = extraction.labels()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)


def test_source_codes_are_what_files_already_hold() -> None:
    # Changing the order would change the meaning of every written file.
    assert [source.value for source in SOURCE_CODES] == ["sam2", "sauvola", "manual", "mixed"]
    assert [flag.value for flag in PointFlag] == [1, 2, 4, 8]


def test_every_source_has_a_style_of_its_own() -> None:
    assert set(SOURCE_STYLES) == set(Source)
    assert len({style.color for style in SOURCE_STYLES.values()}) == len(Source)
    assert len({style.dashes for style in SOURCE_STYLES.values()}) == len(Source)
    assert SOURCE_STYLES[Source.SAM2].rgb == (0x56, 0xB4, 0xE9)
