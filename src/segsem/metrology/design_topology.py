"""Which features of the design are missing, broken or bridged, and what is there besides.

A region stands for a feature where it holds some of the feature's core, the part of it that lies
farther than half-way from its edge to its middle line. So edges may be printed anywhere (lines too
thin, contacts too large, corners round) without a feature counting as missing, and what only
touches its rim (a flake) never counts as the feature. The other way round, what of a region lies
farther from all features than that is extra, be it a region of its own or part of one: flakes
often touch a feature.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage as ndi
from skimage.measure import label as label_pieces

from segsem.core.contour import ReviewStatus
from segsem.core.types import FloatArray, FloatImage, LabelArray, PointsXY
from segsem.layout.design import Design
from segsem.layout.raster import design_labels
from segsem.layout.registration import Registration
from segsem.metrics.polyline import IntArray
from segsem.metrology.measured import MeasuredImage

CORE_DEPTH = 0.5
"""The core begins at this share of the way to a feature's middle."""

CORE_SHARE = 0.1
"""A region holds a feature from this share of its core on, or of a disc as wide as the core of
features of usual width, whichever is less: a long feature may be held by a piece."""

MOSTLY = 0.5
BORDER_PX = 4.0
VISIBLE_EDGE_PX = 24.0
"""Features that the border cuts are not looked for where less of their edge than this lies more
than 4 px inside: extraction leaves such slivers out."""

SPREADS = 4.0
"""Material farther outside than the mean and this many sigma of this image's edges is extra."""

Numbers: TypeAlias = tuple[int, ...]


class Fault(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    EXTRA = "extra"
    BROKEN = "broken"
    BRIDGED = "bridged"


@dataclass(frozen=True, slots=True)
class TopologyFault:
    """One fault.

    Attributes
    ----------
    fault : Fault
        `missing` and `broken` name a feature of the design, `extra` and `bridged` a region of
        the image; a region has one `bridged` for each bridge.
    number : int
        Feature (from 1, in the design's order) or region id.
    centre_nm : (float, float)
        In the design's frame; of a bridge, half-way between two features.
    area_nm2 : float
        Of the feature in the field, or of the region.
    centre_rc : (float, float)
        The same place in the image, px.
    regions, features : tuple of int
        All that take part: the pieces of a broken feature, the features that a region bridges.
    is_part : bool
        Only part of the region is extra; place and area are that part's.
    """

    fault: Fault
    number: int
    centre_nm: tuple[float, float]
    area_nm2: float
    centre_rc: tuple[float, float] = (float("nan"), float("nan"))
    regions: Numbers = ()
    features: Numbers = ()
    is_part: bool = False


def check_topology(
    image: MeasuredImage, registration: Registration, design: Design, least_area_px: int
) -> list[TopologyFault]:
    """Compare the regions of an image with the features of its registered design.

    Parameters
    ----------
    image : MeasuredImage
        The regions.
    registration : Registration
        Where the image lies.
    design : Design
        The features.
    least_area_px : int
        Features of which less lies in the field may be found or not.
    """
    extraction = image.extraction
    labels = np.zeros(extraction.shape, dtype=np.int32)
    # A region that waits for a decision is not measured, but it is there.
    for region in extraction.regions:
        if region.status is not ReviewStatus.REJECTED:
            row0, col0, row1, col1 = region.bbox_rc
            labels[row0:row1, col0:col1][region.mask] = region.region_id
    return compare_labels(labels, extraction.valid_rows, registration, design, least_area_px)


def compare_labels(
    found: LabelArray,
    valid_rows: tuple[int, int],
    registration: Registration,
    design: Design,
    least_area_px: int,
) -> list[TopologyFault]:
    """Compare a label image with the features of a registered design.

    Parameters
    ----------
    found : (H, W) int32
        Regions of the image by their id.
    valid_rows : (int, int)
        Half-open range of rows above the data bar.
    registration, design, least_area_px
        See `check_topology`.

    Returns
    -------
    list of TopologyFault
        Missing and broken features, then bridging and extra regions.
    """
    field = _Field.of(found, valid_rows, registration, design)
    holders = field.holders()
    held: dict[int, list[int]] = defaultdict(list)
    for piece, regions in holders.items():
        for region in regions:
            held[region].append(piece)
    faults = []
    for piece in range(1, field.count + 1):
        own = holders.get(piece, [])
        if not own and field.is_looked_for(piece, least_area_px):
            faults.append(field.fault(Fault.MISSING, [piece], []))
        elif len(own) > 1:
            faults.append(field.fault(Fault.BROKEN, [piece], own))
    for region, pieces in sorted(held.items()):
        if len(pieces) > 1:
            faults += field.bridges(region, pieces)
    present = np.unique(found)
    for region in present[present > 0].tolist():
        if region not in held and not field.reaches_beyond(region):
            faults.append(field.fault(Fault.EXTRA, [], [region]))
    missing = [fault.number for fault in faults if fault.fault is Fault.MISSING]
    return [*faults, *field.extra_parts(list(held), missing, least_area_px)]


@dataclass(frozen=True, slots=True)
class _Field:
    """What lies in the field of view: regions, and the pieces of features that it shows.

    The field may cut one feature into pieces; each must be there.
    """

    found: LabelArray
    pieces: LabelArray
    feature_of: IntArray
    depth_px: FloatImage
    wide: LabelArray
    inner: tuple[slice, slice]
    usual_px: float
    rows: tuple[int, int]
    registration: Registration
    design: Design

    @classmethod
    def of(
        cls,
        found: LabelArray,
        valid_rows: tuple[int, int],
        registration: Registration,
        design: Design,
    ) -> _Field:
        pixel = float(np.sqrt(np.prod(registration.pixel_size_nm))) * registration.place.scale
        usual = registration.design_width_nm / pixel / 2
        around = int(np.ceil(CORE_DEPTH * usual)) + 1 if np.isfinite(usual) else 0
        wide = design_labels(design, registration, around_px=around)
        shape = found.shape
        inner = (
            slice(around + valid_rows[0], around + valid_rows[1]),
            slice(around, around + shape[1]),
        )
        drawn = np.ascontiguousarray(wide[inner])
        pieces = np.asarray(label_pieces(drawn, connectivity=1, background=0), dtype=np.int32)
        feature_of = np.zeros(int(pieces.max()) + 1, dtype=np.int64)
        feature_of[pieces] = drawn
        depth = cv2.distanceTransform((wide > 0).astype(np.uint8), cv2.DIST_L2, 5)[inner]
        if not np.isfinite(usual):
            usual = float(depth[pieces > 0].max(initial=1.0))
        inside = np.ascontiguousarray(found[slice(*valid_rows)])
        return cls(
            inside, pieces, feature_of, depth, wide, inner, usual, valid_rows, registration, design
        )

    @property
    def count(self) -> int:
        return len(self.feature_of) - 1

    def holders(self) -> dict[int, list[int]]:
        """Regions that hold each piece; those that lie mostly elsewhere where no other does."""
        deepest = _most(self.depth_px, self.pieces, self.count)
        core_from = CORE_DEPTH * np.minimum(deepest, self.usual_px)
        core = (self.pieces > 0) & (self.depth_px > core_from[self.pieces])
        size = np.bincount(self.pieces[core], minlength=self.count + 1)
        wanted = np.maximum(1.0, np.minimum(CORE_SHARE * size, (CORE_DEPTH * self.usual_px) ** 2))
        held = core & (self.found > 0)
        inside = np.bincount(self.found[self.pieces > 0], minlength=int(self.found.max()) + 1)
        area = np.bincount(self.found.ravel(), minlength=len(inside))
        at_home: dict[int, list[int]] = defaultdict(list)
        elsewhere: dict[int, list[int]] = defaultdict(list)
        for region, piece, pixels in _counted(self.found[held], self.pieces[held]):
            if pixels >= wanted[piece]:
                lies = at_home if inside[region] >= MOSTLY * area[region] else elsewhere
                lies[piece].append(region)
        return {**elsewhere, **at_home}

    def is_looked_for(self, piece: int, least_area_px: int) -> bool:
        """Whether enough of a piece lies in the field."""
        mask = self.pieces == piece
        if np.count_nonzero(mask) < least_area_px:
            return False
        top = np.zeros_like(mask)
        inset = int(BORDER_PX)
        top[inset:-inset, inset:-inset] = mask[inset:-inset, inset:-inset]
        cut = bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
        edge = top & (self.depth_px < 2.0)
        return not cut or int(np.count_nonzero(edge)) >= VISIBLE_EDGE_PX

    def reaches_beyond(self, region: int) -> bool:
        """Whether a region at the border may belong to a feature that lies beyond it."""
        rim = np.zeros(self.found.shape, dtype=bool)
        rim[[0, -1]] = True
        rim[:, [0, -1]] = True
        at = np.argwhere(rim & (self.found == region)) + np.array([self.rows[0], 0])
        if not len(at):
            return False
        points = self.registration.rc_to_design_nm(at.astype(np.float64))
        pixel = float(np.sqrt(np.prod(self.registration.pixel_size_nm)))
        away = shapely.distance(self.design.area, shapely.points(points))
        return bool(np.min(away) <= BORDER_PX * pixel * self.registration.place.scale)

    def extra_parts(
        self, regions: list[int], missing: list[int], least_area_px: int
    ) -> list[TopologyFault]:
        """Parts of regions that lie far from all features that are there."""
        away = cv2.distanceTransform(self._without(missing), cv2.DIST_L2, 5)[self.inner]
        # A clip ends somewhere: beyond it nothing is known of what features were to look like.
        clip = Design.from_area(shapely.box(*self.design.bounds_nm))
        known = design_labels(clip, self.registration)[slice(*self.rows)] > 0
        far = known & np.isin(self.found, regions) & (away > self.reach_px())
        parts = label_pieces(np.where(far, self.found, 0), connectivity=2, background=0)
        faults = []
        for number, box in enumerate(ndi.find_objects(parts), start=1):
            rows, cols = np.nonzero(parts[box] == number)
            if len(rows) >= least_area_px and not self._bridges(parts, number, box):
                at = (rows + box[0].start, cols + box[1].start)
                region = int(self.found[at[0][0], at[1][0]])
                who: tuple[list[int], list[int]] = ([region], [])
                faults.append(self._placed(Fault.EXTRA, region, at, who, len(rows), is_part=True))
        return faults

    def _bridges(self, parts: LabelArray, number: int, box: tuple[slice, slice]) -> bool:
        """Whether a part is what joins two features: that is told already."""
        reach = self.reach_px() + BORDER_PX
        grown = tuple(
            slice(max(0, side.start - int(reach) - 1), side.stop + int(reach) + 1) for side in box
        )
        part = parts[grown] == number
        region = self.found[grown][part][0]
        near = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5) <= reach
        touched = np.unique(self.pieces[grown][near & (self.found[grown] == region)])
        return int(np.count_nonzero(touched)) > 1

    def bridges(self, region: int, pieces: list[int]) -> list[TopologyFault]:
        """Where a region joins features: where it crosses the line half-way between two."""
        mask = self.found == region
        features = np.isin(self.pieces, pieces)
        nearest = ndi.distance_transform_edt(~features, return_distances=False, return_indices=True)
        zone = np.where(mask, self.pieces[tuple(nearest)], 0)
        cut = np.zeros(mask.shape, dtype=bool)
        cut[1:] |= (zone[1:] != zone[:-1]) & mask[1:] & mask[:-1]
        cut[:, 1:] |= (zone[:, 1:] != zone[:, :-1]) & mask[:, 1:] & mask[:, :-1]
        lines, count = ndi.label(cut, structure=np.ones((3, 3)))
        faults = []
        for number in range(1, count + 1):
            at = np.nonzero(lines == number)
            beside = zone[ndi.binary_dilation(lines == number, structure=np.ones((3, 3)))]
            joined = sorted(
                {int(self.feature_of[piece]) for piece in np.unique(beside[beside > 0])}
            )
            area_px = int(np.count_nonzero(mask))
            faults.append(self._placed(Fault.BRIDGED, region, at, ([region], joined), area_px))
        return faults

    def _without(self, missing: list[int]) -> npt.NDArray[np.uint8]:
        """0 where there is a feature that is not missing: one that is explains nothing."""
        return (~((self.wide > 0) & ~np.isin(self.wide, missing))).astype(np.uint8)

    def reach_px(self) -> float:
        """How far edges are printed from where they are drawn: by this image's own spread."""
        spread = self.registration.mean_epe_nm + SPREADS * self.registration.residual_rms_nm
        pixel = float(np.sqrt(np.prod(self.registration.pixel_size_nm)))
        spread_px = spread / self.registration.place.scale / pixel
        widest = CORE_DEPTH * self.usual_px
        return min(widest, max(BORDER_PX, spread_px)) if np.isfinite(spread_px) else widest

    def fault(self, fault: Fault, pieces: list[int], regions: list[int]) -> TopologyFault:
        """Say what, and where."""
        named = self.found if fault is Fault.EXTRA else self.pieces
        label = regions[0] if named is self.found else pieces[0]
        features = sorted({int(self.feature_of[piece]) for piece in pieces})
        at = np.nonzero(named == label)
        area_px = len(at[0])
        number = label if named is self.found else int(self.feature_of[label])
        return self._placed(fault, number, at, (regions, features), area_px)

    def _placed(
        self,
        fault: Fault,
        number: int,
        at: tuple[IntArray, ...],
        who: tuple[Sequence[int], Sequence[int]],
        area_px: int,
        is_part: bool = False,
    ) -> TopologyFault:
        middle = np.array([[at[0].mean() + self.rows[0], at[1].mean()]])
        centre: PointsXY = self.registration.rc_to_design_nm(middle)
        pixel_y, pixel_x = self.registration.pixel_size_nm
        return TopologyFault(
            fault,
            number,
            (float(centre[0, 0]), float(centre[0, 1])),
            area_px * pixel_y * pixel_x * self.registration.place.scale**2,
            (float(middle[0, 0]), float(middle[0, 1])),
            tuple(who[0]),
            tuple(who[1]),
            is_part,
        )


def _most(values: FloatImage, labels: LabelArray, count: int) -> FloatArray:
    """Largest value of each label from 0 to `count`."""
    most: FloatArray = np.zeros(count + 1)
    np.maximum.at(most, labels.ravel(), values.ravel())
    return most


def _counted(first: LabelArray, second: LabelArray) -> list[tuple[int, int, int]]:
    """Pairs of labels, and how many pixels have both."""
    base = int(second.max(initial=0)) + 1
    keys, pixels = np.unique(first.astype(np.int64) * base + second, return_counts=True)
    pairs = zip((keys // base).tolist(), (keys % base).tolist(), pixels.tolist(), strict=True)
    return list(pairs)
