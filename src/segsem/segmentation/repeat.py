"""Find the other instances of an object: the image is compared with the object's own patch.

Normalised cross-correlation [1] finds the places, first at reduced resolution, then natively and
to a part of a pixel. How alike two instances can be at all is limited by noise, so scores are
taken relative to that. Where instances end and the rest begins is read off the scores themselves.

References
----------
.. [1] J. P. Lewis, "Fast normalized cross-correlation", Vision Interface 1995.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.exceptions import InputError
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import FloatImage, MaskArray
from segsem.segmentation.repeat_threshold import LEAST_SCORE, choose_threshold

MARGIN_FRACTION = 0.25
"""Surroundings that belong to the patch, of the object's smaller side."""
LEAST_MARGIN_PX, MOST_MARGIN_PX = 3, 16

COARSE_SIDE_PX = 20
"""The object's smaller side where it is searched for: larger ones are reduced to it."""

SMOOTH_PX = 1.0
"""Gaussian that takes noise out of image and patch alike before they are compared."""

MOST_OVERLAP = 0.15
"""Instances share at most this part of their pixels with each other and with accepted objects."""

LEAST_SIDE_PX = 4
MOST_INSTANCES = 5000
MOST_PEAKS = 20_000

LEAST_COARSE = 0.4
"""Correlation at reduced resolution from which a place is looked at natively."""

LEAST_CONTRAST = 1e-3
"""Standard deviation in grey levels below which a patch shows nothing."""

WORST_BEST = 0.3
"""However much noise there is, this much correlation is asked for."""

MAD_OF_NORMAL = 0.6745
"""Median of the absolute value of a normal variable of unit width."""

LEAST_GAIN, MOST_GAIN = 0.4, 2.5
"""Contrast of an instance relative to the object's: other layers look alike, but fainter."""


T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Turn:
    """A rotation by quarter turns, counter-clockwise, after a mirror of the columns if wanted."""

    quarters: int = 0
    mirrored: bool = False

    def of(self, image: npt.NDArray[T]) -> npt.NDArray[T]:
        """Turn a (h, w) array."""
        return np.ascontiguousarray(
            np.rot90(image[:, ::-1] if self.mirrored else image, self.quarters)
        )

    def __str__(self) -> str:
        return f"{90 * self.quarters}°{', mirrored' if self.mirrored else ''}"


AS_IT_IS = (Turn(),)
ALL_TURNS = tuple(Turn(quarters, mirrored) for mirrored in (False, True) for quarters in range(4))


@dataclass(frozen=True, slots=True)
class Instance:
    """A place that looks like the object.

    Attributes
    ----------
    mask : MaskPatch
        The object's mask, moved there to a part of a pixel.
    score : float
        Correlation with the object's patch relative to what noise allows, at most 1.
    centre_rc : (float, float)
        Middle of the object's box, moved there, in px.
    turn : Turn
        How the object had to be turned.
    """

    mask: MaskPatch
    score: float
    centre_rc: tuple[float, float]
    turn: Turn = Turn()


@dataclass(frozen=True, slots=True)
class Repeats:
    """What was found.

    Attributes
    ----------
    instances : tuple of Instance
        Best first; also those below the threshold.
    threshold : float
        Score that divides the object's kind from the rest.
    """

    instances: tuple[Instance, ...]
    threshold: float


@dataclass(frozen=True, slots=True)
class _Template:
    """The object, turned: its patch with margin, and its mask."""

    patch: FloatImage
    mask: MaskArray
    turn: Turn


@dataclass(frozen=True, slots=True)
class _Peak:
    """Where the box of the (turned) object would begin, to a part of a pixel."""

    row: float
    col: float
    score: float
    template: _Template


def find_repeats(
    grey: npt.NDArray[np.uint8],
    known: MaskPatch,
    taken: MaskArray | None = None,
    turns: tuple[Turn, ...] = AS_IT_IS,
) -> Repeats:
    """Find the other instances of an object.

    Parameters
    ----------
    grey : (H, W) uint8
        Image, data bar cut off.
    known : MaskPatch
        The object.
    taken : (H, W) bool, optional
        Where objects are accepted already.
    turns : tuple of Turn
        How instances may be turned.

    Returns
    -------
    Repeats
        Without the object itself, without instances that the border cuts (unless it cuts the
        object at that side, too) or that overlap accepted ones.

    Raises
    ------
    InputError
        If the object is too small, or not in the image.
    """
    _check(grey, known)
    margin = int(np.clip(MARGIN_FRACTION * min(known.shape), LEAST_MARGIN_PX, MOST_MARGIN_PX))
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTH_PX).astype(np.float32)
    # Objects near the border have no surroundings there: the outermost pixels go on.
    padded = np.pad(smooth, margin, mode="edge")
    (row, col), (height, width) = known.offset_rc, known.shape
    patch = padded[row : row + height + 2 * margin, col : col + width + 2 * margin]
    if float(patch.std()) < LEAST_CONTRAST:
        return Repeats((), 1.0)
    best = _best_possible(grey, patch)
    peaks: list[_Peak] = []
    for turn in turns:
        template = _Template(turn.of(patch), turn.of(known.mask), turn)
        peaks += _peaks(padded, template, best)
    instances = _apart(peaks, known, taken, (grey.shape[0], grey.shape[1]))
    return Repeats(instances, choose_threshold([instance.score for instance in instances]))


def _check(grey: npt.NDArray[np.uint8], known: MaskPatch) -> None:
    (row, col), (height, width) = known.offset_rc, known.shape
    if min(height, width) < LEAST_SIDE_PX:
        msg = f"Expected an object of at least {LEAST_SIDE_PX} px, but got {height} x {width} px"
        raise InputError(msg)
    if row < 0 or col < 0 or row + height > grey.shape[0] or col + width > grey.shape[1]:
        msg = f"Expected an object inside the image of {grey.shape[0]} x {grey.shape[1]} px"
        raise InputError(msg)


def _best_possible(grey: npt.NDArray[np.uint8], patch: FloatImage) -> float:
    """Correlation that two instances reach which differ by nothing but noise."""
    values = grey.astype(np.float32)
    # Differences along both diagonals: edges along the axes and shading fall out of them.
    crossed = (values[:-1, :-1] - values[1:, :-1] - values[:-1, 1:] + values[1:, 1:]) / 2
    variance = float(np.median(np.abs(crossed)) / MAD_OF_NORMAL) ** 2
    left = variance / (4 * np.pi * SMOOTH_PX**2)
    return float(np.clip(1 - left / float(patch.var()), WORST_BEST, 1.0))


def _peaks(padded: FloatImage, template: _Template, best: float) -> Iterator[_Peak]:
    """Find where a patch fits, at reduced resolution first."""
    patch = template.patch
    if patch.shape[0] > padded.shape[0] or patch.shape[1] > padded.shape[1]:
        return
    factor = max(min(template.mask.shape) // COARSE_SIDE_PX, 1)
    image, small = _reduced(padded, factor), _reduced(patch, factor)
    found = cv2.matchTemplate(image, small, cv2.TM_CCOEFF_NORMED)
    reach = [max(side // factor // 3, 1) for side in template.mask.shape]
    near = cv2.dilate(found, np.ones((2 * reach[0] + 1, 2 * reach[1] + 1), np.uint8))
    rows, cols = np.nonzero((found >= near) & (found > LEAST_COARSE * best))
    order = np.argsort(-found[rows, cols], kind="stable")[:MOST_PEAKS]
    slack = factor + 1
    for row, col in (np.stack([rows[order], cols[order]], axis=1) * factor).tolist():
        top, left = max(row - slack, 0), max(col - slack, 0)
        part = padded[top : row + patch.shape[0] + slack, left : col + patch.shape[1] + slack]
        if part.shape[0] < patch.shape[0] or part.shape[1] < patch.shape[1]:
            continue
        peak = _native_peak(part, template, best)
        if peak is not None:
            yield _Peak(top + peak.row, left + peak.col, peak.score, template)


def _native_peak(part: FloatImage, template: _Template, best: float) -> _Peak | None:
    """Best place of a patch in a part of the image; None where it does not fit well enough."""
    patch = template.patch
    found = cv2.matchTemplate(part, patch, cv2.TM_CCOEFF_NORMED)
    row, col = (int(v) for v in np.unravel_index(int(np.argmax(found)), found.shape))
    score = float(found[row, col])
    here = part[row : row + patch.shape[0], col : col + patch.shape[1]]
    gain = score * float(here.std()) / float(patch.std())
    if not LEAST_GAIN < gain < MOST_GAIN or score / best < LEAST_SCORE:
        return None
    part_rows, part_cols = _offset(found[:, col], row), _offset(found[row], col)
    return _Peak(row + part_rows, col + part_cols, min(score / best, 1.0), template)


def _offset(values: FloatImage, at: int) -> float:
    """Sub-pixel position of a maximum beside its pixel, by the parabola through three values."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(values[i]) for i in (at - 1, at, at + 1))
    bend = before - 2 * here + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _reduced(image: FloatImage, factor: int) -> FloatImage:
    if factor == 1:
        return image
    size = (max(image.shape[1] // factor, 1), max(image.shape[0] // factor, 1))
    # Cut to whole cells, so that one cell is exactly `factor` px.
    whole = image[: size[1] * factor, : size[0] * factor]
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _apart(
    peaks: list[_Peak], known: MaskPatch, taken: MaskArray | None, shape: tuple[int, int]
) -> tuple[Instance, ...]:
    """Keep the best of those that overlap, and none on what is taken or cut by the border."""
    occupied = np.zeros(shape, dtype=bool) if taken is None else taken.copy()
    occupied[known.slices] |= known.mask
    allowed = _sides(known, shape)
    kept: list[Instance] = []
    for peak in sorted(peaks, key=lambda peak: -peak.score):
        patch = _placed(peak)
        if patch.is_empty or not _sides(patch, shape) <= allowed:
            continue
        here, mask = occupied[patch.slices], patch.mask
        if np.count_nonzero(here & mask) > MOST_OVERLAP * np.count_nonzero(mask):
            continue
        here |= mask
        height, width = peak.template.mask.shape
        centre = (peak.row + (height - 1) / 2, peak.col + (width - 1) / 2)
        kept.append(Instance(patch, peak.score, centre, peak.template.turn))
        if len(kept) == MOST_INSTANCES:
            break
    return tuple(kept)


def _sides(patch: MaskPatch, shape: tuple[int, int]) -> set[str]:
    """Sides of the image that a mask touches or crosses."""
    (row, col), (height, width) = patch.offset_rc, patch.shape
    touched = {
        "top": row <= 0,
        "left": col <= 0,
        "bottom": row + height >= shape[0],
        "right": col + width >= shape[1],
    }
    return {side for side, is_touched in touched.items() if is_touched}


def _placed(peak: _Peak) -> MaskPatch:
    """The object's mask at a place between pixels: its outline is moved, not its pixels."""
    mask = np.pad(peak.template.mask, 2)
    row, col = int(np.floor(peak.row)), int(np.floor(peak.col))
    part = (peak.row - row, peak.col - col)
    offset = (row - 2, col - 2)
    if part == (0.0, 0.0):
        return MaskPatch.of(mask, offset)
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    moved = ndi.shift(inside - outside, part, order=1, mode="nearest")
    return MaskPatch.of(moved > 0, offset)
