"""Held-out images: other seeds, families and physics than anything is ever trained on.

A set is named, versioned and drawn from seeds of its own: image `index` of a set is always the
same image. Nothing in training may import this module or `families.heldout`; a test holds it to
that. What is drawn here is judged with, never tuned on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import UsageError
from segsem.core.types import FloatArray, LabelArray, MaskArray
from segsem.synth.curves import Curve, curves_of, drifted
from segsem.synth.families.heldout.cells import cell_array
from segsem.synth.families.heldout.combs import comb_serpentine
from segsem.synth.families.heldout.honeycombs import honeycomb
from segsem.synth.families.heldout.marks import marks
from segsem.synth.families.heldout.photonics import photonic
from segsem.synth.families.heldout.rings import rings
from segsem.synth.families.heldout.spirals import spirals
from segsem.synth.families.pattern import Pattern, PatternRequest, count_flaws
from segsem.synth.generate import FAMILIES, FamilyFunction, generate_image
from segsem.synth.heldout_physics import ORDINARY, SETTINGS, Physics
from segsem.synth.presets import Preset
from segsem.synth.process import Process, draw_process
from segsem.synth.render import render_yield, signed_distance
from segsem.synth.roughness import roughen
from segsem.synth.truth import truth_of

HELDOUT_VERSION = 1
"""Counted up with every change that makes another image."""

HELDOUT_SEED = 770_077_001
MIN_AREA_PX2 = 64
MIN_DEPTH_PX = 3.0
"""An object's deepest pixel lies this far inside: objects are at least 6 px wide there."""

OBJECTS_PER_IMAGE = 12

HELDOUT_FAMILIES: dict[str, FamilyFunction] = {
    "comb_serpentine": comb_serpentine,
    "rings": rings,
    "honeycomb": honeycomb,
    "cell_array": cell_array,
    "photonic": photonic,
    "marks": marks,
    "spirals": spirals,
}

_SIDES_PX = (384, 384, 384, 512)
_PRESET = Preset("heldout", feature_px=(8.0, 48.0), edge_snr=(2.5, 20.0))
_FEATURE_PX = {"free_form": (18.0, 48.0)}
"""Finer free-form shapes take ten seconds each to cut their necks."""

_REDRAWS = 5
_MIN_CURVE_AREA_PX2 = 12.0


class Group(StrEnum):
    """What a set differs in from training."""

    SEEDS = "seeds"
    FAMILIES = "families"
    PHYSICS = "physics"


@dataclass(frozen=True, slots=True)
class HeldoutSet:
    """A named sequence of images.

    Attributes
    ----------
    name : str
        A family, or a physics setting.
    group : Group
    families : tuple of str
        Taken in rotation.
    physics : Physics
    """

    name: str
    group: Group
    families: tuple[str, ...]
    physics: Physics = ORDINARY


SETS: tuple[HeldoutSet, ...] = (
    *(HeldoutSet(name, Group.SEEDS, (name,)) for name in FAMILIES),
    *(HeldoutSet(name, Group.FAMILIES, (name,)) for name in HELDOUT_FAMILIES),
    *(HeldoutSet(physics.name, Group.PHYSICS, tuple(FAMILIES), physics) for physics in SETTINGS),
)


@dataclass(frozen=True, slots=True)
class HeldoutImage:
    """An image with its exact labels, and where it belongs in a table.

    Attributes
    ----------
    image : (H, W) uint8
    labels : (H, W) int32
        A pixel belongs to a region where its centre lies inside the exact curve.
    set_name, group, family, tone, physics : str
    index : int
        Number in its set.
    edge_snr : float
        See `Preset.edge_snr`; of the ordinary process, so without meaning under other physics.
    """

    image: npt.NDArray[np.uint8]
    labels: LabelArray
    set_name: str
    group: Group
    family: str
    tone: str
    physics: str
    index: int
    edge_snr: float

    def objects(self) -> Iterator[tuple[int, MaskArray]]:
        """Up to `OBJECTS_PER_IMAGE` objects (label, (H, W) bool), drawn without looking at size.

        Objects have `MIN_AREA_PX2` or more, and somewhere a depth of `MIN_DEPTH_PX`; the border
        may cut them.
        """
        order = np.random.default_rng([HELDOUT_SEED, seed_of(self.set_name), self.index, 1])
        found = 0
        for label in order.permutation(np.unique(self.labels[self.labels > 0])):
            mask = np.asarray(self.labels == label)
            if mask.sum() >= MIN_AREA_PX2 and _depth(mask) >= MIN_DEPTH_PX:
                yield int(label), mask
                found += 1
            if found == OBJECTS_PER_IMAGE:
                return


def get_set(name: str) -> HeldoutSet:
    """Look a set up.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    for candidate in SETS:
        if candidate.name == name:
            return candidate
    msg = f"Expected a set out of {', '.join(s.name for s in SETS)}, but got {name!r}"
    raise UsageError(msg)


def draw_heldout(chosen: HeldoutSet, index: int) -> HeldoutImage:
    """Draw image `index` of a set; families and tones rotate with it.

    Parameters
    ----------
    chosen : HeldoutSet
    index : int

    Returns
    -------
    HeldoutImage
        384 px a side, every fourth pair 512.
    """
    # Tones rotate image by image, so sizes go by pairs of images.
    side = _SIDES_PX[index // 2 % len(_SIDES_PX)]
    family = chosen.families[index % len(chosen.families)]
    feature_px = _FEATURE_PX.get(family, _PRESET.feature_px)
    preset = replace(_PRESET, shape=(side, side), families=chosen.families, feature_px=feature_px)
    number = seed_of(chosen.name)
    if chosen.group is Group.SEEDS:
        made = generate_image(HELDOUT_SEED + number, preset, index)
        image, labels, tone, snr = made.image, made.labels, made.tone, made.edge_snr
    else:
        rng = np.random.default_rng([HELDOUT_SEED, number, index])
        # With an odd number of families each of them meets both tones by itself.
        tone = preset.tones[index % 2]
        process = chosen.physics.process(rng, draw_process(rng, preset))
        curves = _edges(rng, _pattern(rng, family, process, preset), process, preset.shape)
        _, labels = truth_of(curves, signed_distance(curves, preset.shape))
        image = _photograph(rng, curves, process, chosen.physics, preset.shape, tone)
        snr = process.edge_snr
    return HeldoutImage(
        image, labels, chosen.name, chosen.group, family, tone, chosen.physics.name, index, snr
    )


def seed_of(set_name: str) -> int:
    """Seed of a set, from its name: a set more changes no other one."""
    return int.from_bytes(set_name.encode()[:6], "big") % 1_000_003


def _depth(mask: MaskArray) -> float:
    padded = np.pad(mask.astype(np.uint8), 1)
    return float(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max())


def _pattern(rng: np.random.Generator, family: str, process: Process, preset: Preset) -> Pattern:
    request = PatternRequest(
        preset.shape, process.feature_px, process.space_ratio, process.corner_px
    )
    draw = {**FAMILIES, **HELDOUT_FAMILIES}[family]
    drawn = []
    for _ in range(_REDRAWS):
        pattern = draw(rng, request)
        drawn.append((count_flaws(pattern, preset.shape), pattern))
        if drawn[-1][0] == 0:
            break
    return min(drawn, key=lambda pair: pair[0])[1]


def _edges(
    rng: np.random.Generator, pattern: Pattern, process: Process, shape: tuple[int, int]
) -> list[Curve]:
    kept = [polygon for polygon in pattern.printed if polygon.area > _MIN_CURVE_AREA_PX2]
    rough = [roughen(rng, curve, process.roughness) for curve in curves_of(kept)]
    return [drifted(curve, shape[0], process.drift_rc_px) for curve in rough]


def _photograph(
    rng: np.random.Generator,
    curves: list[Curve],
    process: Process,
    physics: Physics,
    shape: tuple[int, int],
    tone: str,
) -> npt.NDArray[np.uint8]:
    yield_ = render_yield(
        curves,
        shape,
        process.response,
        process.beam,
        feature_is_material=tone == "bright",
        texture=_surface(rng, process, shape),
        jitter_px=physics.jitter(rng, process, shape[0]),
    )
    step = abs(process.response.material - process.response.background)
    return physics.detector(rng, process.detector, physics.optics(rng, yield_, step))


def _surface(rng: np.random.Generator, process: Process, shape: tuple[int, int]) -> FloatArray:
    """Grain and a slow gradient, as factor on the yield."""
    grain = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), process.texture_px / 3)
    row, col = np.meshgrid(*[np.linspace(-1, 1, size) for size in shape], indexing="ij")
    slope = rng.uniform(-1, 1, 2)
    plane = process.gradient * (slope[0] * row + slope[1] * col) / 2
    return np.asarray((1 + process.texture * grain / grain.std()) * (1 + plane), dtype=np.float64)
