"""`Ledger`: all decisions in the order in which they were made, with undo and redo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segsem.core.exceptions import InputError
from segsem.review.decision import (
    Decision,
    DecisionKey,
    decision_from_json,
    decision_to_json,
)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What is undone and redone as one: one decision, or a batch of them.

    Attributes
    ----------
    name : str
        In the reviewer's words: `accept 212 regions`.
    reviewer, at : str
        Who and when (ISO 8601, UTC).
    decisions : mapping of DecisionKey to Decision
    """

    name: str
    reviewer: str
    at: str
    decisions: Mapping[DecisionKey, Decision]


class Ledger:
    """Decisions by region, and the steps that made them."""

    def __init__(self) -> None:
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self._made: dict[DecisionKey, list[tuple[int, Decision]]] = {}
        self._count = 0

    def do(self, step: Step) -> None:
        """Add a step; what was undone is gone."""
        self.undone.clear()
        self._push(step)

    def undo(self) -> Step | None:
        """Take the last step back; None where there is none."""
        if not self.done:
            return None
        step = self.done.pop()
        for key in step.decisions:
            self._made[key].pop()
            if not self._made[key]:
                del self._made[key]
        self.undone.append(step)
        return step

    def redo(self) -> Step | None:
        """Do the step again that was undone last; None where there is none."""
        if not self.undone:
            return None
        step = self.undone.pop()
        self._push(step)
        return step

    def history(self, key: DecisionKey) -> list[tuple[int, Decision]]:
        """Give what was decided about a region, the last one last, with its place among all."""
        return self._made.get(key, [])

    def known_keys(self) -> set[DecisionKey]:
        """Regions that have a decision, or get one again by redo."""
        return {key for step in (*self.done, *self.undone) for key in step.decisions}

    def play(self, record: Mapping[str, Any]) -> None:
        """Do what a record of the journal says.

        Raises
        ------
        InputError
            If it says nothing that is known.
        """
        kind = record.get("kind")
        if kind == "undo":
            self.undo()
        elif kind == "redo":
            self.redo()
        elif kind == "step":
            self.do(step_from_json(record))
        else:
            msg = f"Expected a step, an undo or a redo in the journal, but got {kind!r}"
            raise InputError(msg)

    def _push(self, step: Step) -> None:
        self.done.append(step)
        self._count += 1
        for key, decision in step.decisions.items():
            self._made.setdefault(key, []).append((self._count, decision))


def step_to_json(step: Step) -> Record:
    """Say a step as JSON values; a batch of equal decisions says them once."""
    shared: list[tuple[dict[str, Any], dict[tuple[str, str], list[int]]]] = []
    for key, decision in step.decisions.items():
        said = decision_to_json(decision)
        if not shared or shared[-1][0] != said:
            shared.append((said, {}))
        shared[-1][1].setdefault((key.image_id, key.digest), []).append(key.region_id)
    return {
        "kind": "step",
        "name": step.name,
        "reviewer": step.reviewer,
        "at": step.at,
        "decisions": [
            {**said, "of": [[*image, ids] for image, ids in where.items()]}
            for said, where in shared
        ],
    }


def step_from_json(record: Mapping[str, Any]) -> Step:
    """Read what `step_to_json` wrote.

    Raises
    ------
    InputError
        If it is something else.
    """
    try:
        reviewer, at = str(record["reviewer"]), str(record["at"])
        decisions: dict[DecisionKey, Decision] = {}
        for item in record["decisions"]:
            decision = decision_from_json(item, reviewer, at)
            for image_id, digest, ids in item["of"]:
                for region_id in ids:
                    key = DecisionKey(str(image_id), str(digest), int(region_id))
                    decisions[key] = decision
        return Step(str(record["name"]), reviewer, at, decisions)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"Expected a step with its reviewer and decisions, but it cannot be read: {error}"
        raise InputError(msg) from error
