"""What a region stands on: its other source, before and after, training set, exported outline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from segsem.core.contour import Source
from segsem.review.decision import Action
from segsem.review.item import ItemKey
from tests.gui.review_edit.conftest import NAME, SAUVOLA_CODE, area, decided, look_at, now, on_disk

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def switched(panel: Any, hand: Any, until: Any) -> None:
    hand.key(Qt.Key.Key_S)
    until(lambda: not panel.shared.switching.is_busy)


def test_a_region_is_switched_to_its_other_source_and_back(
    panel: Any, hand: Any, until: Any, edit_lot: Path, viewer: Any
) -> None:
    key, found = panel.desk.lot.current, now(panel)
    drawn = len(viewer.layers["SegSEM contours: SAM2"].data)
    switched(panel, hand, until)
    assert now(panel).source is Source.SAUVOLA
    assert decided(panel).decision.action is Action.SWITCH_SOURCE
    assert on_disk(edit_lot)[key].replacement.source is Source.SAUVOLA
    assert panel.desk.lot.current == key
    assert len(viewer.layers["SegSEM contours: SAM2"].data) < drawn
    assert {c for x in now(panel).contours for c in x.source_code} == {SAUVOLA_CODE}
    assert abs(area(panel) - found.area_px) < 60
    # Placed as the extraction placed it: here Sauvola's outline is the one that was found.
    first, second = (r.contours[0].vertices_rc.mean(axis=0) for r in (found, now(panel)))
    assert np.abs(first - second).max() < 0.02
    # Its first source is not asked again: what was found is put back.
    switched(panel, hand, until)
    assert now(panel).source is Source.SAM2
    np.testing.assert_array_equal(now(panel).contours[0].vertices_rc, found.contours[0].vertices_rc)
    hand.key(Qt.Key.Key_Z, CTRL)
    assert now(panel).source is Source.SAUVOLA
    hand.key(Qt.Key.Key_Z, CTRL)
    assert decided(panel).decision is None
    assert len(viewer.layers["SegSEM contours: SAM2"].data) == drawn


def test_sauvolas_region_is_asked_of_the_model(
    panel: Any, hand: Any, until: Any, edit_lot: Path
) -> None:
    item = next(i for i in panel.desk.lot.shown if i.source is Source.SAUVOLA)
    look_at(panel, item.key.region_id)
    found = now(panel)
    panel.edit_box.start["switch_source"].click()
    until(lambda: not panel.shared.switching.is_busy)
    assert now(panel).source is Source.SAM2
    assert on_disk(edit_lot)[item.key].decision.action is Action.SWITCH_SOURCE
    first, second = (r.contours[0].vertices_rc.mean(axis=0) for r in (found, now(panel)))
    assert np.abs(first - second).max() < 0.1


def test_where_the_other_source_sees_nothing_one_sentence_says_so(
    panel: Any, hand: Any, until: Any, edit_lot: Path
) -> None:
    look_at(panel, 7)
    switched(panel, hand, until)
    assert panel.footer.text() == "Sauvola sees no feature here: the region stays as it is"
    assert on_disk(edit_lot)[ItemKey(NAME, 7)].decision is None


def test_before_and_after_of_an_edit(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, viewer: Any
) -> None:
    found, button = now(panel), panel.edit_box.start["before_after"]
    hand.key(Qt.Key.Key_B)
    assert "nothing was changed" in panel.footer.text()
    assert not button.isEnabled()
    in_hand(Qt.Key.Key_E)
    stroke((65, 80), (65, 98))
    assert len(viewer.layers["SegSEM edited region"].data) > 100
    # While it is edited, too.
    hand.key(Qt.Key.Key_B)
    assert len(viewer.layers["SegSEM edited region"].data) == 0
    hand.key(Qt.Key.Key_B)
    assert len(viewer.layers["SegSEM edited region"].data) > 100
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    manual, now_drawn = viewer.layers["SegSEM contours: Manual"], len(now(panel).contours[0])
    current = viewer.layers["SegSEM current region"]
    assert len(manual.data)
    assert len(current.data) == now_drawn
    button.click()
    assert button.isChecked()
    assert "as it was found: SAM2" in panel.footer.text()
    assert len(manual.data) == 0
    assert len(current.data) == len(found.contours[0])
    button.click()
    assert len(manual.data)
    assert len(current.data) == now_drawn
    # Nobody goes on to another region and takes what was found for what stands.
    hand.key(Qt.Key.Key_B)
    hand.key(Qt.Key.Key_N)
    assert len(manual.data)
    assert not button.isChecked()


def test_an_edit_and_what_is_accepted_go_into_the_training_set(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any
) -> None:
    document, workplace = panel.session.document, panel.session.workplace
    hand.key(Qt.Key.Key_T, SHIFT)
    assert "Accept or edit region" in panel.footer.text()
    assert not document.annotation.objects
    key = panel.desk.lot.current
    in_hand(Qt.Key.Key_E)
    stroke((65, 80), (65, 98))
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    hand.key(Qt.Key.Key_N)
    hand.key(Qt.Key.Key_A)
    look_at(panel, key.region_id)
    hand.key(Qt.Key.Key_T, SHIFT)
    assert "and 1 other accepted of wafer are in the training set now" in panel.footer.text()
    assert workplace.row(document).training
    assert len(document.annotation.objects) == 2
    edited = next(o for o in document.annotation.objects.values() if o.source is Source.MIXED)
    assert edited.prompts["from"] == {"review": NAME, "region": key.region_id}
    assert edited.area_px == area(panel)
    hand.key(Qt.Key.Key_T, SHIFT)
    assert "already" in panel.footer.text()
    assert len(document.annotation.objects) == 2


def test_the_exported_layout_holds_the_edited_outline(
    panel: Any, hand: Any, edit: Any, until: Any, in_hand: Any, stroke: Any, tmp_path: Path
) -> None:
    gdstk = pytest.importorskip("gdstk")
    in_hand(Qt.Key.Key_E)
    stroke((65, 80), (65, 98))
    hand.key(Qt.Key.Key_Return)
    until(lambda: not edit.is_active)
    panel.export_box.only_accepted.setChecked(True)
    panel.export_box.export_to(tmp_path / "tapein")
    until(lambda: panel.export_box.state.text().startswith("Written"))
    (path,) = (tmp_path / "tapein").glob("*.oas")
    (cell,) = [c for c in gdstk.read_oas(str(path)).cells if c.name.startswith(NAME)]
    polygons = [p for p in cell.polygons if (p.layer, p.datatype) == (1, 3)]
    assert len(polygons) == 1
    (contour,) = now(panel).contours
    rows, cols = contour.vertices_rc.T
    # Layout coordinates: um, y up, origin at the lower left corner of the image.
    wanted = np.stack([(cols + 0.5) * 2.5, (299.5 - rows) * 2.5], axis=1)
    written = polygons[0].points * 1000.0
    gaps = np.hypot(*(written[:, None] - wanted[None]).T)
    assert gaps.min(axis=0).max() <= 0.1
    assert gaps.min(axis=1).max() <= 0.1
