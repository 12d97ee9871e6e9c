"""Times of actions that take turns, and their ratios.

A machine is never quiet: other programs come and go, processors change their clock. Actions that
are compared are timed alternately, so that all see the same weather, and it is the ratio within a
round that is looked at. Processor time, of all threads together, is taken as well: it hardly
depends on who else computes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segsem.core.progress import Progress

Action = Callable[[], object]

_CLOCK_STEP_MS = 1e-3


@dataclass(frozen=True, slots=True)
class Samples:
    """Times of one action.

    Attributes
    ----------
    values_ms : tuple of float
        In the order of the rounds.
    cpu_ms : tuple of float
        Processor time of this process, all threads together.
    """

    values_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median time."""
        return float(np.median(self.values_ms))

    @property
    def median_cpu_ms(self) -> float:
        """Median processor time."""
        return float(np.median(self.cpu_ms))

    def scaled(self, factor: float) -> Samples:
        """Times of a part of the action."""
        scaled = (tuple(factor * value for value in part) for part in (self.values_ms, self.cpu_ms))
        return Samples(*scaled)

    def as_json(self) -> dict[str, object]:
        """Return medians, quartiles, extremes and all values."""
        q1, q3 = np.quantile(self.values_ms, [0.25, 0.75])
        return {
            "median_ms": round(self.median_ms, 3),
            "q1_ms": round(float(q1), 3),
            "q3_ms": round(float(q3), 3),
            "min_ms": round(min(self.values_ms), 3),
            "max_ms": round(max(self.values_ms), 3),
            "median_cpu_ms": round(self.median_cpu_ms, 3),
            "n": len(self.values_ms),
            "values_ms": [round(value, 3) for value in self.values_ms],
            "cpu_ms": [round(value, 3) for value in self.cpu_ms],
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times longer one action takes than another.

    Attributes
    ----------
    of_medians : float
        Ratio of the two medians.
    of_cpu_medians : float
        The same of processor times.
    q1, median, q3 : float
        Of the ratios within the rounds.
    """

    of_medians: float
    of_cpu_medians: float
    q1: float
    median: float
    q3: float

    @classmethod
    def between(cls, longer: Samples, shorter: Samples) -> Ratio:
        """Compare two actions that were timed in the same rounds.

        Raises
        ------
        ValueError
            If they were not.
        """
        pairs = np.array(longer.values_ms) / np.array(shorter.values_ms)
        q1, median, q3 = np.quantile(pairs, [0.25, 0.5, 0.75])
        of_medians = longer.median_ms / shorter.median_ms
        of_cpu = longer.median_cpu_ms / max(shorter.median_cpu_ms, _CLOCK_STEP_MS)
        return cls(of_medians, of_cpu, float(q1), float(median), float(q3))

    def as_json(self) -> dict[str, float]:
        """Return plain values."""
        return {
            "of_medians": round(self.of_medians, 4),
            "of_cpu_medians": round(self.of_cpu_medians, 4),
            "q1": round(self.q1, 4),
            "median": round(self.median, 4),
            "q3": round(self.q3, 4),
        }


def alternate(
    actions: Mapping[str, Action],
    repeats: int,
    warmup: int = 1,
    before: Mapping[str, Action] | None = None,
) -> Generator[Progress, None, dict[str, Samples]]:
    """Time actions in turns.

    Parameters
    ----------
    actions : mapping of str to callable
    repeats : int
        Rounds that count.
    warmup : int
        Rounds before them that do not.
    before : mapping of str to callable, optional
        Called before an action, outside its time.

    Yields
    ------
    Progress
        After each action.

    Returns
    -------
    dict of str to Samples
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    names = list(actions)
    rounds = warmup + repeats
    for number in range(rounds):
        # Who goes first changes: what the one leaves in the cache must not always serve the other.
        for place, name in enumerate(_rotated(names, number)):
            if before is not None and name in before:
                before[name]()
            start, cpu_start = time.perf_counter(), time.process_time()
            actions[name]()
            elapsed = time.perf_counter() - start, time.process_time() - cpu_start
            if number >= warmup:
                times[name].append((1000.0 * elapsed[0], 1000.0 * elapsed[1]))
            yield Progress(number * len(names) + place + 1, rounds * len(names), name)
    return {name: Samples(*zip(*pairs, strict=True)) for name, pairs in times.items()}


def _rotated(names: Sequence[str], number: int) -> list[str]:
    first = number % len(names)
    return [*names[first:], *names[:first]]
