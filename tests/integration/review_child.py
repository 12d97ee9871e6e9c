"""A program that reviews until it is killed: `review_child.py RESULTS SEED`.

Before each step it says the seed of the step; after it, how all stands. So whoever listens can do
the same, and knows what the step in work would have given.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from segsem.core.contour import Region, Source
from segsem.export.reviewed import find_lot, open_review
from segsem.review.decision import Action
from segsem.review.queue import EVERYTHING, QueueFilter
from segsem.review.review import Review

STEPS = 10_000


def digest(review: Review) -> str:
    """Hash of all that was decided: how regions stand, and how far undo and redo go."""
    stands = [(key, standing_text(review, key)) for key in sorted(review.items)]
    text = json.dumps([repr(stands), review.undo_name, review.redo_name])
    return hashlib.sha256(text.encode()).hexdigest()


def standing_text(review: Review, key: object) -> str:
    """How a region stands, without the time, which is another one for who follows."""
    standing = review.standing(key)
    new = standing.replacement
    area = None if new is None else (new.area_px, float(new.contours[0].vertices_rc.sum()))
    action = standing.decision and (standing.decision.action, standing.decision.reviewer)
    return repr((standing.status, action, area, standing.differ))


def act(review: Review, region: Region, random: np.random.Generator) -> None:
    """Do something that a person may do."""
    kind, reviewer = random.random(), str(random.choice(["Anna", "Berta"]))
    keys = sorted(review.items)
    key = keys[int(random.integers(len(keys)))]
    if kind < 0.15:
        review.undo(reviewer)
    elif kind < 0.25:
        review.redo(reviewer)
    elif kind < 0.35:
        wanted = QueueFilter(images=frozenset({key.image_id})) if kind < 0.3 else EVERYTHING
        review.accept_above(float(random.random()), reviewer, wanted)
    elif kind < 0.5:
        mask = random.random((9, 9)) < 0.5
        edited = replace(region, mask=mask, source=Source.MANUAL)
        review.decide(key, Action.EDIT, reviewer, replacement=edited)
    else:
        action = (Action.ACCEPT, Action.REJECT, Action.REOPEN)[int(random.integers(3))]
        review.decide(key, action, reviewer, comment="x" * int(random.integers(200)))


def main() -> None:
    """Review until the end comes."""
    results, seed = Path(sys.argv[1]), int(sys.argv[2])
    from segsem.export.results import read_results

    lot = find_lot([results])
    region = read_results(lot[0].folder).regions[0]
    review = open_review(lot, write=True)
    random = np.random.default_rng(seed)
    for _ in range(STEPS):
        step_seed = int(random.integers(2**31))
        tell("before", digest(review), str(step_seed))
        act(review, region, np.random.default_rng(step_seed))
        tell("after", digest(review))


def tell(*words: str) -> None:
    """Say something that whoever started this can still read when this is dead."""
    sys.stdout.write("\t".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
