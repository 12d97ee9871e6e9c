"""Coarse registration: the label image is slid over the design, everywhere at once, by FFT.

Correlation is normalised by what image and design cover in common at each position (Padfield,
IEEE Trans. Image Process. 21, 2706, 2012), so that neither the image's border nor the clip's
counts as an edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft
from scipy import ndimage as ndi

from segsem.core.coordinates import rc_to_nm
from segsem.core.types import FloatArray, FloatImage, MaskArray, PixelSize
from segsem.layout.design import Design
from segsem.layout.raster import design_coverage

MOST_PX = 2048
"""Largest grid along the longer side."""

PIXELS_PER_WIDTH = 3.0
"""Finer grids than this share of the features' width tell a coarse position no better."""

KNOWN_MARGIN = 0.05
"""Around the design's bounding box, this share of the field is taken for empty."""

LEAST_OVERLAP = 0.25
"""Of the smaller of image and design; positions that have less in common are not looked at."""

MOST_PEAKS = 4096
"""Of one angle; arrays of contacts have one for each contact."""

TIE = 0.98
"""Positions within it of the best score: the one nearest to the expected place is taken."""

NEAR_SHARE = 0.5
"""Of the field's diagonal: so far may an image lie from where it is expected."""

RIVAL_OVERLAP = 0.6
"""A rival counts if it has at least this share of the best position's overlap."""


@dataclass(frozen=True, slots=True)
class Field:
    """What of the image is compared.

    Attributes
    ----------
    mask : (h, w) bool
        Features, valid rows only.
    pixel_size_nm : (float, float)
        (y, x).
    """

    mask: MaskArray
    pixel_size_nm: PixelSize

    @property
    def size_nm(self) -> tuple[float, float]:
        """(x, y) extent."""
        height, width = self.mask.shape
        return width * self.pixel_size_nm[1], height * self.pixel_size_nm[0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One position of the field's centre in the design."""

    position_nm: tuple[float, float]
    rotation_deg: float
    score: float
    overlap: float

    @property
    def weight(self) -> float:
        """Score, less where little of image and design was compared."""
        return self.score * float(np.sqrt(self.overlap))


@dataclass(frozen=True, slots=True)
class Coarse:
    """The best position, and the best other one."""

    best: Candidate
    second: Candidate | None


def find_coarse(
    design: Design,
    field: Field,
    angles_deg: Sequence[float],
    width_nm: float,
    *,
    near_nm: tuple[float, float] | None = None,
) -> Coarse | None:
    """Find where in the design the image lies.

    Parameters
    ----------
    design : Design
        The design.
    field : Field
        The image's features.
    angles_deg : sequence of float
        Rotations to try, counter-clockwise, image onto design.
    width_nm : float
        Typical width of the features: the grid is as coarse as they allow.
    near_nm : (float, float), optional
        Where the centre of the field is expected: positions farther off than half of the field's
        diagonal count only where there are no others. Of those that fit equally well the nearest
        is taken; without it, the nearest to the centre of the design.

    Returns
    -------
    Coarse or None
        None where nothing can be compared (an image or a design without any edge).
    """
    grid = _Grid(design, field, width_nm)
    found: list[Candidate] = []
    for angle in angles_deg:
        found += grid.candidates(field, float(angle))
    if near_nm is not None:
        reach = NEAR_SHARE * float(np.hypot(*field.size_nm))
        found = [c for c in found if _distance(c.position_nm, near_nm) <= reach] or found
    if not found:
        return None
    x_min, y_min, x_max, y_max = design.bounds_nm
    expected = near_nm or ((x_min + x_max) / 2, (y_min + y_max) / 2)
    top = max(found, key=lambda candidate: candidate.weight)
    rivals = [c for c in found if c.overlap >= RIVAL_OVERLAP * top.overlap]
    ties = [c for c in rivals if c.weight >= TIE * top.weight]
    best = min(ties, key=lambda c: _distance(c.position_nm, expected))
    others = [c for c in rivals if not grid.same_peak(best, c)]
    return Coarse(best, max(others, key=lambda c: c.score) if others else None)


class _Grid:
    """The design in pixels, transformed once for all angles."""

    def __init__(self, design: Design, field: Field, width_nm: float) -> None:
        width, height = field.size_nm
        x_min, y_min, x_max, y_max = design.bounds_nm
        margin = KNOWN_MARGIN * min(width, height)
        extent = max(x_max - x_min + 2 * margin, y_max - y_min + 2 * margin, width, height)
        wanted = max(*field.pixel_size_nm, width_nm / PIXELS_PER_WIDTH)
        self.pitch_nm = max(min(wanted, min(width, height) / 64), extent / MOST_PX)
        self.corner_nm = (x_min - margin, y_min - margin)
        self.shape = (
            int(np.ceil((y_max - y_min + 2 * margin) / self.pitch_nm)),
            int(np.ceil((x_max - x_min + 2 * margin) / self.pitch_nm)),
        )
        self.template_shape = (
            max(2, round(height / self.pitch_nm)),
            max(2, round(width / self.pitch_nm)),
        )
        # Turned templates need room for their corners.
        side = int(np.ceil(np.hypot(*self.template_shape))) + 2
        self.side = side
        self.fft_shape = tuple(fft.next_fast_len(n + side - 1, real=True) for n in self.shape)
        coverage = design_coverage(design, self.corner_nm, self.shape, self.pitch_nm)
        self._known = np.ones(self.shape, dtype=np.float32)
        self._spectra = [self._forward(image) for image in (coverage, self._known, coverage**2)]

    def candidates(self, field: Field, angle_deg: float) -> list[Candidate]:
        """Local maxima of the correlation at one angle."""
        template, seen = self._template(field, angle_deg)
        score, overlap = self._correlate(template, seen)
        smaller = min(float(seen.sum()), float(self._known.size))
        share = overlap / smaller
        score[share < LEAST_OVERLAP] = -1.0
        peak = (score == ndi.maximum_filter(score, size=7)) & (score > 0.0)
        rows, cols = np.nonzero(peak)
        order = np.argsort(-score[rows, cols] * np.sqrt(share[rows, cols]))[:MOST_PEAKS]
        centre = (self.side - 1) / 2
        return [
            Candidate(
                self._position(row - (self.side - 1) + centre, col - (self.side - 1) + centre),
                angle_deg,
                float(score[row, col]),
                float(min(1.0, share[row, col])),
            )
            for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True)
        ]

    def same_peak(self, a: Candidate, b: Candidate) -> bool:
        """Tell whether two candidates are one peak, seen at neighbouring angles or pixels."""
        turn = abs((a.rotation_deg - b.rotation_deg + 180.0) % 360.0 - 180.0)
        return turn < 45.0 and _distance(a.position_nm, b.position_nm) < 6 * self.pitch_nm

    def _position(self, row: float, col: float) -> tuple[float, float]:
        pitch = (self.pitch_nm, self.pitch_nm)
        x, y = rc_to_nm(np.array([row, col]), self.shape[0], pitch) + np.asarray(self.corner_nm)
        return float(x), float(y)

    def _template(self, field: Field, angle_deg: float) -> tuple[FloatImage, FloatImage]:
        height, width = self.template_shape
        small = cv2.resize(
            field.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
        )
        # A positive angle of OpenCV turns counter-clockwise as seen, which is ours with y up.
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1.0)
        turn[:, 2] += (self.side - 1) / 2 - np.array([(width - 1) / 2, (height - 1) / 2])
        size = (self.side, self.side)
        seen = cv2.warpAffine(np.ones_like(small), turn, size, flags=cv2.INTER_LINEAR)
        seen = (seen > 0.999).astype(np.float32)
        return cv2.warpAffine(small, turn, size, flags=cv2.INTER_LINEAR) * seen, seen

    def _correlate(self, template: FloatImage, seen: FloatImage) -> tuple[FloatArray, FloatArray]:
        image, known, squared = self._spectra
        turned = [self._forward(part[::-1, ::-1]) for part in (template, seen, template**2)]
        value, weight, square = turned
        overlap = np.maximum(self._back(known * weight), 1.0)
        of_image, of_template = self._back(image * weight), self._back(known * value)
        product = self._back(image * value) - of_image * of_template / overlap
        spread_image = self._back(squared * weight) - of_image**2 / overlap
        spread_template = self._back(known * square) - of_template**2 / overlap
        # Below a hundredth of the full contrast there is nothing but rounding to compare.
        floor = 0.01 * overlap
        flat = (spread_image < floor) | (spread_template < floor)
        score = np.zeros_like(product)
        np.divide(
            product,
            np.sqrt(np.maximum(spread_image, floor) * np.maximum(spread_template, floor)),
            out=score,
            where=~flat,
        )
        return score, overlap

    def _forward(self, image: FloatImage) -> np.ndarray[tuple[int, ...], np.dtype[np.complex128]]:
        return np.asarray(fft.rfft2(image.astype(np.float64), self.fft_shape))

    def _back(self, spectrum: np.ndarray[tuple[int, ...], np.dtype[np.complex128]]) -> FloatArray:
        full = tuple(n + self.side - 1 for n in self.shape)
        return np.asarray(fft.irfft2(spectrum, self.fft_shape)[: full[0], : full[1]])


def turns(quarter_turns: bool, span_deg: float, step_deg: float) -> Iterator[float]:
    """List the angles to try: small ones about 0, and about quarter turns where asked for."""
    small = np.arange(-round(span_deg / step_deg), round(span_deg / step_deg) + 1) * step_deg
    for quarter in (0.0, 90.0, 180.0, 270.0) if quarter_turns else (0.0,):
        yield from (quarter + small).tolist()


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
