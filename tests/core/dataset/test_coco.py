"""COCO: run lengths and polygons against hand-made values, files that are wrong, the fuzz."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segsem.core.exceptions import InputError
from segsem.dataset.coco_polygons import fill_polygons, polygons_of
from segsem.dataset.coco_read import masks_of, read_coco
from segsem.dataset.coco_rle import counts_to_text, decode_counts, encode_counts, text_to_counts

MASK = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]], bool)


def test_runs_go_down_the_columns() -> None:
    # Columns: 001, 111, 100, 000.
    assert encode_counts(MASK) == [2, 5, 5]
    assert encode_counts(np.ones((2, 3), bool)) == [0, 6]
    assert np.array_equal(decode_counts([2, 5, 5], (3, 4)), MASK)


def test_the_compact_form_is_that_of_the_coco_api() -> None:
    # Values by hand from maskApi.c: 2, 5, 5 in one group of five bits each, plus 48.
    assert counts_to_text([2, 5, 5]) == "255"
    # 16 has the sign's bit set, so it takes a second group: 16 | 32, then 0.
    assert counts_to_text([16]) == "`0"
    assert counts_to_text([100]) == "T3"
    # From the fourth count on, the difference to the one two before: 3 - 5 = -2 -> 30 -> 'N'.
    assert counts_to_text([2, 5, 5, 3]) == "255N"
    for text, counts in (("255N", [2, 5, 5, 3]), ("`0", [16]), ("T3", [100])):
        assert text_to_counts(text) == counts


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_masks_survive_run_lengths_and_text(mask: np.ndarray) -> None:
    counts = encode_counts(mask)
    assert sum(counts) == mask.size
    assert text_to_counts(counts_to_text(counts)) == counts
    assert np.array_equal(decode_counts(counts, mask.shape), mask)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_masks_survive_polygons_unless_they_have_holes(mask: np.ndarray) -> None:
    polygons = polygons_of(mask)
    if polygons is not None:
        assert np.array_equal(fill_polygons(polygons, mask.shape), mask)


def test_a_mask_with_a_hole_has_no_polygons() -> None:
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert polygons_of(mask) is None


def test_polygons_are_filled_where_centres_lie_inside() -> None:
    square = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])
    wanted = np.zeros((5, 6), bool)
    wanted[1:3, 1:4] = True
    assert np.array_equal(fill_polygons([square], (5, 6)), wanted)
    # The same a little less than half a pixel to the left, and reaching out of the image.
    assert np.array_equal(fill_polygons([square - [0.49, 0]], (5, 6)), wanted)
    assert fill_polygons([square - [100, 0]], (5, 6)).sum() == 0
    assert fill_polygons([square * 100 - 150], (5, 6)).all()


def coco(**changes: Any) -> dict[str, Any]:
    content = {
        "images": [{"id": 7, "file_name": "a.tif", "height": 3, "width": 4}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 2,
                "segmentation": {"size": [3, 4], "counts": "255"},
            },
            {
                "id": 2,
                "image_id": 7,
                "category_id": 3,
                "segmentation": [[3, 1, 4, 1, 4, 3, 3, 3]],
            },
        ],
        "categories": [{"id": 2, "name": "line"}, {"id": 3, "name": "object"}],
    }
    return {**content, **changes}


def write(folder: Path, content: Any) -> Path:
    path = folder / "coco.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_objects_come_with_their_classes(tmp_path: Path) -> None:
    image = read_coco(write(tmp_path, coco())).images[0]
    masks = masks_of(image)
    wanted = np.where(MASK, 1, 0)
    wanted[1:3, 3] = 2
    assert np.array_equal(masks.labels, wanted)
    # `object` stands for objects without a class.
    assert masks.classes == {1: "line"}
    assert masks.notes == ()


def test_shared_pixels_go_to_the_smaller_object(tmp_path: Path) -> None:
    content = coco()
    content["annotations"][1]["segmentation"] = [[1, 0, 3, 0, 3, 1, 1, 1]]
    image = read_coco(write(tmp_path, content)).images[0]
    masks = masks_of(image)
    assert masks.notes == ("a.tif: 1 objects share pixels with smaller ones, which keep them",)
    assert masks.labels[0].tolist() == [0, 2, 2, 0]
    assert masks.labels[2].tolist() == [1, 1, 0, 0]


def test_crowds_and_empty_images_are_counted(tmp_path: Path) -> None:
    content = coco()
    content["images"].append({"id": 8, "file_name": "b.tif", "height": 3, "width": 4})
    content["annotations"][1]["iscrowd"] = 1
    found = read_coco(write(tmp_path, content))
    assert (found.crowds, found.without_objects, len(found.images)) == (1, 1, 1)


def annotated(**changes: Any) -> dict[str, Any]:
    content = coco()
    content["annotations"] = [{**content["annotations"][0], **changes}]
    return content


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([], "is no COCO file"),
        (coco(images=3), "a list of images"),
        (coco(images=[3]), "images 1: is not an object"),
        (coco(images=[{"id": 7, "height": 3, "width": 4}]), "no file_name"),
        (coco(images=[{"id": 7, "file_name": "a", "height": 0, "width": 4}]), "a size of 0 x 4"),
        (coco(images=2 * coco()["images"]), "repeats the id 7"),
        (coco(categories=[]), "category 2, which the file does not list"),
        (coco(categories=[{"id": 2}]), "categories 1: has no name"),
        (coco(annotations=[]), "holds no objects"),
        (annotated(image_id=9), "image 9, which the file does not list"),
        (annotated(segmentation=[]), "no segmentation"),
        (annotated(segmentation=[[1, 2, 3, 4]]), "a polygon that is not"),
        (annotated(segmentation=[[1, 2, 3, 4, 5, "6"]]), "a polygon that is not"),
        (annotated(segmentation={"size": [4, 3], "counts": "255"}), "run lengths for"),
        (annotated(segmentation={"size": [3, 4], "counts": [2, 5]}), "do not fill 3 x 4 px"),
        (annotated(segmentation={"size": [3, 4], "counts": [-2, 14]}), "do not fill"),
        (annotated(segmentation={"size": [3, 4], "counts": "T"}), "middle of a number"),
        (annotated(segmentation={"size": [3, 4], "counts": "\u20ac"}), "the character"),
        (annotated(segmentation={"size": [3, 4], "counts": None}), "no counts"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, content: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        read_coco(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_objects_that_nothing_is_left_of_are_named(tmp_path: Path) -> None:
    content = annotated(segmentation=[[90, 90, 95, 90, 95, 95]])
    with pytest.raises(InputError, match=r"Annotation 1 of a\.tif covers no pixel"):
        masks_of(read_coco(write(tmp_path, content)).images[0])
    twice = coco()
    twice["annotations"][1]["segmentation"] = twice["annotations"][0]["segmentation"]
    with pytest.raises(InputError, match="lies under other objects"):
        masks_of(read_coco(write(tmp_path, twice)).images[0])


NUMBERS = st.integers(-2, 9) | st.floats(-3, 9) | st.just(10**30)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(
            st.sampled_from(["id", "image_id", "size", "counts", "segmentation", "name"]), inner
        )
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["id", "image_id", "category_id", "segmentation", "iscrowd", "file_name", "height", "name"]
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.sampled_from(["images", "annotations", "categories"]), field=FIELDS, value=VALUES)
def test_any_value_anywhere_is_read_or_refused(
    tmp_path: Path, part: str, field: str, value: Any
) -> None:
    content = coco()
    content[part][0][field] = value
    read_or_refused(tmp_path, content)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=VALUES | st.fixed_dictionaries({"images": VALUES, "annotations": VALUES}))
def test_any_json_is_read_or_refused(tmp_path: Path, content: Any) -> None:
    read_or_refused(tmp_path, content)


@given(content=st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "coco.json"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_coco(path)


def read_or_refused(folder: Path, content: Any) -> None:
    line = ""
    try:
        for image in read_coco(write(folder, content)).images:
            masks_of(image)
    except InputError as error:
        line = str(error)
    assert "\n" not in line
