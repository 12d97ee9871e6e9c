"""Keys: bound at run time on the plugin's own layers, listed for the help, unbound on close.

npe2 ignores `keybindings` of a manifest, and a layer's binding goes before the viewer's; the keys
here are free on the layers they are bound on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes
    ----------
    key : str
        As napari names it.
    qt : str
        As Qt names it.
    action : str
        Name of the action.
    help : str
        What it does.
    """

    key: str
    qt: str
    action: str
    help: str


PROMPT_KEYS = (
    Key("T", "T", "cycle", "Next of the three masks"),
    Key("Enter", "Return", "accept", "Accept the outline as an object"),
    Key("Escape", "Esc", "clear", "Clear the prompts"),
    Key("Control-Z", "Ctrl+Z", "undo", "Undo"),
    Key("Control-Shift-Z", "Ctrl+Shift+Z", "redo", "Redo"),
    Key("Delete", "Del", "delete", "Delete the object under the mouse"),
)
HOLD_TO_PAN = "Space"

REVIEW_KEYS = (
    Key("A", "A", "accept", "Accept the region"),
    Key("R", "R", "reject", "Reject the region"),
    Key("N", "N", "next", "Next region"),
    Key("Shift-N", "Shift+N", "previous", "Previous region"),
    Key("Control-Z", "Ctrl+Z", "undo", "Undo the last decision"),
    Key("Control-Shift-Z", "Ctrl+Shift+Z", "redo", "Redo the decision"),
)

MOUSE_HELP = (
    ("Click", "Belongs to the object (+)"),
    ("Ctrl+click or Alt+click", "Does not belong to it (−)"),
    ("Drag", "Box around the object"),
    ("Hold Space and drag", "Move the image"),
    ("Wheel", "Zoom"),
)


def bind_keys(layer: Any, keys: Sequence[Key], actions: Mapping[str, Callable[[], None]]) -> None:
    """Bind keys on a layer."""
    for key in keys:
        action = actions[key.action]

        def press(_layer: Any, action: Callable[[], None] = action) -> None:
            action()

        layer.bind_key(key.key, press, overwrite=True)


def bind_hold_to_pan(layer: Any) -> None:
    """Let the mouse move the image while the key is held."""

    def hold(held: Any) -> Any:
        held.mouse_pan = True
        yield
        held.mouse_pan = False

    layer.bind_key(HOLD_TO_PAN, hold, overwrite=True)


def unbind_keys(layer: Any, keys: Sequence[Key]) -> None:
    """Take the keys off a layer."""
    for key in keys:
        layer.bind_key(key.key, None, overwrite=True)


def help_lines(keys: Sequence[Key], mouse: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """Give (key, what it does) pairs for a panel's help."""
    return [*mouse, *((key.qt, key.help) for key in keys)]
