"""Names of keys: napari's, Qt's, and what a person types; and which of them napari takes itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app_model.types import KeyCode
from napari.utils.key_bindings import coerce_keybinding

from segsem.core.exceptions import InputError

QT_NAMES = {
    "Control": "Ctrl",
    "Enter": "Return",
    "Escape": "Esc",
    "Delete": "Del",
    "PageUp": "PgUp",
    "PageDown": "PgDown",
    "Insert": "Ins",
}
"""Where Qt and people name a key otherwise than napari does."""

NAPARI_NAMES = {ours: theirs for theirs, ours in QT_NAMES.items()}

MODIFIERS = {"Control", "Shift", "Alt", "Meta"}

HELD = {"Space"}
"""Keys that do something while they are held."""

EXAMPLES = "a letter, F1 to F12, Return, Esc, Del, or with Ctrl, Alt, Shift, such as Ctrl+Shift+Z"


def qt_name(key: str) -> str:
    """Name a key as Qt and people do: `Control-Shift-Z` is `Ctrl+Shift+Z`."""
    return "+".join(QT_NAMES.get(part, part) for part in _parts(key, "-"))


def napari_name(typed: str) -> str:
    """Name a key as napari does, whichever way it was typed.

    Parameters
    ----------
    typed : str
        `Ctrl+Shift+Z`, `Control-Shift-Z`, `t`; empty for no key.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If there is no such key, or the viewer would never hear of it.
    """
    typed = typed.strip()
    if not typed:
        return ""
    separator = "+" if "+" in typed[:-1] else "-"
    *held, key = (NAPARI_NAMES.get(part, part) for part in _parts(typed, separator))
    key = key.upper() if len(key) == 1 else key
    named = "-".join((*held, key))
    if key in MODIFIERS | HELD or not set(held) <= MODIFIERS or not _is_known(named):
        msg = f"Expected a key, but got {typed!r}: give {EXAMPLES}"
        raise InputError(msg)
    if held == ["Shift"] and len(key) == 1 and not key.isalpha():
        msg = f"{typed!r} depends on the keyboard's layout: use Shift with letters only"
        raise InputError(msg)
    return named


def same_key(one: str, other: str) -> bool:
    """Whether two of napari's names mean one key."""
    return bool(one) and bool(other) and _identity(one) == _identity(other)


def napari_uses(key: str, *providers: Any) -> bool:
    """Whether napari itself binds a key on these layers or this viewer.

    Parameters
    ----------
    key : str
        As napari names it.
    providers : layers, viewers or their classes
    """
    wanted = _identity(key)
    return any(wanted == str(bound) for provider in providers for bound in _class_keys(provider))


def _class_keys(provider: Any) -> Iterator[Any]:
    kind = provider if isinstance(provider, type) else type(provider)
    for cls in kind.__mro__:
        yield from getattr(cls, "class_keymap", ())


def _identity(key: str) -> str:
    return str(coerce_keybinding(key))


def _is_known(key: str) -> bool:
    parts = coerce_keybinding(key).parts
    return len(parts) == 1 and parts[0].key is not KeyCode.UNKNOWN


def _parts(key: str, separator: str) -> list[str]:
    # The key itself may be the separator.
    if key.endswith(separator):
        return [part for part in key[:-1].split(separator) if part] + [separator]
    return key.split(separator)
