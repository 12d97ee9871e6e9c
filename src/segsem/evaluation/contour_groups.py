"""What images are grouped by: condition, family, tone, SNR, blur, bound, size; and layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segsem.evaluation.contour_protocol import ImageScore
from segsem.evaluation.statistics import band

SNR_LIMITS = (3.0, 4.0, 6.0, 8.0, 12.0)
BLUR_LIMITS_PX = (1.3, 1.9, 2.5)
BOUND_LIMITS_PX = (0.2, 0.4, 0.8, 1.6)
FEATURE_LIMITS_PX = (22.0, 30.0)
ORDINARY_BLUR_PX = 2.2
"""Up to it placement is judged; what is blurrier is reported."""

GOOD_SNR, POOR_SNR = 8.0, 4.0
LEAST_IMAGES = 3
_SLACK = 5e-3
"""Manifests round."""


def condition(score: ImageScore) -> str | None:
    """Name the condition that requirements are stated for; None where it is not known."""
    if math.isnan(score.edge_snr) or math.isnan(score.blur_px):
        return None
    if score.blur_px > ORDINARY_BLUR_PX + _SLACK:
        return f"blur > {ORDINARY_BLUR_PX:g} px"
    if score.edge_snr >= GOOD_SNR - _SLACK:
        said = f"SNR >= {GOOD_SNR:g}"
    elif score.edge_snr >= POOR_SNR - _SLACK:
        said = f"SNR {POOR_SNR:g}-{GOOD_SNR:g}"
    else:
        said = f"SNR < {POOR_SNR:g}"
    return f"blur <= {ORDINARY_BLUR_PX:g} px, {said}"


def _banded(
    value: Callable[[ImageScore], float], limits: Sequence[float], unit: str
) -> Callable[[ImageScore], str | None]:
    def name(score: ImageScore) -> str | None:
        number = value(score)
        return None if math.isnan(number) else band(number + _SLACK, limits, unit)

    return name


GROUPINGS: dict[str, Callable[[ImageScore], str | None]] = {
    "all": lambda score: "all",
    "condition": condition,
    "family": lambda score: score.family,
    "tone": lambda score: score.tone,
    "SNR": _banded(lambda score: score.edge_snr, SNR_LIMITS, ""),
    "blur": _banded(lambda score: score.blur_px, BLUR_LIMITS_PX, " px"),
    "bound per row": _banded(lambda score: score.bound_px, BOUND_LIMITS_PX, " px"),
    "feature": _banded(lambda score: score.feature_px, FEATURE_LIMITS_PX, " px"),
}
"""Key of an image by grouping; None leaves it out."""


def grouped_scores(
    scores: Sequence[ImageScore], key: Callable[[ImageScore], str | None]
) -> dict[str, list[ImageScore]]:
    """Scores by a key, in natural order (numbers by size)."""
    groups: dict[str, list[ImageScore]] = {}
    for score in scores:
        name = key(score)
        if name is not None:
            groups.setdefault(name, []).append(score)
    return {name: groups[name] for name in sorted(groups, key=_natural)}


def _natural(name: str) -> tuple[bool, float, str]:
    head = name.removeprefix("< ").removeprefix(">= ").split("-")[0].split()[0]
    try:
        number = float(head)
    except ValueError:
        return True, 0.0, name
    return False, number + (0.5 if name[0] == ">" else -0.5 if name[0] == "<" else 0.0), name


@dataclass(frozen=True, slots=True)
class LayerOffset:
    """Bias of one layer (family and tone) at one blur, over images of several SNR.

    Attributes
    ----------
    layer : str
    blur_px, feature_px : float
    images : int
    offset_px : float
        Mean bias: what a calibration would take off.
    spread_px, spread_snr4_px : float
        Greatest less smallest bias; of the images of SNR 4 and more.
    residual_px : float
        Greatest bias that is left of an image once the mean bias of the *other* images has been
        taken off.
    """

    layer: str
    blur_px: float
    feature_px: float
    images: int
    offset_px: float
    spread_px: float
    spread_snr4_px: float
    residual_px: float


def layer_offsets(scores: Sequence[ImageScore]) -> list[LayerOffset]:
    """Offsets by layer and blur, where three images or more share both.

    It means something only where the images of a family and tone were made alike, as in the
    preset "edges".
    """
    groups: dict[tuple[str, float, float], list[ImageScore]] = {}
    for score in scores:
        if not math.isnan(score.placed.bias_px) and not math.isnan(score.blur_px):
            key = (f"{score.family} {score.tone}", score.blur_px, score.feature_px)
            groups.setdefault(key, []).append(score)
    return [
        _offset(key, group) for key, group in sorted(groups.items()) if len(group) >= LEAST_IMAGES
    ]


def blur_spreads(offsets: Sequence[LayerOffset]) -> dict[str, tuple[float, float]]:
    """Feature size of each layer, and greatest less smallest offset over blurs of up to 2.2 px."""
    found: dict[str, list[LayerOffset]] = {}
    for offset in offsets:
        if offset.blur_px <= ORDINARY_BLUR_PX + _SLACK:
            found.setdefault(offset.layer, []).append(offset)
    return {
        layer: (group[0].feature_px, float(np.ptp([o.offset_px for o in group])))
        for layer, group in found.items()
        if len(group) > 1
    }


def _offset(key: tuple[str, float, float], group: list[ImageScore]) -> LayerOffset:
    bias = np.array([score.placed.bias_px for score in group])
    clear = bias[[score.edge_snr >= POOR_SNR - _SLACK for score in group]]
    others = (bias.sum() - bias) / (len(bias) - 1)
    return LayerOffset(
        *key,
        images=len(group),
        offset_px=float(bias.mean()),
        spread_px=float(np.ptp(bias)),
        spread_snr4_px=float(np.ptp(clear)) if len(clear) > 1 else math.nan,
        residual_px=float(np.abs(bias - others).max()),
    )
