"""Random shapes for training crops: signed distances of lines, metal, arrays and blobs."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.uint8]
Field = NDArray[np.float32]
Points = NDArray[np.float64]

MARGIN_PX = 8
"""Drawn beyond the crop on each side, so that distances and blurs know no border."""

_OVERSAMPLING = 2
_FIXED_POINT_BITS = 4
_MIN_SIZE_PX, _MAX_SIZE_PX = 5.0, 120.0


def smooth_noise(rng: np.random.Generator, side: int, scale_px: float) -> Field:
    """Isotropic band-limited noise of zero mean and unit standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    side : int
        Side of the square field in px.
    scale_px : float
        Standard deviation of the smoothing Gaussian in px.

    Returns
    -------
    (side, side) float32 array
    """
    # A coarse grid with two samples per sigma holds all there is, and costs far less.
    step = max(1.0, scale_px / 2.0)
    sigma = scale_px / step
    border = int(np.ceil(3 * sigma))
    n = int(np.ceil(side / step)) + 2
    white = rng.standard_normal((n + 2 * border, n + 2 * border), dtype=np.float32)
    coarse = cv2.GaussianBlur(white, (0, 0), max(sigma, 0.3))[border:-border, border:-border]
    shift = rng.uniform(0.0, 1.0, 2)
    matrix = np.array([[1 / step, 0, shift[0]], [0, 1 / step, shift[1]]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(coarse, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)
    out: Field = ((fine - fine.mean()) / (fine.std() + 1e-6)).astype(np.float32)
    return out


class _Sheet:
    """A canvas drawn on in a rotated frame whose origin is the crop's centre, in px."""

    def __init__(self, rng: np.random.Generator, side: int) -> None:
        self.side = side
        self.canvas: Canvas = np.zeros((side * _OVERSAMPLING,) * 2, np.uint8)
        turned = rng.random() < 0.35
        angle = rng.uniform(0, np.pi) if turned else rng.integers(2) * np.pi / 2
        angle += rng.normal(0, 0.01)
        self.angle = float(angle)
        self.reach = side * (0.72 if turned else 0.52)
        cos, sin = np.cos(angle), np.sin(angle)
        self._matrix = np.array([[cos, sin], [-sin, cos]])

    def fill(self, points: Points, value: int = 255) -> None:
        """Fill a polygon, points (N, 2) as (x, y)."""
        placed = (points @ self._matrix + self.side / 2) * _OVERSAMPLING
        fixed = np.round(placed * (1 << _FIXED_POINT_BITS)).astype(np.int32)
        cv2.fillPoly(self.canvas, [fixed], value, cv2.LINE_AA, _FIXED_POINT_BITS)

    def band(self, path: Points, width: float) -> None:
        """Draw a band along a path (N, 2) of (x, y), round at its ends."""
        placed = (path @ self._matrix + self.side / 2) * _OVERSAMPLING
        fixed = np.round(placed * (1 << _FIXED_POINT_BITS)).astype(np.int32)
        thick = max(1, round(width * _OVERSAMPLING))
        cv2.polylines(self.canvas, [fixed], False, 255, thick, cv2.LINE_AA, _FIXED_POINT_BITS)

    def box(self, x0: float, y0: float, x1: float, y1: float, value: int = 255) -> None:
        """Fill an upright box of the rotated frame."""
        self.fill(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64), value)


def _size(rng: np.random.Generator, side: int, largest: float = 0.5) -> float:
    high = min(_MAX_SIZE_PX, largest * side)
    return float(np.exp(rng.uniform(np.log(_MIN_SIZE_PX), np.log(max(high, _MIN_SIZE_PX + 1)))))


def _lines(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Lines and spaces, at times with line ends that meet a gap, a bar or nothing."""
    width = _size(rng, sheet.side, 0.4)
    pitch = width + max(4.0, width * rng.uniform(0.5, 2.5))
    ends = rng.random() < 0.4
    end, jitter = rng.uniform(-0.4, 0.4) * sheet.side, rng.uniform(0, width)
    gap = rng.uniform(0.8, 4.0) * width
    tail = rng.choice(["none", "gap", "bar"])
    reach = sheet.reach
    for x in np.arange(-reach - rng.uniform(0, pitch), reach, pitch):
        stop = end + rng.normal(0, 0.3) * jitter if ends else reach
        sheet.box(x, -reach, x + width, stop)
        if ends and tail == "gap":
            sheet.box(x, stop + gap, x + width, reach)
    if ends and tail == "bar":
        sheet.box(-reach, end, reach, end + width * rng.uniform(1.0, 6.0))
    return width


def _metal(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Rectilinear wires on tracks: ends, bends, T joints, and now and then a pad."""
    width = _size(rng, sheet.side, 0.2)
    pitch = width + max(4.0, width * rng.uniform(0.6, 2.0))
    reach = int(sheet.reach / pitch) + 1
    half = width / 2
    offset = rng.uniform(0, pitch, 2)
    for _ in range(int(rng.uniform(0.3, 1.0) * (2 * reach + 1)) + 2):
        at = rng.integers(-reach, reach + 1, 2).astype(np.float64)
        axis = int(rng.random() < 0.25)
        for _ in range(int(rng.integers(1, 4))):
            to = at.copy()
            to[axis] += rng.choice([-1, 1]) * rng.integers(2, max(4, reach + 2))
            low = np.minimum(at, to) * pitch + offset - half
            high = np.maximum(at, to) * pitch + offset + half
            sheet.box(low[0], low[1], high[0], high[1])
            at, axis = to, 1 - axis
    if rng.random() < 0.3:
        corner = rng.uniform(-0.5, 0.3, 2) * sheet.side
        extent = rng.uniform(2, 6, 2) * width
        sheet.box(corner[0], corner[1], corner[0] + extent[0], corner[1] + extent[1])
    return width


def _superellipse(rx: float, ry: float, power: float) -> Points:
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    cos, sin = np.cos(t), np.sin(t)
    x = rx * np.sign(cos) * np.abs(cos) ** (2 / power)
    y = ry * np.sign(sin) * np.abs(sin) ** (2 / power)
    return np.stack([x, y], axis=1)


def _array(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Contacts or pillars: discs, ellipses, rounded squares; square or staggered."""
    width = _size(rng, sheet.side)
    aspect = rng.uniform(1.0, 2.2) if rng.random() < 0.35 else 1.0
    power = float(rng.choice([2.0, 2.0, 3.0, 5.0, 12.0]))
    px = width + max(4.0, width * rng.uniform(0.3, 2.0))
    py = width * aspect + max(4.0, width * rng.uniform(0.3, 2.0))
    stagger = 0.5 if rng.random() < 0.35 else 0.0
    missing = rng.choice([0.0, 0.0, 0.1, 0.5])
    spread, wander = rng.choice([0.0, 0.03, 0.12]), rng.choice([0.0, 0.02, 0.08]) * width
    origin = rng.uniform(0, 1, 2)
    nx, ny = int(sheet.reach / px) + 1, int(sheet.reach / py) + 1
    for j in range(-ny, ny + 1):
        for i in range(-nx, nx + 1):
            if rng.random() < missing:
                continue
            scale = width / 2 * np.exp(rng.normal(0, 1) * spread)
            centre = np.array([(i + origin[0] + stagger * (j % 2)) * px, (j + origin[1]) * py])
            outline = _superellipse(scale, scale * aspect, power)
            sheet.fill(outline + centre + rng.normal(0, 1, 2) * wander)
    return width


def _blobs(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Free-form islands to percolating networks: noise cut at a level."""
    width = max(_size(rng, sheet.side), 8.0)
    half = sheet.side  # drawn at half the canvas resolution: the noise is smooth
    noise = smooth_noise(rng, half, width / 2)
    if rng.random() < 0.4:
        noise = noise + rng.uniform(0.1, 0.5) * smooth_noise(rng, half, width / 4)
    level = float(np.quantile(noise, rng.uniform(0.25, 0.75)))
    if rng.random() < 0.15:
        noise, level = -np.abs(noise), -float(rng.uniform(0.3, 0.6))
    fine = cv2.resize(noise, sheet.canvas.shape, interpolation=cv2.INTER_CUBIC)
    sheet.canvas[fine > level] = 255
    return width / 2


def _strokes(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Bands along smooth wandering curves, at times with ends, at times crossing."""
    width = _size(rng, sheet.side, 0.25)
    for _ in range(int(rng.integers(1, 7))):
        count = int(rng.integers(12, 48))
        step = max(1.0, 1.6 * sheet.side / count)
        turns = rng.normal(0, rng.uniform(0.02, 0.35), count)
        turns = np.convolve(turns, np.ones(5) / 5, mode="same") * min(1.0, step / width * 2)
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * step, axis=0)
        path += rng.uniform(-0.5, 0.5, 2) * sheet.side - path[count // 2]
        sheet.band(path, width * float(np.exp(rng.normal(0, 0.1))))
    return width


def _polygons(rng: np.random.Generator, sheet: _Sheet) -> float:
    """Unlike polygons with blunt and sharp corners, at times with a hole or merged."""
    width = _size(rng, sheet.side)
    pitch = width * rng.uniform(1.2, 2.5) + 4.0
    count = int(sheet.side / pitch) + 2
    rectilinear = rng.random() < 0.5
    for j in range(-count // 2, count // 2 + 1):
        for i in range(-count // 2, count // 2 + 1):
            if rng.random() < 0.25:
                continue
            centre = (np.array([i, j]) + rng.uniform(-0.3, 0.3, 2)) * pitch
            outline = _stairs(rng) if rectilinear else _star(rng)
            sheet.fill(centre + outline * width / 2)
            if rng.random() < 0.15 and width > 20:
                sheet.fill(centre + outline * width * rng.uniform(0.15, 0.3), 0)
    return width


def _stairs(rng: np.random.Generator) -> Points:
    """An L, T, U or step of a unit square."""
    a, b = np.sort(rng.uniform(-0.8, 0.8, 2))
    c, d = rng.uniform(-0.6, 0.6, 2)
    points = [(-1, -1), (1, -1), (1, c), (b, c), (b, 1), (a, 1), (a, d), (-1, d)]
    outline: Points = np.array(points, np.float64) * np.array([1.0, rng.choice([-1.0, 1.0])])
    return outline


def _star(rng: np.random.Generator) -> Points:
    corners = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, corners, endpoint=False))
    radii = rng.uniform(0.5, 1.4, corners)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


_FAMILIES: tuple[tuple[Callable[[np.random.Generator, _Sheet], float], float], ...] = (
    (_lines, 0.22),
    (_metal, 0.22),
    (_array, 0.21),
    (_blobs, 0.19),
    (_strokes, 0.08),
    (_polygons, 0.08),
)


def _distance(inside: NDArray[np.uint8]) -> Field:
    deep = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    far = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    # The transforms run between pixel centres: the edge lies half a pixel before the other side.
    signed = np.where(inside > 0, deep - 0.5, 0.5 - far).astype(np.float32)
    side = inside.shape[0] // _OVERSAMPLING
    small = cv2.resize(signed, (side, side), interpolation=cv2.INTER_AREA)
    out: Field = cv2.GaussianBlur(small, (0, 0), 0.5) / np.float32(_OVERSAMPLING)
    return out


def random_distance(rng: np.random.Generator, side: int) -> Field:
    """Signed distance to the edges of one random pattern, positive inside its features.

    Parameters
    ----------
    rng : numpy.random.Generator
    side : int
        Side of the square field in px.

    Returns
    -------
    (side, side) float32 array
        In px; near the edges a distance to a tenth of a pixel, roughness included.
    """
    sheet = _Sheet(rng, side)
    pick = rng.choice(len(_FAMILIES), p=[share for _, share in _FAMILIES])
    width = _FAMILIES[int(pick)][0](rng, sheet)
    radius = rng.uniform(0.03, 0.4) * width * _OVERSAMPLING
    rounded = cv2.GaussianBlur(sheet.canvas, (0, 0), min(max(radius, 0.5), 20.0))
    distance = _distance((rounded > 127).astype(np.uint8))
    if rng.random() < 0.7:
        amplitude = min(rng.uniform(0.1, 1.5) ** 2 + 0.1, width / 10)
        rough = smooth_noise(rng, side, float(np.exp(rng.uniform(np.log(1.5), np.log(30)))))
        distance = distance + np.float32(amplitude) * rough
    return distance
