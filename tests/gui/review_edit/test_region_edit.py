"""Editing a region of the review by real mouse and keys: brush, corners, prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import Qt

from napari_segsem._review_edit_layers import CLICKS, CORNERS
from segsem.core.contour import SOURCE_CODES, ReviewStatus, Source
from segsem.review.decision import Action
from segsem.review.item import ItemKey
from segsem.review.redraw import MANUAL_CODE
from tests.gui.review_edit.conftest import NAME, area, decided, now, on_disk

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def test_the_brush_and_done_are_an_edit_on_record_with_a_manual_stretch(
    panel: Any,
    hand: Any,
    edit: Any,
    until: Any,
    in_hand: Any,
    stroke: Any,
    edit_lot: Path,
    viewer: Any,
) -> None:
    whole, number = area(panel), panel.desk.lot.current.region_id
    in_hand(Qt.Key.Key_E, tool="brush")
    assert viewer.layers.selection.active is viewer.layers[CLICKS]
    assert panel.edit_box.tools["brush"].isChecked()
    # A bump of 12 px beyond the right edge, which lies at column 89.5; a pad never ends there.
    stroke((65, 80), (65, 98))
    assert not decided(panel).decision
    assert edit.draft.region.area_px > whole + 80
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    region = now(panel)
    assert region.region_id == number
    assert decided(panel).decision.action is Action.EDIT
    assert region.status is ReviewStatus.CORRECTED
    assert region.source is Source.MIXED
    codes = np.concatenate([c.source_code for c in region.contours])
    points = np.concatenate([c.vertices_rc for c in region.contours])
    assert set(codes[points[:, 1] > 92]) == {MANUAL_CODE}
    assert set(codes[points[:, 1] < 60]) == {SOURCE_CODES.index(Source.SAM2)}
    assert len(viewer.layers["SegSEM contours: Manual"].data) > 5
    # The mouse finds it where it is now.
    assert panel.shared.review_layers.region_at((65 * 2.5, 95 * 2.5)).region_id == number
    standing = on_disk(edit_lot)[ItemKey(NAME, number)]
    assert standing.decision.action is Action.EDIT
    np.testing.assert_array_equal(
        standing.replacement.contours[0].vertices_rc, region.contours[0].vertices_rc
    )
    hand.key(Qt.Key.Key_Z, CTRL)
    assert area(panel) == whole
    assert len(viewer.layers["SegSEM contours: Manual"].data) == 0
    assert panel.shared.review_layers.region_at((65 * 2.5, 95 * 2.5)) is None
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert area(panel) > whole + 80


def test_strokes_are_steps_of_undo_and_escape_leaves_the_region(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, edit_lot: Path
) -> None:
    whole = area(panel)
    in_hand(Qt.Key.Key_D, SHIFT, "eraser")
    stroke((45, 30), (45, 100))
    bitten = edit.draft.region.area_px
    assert bitten < whole - 200
    hand.key(Qt.Key.Key_Z, CTRL)
    assert edit.draft.region.area_px == whole
    hand.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert edit.draft.region.area_px == bitten
    # The brush with Ctrl erases as well, and everything can be had again.
    hand.key(Qt.Key.Key_D)
    stroke((80, 30), (80, 100), CTRL)
    assert edit.draft.region.area_px < bitten - 200
    hand.key(Qt.Key.Key_Escape)
    assert not edit.is_active
    assert area(panel) == whole
    assert all(standing.decision is None for standing in on_disk(edit_lot).values())
    assert "left as it was" in panel.footer.text()


def test_nothing_is_decided_and_nobody_leaves_while_a_region_is_edited(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, edit_lot: Path
) -> None:
    key = panel.desk.lot.current
    in_hand(Qt.Key.Key_E)
    for pressed in (Qt.Key.Key_A, Qt.Key.Key_R, Qt.Key.Key_N, Qt.Key.Key_S):
        hand.key(pressed)
        assert "Finish the edit" in panel.footer.text()
    other = next(item.key for item in panel.desk.lot.shown if item.key != key)
    panel.desk.choose(other)
    assert panel.desk.lot.current == key
    assert edit.is_active
    assert all(standing.decision is None for standing in on_disk(edit_lot).values())
    # Without a change Enter decides nothing.
    hand.key(Qt.Key.Key_Return)
    assert not edit.is_active
    assert decided(panel).decision is None
    hand.key(Qt.Key.Key_A)
    assert on_disk(edit_lot)[key].status is ReviewStatus.ACCEPTED


def test_a_corner_is_dragged_and_the_outline_follows_up_to_the_next(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, viewer: Any
) -> None:
    old = now(panel)
    in_hand(Qt.Key.Key_E, tool="brush")
    in_hand(Qt.Key.Key_C, tool="corners")
    layer = viewer.layers[CORNERS]
    assert layer.mode == "direct"
    assert viewer.layers.selection.active is layer
    assert len(layer.data) == 1
    assert 4 <= len(layer.data[0]) <= 24
    corners = np.array(layer.data[0])
    corner = corners[np.argmax(corners.sum(axis=1))]
    target = corner + np.array([9.0, 11.0])
    hand.press(*corner)

    def is_there() -> bool:
        # Where two moves come at once, napari leaves one out.
        hand.drag_to(*target)
        return bool(np.hypot(*(layer.data[0] - target).T).min() < 1.0)

    until(is_there)
    assert edit.draft.region is old
    hand.release(*target)
    until(lambda: not edit.is_busy and edit.draft.region is not old)
    region = edit.draft.region
    points, codes = region.contours[0].vertices_rc, region.contours[0].source_code
    assert np.hypot(*(points - target).T).min() < 1.0
    # What lies beyond the neighbours has not moved at all.
    still = {tuple(p) for p in points[codes != MANUAL_CODE].tolist()}
    assert len(still) > 20
    assert still <= {tuple(p) for p in old.contours[0].vertices_rc.tolist()}
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    assert not layer.visible
    assert now(panel).source is Source.MIXED
    assert area(panel) > old.area_px + 30


def test_snap_and_growth_by_key(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any
) -> None:
    def lowest() -> float:
        points = edit.draft.region.contours[0].vertices_rc
        middle = (points[:, 1] > 55) & (points[:, 1] < 75) & (points[:, 0] > 65)
        return float(points[middle, 0].mean())

    in_hand(Qt.Key.Key_E)
    first = lowest()
    for n in range(1, 5):
        hand.key(Qt.Key.Key_G)
        until(lambda n=n: not edit.is_busy and abs(lowest() - first - 0.25 * n) < 0.01)
    hand.key(Qt.Key.Key_G, SHIFT)
    until(lambda: not edit.is_busy and abs(lowest() - first - 0.75) < 0.01)
    hand.key(Qt.Key.Key_I)
    until(lambda: not edit.is_busy and abs(lowest() - first) < 0.05)


def test_a_click_has_the_model_see_the_region_anew(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, viewer: Any
) -> None:
    # The model of these tests sees the bright part under a click: the pad without the bump.
    whole = area(panel)
    in_hand(Qt.Key.Key_E)
    stroke((65, 80), (65, 98))
    hand.key(Qt.Key.Key_Q)
    assert panel.shared.edit_layers.tool == "prompt"
    before = edit.draft.region
    hand.click(65, 65)
    until(lambda: not edit.is_busy and edit.draft.region is not before)
    assert abs(edit.draft.region.area_px - whole) < 60
    assert len(viewer.layers[CLICKS].data) == 1
    # What does not belong to it is taken away again by a minus click: here all of it.
    hand.click(65, 60, CTRL)
    until(lambda: not edit.is_busy and "Nothing of this region" in panel.footer.text())
    assert abs(edit.draft.region.area_px - whole) < 60
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    assert decided(panel).decision.action is Action.EDIT
    assert abs(area(panel) - whole) < 60
