"""A lot with planted errors from the first look to the export, by mouse and keys in a real window.

Twenty synthetic images, and pieces of four real ones where those are there. What was planted is
met early; it is rejected, the rest accepted one by one or in a batch, regions are edited and put
on the other method, all of it undone and done again, exported and read back. A panel that is
closed and opened anew, and another program, find what was left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.dataset.additions import ORIGIN
from segsem.evaluation.planted_errors import Planted
from segsem.evaluation.planted_lot import PlantedError, rank_of
from segsem.export.reviewed import find_lot, open_review, read_reviewed
from segsem.review.decision import Action
from segsem.review.item import LEFT_TO_A_PERSON, ItemFlag, ItemKey, ReviewItem
from segsem.review.redraw import MANUAL_CODE
from tests.gui.review_lot.conftest import Reviewer, real_images
from tests.gui.review_lot.layouts import are_alike, areas_of, gdstk_areas, klayout_areas

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
N_SYNTHETIC = 20
EARLY = 0.2
BY_KEYS = 30
"""So many entries are walked down by keys; wrong ones further down are clicked on in the list."""

SURE = 0.95
SIGNED = (ReviewStatus.ACCEPTED, ReviewStatus.CORRECTED)


def test_planted_errors_are_met_in_the_first_fifth(
    reviewer: Reviewer, results: Path, errors: list[PlantedError]
) -> None:
    reviewer.sit_down(results)
    lot = reviewer.lot
    assert len(lot.results) == N_SYNTHETIC + len(real_images())
    kinds = {error.kind for error in errors}
    assert {Planted.BRIDGED, Planted.MISSING, Planted.SAUVOLA_STANDS} <= kinds
    ranks = [rank_of(error, lot.review) for error in errors]
    early = [rank is not None and rank < EARLY * len(lot.shown) for rank in ranks]
    assert len(errors) >= 20
    assert np.mean(early) >= 0.9, [e for e, is_early in zip(errors, early, strict=True)
                                   if not is_early]  # fmt: skip
    gap = next(item for item in lot.shown if ItemFlag.GAP in item.flags)
    assert lot.row_of(gap.key) < EARLY * len(lot.shown)
    assert "the array has no region at" in lot.review.reason(gap.key)


@pytest.mark.slow
def test_a_lot_is_decided_exported_and_found_again(
    reviewer: Reviewer,
    results: Path,
    errors: list[PlantedError],
    until: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reviewer.sit_down(results)
    wrong = {ItemKey(e.image_id, e.region_id) for e in errors
             if e.region_id is not None and e.kind != Planted.SAUVOLA_STANDS}  # fmt: skip
    walk_down(reviewer, wrong)
    reject_further_down(reviewer, wrong)
    switched = switch_a_region(reviewer)
    edited = edit_a_region(reviewer)
    put_into_training_set(reviewer, edited)
    accept_the_sure_ones(reviewer, until)
    statuses = {key: reviewer.lot.status(key) for key in reviewer.lot.review.items}
    assert {statuses[key] for key in wrong} == {ReviewStatus.REJECTED}
    assert statuses[edited] is statuses[switched] is ReviewStatus.CORRECTED

    reviewer.export(tmp_path / "tapein", monkeypatch)
    compare_with_accepted(results, tmp_path / "tapein", statuses)

    lines = outline_of(reviewer, edited)
    reviewer.leave()
    assert as_another_program_reads(results) == told(statuses)
    reviewer.sit_down(results)
    assert {key: reviewer.lot.status(key) for key in reviewer.lot.review.items} == statuses
    np.testing.assert_array_equal(outline_of(reviewer, edited), lines)
    # The batch was the last step, and still is one.
    reviewer.press(Qt.Key.Key_Z, CTRL)
    changed = {key for key, status in statuses.items() if reviewer.lot.status(key) is not status}
    assert len(changed) > N_SYNTHETIC
    assert not changed & (wrong | {edited, switched})


def walk_down(reviewer: Reviewer, wrong: set[ItemKey]) -> None:
    """Reject what is wrong and accept the rest, key by key through the images."""
    lot = reviewer.lot
    order = [item.key for item in lot.shown[:BY_KEYS]]
    for key in order:
        assert lot.current == key
        reviewer.press(Qt.Key.Key_R if key in wrong else Qt.Key.Key_A)
    assert len({key.image_id for key in order}) > 5
    rejected, accepted = ReviewStatus.REJECTED, ReviewStatus.ACCEPTED
    wanted = {key: rejected if key in wrong else accepted for key in order}
    assert {key: lot.status(key) for key in order} == wanted
    assert lot.counts.open == len(lot.shown) - len(order)
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert lot.current == order[-1]
    assert lot.status(order[-1]) is ReviewStatus.PENDING
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert lot.status(order[-1]) is wanted[order[-1]]


def reject_further_down(reviewer: Reviewer, wrong: set[ItemKey]) -> None:
    for key in sorted(wrong, key=reviewer.lot.row_of):
        if reviewer.lot.status(key) is ReviewStatus.PENDING:
            reviewer.choose(key)
            reviewer.press(Qt.Key.Key_R)
            assert reviewer.lot.status(key) is ReviewStatus.REJECTED


def sure_one(reviewer: Reviewer, number: int) -> ReviewItem:
    """A region that the model alone stands for, whole and open, of a synthetic array."""
    special = {ItemFlag.CUT, ItemFlag.HOLE, *LEFT_TO_A_PERSON}
    found = [
        item
        for item in reviewer.lot.shown
        if item.source is Source.SAM2
        and item.key.image_id.startswith("contacts")
        and item.confidence > SURE
        and not item.flags & special
        and reviewer.lot.status(item.key) is ReviewStatus.PENDING
    ]
    return found[number]


def switch_a_region(reviewer: Reviewer) -> ItemKey:
    """From the model to Sauvola by one key, back by undo, and again by redo."""
    key = sure_one(reviewer, 0).key
    reviewer.choose(key)
    reviewer.switch_source()
    standing = reviewer.lot.review.standing(key)
    assert standing.decision.action is Action.SWITCH_SOURCE
    assert reviewer.region.source is Source.SAUVOLA
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert reviewer.region.source is Source.SAM2
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert reviewer.region.source is Source.SAUVOLA
    return key


def edit_a_region(reviewer: Reviewer) -> ItemKey:
    """A stroke beyond its edge, kept; undone, done again; and looked at before and after."""
    item = sure_one(reviewer, 5)
    reviewer.choose(item.key)
    assert reviewer.region.region_id == item.key.region_id
    found = reviewer.region
    row0, col0, row1, col1 = found.bbox_rc
    middle = ((row0 + row1) / 2, (col0 + col1) / 2)
    reviewer.paint(middle, (middle[0], col1 + 6.0))
    assert reviewer.lot.review.standing(item.key).decision is None
    reviewer.keep_edit()
    assert reviewer.lot.status(item.key) is ReviewStatus.CORRECTED
    edited = reviewer.region
    assert edited.area_px > found.area_px
    codes = np.concatenate([contour.source_code for contour in edited.contours])
    assert MANUAL_CODE in codes
    current = reviewer.panel.viewer.layers["SegSEM current region"]
    n_after = len(current.data)
    reviewer.press(Qt.Key.Key_B)
    assert len(current.data) == n_drawn(found)
    reviewer.press(Qt.Key.Key_B)
    assert len(current.data) == n_after == n_drawn(edited)
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert reviewer.region.area_px == found.area_px
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert reviewer.region.area_px == edited.area_px
    return item.key


def n_drawn(region: Region) -> int:
    return sum(len(contour) for contour in region.contours)


def put_into_training_set(reviewer: Reviewer, key: ItemKey) -> None:
    session = reviewer.panel.session
    assert reviewer.lot.current == key
    reviewer.press(Qt.Key.Key_T, SHIFT)
    row = session.workplace.row(session.document)
    assert row is not None
    assert row.training
    origin = {"review": key.image_id, "region": key.region_id}
    objects = session.annotation.objects.values()
    (own,) = [one for one in objects if one.prompts.get(ORIGIN) == origin]
    assert own.area_px == reviewer.region.area_px


def accept_the_sure_ones(reviewer: Reviewer, until: Any) -> None:
    """Accept many by a click; what may hide something missing is left, and undo takes all back."""
    panel, lot = reviewer.panel, reviewer.lot
    before = {item.key: lot.status(item.key) for item in lot.shown}
    panel.batch_fold.expand(animate=False)
    panel.batch_box.limit.setValue(SURE)
    reviewer.click(panel.batch_box.button)
    until(lambda: not panel.desk.is_busy)
    after = {item.key: lot.status(item.key) for item in lot.shown}
    changed = {key for key in before if before[key] is not after[key]}
    assert changed == {
        item.key
        for item in lot.shown
        if before[item.key] is ReviewStatus.PENDING
        and item.confidence >= SURE
        and not item.flags & LEFT_TO_A_PERSON
    }
    assert len(changed) > N_SYNTHETIC
    reviewer.press(Qt.Key.Key_Z, CTRL)
    assert {item.key: lot.status(item.key) for item in lot.shown} == before
    reviewer.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert {item.key: lot.status(item.key) for item in lot.shown} == after


def compare_with_accepted(results: Path, out: Path, statuses: dict[ItemKey, ReviewStatus]) -> None:
    """The layout holds what was accepted or drawn and nothing else, whoever reads it."""
    lot = find_lot([results])
    review = open_review(lot)
    signed = {key for key, status in statuses.items() if status in SIGNED}
    manifest = json.loads((out / "manifest.json").read_text())
    exported = {ItemKey(image["image_id"], number)
                for image in manifest["images"] for number in image["exported"]}  # fmt: skip
    assert exported == signed
    n_filled = 0
    for result in lot:
        stands = read_reviewed(result, review)
        kept = [r for r in stands.regions if ItemKey(result.image_id, r.region_id) in signed]
        expected = areas_of(kept, stands.shape[0], stands.pixel_size_nm)
        n_filled += not expected.is_empty()
        for areas in (klayout_areas, gdstk_areas):
            assert are_alike(areas(out / "contours.oas", result.image_id), expected)
    assert n_filled > N_SYNTHETIC / 2


def outline_of(reviewer: Reviewer, key: ItemKey) -> np.ndarray:
    replacement = reviewer.lot.review.standing(key).replacement
    return np.concatenate([contour.vertices_rc for contour in replacement.contours])


def as_another_program_reads(results: Path) -> dict[str, str]:
    code = (
        "import json, sys; from pathlib import Path; from segsem.export.reviewed import *; "
        "r = open_review(find_lot([Path(sys.argv[1])])); "
        "print(json.dumps({f'{k.image_id}/{k.region_id}': r.status(k).value for k in r.items}))"
    )
    command = [sys.executable, "-c", code, str(results)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return dict(json.loads(said.stdout))


def told(statuses: dict[ItemKey, ReviewStatus]) -> dict[str, str]:
    return {f"{key.image_id}/{key.region_id}": status.value for key, status in statuses.items()}
