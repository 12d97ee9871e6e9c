from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.core.contour import Contour, Region, ReviewStatus, Source
from segsem.core.extraction import Extraction
from segsem.export.dashes import split_into_dashes
from segsem.export.legend import scale_bar
from segsem.export.overlay import draw_overlay, write_overlay

Grey = npt.NDArray[np.uint8]


def coloured(picture: npt.NDArray[np.uint8], rgb: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Where a picture has nearly this colour."""
    return np.asarray(np.abs(picture.astype(int) - rgb).max(axis=-1) < 12)


def test_a_vertical_edge_lies_at_its_sub_pixel_place(
    extraction: Extraction, contour: Callable[..., Contour], region: Callable[..., Region]
) -> None:
    black = np.zeros(extraction.shape, dtype=np.uint8)
    for column in (40.0, 40.25, 40.5):
        line = contour(1, [[10, column], [90, column]], closed=False)
        image = replace(extraction, regions=(region(1, (0, 0, 9, 9), line),))
        row = draw_overlay(image, black)[100].astype(float).sum(axis=-1)
        centre = (row * np.arange(len(row))).sum() / row.sum()
        # Twice as large: a pixel's centre moves with its pixel.
        assert centre == pytest.approx(2 * column + 0.5, abs=0.15)


def test_each_source_is_drawn_in_its_colour(extraction: Extraction, grey: Grey) -> None:
    picture = draw_overlay(extraction, grey)[:240]
    for source in (Source.SAM2, Source.SAUVOLA, Source.MANUAL):
        assert coloured(picture, SOURCE_STYLES[source].rgb).any(), source
    assert not coloured(picture, NEEDS_HUMAN_STYLE.rgb).any()
    # The mixed box: its upper edge (point 2 on) is SAM2's, its lower one begins as such too.
    upper_edge = picture[2 * 10 - 2 : 2 * 10 + 4, 2 * 65 : 2 * 85]
    right_edge = picture[2 * 15 : 2 * 25, 2 * 90 - 3 : 2 * 90 + 6]
    assert coloured(upper_edge, SOURCE_STYLES[Source.SAM2].rgb).any()
    assert coloured(right_edge, SOURCE_STYLES[Source.SAUVOLA].rgb).any()
    assert not coloured(right_edge, SOURCE_STYLES[Source.SAM2].rgb).any()


def test_an_undecided_region_is_highlighted(undecided: Extraction, grey: Grey) -> None:
    picture = draw_overlay(undecided, grey)[:240]
    found = coloured(picture, NEEDS_HUMAN_STYLE.rgb)
    rows, cols = np.nonzero(found)
    # Only round the frame of region 2, rows 50 to 90, columns 10 to 50.
    assert 45 <= rows.min() // 2 <= rows.max() // 2 <= 95
    assert 5 <= cols.min() // 2 <= cols.max() // 2 <= 55


def test_rejected_regions_are_not_drawn(extraction: Extraction, grey: Grey) -> None:
    regions = tuple(replace(r, status=ReviewStatus.REJECTED) for r in extraction.regions)
    picture = draw_overlay(replace(extraction, regions=regions), grey)[:240]
    np.testing.assert_array_equal(picture, grey.repeat(2, 0).repeat(2, 1)[..., None].repeat(3, 2))


def test_no_contour_is_closed_along_the_border(extraction: Extraction, grey: Grey) -> None:
    picture = draw_overlay(replace(extraction, regions=extraction.regions[3:]), grey)[:240]
    found = coloured(picture, SOURCE_STYLES[Source.MANUAL].rgb)
    assert found[:, 270:300].any()
    assert not found[:, 300:].any()


def test_size_and_file(tmp_path: Path, extraction: Extraction, grey: Grey) -> None:
    write_overlay(tmp_path / "overlay.png", extraction, grey)
    with Image.open(tmp_path / "overlay.png") as stored:
        picture = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(picture, draw_overlay(extraction, grey))
    assert picture.shape[1] == 320
    assert picture.shape[0] > 240
    large = replace(extraction, shape=(30, 1500), valid_rows=(0, 30), regions=())
    assert draw_overlay(large, np.zeros((30, 1500), dtype=np.uint8)).shape[1] == 1500


def test_a_one_pixel_image(extraction: Extraction) -> None:
    tiny = replace(extraction, shape=(1, 1), valid_rows=(0, 1), regions=())
    assert draw_overlay(tiny, np.zeros((1, 1), dtype=np.uint8)).shape[1] == 2


@pytest.mark.parametrize("bad", [np.zeros((5, 5), np.uint8), np.zeros((120, 160), np.float32)])
def test_an_image_that_does_not_fit(extraction: Extraction, bad: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="Expected a uint8 image of shape"):
        draw_overlay(extraction, bad)


@pytest.mark.parametrize(
    ("pixel_size_nm", "width", "scale", "expected"),
    [
        ((1.0, 1.0), 1000, 1, (200, "200 nm")),
        ((9.0, 1.5), 840, 2, (133, "100 nm")),
        ((20.0, 20.0), 1000, 1, (100, "2 µm")),
        ((0.3, 0.3), 100, 1, (17, "5 nm")),
        (None, 100, 1, (0, "pixel size unknown")),
    ],
)
def test_scale_bar(
    pixel_size_nm: tuple[float, float] | None, width: int, scale: int, expected: tuple[int, str]
) -> None:
    assert scale_bar(pixel_size_nm, width, scale) == expected


def test_dashes_along_a_bent_line() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    pieces = split_into_dashes(line, (6.0, 3.0))
    expected = [[[0, 0], [6, 0]], [[9, 0], [10, 0], [10, 5]], [[10, 8], [10, 10]]]
    assert len(pieces) == len(expected)
    for piece, want in zip(pieces, expected, strict=True):
        np.testing.assert_allclose(piece, want)


def test_dashes_grow_with_the_line_width() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0]])
    (first, second) = split_into_dashes(line, (2.0, 1.0), width_px=2.0)
    np.testing.assert_allclose(first, [[0, 0], [4, 0]])
    np.testing.assert_allclose(second, [[6, 0], [10, 0]])


def test_solid_and_degenerate_lines() -> None:
    line = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert split_into_dashes(line, ()) == [line]
    assert split_into_dashes(np.array([[3.0, 3.0], [3.0, 3.0]]), (2.0, 1.0)) == []


def test_styles_tell_the_sources_apart_without_colour() -> None:
    assert len({style.dashes for style in SOURCE_STYLES.values()}) == len(Source)
    colours = {style.color for style in (*SOURCE_STYLES.values(), NEEDS_HUMAN_STYLE)}
    assert len(colours) == len(Source) + 1
    assert NEEDS_HUMAN_STYLE.rgb == (0xD5, 0x5E, 0x00)
