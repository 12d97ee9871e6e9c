"""Automatic prompts: each candidate's part in each tile is asked for by box and points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage as ndi

from segsem.core.types import FloatImage, LabelArray, MaskArray
from segsem.segmentation.expected import Shape, shapes_in, shapes_of
from segsem.segmentation.prompts import BACKGROUND, FOREGROUND, Prompts
from segsem.segmentation.window import Window, tiles

HALO_FRACTION = 1 / 8
"""Share of a tile on each side that only gives context."""

MIN_PART_PX = 24
"""Of parts with less than this inside a tile's core, the rest is looked at too: a few pixels say
nothing about an edge."""

REACH_PX = 8.0
"""Around candidates that a tile was not asked for it has no say: so far may their edge move."""


NO_SAY = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class Part:
    """One candidate inside one tile.

    Attributes
    ----------
    label : int
        The candidate's number.
    window, core : Window
        The tile, and the rectangle of it in which the answer counts.
    mask : (h, w) bool
        The candidate in the tile, in the window's frame.
    prompts : Prompts
        In the window's frame.
    features : tuple of int
        Of the design, which it stands for; the prompts are those of the design where it is one.
    shapes : tuple of Prompts
        One for each feature, where it is several.
    """

    label: int
    window: Window
    core: Window
    mask: MaskArray
    prompts: Prompts
    features: tuple[int, ...] = ()
    shapes: tuple[Prompts, ...] = ()

    @property
    def inner(self) -> Window:
        """The core in the window's frame."""
        return Window(
            self.core.row0 - self.window.row0,
            self.core.col0 - self.window.col0,
            self.core.row1 - self.window.row0,
            self.core.col1 - self.window.col0,
        )

    @property
    def counted(self) -> MaskArray:
        """(h, w) bool: where evidence counts, the core in the window."""
        if np.count_nonzero(self.inner.crop(self.mask)) < MIN_PART_PX:
            return np.ones(self.mask.shape, dtype=bool)
        counted = np.zeros(self.mask.shape, dtype=bool)
        counted[self.inner.slices] = True
        return counted


@dataclass(frozen=True, slots=True)
class Tile:
    """What is asked for in one tile.

    Attributes
    ----------
    window, core : Window
        The tile, and the rectangle of it that it decides on.
    parts : tuple of Part
        Candidates of which something lies in the core.
    weight : (h, w) float32
        How much the tile's answers count: 1 in the middle, falling to 0 across the overlap with
        its neighbours, whose weights make it up to 1; next to nothing around candidates that it
        was not asked for.
    """

    window: Window
    core: Window
    parts: tuple[Part, ...]
    weight: FloatImage


def parts_by_tile(
    labels: LabelArray, frame_px: int, expected: LabelArray | None = None
) -> Iterator[Tile]:
    """Cut all candidates into tiles of the model's frame, one tile at a time.

    Parameters
    ----------
    labels : (H, W) int32
        Candidates.
    frame_px : int
        Side of the model's frame: tiles are seen at native resolution.
    expected : (H, W) int32, optional
        Features of a registered design.

    Yields
    ------
    Tile
        Without parts where no candidate lies in the core.
    """
    shape, halo = (labels.shape[0], labels.shape[1]), int(frame_px * HALO_FRACTION)
    for window, core in tiles(shape, frame_px, halo):
        features = labels[window.slices] > 0
        design = None if expected is None else expected[window.slices]
        parts = _parts_of(labels, features, window, core, design)
        weight = np.outer(
            _share(window.row0, window.row1, (core.row0, core.row1), shape[0], halo),
            _share(window.col0, window.col1, (core.col0, core.col1), shape[1], halo),
        )
        yield Tile(window, core, parts, _without_say(weight, features, parts))


def count_tiles(shape: tuple[int, ...], frame_px: int) -> int:
    """Return how many tiles `parts_by_tile` gives."""
    return sum(1 for _ in tiles((shape[0], shape[1]), frame_px, int(frame_px * HALO_FRACTION)))


def _parts_of(
    labels: LabelArray,
    features: MaskArray,
    window: Window,
    core: Window,
    design: LabelArray | None,
) -> tuple[Part, ...]:
    tile = labels[window.slices]
    shapes = [] if design is None else shapes_of(design)
    # A candidate may come into a tile in several pieces: SAM2 is asked for each by itself.
    # Labels of touching candidates never meet: candidates are 4-connected components.
    pieces, _ = ndi.label(features)
    parts = []
    for number, box in enumerate(ndi.find_objects(pieces), start=1):
        piece = pieces[box] == number
        if _pixels_in_core(piece, box, window, core) == 0:
            continue
        mask = np.zeros(tile.shape, dtype=bool)
        mask[box] = piece
        label = int(tile[box][piece][0])
        parts.append(_part(label, window, core, mask, features, shapes))
    return tuple(parts)


def _part(
    label: int,
    window: Window,
    core: Window,
    mask: MaskArray,
    features: MaskArray,
    shapes: list[Shape],
) -> Part:
    """Ask with the design's shape where the candidate stands for one, with both for several."""
    own = shapes_in(mask, shapes, features)
    if not own:
        return Part(label, window, core, mask, prompts_for(mask, features))
    drawn = features.copy()
    for shape in shapes:
        drawn |= shape.mask
    asked = tuple(prompts_for(shape.mask, drawn) for shape in own)
    numbers = tuple(shape.feature for shape in own)
    if len(asked) == 1:
        return Part(label, window, core, mask, asked[0], numbers)
    return Part(label, window, core, mask, prompts_for(mask, features), numbers, asked)


def _share(start: int, stop: int, core: tuple[int, int], size: int, halo_px: int) -> FloatImage:
    """Weight of a tile along one axis: a ramp, one halo wide to either side of each cut."""
    at = np.arange(start, stop, dtype=np.float32) + 0.5
    weight = np.ones(stop - start, dtype=np.float32)
    if core[0] > 0:
        weight = np.minimum(weight, (at - (core[0] - halo_px)) / (2 * halo_px))
    if core[1] < size:
        weight = np.minimum(weight, ((core[1] + halo_px) - at) / (2 * halo_px))
    return np.asarray(np.clip(weight, 0.0, 1.0), dtype=np.float32)


def _without_say(weight: FloatImage, features: MaskArray, parts: tuple[Part, ...]) -> FloatImage:
    """Take the weight away around candidates that were not asked for."""
    asked = np.zeros(features.shape, dtype=bool)
    for part in parts:
        asked |= part.mask
    left_out = features & ~asked
    if not left_out.any():
        return weight
    to_left_out = cv2.distanceTransform((~left_out).astype(np.uint8), cv2.DIST_L2, 5)
    near = to_left_out <= REACH_PX
    if asked.any():
        near &= to_left_out < cv2.distanceTransform((~asked).astype(np.uint8), cv2.DIST_L2, 5)
    return np.where(near, weight * NO_SAY, weight)


def _pixels_in_core(
    piece: MaskArray, box: tuple[slice, slice], window: Window, core: Window
) -> int:
    rows = slice(
        max(core.row0 - window.row0 - box[0].start, 0), core.row1 - window.row0 - box[0].start
    )
    cols = slice(
        max(core.col0 - window.col0 - box[1].start, 0), core.col1 - window.col0 - box[1].start
    )
    if rows.stop <= 0 or cols.stop <= 0:
        return 0
    return int(np.count_nonzero(piece[rows, cols]))


def prompts_for(mask: MaskArray, all_features: MaskArray) -> Prompts:
    """Prompt for one piece: its box, up to three points inside, up to two in the gaps beside it.

    Parameters
    ----------
    mask : (h, w) bool
        The piece.
    all_features : (h, w) bool
        All candidates of the tile, so that background points lie in none of them.
    """
    rows, cols = np.nonzero(mask)
    box = (float(rows.min()), float(cols.min()), float(rows.max()), float(cols.max()))
    box = (box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1))
    row0, col0, row1, col1 = (int(v) for v in box)
    window = (slice(row0, row1 + 1), slice(col0, col1 + 1))
    inside = deepest_points(mask[window], 3)
    gaps = deepest_points(~all_features[window], 2)
    points = [(r + row0, c + col0) for r, c in [*inside, *gaps]]
    labels = [FOREGROUND] * len(inside) + [BACKGROUND] * len(gaps)
    return Prompts(tuple(points), tuple(labels), box)


def deepest_points(mask: MaskArray, count: int) -> list[tuple[float, float]]:
    """Points farthest from the outside, each at least its own depth away from the others."""
    if not mask.any():
        return []
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    first = float(depth.max())
    if first < 2.0:
        return [] if count == 2 else [_peak(depth)]
    points: list[tuple[float, float]] = []
    for _ in range(count):
        if depth.max() < 0.5 * first:
            break
        row, col = _peak(depth)
        points.append((row, col))
        reach = 2.0 * float(depth[int(row), int(col)]) + 4.0
        grid_r, grid_c = np.ogrid[: depth.shape[0], : depth.shape[1]]
        depth = np.where((grid_r - row) ** 2 + (grid_c - col) ** 2 <= reach**2, 0.0, depth)
    return points


def _peak(depth: MaskArray) -> tuple[float, float]:
    row, col = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(row), float(col)
