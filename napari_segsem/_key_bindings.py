"""Keys at run time: the table's or the user's own, bound on our layers, unbound on close."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from weakref import WeakSet

from psygnal import Signal

from napari_segsem._key_names import napari_name, same_key
from napari_segsem._keymap import HOLD_TO_PAN, Key
from segsem.core.exceptions import InputError

Actions = Mapping[str, Callable[[], None]]


class KeyStore(Protocol):
    """Where the user's keys are kept."""

    def read(self) -> Mapping[str, str]:
        """Give the keys by action, as they were typed."""
        ...

    def write(self, action: str, key: str) -> None:
        """Keep a key."""
        ...

    def close(self) -> None:
        """Tell nobody of changes any more."""
        ...


class Keys:
    """The keys of one panel's actions.

    Parameters
    ----------
    table : sequence of Key
        The actions with the keys they have by default.
    actions : mapping of str to callable
        What they do, by name; looked up when a key is pressed.
    store : KeyStore, optional
        Where the user's own keys are kept.
    """

    changed = Signal()

    def __init__(
        self, table: Sequence[Key], actions: Actions, store: KeyStore | None = None
    ) -> None:
        self._defaults = {key.action: key for key in table}
        self._keys = dict(self._defaults)
        self._actions, self._store = actions, store
        self._layers: WeakSet[Any] = WeakSet()
        self._viewer: Any = None

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __contains__(self, action: object) -> bool:
        return action in self._keys

    def __getitem__(self, action: str) -> Key:
        """Give an action's line, with the key that it has now."""
        return self._keys[action]

    def default(self, action: str) -> Key:
        """Give an action's line, with the key that it has by default."""
        return self._defaults[action]

    def run(self, action: str) -> None:
        """Do what an action does."""
        self._actions[action]()

    def change(self, action: str, typed: str) -> None:
        """Give an action another key, at once and from now on.

        Raises
        ------
        InputError
            If there is no such key, or another action has it.
        """
        key = self._checked(action, typed, self._keys)
        self._take({**self._keys, action: replace(self._keys[action], key=key)})
        if self._store is not None:
            self._store.write(action, key)

    def reset(self, action: str) -> None:
        """Give an action its default key again."""
        self.change(action, self._defaults[action].key)

    def load(self) -> list[str]:
        """Take the keys that are kept.

        Returns
        -------
        list of str
            One line for each key that cannot be taken; its action has its default key.
        """
        kept = {} if self._store is None else self._store.read()
        wanted = {action: kept.get(action, key.key) for action, key in self._defaults.items()}
        keys, problems = dict(self._defaults), []
        for action, typed in wanted.items():
            try:
                keys[action] = replace(keys[action], key=self._checked(action, typed, {}))
            except InputError as error:
                problems.append(f"{error}. {keys[action].help}: still {keys[action].qt}")
        while clash := self._clash(keys):
            action, key = clash
            problems.append(f"{key.qt} is given to two actions. {key.help}: still its default")
            keys[action] = self._defaults[action]
        self._take(keys)
        return problems

    def bind(self, layer: Any) -> None:
        """Bind the keys on a layer of ours."""
        self._layers.add(layer)
        for key in self:
            self._bind(layer, key)

    def bind_anywhere(self, viewer: Any) -> None:
        """Bind those on the viewer that also work on layers that are not ours."""
        self._viewer = viewer
        self._bind_viewer()

    def close(self) -> None:
        """Take the keys off layers and viewer."""
        self._unbind()
        self._layers, self._viewer = WeakSet(), None
        if self._store is not None:
            self._store.close()

    def _take(self, keys: dict[str, Key]) -> None:
        if keys == self._keys:
            return
        self._unbind()
        self._keys = keys
        for layer in self._layers:
            self.bind(layer)
        self._bind_viewer()
        self.changed.emit()

    def _checked(self, action: str, typed: str, others: Mapping[str, Key]) -> str:
        key = napari_name(typed)
        for other, known in others.items():
            if other != action and same_key(known.key, key):
                msg = f"{known.qt} is the key of {known.help!r}: give that another one first"
                raise InputError(msg)
        return key

    def _clash(self, keys: Mapping[str, Key]) -> tuple[str, Key] | None:
        """An action whose key is not its own, and is another action's as well."""
        for action, key in keys.items():
            if key != self._defaults[action] and any(
                other != action and same_key(known.key, key.key) for other, known in keys.items()
            ):
                return action, key
        return None

    def _bind_viewer(self) -> None:
        if self._viewer is not None:
            for key in self:
                if key.anywhere:
                    self._bind(self._viewer, key)

    def _bind(self, target: Any, key: Key) -> None:
        if not key.key:
            return

        def press(_target: Any, action: str = key.action) -> None:
            self.run(action)

        target.bind_key(key.key, press, overwrite=True)

    def _unbind(self) -> None:
        targets = [*self._layers, *([] if self._viewer is None else [self._viewer])]
        for target in targets:
            for key in self:
                if key.key:
                    target.bind_key(key.key, None, overwrite=True)


def bind_hold_to_pan(layer: Any, on_held: Callable[[bool], None]) -> None:
    """Let the mouse move the image while the key is held, and do nothing else."""

    def hold(held: Any) -> Any:
        held.mouse_pan = True
        on_held(True)
        yield
        held.mouse_pan = False
        on_held(False)

    layer.bind_key(HOLD_TO_PAN, hold, overwrite=True)
