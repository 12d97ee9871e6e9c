"""Keys are data: one table for keys, buttons, the command palette, the settings and the help.

A line here needs an action of the same name (`_actions.py`, or another module whose actions go
into `Shared`) and the manifest's part for it: `python tools/make_manifest.py` writes that part.
npe2 ignores `keybindings` of a manifest; `_key_bindings.py` binds these keys at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_segsem._key_names import qt_name


@dataclass(frozen=True, slots=True)
class Key:
    """An action with its key.

    Attributes
    ----------
    key : str
        As napari names it: `Control-Shift-Z`; empty for an action without a key of its own.
    action : str
        Name of the action.
    help : str
        What it does, as the palette and the help say it.
    shadows : str
        Why it takes a key that napari itself uses on one of our layers; empty where it does not.
    anywhere : bool
        Whether it also works while a layer that is not ours is selected.
    group : str
        Heading in the help.
    """

    key: str
    action: str
    help: str
    shadows: str = ""
    anywhere: bool = False
    group: str = "Prompt"

    @property
    def qt(self) -> str:
        """The key as Qt and people name it."""
        return qt_name(self.key)


PROMPT_KEYS: tuple[Key, ...] = (
    Key(
        "Q",
        "prompt",
        "Prompt: click on objects, drag boxes around them",
        anywhere=True,
    ),
    Key("Shift-Q", "boxes", "Boxes: drag one around each of many objects"),
    Key("Shift-S", "scribble", "Scribble: draw along the object"),
    Key("Shift-P", "polygon", "Polygon: click around the object"),
    Key("Shift-I", "refine", "Let the model improve the object under the mouse"),
    Key("R", "repeat", "Find the others like this object"),
    Key("Shift-Enter", "accept_all", "Accept all proposals"),
    Key("Shift-H", "preview", "Preview under the mouse, on or off", group="View"),
    Key("T", "cycle", "Next of the three masks"),
    Key(
        "Enter",
        "accept",
        "Accept the outline as an object",
        shadows="Labels: ends a polygon of napari's, which these layers do not draw",
    ),
    Key(
        "Escape",
        "clear",
        "Clear the prompts",
        shadows="Labels: drops a polygon of napari's, which these layers do not draw",
    ),
    Key(
        "Control-Z",
        "undo",
        "Undo",
        shadows="Labels: napari's undo knows brush strokes only; this one knows all",
        group="Objects",
    ),
    Key(
        "Control-Shift-Z",
        "redo",
        "Redo",
        shadows="Labels: napari's redo knows brush strokes only; this one knows all",
        group="Objects",
    ),
    Key(
        "Delete",
        "delete",
        "Delete the object under the mouse",
        shadows="Points: napari would delete a click without asking the model again",
        group="Objects",
    ),
)
"""Prompts and objects: works on every layer of Annotate."""

VIEW_KEYS: tuple[Key, ...] = (
    Key("H", "cycle_view", "Objects as outlines, filled, or hidden", anywhere=True, group="View"),
    Key("F1", "help", "Show all keys", anywhere=True, group="View"),
)
"""How things look."""

CORRECT_KEYS: tuple[Key, ...] = (
    Key("D", "brush", "Brush: paint objects", group="Correct"),
    Key("Shift-D", "eraser", "Eraser: take pixels from an object", group="Correct"),
    Key(
        "[",
        "pen_smaller",
        "Smaller brush and eraser",
        shadows="Labels: the size of napari's own brush, which these layers do not use",
        group="Correct",
    ),
    Key(
        "]",
        "pen_larger",
        "Larger brush and eraser",
        shadows="Labels: the size of napari's own brush, which these layers do not use",
        group="Correct",
    ),
    Key("K", "cut", "Cut: drag right across an object", group="Correct"),
    Key("U", "split_object", "Split the object under the mouse into its parts", group="Correct"),
    Key("Shift-U", "split", "Split: drag from one part to the other", group="Correct"),
    Key("J", "merge", "Merge: drag from one object to another", group="Correct"),
    Key(
        "O",
        "fill_hole",
        "Fill the hole under the mouse, or all of the object",
        shadows="Image: turns a plane in 3D, which these images do not have",
        group="Correct",
    ),
    Key("G", "grow", "Grow the object under the mouse by a quarter px", group="Correct"),
    Key("Shift-G", "shrink", "Shrink the object under the mouse by a quarter px", group="Correct"),
    Key("I", "snap", "Snap the outline under the mouse to the edge", group="Correct"),
)
"""Corrections of accepted objects."""

SERIES_KEYS: tuple[Key, ...] = (
    Key("N", "next_image", "Next image", group="Series"),
    Key("Shift-N", "previous_image", "Previous image", group="Series"),
    Key("Shift-W", "next_unfinished", "Next image that is not done", group="Series"),
    Key("W", "image_done", "Mark the image as done, or take the mark back", group="Series"),
    Key(
        "Shift-T",
        "to_training_set",
        "Put the image into the training set, or take it out",
        group="Series",
    ),
)
"""Images one after another, and what becomes of them."""

ANNOTATE_KEYS: tuple[Key, ...] = (*PROMPT_KEYS, *CORRECT_KEYS, *SERIES_KEYS, *VIEW_KEYS)
"""All that Annotate binds on its layers."""

HOLD_TO_PAN = "Space"
HOLD_TO_PAN_SHADOWS = "napari: moves the image while held, as this does"

_MODES = "napari's own tools, which these layers do not use"

EDIT_KEYS: tuple[Key, ...] = (
    Key("E", "edit", "Edit the region", shadows=f"Labels, Shapes: {_MODES}", group="Edit"),
    Key(
        "S",
        "switch_source",
        "Switch the region to its other source: SAM2 or Sauvola",
        shadows=f"Points, Shapes: {_MODES}",
        group="Edit",
    ),
    Key(
        "B",
        "before_after",
        "The region as it was found, or as it is now",
        shadows=f"Labels, Shapes: {_MODES}",
        group="Edit",
    ),
    Key(
        "Shift-T",
        "to_training_set",
        "Put the region, and the others accepted, into the training set",
        group="Edit",
    ),
    Key(
        "D",
        "brush",
        "Brush: paint what belongs to the region",
        shadows=f"Shapes: {_MODES}",
        group="Edit",
    ),
    Key("Shift-D", "eraser", "Eraser: take pixels from the region", group="Edit"),
    Key("C", "corners", "Corners: drag the corners of the outline", group="Edit"),
    Key("Q", "prompt", "Prompt: click what belongs to the region", group="Edit"),
    Key(
        "I",
        "snap",
        "Snap the outline to the edge",
        shadows=f"Shapes: {_MODES}",
        group="Edit",
    ),
    Key("G", "grow", "Grow the region by a quarter px", group="Edit"),
    Key("Shift-G", "shrink", "Shrink the region by a quarter px", group="Edit"),
    Key(
        "[",
        "pen_smaller",
        "Smaller brush and eraser",
        shadows="Labels: the size of napari's own brush, which these layers do not use",
        group="Edit",
    ),
    Key(
        "]",
        "pen_larger",
        "Larger brush and eraser",
        shadows="Labels: the size of napari's own brush, which these layers do not use",
        group="Edit",
    ),
    Key(
        "Enter",
        "edit_done",
        "Keep the edit: the region stands as it is drawn",
        shadows="Labels, Shapes: ends a polygon of napari's, which these layers do not draw",
        group="Edit",
    ),
    Key(
        "Escape",
        "edit_cancel",
        "Drop the edit",
        shadows="Labels, Shapes: drops a polygon of napari's, which these layers do not draw",
        group="Edit",
    ),
)
"""Changing a region of the review in its place."""

REVIEW_KEYS: tuple[Key, ...] = (
    Key(
        "A",
        "accept",
        "Accept the region",
        shadows="Points, Shapes: selects all, and there is one",
        group="Review",
    ),
    Key("R", "reject", "Reject the region", shadows=f"Shapes: {_MODES}", group="Review"),
    Key("U", "reopen", "Open the region again: take its decision away", group="Review"),
    Key("N", "next", "Next region", group="Review"),
    Key("Shift-N", "previous", "Previous region", group="Review"),
    Key(
        "Control-Z",
        "undo",
        "Undo the last decision",
        shadows="Labels: napari's undo knows brush strokes only",
        group="Review",
    ),
    Key(
        "Control-Shift-Z",
        "redo",
        "Redo the decision",
        shadows="Labels: napari's redo knows brush strokes only",
        group="Review",
    ),
    *EDIT_KEYS,
)

FINETUNE_KEYS: tuple[Key, ...] = (
    Key("", "start", "Fine-tune on the training set", anywhere=True, group="Fine-tune"),
    Key("", "pause", "Pause fine-tuning, or go on", anywhere=True, group="Fine-tune"),
    Key("", "cancel", "Cancel fine-tuning", anywhere=True, group="Fine-tune"),
    Key("", "resume", "Resume fine-tuning", anywhere=True, group="Fine-tune"),
    Key("", "go_back", "Go back to the model before", anywhere=True, group="Fine-tune"),
)
"""Commands without keys of their own: each is rare, and none is to happen by accident."""

TABLES: Mapping[str, Sequence[Key]] = {
    "annotate": ANNOTATE_KEYS,
    "finetune": FINETUNE_KEYS,
    "review": REVIEW_KEYS,
}
"""By panel, as commands and settings name it."""

MOUSE_HELP = (
    ("Click", "Belongs to the object (+)"),
    ("Ctrl+click", "Does not belong to it (−); Alt+click does the same"),
    ("Drag", "Box around the object"),
    ("Click proposal", "Accept it; with Ctrl: reject it"),
    ("Space+drag", "Move the image while Space is held"),
    ("Wheel", "Zoom"),
)
