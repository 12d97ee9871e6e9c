"""What records make of an annotation: labels, objects, undo history, times and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from segsem.core.exceptions import InputError
from segsem.project.edit_codec import edit_from_json, edit_to_json, plain
from segsem.project.journal import Record
from segsem.project.label_edit import LabelEdit, LabelObject
from segsem.project.labelled_image import LabelledImage

Happening = Literal["do", "undo", "redo"]

HISTORY_STEPS = 1000
HISTORY_BYTES = 16 << 20
"""So much of the undo history outlives the closing of an image; the rest of a day's work."""


@dataclass(frozen=True, slots=True)
class KnownEdit:
    """An edit, and what it was read from: written again, it need not be packed again."""

    edit: LabelEdit
    encoded: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Times:
    """When an object was made and last changed, ISO 8601 in UTC; empty where not known."""

    made: str = ""
    changed: str = ""


@dataclass(slots=True)
class Timeline:
    """State of an annotation after some records.

    Attributes
    ----------
    image : LabelledImage
    done, undone : list of KnownEdit
        What undo takes back and redo does again, the next one last.
    times : dict of int to Times
        By object.
    marks : dict
        What is noted of the image as a whole, as JSON values: `done`, `training`.
    seq : int
        Number of the last record that is contained.
    """

    image: LabelledImage
    done: list[KnownEdit] = field(default_factory=list)
    undone: list[KnownEdit] = field(default_factory=list)
    times: dict[int, Times] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    seq: int = 0

    def play(self, record: Record, *, pixels: bool = True, objects: bool = True) -> None:
        """Take a record in; the undo history follows it in any case.

        Parameters
        ----------
        record : dict
            As the functions below make them.
        pixels, objects : bool
            Whether labels, and objects with times and marks, have to follow; not where they
            contain the record already.

        Raises
        ------
        InputError
            If it is no record, or does not fit what came before.
        """
        op, seq, at = record.get("op"), record.get("seq"), str(record.get("at", ""))
        if not isinstance(seq, int):
            msg = f"Expected a record with a number, but got {seq!r}"
            raise InputError(msg)
        if op == "mark":
            if objects:
                self.marks.update(_as_marks(record.get("marks")))
        elif op == "do":
            self._do(self._known(record.get("edit")), at, pixels, objects)
        elif op in ("undo", "redo"):
            self._travel(op, record, at, pixels, objects)
        else:
            msg = f"Expected a record that does, undoes, redoes or marks, but got {op!r}"
            raise InputError(msg)
        self.seq = max(self.seq, seq)

    def history_records(self) -> Iterator[Record]:
        """Give records that rebuild the undo history, its newest part where it is long."""
        done, undone = self._recent()
        for known in (*done, *reversed(undone)):
            yield {"seq": self.seq, "op": "do", "edit": dict(known.encoded)}
        for _ in undone:
            yield {"seq": self.seq, "op": "undo"}

    def _do(self, known: KnownEdit, at: str, pixels: bool, objects: bool) -> None:
        self._apply(known.edit, "do", at, pixels, objects)
        self.done.append(known)
        self.undone.clear()

    def _travel(self, op: Happening, record: Record, at: str, pixels: bool, objects: bool) -> None:
        """Undo or redo; the record carries the edit where it is older than the journal."""
        source, target = (self.done, self.undone) if op == "undo" else (self.undone, self.done)
        known = self._known(record["edit"]) if "edit" in record else None
        known = source.pop() if source else known
        if known is None:
            msg = f"Expected an edit to {op}, but there is none"
            raise InputError(msg)
        self._apply(known.edit, op, at, pixels, objects)
        target.append(known)

    def _apply(self, edit: LabelEdit, op: Happening, at: str, pixels: bool, objects: bool) -> None:
        is_undo = op == "undo"
        if pixels:
            self.image.set_pixels(edit.pixels, edit.pixels.before if is_undo else edit.pixels.after)
        if objects:
            after = edit.before if is_undo else edit.after
            self.image.set_objects(after)
            self._note_times(after, at)

    def _note_times(self, after: Mapping[int, LabelObject | None], at: str) -> None:
        for object_id, item in after.items():
            if item is None:
                self.times.pop(object_id, None)
            else:
                known = self.times.get(object_id)
                self.times[object_id] = Times(known.made if known else at, at)

    def _known(self, encoded: Any) -> KnownEdit:
        return KnownEdit(edit_from_json(encoded, self.image.labels.shape), encoded)

    def _recent(self) -> tuple[list[KnownEdit], list[KnownEdit]]:
        """Newest steps of both stacks within the bounds, what was undone first."""
        left_steps, left_bytes = HISTORY_STEPS, HISTORY_BYTES
        kept: list[list[KnownEdit]] = []
        for stack in (self.undone, self.done):
            recent: list[KnownEdit] = []
            for known in reversed(stack):
                left_steps, left_bytes = left_steps - 1, left_bytes - known.edit.pixels.nbytes
                if left_steps < 0 or left_bytes < 0:
                    break
                recent.append(known)
            kept.append(recent[::-1])
        return kept[1], kept[0]


def do_record(seq: int, at: str, edit: LabelEdit) -> Record:
    """Record of an edit that was done."""
    return {"seq": seq, "op": "do", "at": at, "edit": edit_to_json(edit)}


def travel_record(seq: int, at: str, op: Happening, edit: LabelEdit | None) -> Record:
    """Record of an undo or redo; with the edit where the journal does not hold it."""
    record: Record = {"seq": seq, "op": op, "at": at}
    return record if edit is None else {**record, "edit": edit_to_json(edit)}


def mark_record(seq: int, at: str, marks: Mapping[str, Any]) -> Record:
    """Record of what is noted of the image as a whole."""
    return {"seq": seq, "op": "mark", "at": at, "marks": plain(marks)}


def _as_marks(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"Expected marks by name, but got {value!r}"
        raise InputError(msg)
    return value
