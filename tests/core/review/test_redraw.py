"""A region after a person's hand: exact squares of known edge, changed, placed, and put back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing
from segsem.editing.errors import EditError
from segsem.editing.strokes import stroke
from segsem.imaging.image import SEMImage
from segsem.pipeline import extract
from segsem.review.ground import Ground, ground_of
from segsem.review.handles import box_around, dragged, grown, handles_of, snapped
from segsem.review.other_source import (
    candidates_of,
    other_source,
    sam2_prompts,
    sam2_region,
    sauvola_region,
)
from segsem.review.redraw import MANUAL_CODE, crosses_itself, redrawn, window_of
from segsem.review.replacement import region_from_json, region_to_json

SAUVOLA_CODE = SOURCE_CODES.index(Source.SAUVOLA)
CORNERS = ((30, 30), (30, 110), (110, 30), (110, 110))
SIDE = 40


def drawn_image() -> SEMImage:
    """Four bright squares of 40 px on dark ground, blurred, with noise."""
    grey = np.full((180, 180), 60.0)
    for row, col in CORNERS:
        grey[row : row + SIDE, col : col + SIDE] = 190.0
    grey = ndi.gaussian_filter(grey, 1.2) + np.random.default_rng(4).normal(0, 3, grey.shape)
    return SEMImage(np.clip(np.rint(grey), 0, 255).astype(np.uint8), name="pads")


@pytest.fixture(scope="module")
def found() -> tuple[Ground, Extraction]:
    image = drawn_image()
    extraction = extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    assert len(extraction.regions) == 4
    return ground_of(image, extraction), extraction


def at(extraction: Extraction, row: int, col: int) -> Region:
    number = int(extraction.labels()[row, col])
    return next(r for r in extraction.regions if r.region_id == number)


def part(extraction: Extraction, region: Region, ground: Ground, *boxes: object) -> tuple:
    window = window_of(region, ground, boxes)
    return extraction.labels()[window], window


def side_of(contour: Contour, axis: int, near: float) -> np.ndarray:
    """Where the points of one straight side lie, corners left out."""
    vertices, along = contour.vertices_rc, contour.vertices_rc[:, 1 - axis]
    middle = (along > along.min() + 8) & (along < along.max() - 8)
    return vertices[middle & (np.abs(vertices[:, axis] - near) < 6), axis]


def test_nothing_changed_is_the_very_region(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    assert redrawn(ground, region, *part(extraction, region, ground)) is region


def test_a_brushed_bite_comes_back_placed_on_the_edge_and_is_manual(
    found: tuple[Ground, Extraction],
) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    bitten = replace(region, mask=region.mask.copy())
    labels, window = part(extraction, region, ground)
    top, left = window[0].start, window[1].start
    # A person erases the lower third, and paints it again by brush: off by up to two pixels.
    labels[58 - top :, 20 - left : 80 - left] = 0
    short = redrawn(ground, bitten, labels, window)
    assert short.area_px < 0.75 * region.area_px
    again, window = part(extraction, region, ground)
    again[again == region.region_id] = 0
    again[30 - top : 71 - top, 29 - left : 72 - left] = region.region_id
    whole = redrawn(ground, short, again, window)
    assert whole.source is Source.MIXED
    (contour,) = whole.contours
    codes = contour.source_code
    assert set(codes[contour.vertices_rc[:, 0] > 64]) == {MANUAL_CODE}
    assert set(codes[contour.vertices_rc[:, 0] < 25]) <= {SAUVOLA_CODE}
    # The image places the edge where the extraction had it, not where the brush went.
    exact = side_of(region.contours[0], 0, 69.5)
    assert np.abs(side_of(contour, 0, 69.5).mean() - exact.mean()) < 0.05
    assert abs(whole.area_px - region.area_px) < 12
    assert np.isnan(whole.confidence)


def test_what_was_not_touched_keeps_its_line_and_evidence(
    found: tuple[Ground, Extraction],
) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    labels, window = part(extraction, region, ground)
    labels[60 - window[0].start :] = 0
    made = redrawn(ground, region, labels, window)
    (old,), (new,) = region.contours, made.contours
    top = new.vertices_rc[:, 0] < 45
    assert (new.source_code[top] == SAUVOLA_CODE).all()
    # On the old line to the last bit of its segments, with the old points' sigma.
    for point in new.vertices_rc[top]:
        steps = old.vertices_rc - point
        assert np.hypot(*steps.T).min() < 1.0
    assert set(new.sigma_px[top]) <= set(old.sigma_px)
    # The image shows no edge across the square: the cut stays where the person made it.
    cut = (new.source_code == MANUAL_CODE) & (np.abs(new.vertices_rc[:, 1] - 50) < 8)
    assert np.abs(new.vertices_rc[cut, 0] - 59.5).max() < 0.6


def test_other_regions_keep_their_pixels(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region, other = at(extraction, 50, 50), at(extraction, 50, 130)
    labels, window = part(extraction, region, ground, other.bbox_rc)
    free = (labels == 0) & (np.arange(labels.shape[0]) < 30)[:, None]
    labels[free] = region.region_id
    made = redrawn(ground, region, labels, window)
    whole = replace(extraction, regions=(made,)).labels() > 0
    assert not (whole & (extraction.labels() == other.region_id)).any()


def test_nothing_left_is_refused(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    labels, window = part(extraction, region, ground)
    labels[labels == region.region_id] = 0
    with pytest.raises(EditError, match="reject it"):
        redrawn(ground, region, labels, window)


def test_handles_are_few_and_dragging_one_moves_the_outline_locally(
    found: tuple[Ground, Extraction],
) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    handles = handles_of(region)
    assert 4 <= len(handles.index) <= 24
    corner = int(np.argmax(handles.points_rc.sum(axis=1)))
    moved = handles.points_rc.copy()
    moved[corner] += (12.0, 12.0)
    labels, window = part(extraction, region, ground, box_around(moved))
    made = dragged(ground, region, handles, moved, labels, window)
    new = made.contours[0]
    assert np.hypot(*(new.vertices_rc - moved[corner]).T).min() < 1e-9
    assert made.area_px > region.area_px
    assert labels.max() == region.region_id
    still = new.source_code != MANUAL_CODE
    old = {tuple(point) for point in region.contours[0].vertices_rc.tolist()}
    assert still.any()
    assert {tuple(point) for point in new.vertices_rc[still].tolist()} <= old
    gaps = np.hypot(*(np.roll(new.vertices_rc, -1, axis=0) - new.vertices_rc).T)
    assert gaps.max() < 2.0
    same = dragged(ground, region, handles, handles.points_rc, labels, window)
    assert same is region


def test_an_outline_that_would_cross_itself_is_refused(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    handles = handles_of(region)
    moved = handles.points_rc.copy()
    far = int(np.argmin(moved.sum(axis=1)))
    moved[far] = (90.0, 50.0)
    labels, window = part(extraction, region, ground, box_around(moved))
    with pytest.raises(EditError, match="cross itself"):
        dragged(ground, region, handles, moved, labels, window)


def test_growing_moves_the_line_by_exactly_so_much_and_snapping_brings_it_back(
    found: tuple[Ground, Extraction],
) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    labels, window = part(extraction, region, ground)
    exact = side_of(region.contours[0], 0, 69.5).mean()
    made = region
    for _ in range(4):
        made = grown(ground, made, 0.25, labels, window)
    assert side_of(made.contours[0], 0, 70.5).mean() - exact == pytest.approx(1.0, abs=0.01)
    assert made.source is Source.MANUAL
    back = snapped(ground, made, labels, window)
    assert side_of(back.contours[0], 0, 69.5).mean() == pytest.approx(exact, abs=0.03)
    assert np.isfinite(back.contours[0].sigma_px).mean() > 0.9


def test_snapping_where_there_is_no_edge_is_refused(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    labels, window = part(extraction, region, ground)
    labels[labels == region.region_id] = 0
    top, left = window[0].start, window[1].start
    labels[44 - top : 56 - top, 44 - left : 56 - left] = region.region_id
    inner = redrawn(ground, region, labels, window)
    with pytest.raises(EditError, match="bring the outline nearer"):
        snapped(ground, inner, labels, window)


def test_sauvolas_outline_of_a_region_is_that_of_the_extraction(
    found: tuple[Ground, Extraction],
) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    half = replace(region, source=Source.SAM2, mask=region.mask[:25], contours=region.contours)
    assert other_source(half) is Source.SAUVOLA
    made = sauvola_region(ground, half, candidates_of(ground), extraction.labels())
    assert made.source is Source.SAUVOLA
    assert made.region_id == region.region_id
    near = side_of(made.contours[0], 0, 69.5).mean()
    assert near == pytest.approx(side_of(region.contours[0], 0, 69.5).mean(), abs=0.01)
    assert abs(made.area_px - region.area_px) <= 4
    assert "reviewer" in str(made.fallback_reason)


def test_sam2s_answer_is_placed_like_the_rest(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    assert other_source(region) is Source.SAM2
    prompts = sam2_prompts(region)
    assert prompts.box_rc == pytest.approx((29.5, 29.5, 69.5, 69.5), abs=1.0)
    logits = np.full((60, 60), -6.0, np.float32)
    # Two pixels too small all around, in a window at (20, 20).
    logits[12:48, 12:48] = 6.0
    made = sam2_region(ground, region, logits, (20, 20), extraction.labels())
    assert made.source is Source.SAM2
    near = side_of(made.contours[0], 0, 69.5).mean()
    assert near == pytest.approx(side_of(region.contours[0], 0, 69.5).mean(), abs=0.05)


def test_where_the_other_method_sees_nothing_it_says_so(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    region = at(extraction, 50, 50)
    nothing = np.full((60, 60), -6.0, np.float32)
    with pytest.raises(EditError, match="SAM2 sees no feature here"):
        sam2_region(ground, region, nothing, (20, 20), extraction.labels())
    elsewhere = replace(region, offset_rc=(76, 76), mask=np.ones((20, 20), bool))
    with pytest.raises(EditError, match="Sauvola sees no feature here"):
        sauvola_region(ground, elsewhere, candidates_of(ground), extraction.labels())


def test_random_changes_leave_regions_that_bound_an_area(found: tuple[Ground, Extraction]) -> None:
    ground, extraction = found
    chance = np.random.default_rng(11)
    region, labels = at(extraction, 50, 50), extraction.labels()
    crossing = 0
    for _ in range(25):
        before = region
        path = chance.uniform(25, 75, (3, 2))
        window = window_of(region, ground, [(5, 5, 95, 95)])
        part = labels[window].copy()
        covered = stroke(path, float(chance.uniform(3, 12)), window)
        if chance.random() < 0.5:
            part[covered & (part == region.region_id)] = 0
        else:
            part[covered & (part == 0)] = region.region_id
        try:
            region = redrawn(ground, region, part, window)
            if chance.random() < 0.5:
                region = snapped(ground, region, part, window)
            else:
                region = grown(ground, region, -0.25, part, window)
        except EditError:
            region, crossing = before, crossing + 1
            continue
        again = region_from_json(region_to_json(region))
        np.testing.assert_array_equal(again.mask, region.mask)
        for contour in region.contours:
            assert not crosses_itself(contour)
            assert np.isfinite(contour.vertices_rc).all()
            assert np.isfinite(contour.normals_rc).all()
        labels[labels == region.region_id] = 0
        row0, col0, row1, col1 = region.bbox_rc
        labels[row0:row1, col0:col1][region.mask] = region.region_id
    assert crossing < 15


def test_outlines_that_the_border_cuts_stay_open_and_inside() -> None:
    image = drawn_image()
    cut = SEMImage(image.data[:, :50].copy(), name="cut")
    extraction = extract(cut, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    ground, region = ground_of(cut, extraction), at(extraction, 50, 45)
    assert not region.contours[0].closed
    labels, window = part(extraction, region, ground)
    wider = grown(ground, region, 2.0, labels, window)
    labels[60 - window[0].start :] = 0
    shorter = redrawn(ground, region, labels, window)
    for made in (wider, shorter):
        (contour,) = made.contours
        assert not contour.closed
        assert contour.vertices_rc[:, 1].max() <= 49.5
        # It ends at the border, and does not run along it.
        assert np.count_nonzero(contour.vertices_rc[:, 1] > 49.4) <= 2
