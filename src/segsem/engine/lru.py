"""A least-recently-used cache bounded by the memory of what it holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ByteLRU(Generic[K, V]):
    """Keep the values used last, as long as they fit; the newest is kept even if it does not.

    Parameters
    ----------
    capacity_bytes : int
        Bound for the sum of what `put` was told.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    @property
    def nbytes(self) -> int:
        """Memory of what is held."""
        return self._nbytes

    def get(self, key: K) -> V | None:
        """Return the value, now the youngest, or None."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: K, value: V, nbytes: int) -> None:
        """Add a value of so many bytes and drop the oldest above the capacity."""
        self.drop(key)
        self._values[key] = value, nbytes
        self._nbytes += nbytes
        while self._nbytes > self._capacity and len(self._values) > 1:
            _, (_, freed) = self._values.popitem(last=False)
            self._nbytes -= freed

    def drop(self, key: K) -> None:
        """Drop one value, if it is there."""
        _, freed = self._values.pop(key, (None, 0))
        self._nbytes -= freed

    def clear(self) -> None:
        """Drop everything."""
        self._values.clear()
        self._nbytes = 0
