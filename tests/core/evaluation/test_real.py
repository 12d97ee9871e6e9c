from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.evaluation.protocol import KINDS, Score
from segsem.evaluation.real import (
    RealObject,
    RealScores,
    outlined_objects,
    pieces_of,
    real_images,
    shared_out,
    spread_over_sizes,
)
from segsem.evaluation.tables import real_markdown


def test_objects_are_shared_out_evenly_and_who_has_less_gives_all() -> None:
    assert shared_out(40, [10, 8, 19, 23]) == [10, 8, 11, 11]
    assert shared_out(40, [50, 50, 50, 50]) == [10, 10, 10, 10]
    assert shared_out(40, [1, 2, 3, 4]) == [1, 2, 3, 4]


def test_sizes_are_spread_from_the_smallest_to_the_largest() -> None:
    objects = []
    for number in range(1, 8):
        mask = np.zeros((10, 10), dtype=bool)
        mask.flat[: number * number] = True
        objects.append(RealObject(str(number), "silicon", mask))
    chosen = spread_over_sizes(objects[::-1], 4)
    assert [item.name for item in chosen] == ["1", "3", "5", "7"]


def test_pieces_are_shapes_gaps_and_what_surrounds_them_without_flakes_and_necks() -> None:
    silicon = np.zeros((400, 400), dtype=bool)
    silicon[50:150, 50:150] = True
    silicon[80:120, 80:120] = False  # a gap of 1600 px
    silicon[200:215, 50:150] = True  # 1500 px, but only 15 px thick: kept at a depth of 8
    silicon[250:256, 20:380] = True  # 2160 px, but thin
    silicon[300:320, 300:320] = True  # 400 px
    silicon[200:240, 200:240] = silicon[200:240, 250:290] = True
    silicon[218:222, 240:250] = True  # a neck of 4 px joins two shapes: neither is asked for
    silicon[330:390, 30:90] = np.random.default_rng(0).random((60, 60)) < 0.7  # a ragged fringe

    found = pieces_of(silicon)

    assert sorted((item.kind, int(item.mask.sum())) for item in found)[-3:] == [
        ("oxide", 1600),
        ("silicon", 1500),
        ("silicon", 8400),
    ]
    assert {item.kind for item in found} == {"matrix", "oxide", "silicon"}
    assert len(found) == 4


def outlines(folder: Path, **changes: object) -> Path:
    image = np.full((40, 50), 20, dtype=np.uint8)
    image[10:21, 5:16] = 200
    cv2.imwrite(str(folder / "a.png"), image)
    square = [[9.5, 4.5], [9.5, 15.5], [20.5, 15.5], [20.5, 4.5]]
    values: dict[str, object] = {
        "format_version": 1,
        "image": "a.png",
        "image_sha256": hashlib.sha256((folder / "a.png").read_bytes()).hexdigest(),
        "valid_rows": 30,
        "objects": [{"name": "pad", "kind": "pillar", "cut": False, "outline_rc": square}],
    }
    file = folder / "a.json"
    file.write_text(json.dumps(values | changes))
    return file


def test_outlines_become_masks_in_the_rows_that_count(tmp_path: Path) -> None:
    image, objects = outlined_objects(outlines(tmp_path), tmp_path)
    (pad,) = objects
    assert image.shape == (40, 50)
    assert pad.mask.shape == (30, 50)
    assert np.array_equal(pad.mask, image.data[:30] > 127)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "Expected version 1"),
        ({"image_sha256": "0"}, "not the image that the outlines"),
        ({"objects": [{"name": "pad"}]}, "cannot read them"),
        ({"image": "b.png"}, "Expected an image at"),
    ],
)
def test_outlines_that_do_not_belong_are_one_clear_error(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        outlined_objects(outlines(tmp_path, **changes), tmp_path)


def test_a_folder_without_images_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected an image at"):
        next(real_images(tmp_path, None))


def test_the_table_counts_what_was_found_and_names_what_was_not() -> None:
    def scores(iou: float) -> dict[str, Score]:
        return {kind: Score(iou, iou, iou) for kind in KINDS}

    text = real_markdown(
        [
            RealScores("a", "silicon 1", "silicon", 2000, scores(0.95)),
            RealScores("a", "oxide 2", "oxide", 2000, scores(0.25)),
            RealScores("b", "line 3", "line", 2000, scores(0.9)),
        ]
    )
    assert "| all silicon shapes and gaps | 2 | 0.600 |" in text
    assert "| 1 of 2 | 1 of 2 |" in text
    assert "- a: oxide 2: 0.25" in text
    assert "line 3" not in text
