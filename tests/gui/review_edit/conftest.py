"""Six pads with their results, and one of them taken to the bench by key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.params import ExtractParams, Routing
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review
from segsem.imaging.read import read_image
from segsem.pipeline import extract
from segsem.review.item import ItemKey

NAME = "wafer"
SAUVOLA_CODE = SOURCE_CODES.index(Source.SAUVOLA)


def now(panel: Any) -> Region:
    return panel.session.review.current


def look_at(panel: Any, region_id: int) -> None:
    panel.desk.choose(ItemKey(NAME, region_id))


def area(panel: Any) -> int:
    return now(panel).area_px


def decided(panel: Any) -> Any:
    lot = panel.desk.lot
    return lot.review.standing(lot.current)


def on_disk(lot: Path) -> Any:
    review = open_review(find_lot([lot]))
    return {key: review.standing(key) for key in review.items}


@pytest.fixture
def edit_lot(tmp_path: Path, pads: np.ndarray) -> Path:
    """Results of the six pads, Sauvola's; the one at the upper left is said to be SAM2's.

    Region 7 lies on dark ground, where no method sees anything.
    """
    path = tmp_path / "images" / "wafer.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, pads)
    image = replace(read_image(path), pixel_size_nm=(2.5, 2.5), pixel_size_source="user")
    found = extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    assert len(found.regions) == 6
    regions = tuple(
        _of_sam2(r) if r.mask[65 - r.offset_rc[0] :, 65 - r.offset_rc[1] :][:1, :1].any()
        and r.offset_rc[0] < 65 and r.offset_rc[1] < 65
        else replace(r, needs_human=False, confidence=0.5)
        for r in found.regions
    )  # fmt: skip
    ghost = Region(7, (130, 120), np.ones((14, 14), bool), (), Source.SAM2, 0.9)
    write_results(replace(found, regions=(*regions, _outlined(ghost))), tmp_path / "out")
    return tmp_path / "out"


def _of_sam2(region: Region) -> Region:
    contours = tuple(
        replace(contour, source_code=np.zeros_like(contour.source_code))
        for contour in region.contours
    )
    # Least sure of all: it is looked at first.
    return replace(region, source=Source.SAM2, contours=contours, confidence=0.2, needs_human=False)


def _outlined(region: Region) -> Region:
    """Outline a square along its pixels."""
    (row, col), side = region.offset_rc, region.mask.shape[0]
    corners = np.array([[side, 0], [side, side], [0, side], [0, 0]], float)
    ring = np.concatenate(
        [np.linspace(a, b, side, endpoint=False)
         for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )  # fmt: skip
    ring += np.array([row - 0.5, col - 0.5])
    flat = np.zeros(len(ring))
    contour = Contour(
        contour_id=99,
        vertices_rc=ring,
        raw_vertices_rc=ring,
        normals_rc=np.tile([0.6, 0.8], (len(ring), 1)),
        closed=True,
        is_hole=False,
        sigma_px=flat + 0.1,
        slope=flat,
        contrast=flat,
        confidence=flat + 0.9,
        source_code=np.zeros(len(ring), np.uint8),
        flags=np.zeros(len(ring), np.uint8),
    )
    return replace(region, contours=(contour,))


@pytest.fixture
def panel(dock: Any, edit_lot: Path, until: Any, hand: Any) -> Any:
    """The panel with the pad at the upper left in sight."""
    made = dock("Review and export")
    made.open_results(edit_lot)
    until(lambda: made.session.review is not None and made.session.review.current is not None)
    hand.image_name = "wafer"
    assert made.session.review.current.source is Source.SAM2
    return made


@pytest.fixture
def edit(panel: Any) -> Any:
    return panel.shared.edit


@pytest.fixture
def in_hand(panel: Any, edit: Any, until: Any, hand: Any) -> Any:
    """Press the key of a tool, and wait until the region lies on the bench."""

    def take(key: Any, modifier: Any = None, tool: str = "") -> None:
        hand.key(key, modifier)
        until(lambda: edit.is_active and not edit.is_busy)
        assert tool in ("", panel.shared.edit_layers.tool)

    return take


@pytest.fixture
def stroke(hand: Any, edit: Any, until: Any) -> Callable[..., None]:
    """Draw, and wait until what it made is drawn."""

    def draw(start: tuple[float, float], stop: tuple[float, float], modifier: Any = None) -> None:
        before = edit.draft.region
        hand.drag(start, stop, modifier)
        until(lambda: not edit.is_busy and edit.draft.region is not before)

    return draw
