"""Physics that nothing is ever trained on, each a named setting of held-out images.

Every setting changes one thing of an otherwise ordinary image (`generate.generate_image`'s own
edge response, beam and detector) in a way that neither the training crops' look nor a preset
draws. Two have relatives in training, which differ by profile and range: `edge_only` (training
draws rims alone, too, a rim that decays from the edge inwards) and `double_edge` (training draws a
second line inside the rim, never a dark wall nor a second line brighter than the first).
What is ordinary stays within the presets' ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from segsem.core.types import FloatArray
from segsem.synth.detector import Detector, DoseNoise, detect
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.process import Process

Rng: TypeAlias = np.random.Generator
Grey: TypeAlias = npt.NDArray[np.uint8]


_BASE_FIELDS = tuple(EdgeResponse.__dataclass_fields__)


def _same_process(rng: Rng, process: Process) -> Process:
    return process


def _same_yield(rng: Rng, yield_: FloatArray, step: float) -> FloatArray:
    return yield_


def _own_jitter(rng: Rng, process: Process, rows: int) -> FloatArray:
    return np.asarray(process.jitter_px * rng.standard_normal(rows))


@dataclass(frozen=True, slots=True)
class Physics:
    """One setting: what it does at each station between the edge and the screen.

    Attributes
    ----------
    name, what : str
        The name in tables, and a line for people.
    process : callable
        Changes response, beam or detector of a drawn process.
    jitter : callable
        Displacement of each scan line (H,) in px.
    optics : callable
        Changes the mean yield (H, W); is told the yield step between material and background.
    detector : callable
        Turns the mean yield into grey levels.
    """

    name: str
    what: str
    process: Callable[[Rng, Process], Process] = _same_process
    jitter: Callable[[Rng, Process, int], FloatArray] = _own_jitter
    optics: Callable[[Rng, FloatArray, float], FloatArray] = _same_yield
    detector: Callable[[Rng, Detector, FloatArray], Grey] = detect


ORDINARY = Physics("ordinary", "what the presets draw")


@dataclass(frozen=True, slots=True)
class DoubleEdge(EdgeResponse):
    """A sidewall seen from above: a rim at its foot, a dark wall, and a brighter rim at its top.

    The edge, d = 0, is the foot.

    Attributes
    ----------
    wall : float
        What the wall, ``0 < d < top_at_px``, is darker by than the material.
    top, top_px, top_at_px : float
        Height, decay length to both sides, and depth into the material of the second rim.
    """

    wall: float = 0.3
    top: float = 0.8
    top_px: float = 1.5
    top_at_px: float = 5.0

    def at(self, distance_px: FloatArray) -> FloatArray:
        """Yield at signed distances (any shape)."""
        rim = self.top * np.exp(-np.abs(distance_px - self.top_at_px) / self.top_px)
        rim -= np.where(distance_px < self.top_at_px, self.wall, 0.0)
        # Named, since a dataclass with slots has no class cell for `super()`.
        added: FloatArray = np.where(distance_px > 0, rim, 0.0)
        return EdgeResponse.at(self, distance_px) + added

    def integral(self, distance_px: FloatArray) -> FloatArray:
        """Integral of the yield from 0 to each distance, in closed form (any shape)."""
        inside = np.maximum(distance_px, 0.0)
        foot = np.exp(-self.top_at_px / self.top_px)
        before = np.exp((np.minimum(inside, self.top_at_px) - self.top_at_px) / self.top_px) - foot
        after = -np.expm1(-np.maximum(inside - self.top_at_px, 0.0) / self.top_px)
        rim = self.top * self.top_px * (before + after)
        wall = self.wall * np.minimum(inside, self.top_at_px)
        return np.asarray(EdgeResponse.integral(self, distance_px) + rim - wall)

    @property
    def reach_px(self) -> float:
        """Distance beyond which the yield is its plateau within 0.1 %."""
        tail = self.top_at_px + self.top_px * float(np.log(max(self.top, 2e-3) / 1e-3))
        base = EdgeResponse(**{name: getattr(self, name) for name in _BASE_FIELDS})
        return max(base.reach_px, tail + 1.0)


def _double_edge(rng: Rng, process: Process) -> Process:
    old = process.response
    step = old.material - old.background
    fields = {name: getattr(old, name) for name in _BASE_FIELDS}
    foot = rng.uniform(0.3, 0.6) * step
    fields |= {"rim": foot, "rim_px": rng.uniform(0.8, 1.5), "glow": 0.0}
    # A feature that were nothing but two walls would have two right answers.
    depth = min(rng.uniform(3.0, 7.0), 0.22 * process.feature_px)
    response = DoubleEdge(
        **fields,
        wall=float(rng.uniform(0.3, 0.6) * step),
        top=float(rng.uniform(1.6, 2.5) * foot),
        top_px=float(rng.uniform(1.0, 1.8)),
        top_at_px=float(depth),
    )
    return replace(process, response=response)


def _edge_only(rng: Rng, process: Process) -> Process:
    """Draw a rim on the material's side between two plateaus of one grey, half its height at d = 0.

    Training draws such edges as well, by another profile.
    """
    plateau, rim_px = process.response.background, rng.uniform(1.2, 3.0)
    response = DoubleEdge(
        material=plateau,
        background=plateau,
        rim=0.0,
        shadow=0.0,
        wall=0.0,
        top=float(plateau * rng.uniform(0.5, 1.2)),
        top_px=float(rim_px),
        top_at_px=float(rim_px * np.log(2.0)),
    )
    return replace(process, response=response)


def _long_tails(rng: Rng, yield_: FloatArray, step: float) -> FloatArray:
    """Send 30 to 55 % of the beam into an exponential tail of 10 to 30 px."""
    share, length = rng.uniform(0.30, 0.55), rng.uniform(10.0, 30.0)
    reach = int(5 * length)
    radius = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    kernel = np.exp(-radius / length)
    tail = cv2.filter2D(yield_, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray((1 - share) * yield_ + share * tail)


def _vibration(rng: Rng, process: Process, rows: int) -> FloatArray:
    """Displace scan lines by a sine of 1 to 2 px amplitude and 6 to 25 rows, and its harmonic."""
    phase = 2 * np.pi * (np.arange(rows) / rng.uniform(6.0, 25.0) + rng.uniform())
    amplitude = rng.uniform(1.0, 2.0)
    return np.asarray(amplitude * (np.sin(phase) + 0.3 * np.sin(2 * phase + rng.uniform(0, 6))))


def _shadows(rng: Rng, yield_: FloatArray, step: float) -> FloatArray:
    """Dark trails of 60 to 200 px to one side of what is bright, carried on from row to row."""
    charge = np.maximum(yield_ - np.median(yield_), 0.0)
    keep = float(np.exp(-1.0 / rng.uniform(60.0, 200.0)))
    trail = lfilter([0.0, 1 - keep], [1, -keep], charge, axis=1)
    carry = float(np.exp(-1.0 / rng.uniform(2.0, 12.0)))
    trail = lfilter([1 - carry], [1, -carry], trail, axis=0)
    if rng.random() < 0.5:
        charge, trail = charge[:, ::-1], trail[:, ::-1]
    height = rng.uniform(0.6, 1.2) * step / max(float(np.percentile(trail, 95)), 1e-9)
    return np.asarray(np.maximum(yield_ - height * trail, 0.05))


def _low_dose(rng: Rng, detector: Detector, yield_: FloatArray) -> Grey:
    """Count 1.5 to 3 electrons per pixel for the height of an edge over its background."""
    low, top = np.percentile(yield_, [5.0, 99.0])
    electrons = rng.uniform(1.5, 3.0) / float(top - low)
    gain = 180.0 / (top + 2.0 * np.sqrt(top / electrons))
    few = replace(
        detector,
        electrons=float(electrons),
        noise=DoseNoise.POISSON,
        gain=float(gain),
        offset=15.0,
        read_noise=2.0,
    )
    return detect(rng, few, yield_)


def _contamination(rng: Rng, yield_: FloatArray, step: float) -> FloatArray:
    """Lose 40 to 75 % of the contrast, a third of the level and the focus, row by row."""
    rows = np.linspace(0.0, 1.0, len(yield_))[:, None]
    if rng.random() < 0.5:
        rows = rows[::-1]
    soft = cv2.GaussianBlur(yield_, (0, 0), rng.uniform(2.0, 3.5))
    image = (1 - rows) * yield_ + rows * soft
    level = float(np.median(image))
    contrast = 1 - rng.uniform(0.40, 0.75) * rows
    return np.asarray(level * (1 - rng.uniform(0.15, 0.35) * rows) + contrast * (image - level))


def _interlaced(rng: Rng, detector: Detector, yield_: FloatArray) -> Grey:
    """Read odd rows 1 to 2 px beside the even ones at another level, then average rows by two."""
    image = yield_.copy()
    shift = rng.uniform(1.0, 2.0) * rng.choice([-1.0, 1.0])
    columns = np.arange(image.shape[1], dtype=np.float64)
    for row in range(1, len(image), 2):
        image[row] = np.interp(columns - shift, columns, yield_[row])
    image[1::2] *= rng.uniform(0.9, 1.1)
    grey = detect(rng, detector, image).astype(np.float64)
    averaged = 0.5 * (grey + np.roll(grey, 1, axis=0))
    averaged[0] = grey[0]
    return np.asarray(np.rint(averaged), dtype=np.uint8)


def _crushed(rng: Rng, detector: Detector, yield_: FloatArray) -> Grey:
    """Clip 3 to 10 % at both ends, apply a gamma of 0.35-0.5 or 2.2-3, keep 8 to 12 levels."""
    grey = detect(rng, detector, yield_).astype(np.float64)
    tail = rng.uniform(3.0, 10.0)
    low, high = np.percentile(grey, [tail, 100 - tail])
    unit = np.clip((grey - low) / max(float(high - low), 1.0), 0, 1)
    gamma = rng.uniform(0.35, 0.5) if rng.random() < 0.5 else rng.uniform(2.2, 3.0)
    levels = int(rng.integers(8, 13)) - 1
    return np.asarray(np.rint(np.rint(unit**gamma * levels) * (255 / levels)), dtype=np.uint8)


SETTINGS: tuple[Physics, ...] = (
    Physics("long_tails", "30-55 % of the beam in a tail of 10-30 px", optics=_long_tails),
    Physics("vibration", "lines displaced by a sine of 1-2 px", jitter=_vibration),
    Physics("shadows", "one-sided charging trails of 60-200 px", optics=_shadows),
    Physics("low_dose", "1.5-3 electrons per pixel from dark to bright", detector=_low_dose),
    Physics("contamination", "contrast, level and focus lost over the rows", optics=_contamination),
    Physics(
        "double_edge", "foot, dark wall of 3-7 px, brighter rim at its top", process=_double_edge
    ),
    Physics("interlaced", "odd rows 1-2 px beside the even ones, averaged", detector=_interlaced),
    Physics("crushed", "gamma of 0.35-0.5 or 2.2-3, clipped, 8-12 levels", detector=_crushed),
    Physics("edge_only", "rims alone, between two plateaus of one grey", process=_edge_only),
)
