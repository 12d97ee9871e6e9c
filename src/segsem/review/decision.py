"""`Decision`: what a reviewer said about one region, when, and what stands in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from segsem.core.contour import Region, ReviewStatus
from segsem.core.exceptions import InputError, UsageError
from segsem.review.replacement import region_from_json, region_to_json


class Action(StrEnum):
    """What a reviewer can do with a region."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"
    SWITCH_SOURCE = "switch source"
    REOPEN = "reopen"


STATUS_OF: Mapping[Action, ReviewStatus] = {
    Action.ACCEPT: ReviewStatus.ACCEPTED,
    Action.REJECT: ReviewStatus.REJECTED,
    Action.EDIT: ReviewStatus.CORRECTED,
    Action.SWITCH_SOURCE: ReviewStatus.CORRECTED,
    Action.REOPEN: ReviewStatus.PENDING,
}

REPLACING = (Action.EDIT, Action.SWITCH_SOURCE)
"""These need a region that stands in place of the one that was found."""


@dataclass(frozen=True, slots=True, order=True)
class DecisionKey:
    """A region of certain results: of results made anew it may be another one."""

    image_id: str
    digest: str
    region_id: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What one reviewer decided.

    Attributes
    ----------
    action : Action
        What was done.
    reviewer : str
        By whom.
    at : str
        When: ISO 8601 in UTC.
    comment : str
        The reviewer's words; may be empty.
    replacement : Region or None
        With `edit` and `switch source` the region that stands from now on.

    Raises
    ------
    UsageError
        If a replacement is missing, or given where none belongs.
    """

    action: Action
    reviewer: str
    at: str
    comment: str = ""
    replacement: Region | None = None

    def __post_init__(self) -> None:
        if not self.reviewer.strip():
            msg = "Expected a reviewer's name, but got none: a decision needs somebody to answer"
            raise UsageError(msg)
        if (self.action in REPLACING) != (self.replacement is not None):
            needs = "needs" if self.replacement is None else "takes no"
            msg = f"'{self.action}' {needs} region that stands in place of the one found"
            raise UsageError(msg.replace("needs region", "needs a region"))

    @property
    def status(self) -> ReviewStatus:
        """What the region is by it."""
        return STATUS_OF[self.action]


def utc_now() -> str:
    """Time now, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decision_to_json(decision: Decision) -> dict[str, Any]:
    """Say what of a decision is its own; reviewer and time are said once for a step."""
    said: dict[str, Any] = {"action": decision.action.value}
    if decision.comment:
        said["comment"] = decision.comment
    if decision.replacement is not None:
        said["replacement"] = region_to_json(decision.replacement)
    return said


def decision_from_json(value: Mapping[str, Any], reviewer: str, at: str) -> Decision:
    """Read what `decision_to_json` wrote.

    Raises
    ------
    InputError
        If it is something else.
    """
    try:
        replacement = value.get("replacement")
        return Decision(
            Action(value["action"]),
            reviewer,
            at,
            str(value.get("comment", "")),
            None if replacement is None else region_from_json(replacement),
        )
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        msg = f"Expected a decision with an action, but got {str(value)[:80]}: {error}"
        raise InputError(msg) from error
