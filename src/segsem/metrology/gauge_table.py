"""Gauges averaged over the images that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.metrology.gauges import Gauge, GaugeValue
from segsem.metrology.statistics import Stats, root_mean_square


@dataclass(frozen=True, slots=True)
class GaugeSummary:
    """One gauge over all images.

    Attributes
    ----------
    gauge : Gauge
        The gauge.
    of : str
        `feature`, `space` or `edge`; empty where images disagree or nothing was found.
    images : int
        Images that found it.
    cuts : Stats
        Over all cuts of all images.
    repeats : Stats
        Over the images' means; its 3 sigma is that of one image.
    sigma_nm : float
        Root mean square of the standard errors of single cuts from pixel noise.
    """

    gauge: Gauge
    of: str
    images: int
    cuts: Stats
    repeats: Stats
    sigma_nm: float

    @property
    def mean_nm(self) -> float:
        """Mean of the images' means."""
        return self.repeats.mean

    @property
    def error_nm(self) -> float:
        """Mean minus the reference; NaN without one."""
        return self.mean_nm - self.gauge.reference_nm


def summarise_gauges(gauges: Sequence[Gauge], values: Sequence[GaugeValue]) -> list[GaugeSummary]:
    """Average repeats, in the order of the gauges."""
    found: dict[str, list[GaugeValue]] = {}
    for value in values:
        found.setdefault(value.gauge.name, []).append(value)
    return [_summary(gauge, found.get(gauge.name, [])) for gauge in gauges]


def _summary(gauge: Gauge, values: list[GaugeValue]) -> GaugeSummary:
    means = np.array([value.mean_nm for value in values])
    cuts = np.concatenate([value.values_nm for value in values] or [np.empty(0)])
    sigma = np.concatenate([value.sigma_nm for value in values] or [np.empty(0)])
    kinds = {value.of for value in values} - {""}
    return GaugeSummary(
        gauge=gauge,
        of=kinds.pop() if len(kinds) == 1 else "",
        images=int(np.isfinite(means).sum()),
        cuts=Stats.of(cuts),
        repeats=Stats.of(means),
        sigma_nm=root_mean_square(sigma),
    )
