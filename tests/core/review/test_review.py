from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.exceptions import ExportError, InputError, UsageError
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review, read_reviewed
from segsem.project.journal import read_journal
from segsem.project.lock import ProjectInUseError
from segsem.review.decision import Action
from segsem.review.item import ItemFlag, ItemKey
from segsem.review.queue import QueueFilter
from segsem.review.review import Review

A1, A2, A3, A4 = (ItemKey("a", n) for n in (1, 2, 3, 4))
B1, B2, B3, B4 = (ItemKey("b", n) for n in (1, 2, 3, 4))
Opened = Callable[..., Review]


def test_decisions_are_there_again(opened: Opened) -> None:
    review = opened()
    review.decide(A2, Action.REJECT, "Anna", comment="bridged")
    review.decide(B1, Action.ACCEPT, "Anna")
    review = opened(write=False)
    assert review.status(A2) is ReviewStatus.REJECTED
    assert review.status(B1) is ReviewStatus.ACCEPTED
    assert review.status(A1) is ReviewStatus.PENDING
    decision = review.standing(A2).decision
    assert (decision.reviewer, decision.comment) == ("Anna", "bridged")
    assert decision.at.endswith("Z")
    assert "T" in decision.at
    assert review.reviewers == ["Anna"]


def test_undo_and_redo_across_sessions(opened: Opened) -> None:
    review = opened()
    review.decide(A2, Action.REJECT, "Anna")
    review.decide(A2, Action.ACCEPT, "Anna")
    assert review.undo("Anna").name == "accept region 2 of a"
    assert review.status(A2) is ReviewStatus.REJECTED
    review = opened()
    assert (review.undo_name, review.redo_name) == ("reject region 2 of a", "accept region 2 of a")
    review.redo("Berta")
    assert review.status(A2) is ReviewStatus.ACCEPTED
    assert review.redo("Berta") is None
    review.undo("Anna")
    review.undo("Anna")
    assert review.undo("Anna") is None
    assert review.status(A2) is ReviewStatus.PENDING
    review.decide(A1, Action.ACCEPT, "Anna")
    assert review.redo_name == ""


def test_the_trail_only_grows(opened: Opened, out: Path) -> None:
    path = out / "review" / "journal.jsonl"
    review = opened()
    review.decide(A2, Action.REJECT, "Anna")
    before = path.read_bytes()
    review.undo("Anna")
    review = opened()
    review.save()
    assert path.read_bytes().startswith(before)
    kinds = [record["kind"] for record in read_journal(path).records]
    assert kinds == ["step", "undo"]


def test_batch_accept_is_one_step(opened: Opened) -> None:
    review = opened()
    assert review.accept_above(0.85, "Anna") == [A1, A4, B2, B4]
    assert review.queue.counts().accepted == 4
    assert review.undo_name == "accept 4 regions of confidence 0.85 or more"
    review.undo("Anna")
    assert review.queue.counts().accepted == 0
    review.redo("Anna")
    assert opened(write=False).queue.counts().accepted == 4


def test_batch_accept_leaves_what_was_decided_and_what_needs_a_person(
    opened: Opened, out: Path, make_extraction: Callable[..., Extraction]
) -> None:
    made = make_extraction("a", [0.9, 0.5, 0.7, 0.99])
    regions = (*made.regions[:3], replace(made.regions[3], needs_human=True))
    write_results(replace(made, regions=regions), out)
    review = opened()
    review.decide(B2, Action.REJECT, "Anna")
    assert review.accept_above(0.85, "Anna") == [A1, B4]
    assert review.accept_above(0.85, "Anna") == []
    with pytest.raises(UsageError, match="between 0 and 1"):
        review.accept_above(85.0, "Anna")


def test_batch_accept_within_a_filter(opened: Opened) -> None:
    review = opened()
    assert review.accept_above(0.0, "Anna", QueueFilter(images=frozenset("b"))) == [B1, B2, B3, B4]
    assert review.status(A4) is ReviewStatus.PENDING


def test_an_edit_stands_in_place_of_the_region(
    opened: Opened, out: Path, make_square: Callable[..., Region]
) -> None:
    edited = replace(make_square(9, 30, 40, 0.5, side=6), source=Source.MANUAL)
    review = opened()
    review.decide(A2, Action.EDIT, "Anna", replacement=edited)
    lot = find_lot([out])
    region = read_reviewed(lot[0], review).regions[1]
    assert (region.region_id, region.source, region.bbox_rc) == (2, Source.MANUAL, (30, 40, 37, 47))
    assert region.status is ReviewStatus.CORRECTED
    np.testing.assert_array_equal(region.contours[0].vertices_rc, edited.contours[0].vertices_rc)
    assert region.contours[0].contour_id == 5
    # Accepted later, the edit still stands; undone to the beginning, the region found does.
    review.decide(A2, Action.ACCEPT, "Berta")
    review = opened()
    assert review.status(A2) is ReviewStatus.CORRECTED
    assert read_reviewed(lot[0], review).regions[1].source is Source.MANUAL
    review.undo("Berta")
    review.undo("Berta")
    found = read_reviewed(lot[0], review).regions[1]
    assert (found.source, found.status) == (Source.SAM2, ReviewStatus.PENDING)


def test_another_source_stands(opened: Opened, make_square: Callable[..., Region]) -> None:
    other = replace(make_square(2, 4, 24, 0.66), source=Source.SAUVOLA)
    review = opened()
    review.decide(A2, Action.SWITCH_SOURCE, "Anna", replacement=other)
    standing = opened(write=False).standing(A2)
    assert standing.replacement.source is Source.SAUVOLA
    assert standing.replacement.confidence == 0.66
    with pytest.raises(UsageError, match="needs a region"):
        opened().decide(A2, Action.EDIT, "Anna")
    with pytest.raises(UsageError, match="takes no region"):
        opened().decide(A2, Action.ACCEPT, "Anna", replacement=other)


def test_a_decision_needs_a_name(opened: Opened, out: Path) -> None:
    with pytest.raises(UsageError, match="reviewer's name"):
        opened().decide(A2, Action.ACCEPT, " ")
    assert not (out / "review").exists()


def test_one_program_at_a_time_decides(opened: Opened, out: Path) -> None:
    opened().decide(A1, Action.ACCEPT, "Anna")
    with pytest.raises(ProjectInUseError, match="is in use"):
        open_review(find_lot([out]), write=True)
    reader = open_review(find_lot([out]))
    assert reader.status(A1) is ReviewStatus.ACCEPTED
    with pytest.raises(InputError, match="opened for reading"):
        reader.decide(A2, Action.ACCEPT, "Anna")


def test_results_are_never_written_to(opened: Opened, out: Path) -> None:
    before = {p: p.read_bytes() for p in out.glob("*/*.*") if p.parent.name != "review"}
    review = opened()
    review.accept_above(0.5, "Anna")
    review.save()
    assert {p: p.read_bytes() for p in before} == before


def test_the_state_file_says_how_all_stands(opened: Opened, out: Path) -> None:
    review = opened()
    review.decide(A2, Action.REJECT, "Anna", comment="bridged")
    review.save()
    state = json.loads((out / "review" / "review.json").read_text())
    assert state["counts"] == {
        "total": 8, "open": 7, "accepted": 0, "corrected": 0, "rejected": 1,
        "doubtful": 3, "blocking": 0,
    }  # fmt: skip
    (said,) = state["decisions"]
    assert (said["image_id"], said["region_id"], said["status"]) == ("a", 2, "rejected")
    assert (said["reviewer"], said["comment"]) == ("Anna", "bridged")


def test_a_damaged_journal_is_told_not_lost(opened: Opened, out: Path) -> None:
    review = opened()
    for key in (A1, A2, A3):
        review.decide(key, Action.ACCEPT, "Anna")
    review.close()
    path = out / "review" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"rubbish\n", *lines[3:]]))
    with pytest.raises(InputError, match="damaged behind 1 decisions"):
        open_review(find_lot([out]))
    path.write_bytes(b"".join(lines) + b"half a rec")
    assert open_review(find_lot([out])).status(A3) is ReviewStatus.ACCEPTED


def test_a_foreign_journal_is_refused(opened: Opened, out: Path) -> None:
    from segsem.project.journal import Journal

    journal = Journal(out / "review" / "journal.jsonl", {"image_id": "a"})
    journal.append({"n": 1})
    journal.close()
    with pytest.raises(InputError, match="not a journal of a review"):
        opened(write=False)


def test_a_full_disk_is_told_and_the_decision_kept(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = opened()
    review.decide(A1, Action.ACCEPT, "Anna")
    write = os.write

    def full(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ExportError, match="No space left"):
        review.decide(A2, Action.REJECT, "Anna")
    assert review.status(A2) is ReviewStatus.REJECTED
    monkeypatch.setattr(os, "write", write)
    review.decide(A3, Action.ACCEPT, "Anna")
    review = opened(write=False)
    assert [review.status(key) for key in (A1, A2, A3)] == [
        ReviewStatus.ACCEPTED, ReviewStatus.REJECTED, ReviewStatus.ACCEPTED,
    ]  # fmt: skip


def test_two_reviewers_who_differ_are_flagged(opened: Opened) -> None:
    review = opened()
    for key, anna, berta in (
        (A1, Action.ACCEPT, Action.ACCEPT),
        (A2, Action.ACCEPT, Action.REJECT),
        (A3, Action.REJECT, Action.REJECT),
    ):
        review.decide(key, anna, "Anna")
        review.decide(key, berta, "Berta")
    review.decide(A4, Action.ACCEPT, "Anna")
    assert ItemFlag.REVIEWERS_DIFFER in review.flags(A2)
    assert ItemFlag.REVIEWERS_DIFFER not in review.flags(A1)
    assert "Anna and Berta do not agree" in review.reason(A2)
    found = review.compare("Anna", "Berta")
    assert (found.both, found.only_first, found.only_second) == (3, 1, 0)
    assert [d.key for d in found.differences] == [A2]
    assert found.agreed == pytest.approx(2 / 3)
    # Anna accepts 2 of 3, Berta 1 of 3: by chance 2/9 + 2/9 agree.
    assert found.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
