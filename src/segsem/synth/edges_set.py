"""The benchmark of edge placement: the one draw of the preset "edges" that figures are given for.

Nothing may be chosen by it: no parameter, no threshold, no calibration. Where something is to
be tuned on images of this kind, `segsem synth --preset edges --seed N` draws others. No module
that learns, tunes or places may import this one; a contract and a test hold them to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from segsem.synth.presets import get_preset

EDGES_PRESET = "edges"

EDGES_SEED = 660_066_001
"""Of the reported set alone."""

EDGES_VERSION = 1
"""Counted up with every change that makes another image."""

EDGES_COUNT = get_preset(EDGES_PRESET).combinations
"""Every family, tone, SNR and blur once."""


def is_reported_set(settings: Mapping[str, object]) -> bool:
    """Tell whether an image, by `preset` and `seed` of its manifest or settings, is of the set."""
    return str(settings.get("preset")) == EDGES_PRESET and str(settings.get("seed")) == str(
        EDGES_SEED
    )
