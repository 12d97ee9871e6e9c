"""What a benchmark found, as plain values and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segsem.benchmark.machine import machine_facts
from segsem.benchmark.subject import Options, Subject
from segsem.benchmark.timing import Ratio, Samples

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one benchmark.

    Attributes
    ----------
    benchmark : str
        `encode`, `prompt`, ...
    facts : dict
        Model, image, settings, machine.
    times : mapping of str to Samples
    ratios : mapping of str to Ratio
        Named by what is compared, the longer one first.
    checks : dict
        How far the answers differ.
    notes : tuple of str
        What a reader must know.
    """

    benchmark: str
    facts: dict[str, Any]
    times: Mapping[str, Samples]
    ratios: Mapping[str, Ratio]
    checks: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "format_version": FORMAT_VERSION,
            "benchmark": self.benchmark,
            **self.facts,
            "times": {name: samples.as_json() for name, samples in self.times.items()},
            "ratios": {name: ratio.as_json() for name, ratio in self.ratios.items()},
            "checks": self.checks,
            "notes": list(self.notes),
        }


def facts_of(subject: Subject, options: Options, **settings: Any) -> dict[str, Any]:
    """Collect what was measured where."""
    return {
        **subject.as_json(),
        "settings": {"repeats": options.repeats, "device": subject.device, **settings},
        "machine": machine_facts(subject.device),
    }
