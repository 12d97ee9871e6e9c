"""The user's keys in napari's Preferences, under the plugin's own page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari.settings import get_plugin_settings

from napari_segsem._key_bindings import Actions, Keys
from napari_segsem._keymap import TABLES
from napari_segsem._tasks import Pause, soon

PLUGIN = "napari-segsem"

TYPED_MS = 600
"""In napari's Preferences a key arrives letter by letter."""

logger = logging.getLogger(__name__)


def user_keys(table: str, actions: Actions, tell: Callable[[str], None]) -> Keys:
    """Give the keys of a panel as the user has them, and follow the Preferences.

    Parameters
    ----------
    table : str
        Name of the table of keys.
    actions : mapping of str to callable
    tell : callable
        Called with a line for each key that cannot be taken.
    """
    store = SettingsStore(table)
    keys = Keys(TABLES[table], actions, store)
    problems = keys.load()
    # Panels listen a moment later.
    soon(lambda: _tell_all(problems, tell))
    typed = Pause(TYPED_MS)
    store.connect(lambda: typed.restart(lambda: _tell_all(keys.load(), tell)))
    return keys


def _tell_all(lines: Sequence[str], tell: Callable[[str], None]) -> None:
    for line in lines:
        tell(line)


def section_name(table: str) -> str:
    """Name the section of a table of keys in the manifest's `configurations`."""
    return f"{table}_keys"


class SettingsStore:
    """Keys as strings in napari's settings of this plugin, saved by napari at each change.

    Parameters
    ----------
    table : str
        Name of the table of keys.
    """

    def __init__(self, table: str) -> None:
        self._section = _section(section_name(table))
        self._on_change: Callable[[], None] | None = None
        self._writing = False

    def read(self) -> Mapping[str, str]:
        """Give the keys by action, as they were typed."""
        return {} if self._section is None else self._section.model_dump()

    def write(self, action: str, key: str) -> None:
        """Keep a key."""
        if self._section is None:
            return
        self._writing = True
        try:
            setattr(self._section, action, key)
        finally:
            self._writing = False

    def connect(self, on_change: Callable[[], None]) -> None:
        """Call something when a key is changed elsewhere: in the Preferences, or another window."""
        self._on_change = on_change
        if self._section is not None:
            self._section.events.connect(self._changed)

    def close(self) -> None:
        """Call nobody any more."""
        if self._section is not None and self._on_change is not None:
            self._section.events.disconnect(self._changed)

    def _changed(self, _event: Any = None) -> None:
        if self._on_change is not None and not self._writing:
            self._on_change()


def _section(name: str) -> Any:
    try:
        return getattr(get_plugin_settings(PLUGIN), name)
    except (KeyError, AttributeError):
        # Run from a checkout that is not installed, or another manifest: the keys are the table's.
        logger.warning("No settings of %s: its keys are those by default", PLUGIN)
        return None
