"""EP and CD gauges: where a user wants an edge or a width measured, and what was found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from segsem.core.coordinates import nm_to_rc, rc_to_nm, unit, xy_px_to_rc
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, PointsRC, PointsXY
from segsem.layout.registration import Registration
from segsem.metrology.design_epe import inside_field
from segsem.metrology.measured import MeasuredImage


class GaugeKind(StrEnum):
    """What is measured."""

    EP = "ep"
    CD = "cd"


class GaugeFrame(StrEnum):
    """What a gauge's numbers are."""

    DESIGN_NM = "design_nm"
    """(x, y) in nm in the design's frame; the image has to be registered."""
    IMAGE_NM = "image_nm"
    """(x, y) in nm, y up, origin at the image's lower-left corner."""
    IMAGE_PX = "image_px"
    """(column, row) in px, y down."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One gauge.

    Attributes
    ----------
    name : str
        Unique in its file.
    kind : GaugeKind
        EP: how far outside `start_xy`, along the normal, the edge lies. CD: how far apart the two
        edges are on the cut line from `start_xy` to `end_xy` that are nearest to its middle; what
        the middle lies in, feature or space, is what is measured.
    frame : GaugeFrame
        Of all numbers here.
    start_xy, end_xy : (float, float)
        EP: the point, and the point plus its normal from feature to background. CD: the ends.
    width : float
        Parallel cuts over this width, one pixel apart, are averaged; 0 is one cut.
    reference_nm : float
        What another instrument or the design says; NaN where nothing does.
    image_id : str
        The only image that it is for; empty for all.
    """

    name: str
    kind: GaugeKind
    frame: GaugeFrame
    start_xy: tuple[float, float]
    end_xy: tuple[float, float]
    width: float = 0.0
    reference_nm: float = float("nan")
    image_id: str = ""


@dataclass(frozen=True, slots=True)
class GaugeValue:
    """What one gauge found in one image.

    Attributes
    ----------
    gauge : Gauge
        The gauge.
    image_id : str
        The image.
    values_nm : (n,) array
        One for each parallel cut; NaN where no edge was found. EP: positive outwards.
    sigma_nm : (n,) array
        Standard error of each from pixel noise (see `sigma_px` of contours).
    of : str
        CD: `feature` or `space`; EP: `edge`.
    """

    gauge: Gauge
    image_id: str
    values_nm: FloatArray
    sigma_nm: FloatArray
    of: str

    @property
    def mean_nm(self) -> float:
        """Mean over the cuts that were found; NaN where none was."""
        found = self.values_nm[np.isfinite(self.values_nm)]
        return float(found.mean()) if len(found) else float("nan")


EP_REACH_PX = 30.0
"""An EP gauge looks this far to both sides."""


def measure_gauges(
    image: MeasuredImage, gauges: Sequence[Gauge], registration: Registration | None
) -> list[GaugeValue]:
    """Measure all gauges that are for an image and lie in its field.

    Parameters
    ----------
    image : MeasuredImage
        The contours.
    gauges : sequence of Gauge
        The gauges.
    registration : Registration or None
        Where the image lies in the design; needed for gauges in the design's frame.

    Returns
    -------
    list of GaugeValue
        In the order of the gauges; those outside the field are left out.

    Raises
    ------
    InputError
        If a gauge is in the design's frame and the image is not registered.
    """
    values = []
    for gauge in gauges:
        if gauge.image_id not in ("", image.extraction.image_id):
            continue
        frame = _Frame(image, registration, gauge)
        ends = np.array([gauge.start_xy, gauge.end_xy])
        asked = ends[:1] if gauge.kind is GaugeKind.EP else ends
        if inside_field(image, frame.to_rc(asked), 0.0).all():
            measure = _edge_position if gauge.kind is GaugeKind.EP else _width
            values.append(measure(image, frame, gauge))
    return values


def check_in_field(gauges: Sequence[Gauge], values: Sequence[GaugeValue]) -> None:
    """Refuse gauges that lie in no image.

    Raises
    ------
    InputError
        Naming the first of them.
    """
    measured = {value.gauge.name for value in values}
    lost = [gauge for gauge in gauges if gauge.name not in measured]
    if lost:
        gauge = lost[0]
        what = "cut line" if gauge.kind is GaugeKind.CD else "point"
        whose = f"image {gauge.image_id!r}" if gauge.image_id else "any image"
        msg = (
            f"Gauge {gauge.name!r}: expected a {what} inside the field of {whose}, but it lies "
            f"outside ({len(lost)} of {len(gauges)} gauges do): check its frame "
            f"({gauge.frame.value}) and coordinates"
        )
        raise InputError(msg)


class _Frame:
    """From a gauge's numbers to an image."""

    def __init__(
        self, image: MeasuredImage, registration: Registration | None, gauge: Gauge
    ) -> None:
        if gauge.frame is GaugeFrame.DESIGN_NM and registration is None:
            msg = (
                f"Gauge {gauge.name!r} is in the design's frame, but there is no design: "
                "give --design FILE, or use the frame image_nm or image_px"
            )
            raise InputError(msg)
        self._frame = gauge.frame
        self._registration = registration
        self._height = image.extraction.shape[0]
        self._pixel_size_nm = image.pixel_size_nm

    def to_rc(self, points_xy: PointsXY) -> PointsRC:
        if self._frame is GaugeFrame.IMAGE_PX:
            return xy_px_to_rc(points_xy)
        if self._frame is GaugeFrame.DESIGN_NM and self._registration is not None:
            return self._registration.design_nm_to_rc(points_xy)
        return nm_to_rc(points_xy, self._height, self._pixel_size_nm)

    def to_nm(self, points_rc: PointsRC) -> PointsXY:
        """Into a frame whose lengths are true: the design's where there is one."""
        if self._registration is not None:
            return self._registration.rc_to_design_nm(points_rc)
        return rc_to_nm(points_rc, self._height, self._pixel_size_nm)

    def pixel(self) -> float:
        """A pixel's length in the gauge's unit, about."""
        if self._frame is GaugeFrame.IMAGE_PX:
            return 1.0
        return float(np.sqrt(self._pixel_size_nm[0] * self._pixel_size_nm[1]))


def _parallel(gauge: Gauge, frame: _Frame) -> tuple[PointsXY, PointsXY, PointsXY]:
    """Starts, ends (n, 2) and the unit direction (2,) of the cuts, in the gauge's frame."""
    start, end = np.array(gauge.start_xy), np.array(gauge.end_xy)
    direction = unit(end - start)
    across = np.array([-direction[1], direction[0]])
    count = 1 + int(gauge.width / frame.pixel())
    at = np.linspace(-gauge.width / 2, gauge.width / 2, count) if count > 1 else np.zeros(1)
    moved = at[:, None] * across
    return start + moved, end + moved, direction


def _rays_direction(start_rc: PointsRC, end_rc: PointsRC) -> PointsRC:
    return unit(end_rc - start_rc)


def _edge_position(image: MeasuredImage, frame: _Frame, gauge: Gauge) -> GaugeValue:
    points, _, normal = _parallel(gauge, frame)
    reach = EP_REACH_PX * frame.pixel() * normal
    start, end = frame.to_rc(points - reach), frame.to_rc(points + reach)
    along_normal = _rays_direction(start, end)
    cuts = image.cuts(start, end, along_normal)
    nearest = cuts.nearest_to(0.5, len(points))
    values, sigma = np.full((2, len(points)), np.nan)
    hit = nearest >= 0
    length = np.linalg.norm(frame.to_nm(end) - frame.to_nm(start), axis=1)
    values[hit] = (cuts.along[nearest[hit]] - 0.5) * length[hit]
    sigma[hit] = image.sigma_nm(cuts.segment[nearest[hit]])
    return GaugeValue(gauge, image.extraction.image_id, values, sigma, "edge")


def _width(image: MeasuredImage, frame: _Frame, gauge: Gauge) -> GaugeValue:
    starts, ends, _ = _parallel(gauge, frame)
    start, end = frame.to_rc(starts), frame.to_rc(ends)
    length = np.linalg.norm(frame.to_nm(end) - frame.to_nm(start), axis=1)
    direction = _rays_direction(start, end)
    # Positions on the line, with what lies behind each edge: +1 leaves a feature.
    leaving, entering = (image.cuts(start, end, sign * direction) for sign in (1, -1))
    ray = np.concatenate([leaving.ray, entering.ray])
    along = np.concatenate([leaving.along, entering.along])
    segment = np.concatenate([leaving.segment, entering.segment])
    leaves = np.arange(len(ray)) < len(leaving.ray)
    values, sigma = np.full((2, len(start)), np.nan)
    in_feature = 0
    for number in range(len(start)):
        before = np.flatnonzero((ray == number) & (along < 0.5))
        after = np.flatnonzero((ray == number) & (along >= 0.5))
        if not len(before) or not len(after):
            continue
        first, last = before[np.argmax(along[before])], after[np.argmin(along[after])]
        if leaves[first] == leaves[last]:
            continue  # one edge between is missing: no width
        values[number] = (along[last] - along[first]) * length[number]
        sigma[number] = float(np.hypot(*image.sigma_nm(segment[[first, last]])))
        in_feature += 1 if leaves[last] else -1
    of = "feature" if in_feature > 0 else "space" if in_feature < 0 else ""
    return GaugeValue(gauge, image.extraction.image_id, values, sigma, of)
