"""A design beside the extraction of one image: prompts before, flags after."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segsem.core.contour import Region
from segsem.core.coordinates import box_outline_rc
from segsem.core.exceptions import CalibrationError, InputError
from segsem.core.extraction import DESIGN, Extraction
from segsem.core.params import SauvolaParams, Tone
from segsem.core.types import LabelArray, PointsRC
from segsem.imaging.image import SEMImage
from segsem.layout.design import Design
from segsem.layout.design_job import DesignJob, distrust
from segsem.layout.design_lines import design_lines
from segsem.layout.design_prompts import design_prompts
from segsem.layout.raster import design_labels
from segsem.layout.register import register
from segsem.layout.registration import Registration
from segsem.layout.registration_json import FRAME_NOTE, registration_record
from segsem.metrology.design_topology import Fault, TopologyFault, compare_labels
from segsem.segmentation.candidates import Candidates, find_candidates
from segsem.segmentation.expected import Expected
from segsem.segmentation.prompts import FOREGROUND, Prompts
from segsem.segmentation.questions import Question
from segsem.segmentation.segment import see

SLIVER_PX = 64
"""Features of which less lies in the field may be found or not."""


class DesignGuide:
    """Lays one image on a design: roughly, to ask with it, and exactly, to compare with it.

    Parameters
    ----------
    job : DesignJob
    image : SEMImage

    Raises
    ------
    CalibrationError
        If the image's pixel size is unknown.
    """

    def __init__(self, job: DesignJob, image: SEMImage) -> None:
        if image.pixel_size_nm is None:
            msg = (
                f"{image.name}: expected a pixel size to lay the image on the design, but none is "
                "known: give --pixel-size NM"
            )
            raise CalibrationError(msg)
        self._job, self._image, self._pixel_nm = job, image, image.pixel_size_nm
        self._prompted = False
        self.warnings: list[str] = []

    def expect(self, candidates: Candidates) -> Expected | None:
        """Lay the threshold's candidates on the design; None where that is not to be trusted."""
        found = self._registered(self._whole(candidates.labels), None)
        near = None if found is None else self._near(found)
        if found is None or near is None:
            return None
        self._prompted = True
        rows = self._image.valid_rows
        asked = design_prompts(near, found, valid_rows=rows)
        questions = []
        for one in asked:
            low_r, low_c, high_r, high_c = one.box_rc
            box = (low_r - rows[0], low_c, max(high_r, low_r + 1) - rows[0], max(high_c, low_c + 1))
            points = tuple((row - rows[0], col) for row, col in one.points_rc)
            prompts = Prompts(points, (FOREGROUND,) * len(points), box)
            questions.append((one.feature, Question(prompts)))
        return Expected(design_labels(near, found)[slice(*rows)], tuple(questions))

    def compare(self, regions: Sequence[Region]) -> tuple[list[Region], dict[str, Any]]:
        """Lay the placed contours on the design and flag what differs.

        Returns
        -------
        list of Region
            With their flags.
        dict
            For the provenance, as plain JSON values.
        """
        record: dict[str, Any] = {
            **self._job.record,
            "prompts": self._prompted,
            "frame": FRAME_NOTE,
        }
        labels = np.zeros(self._image.shape, dtype=np.int32)
        for region in regions:
            row0, col0, row1, col1 = region.bbox_rc
            window = labels[row0:row1, col0:col1]
            window[region.mask] = region.region_id
        self.warnings.clear()
        found = self._registered(labels, regions, record)
        near = None if found is None else self._near(found)
        if found is None or near is None:
            return list(regions), {**record, "used": False, "note": " ".join(self.warnings)}
        faults = compare_labels(labels, self._image.valid_rows, found, near, SLIVER_PX)
        flags: dict[int, list[str]] = defaultdict(list)
        for fault in faults:
            for number in fault.regions:
                if fault.fault.value not in flags[number]:
                    flags[number].append(fault.fault.value)
        flagged = [replace(one, flags=tuple(flags.get(one.region_id, ()))) for one in regions]
        listed = [_fault_record(fault) for fault in faults]
        return flagged, {**record, "used": True, "note": None, "faults": listed}

    def _registered(
        self,
        labels: LabelArray,
        regions: Sequence[Region] | None,
        record: dict[str, Any] | None = None,
    ) -> Registration | None:
        contours = None
        if regions is not None:
            contours = [c for region in regions for c in region.contours if len(c) > 1]
        options = self._job.options
        try:
            found = register(
                self._job.design,
                labels > 0,
                self._pixel_nm,
                contours=contours,
                valid_rows=self._image.valid_rows,
                options=options,
            )
        except InputError as error:
            self._refuse(str(error))
            return None
        if record is not None:
            record["registration"] = registration_record(found)
        reason = distrust(found, options.near_nm is not None)
        if reason is not None:
            self._refuse(reason)
        return found if reason is None else None

    def _refuse(self, reason: str) -> None:
        self.warnings[:] = [
            f"the design is not used: {reason}. Check --cell, --layer, --tone and the pixel size, "
            "or say with --at X,Y where the image lies"
        ]

    def _near(self, found: Registration) -> Design | None:
        height, width = found.shape
        corners = found.rc_to_design_nm(box_outline_rc((0, 0, height, width)))
        low, high = corners.min(axis=0), corners.max(axis=0)
        margin = 0.05 * float(np.max(high - low))
        near = self._job.design.near(
            (
                float(low[0]) - margin,
                float(low[1]) - margin,
                float(high[0]) + margin,
                float(high[1]) + margin,
            )
        )
        if near is None:
            self._refuse("none of its features lies in the image")
        return near

    def _whole(self, labels: LabelArray) -> LabelArray:
        whole = np.zeros(self._image.shape, dtype=np.int32)
        whole[slice(*self._image.valid_rows)] = labels
        return whole


@dataclass(frozen=True, slots=True)
class Located:
    """Where an image lies in a design.

    Attributes
    ----------
    registration : Registration or None
        None where nothing could be compared.
    reason : str or None
        Why it is not to be relied on; None where it is.
    lines_rc : list of (K, 2) arrays
        The design in the image, (row, column) in px.
    """

    registration: Registration | None
    reason: str | None
    lines_rc: list[PointsRC]


def locate_image(job: DesignJob, image: SEMImage, known: Extraction | None = None) -> Located:
    """Lay an image on a design without extracting it.

    Parameters
    ----------
    job : DesignJob
    image : SEMImage
    known : Extraction, optional
        What was found in it already: better than what the threshold shows.

    Raises
    ------
    CalibrationError
        If the image's pixel size is unknown.
    """
    if image.pixel_size_nm is None:
        msg = f"{image.name}: expected a pixel size to lay the image on the design: give it first"
        raise CalibrationError(msg)
    contours = None
    if known is not None and known.regions:
        labels = known.labels()
        contours = [c for region in known.regions for c in region.contours if len(c) > 1]
    else:
        labels = _thresholded(image)
    try:
        found = register(
            job.design,
            labels > 0,
            image.pixel_size_nm,
            contours=contours,
            valid_rows=image.valid_rows,
            options=job.options,
        )
    except InputError as error:
        return Located(None, str(error), [])
    reason = distrust(found, job.options.near_nm is not None)
    return Located(found, reason, design_lines(job.design, found))


def _thresholded(image: SEMImage) -> LabelArray:
    tone = image.metadata.get("tone")
    seen = see(image, Tone(tone) if tone in (Tone.BRIGHT, Tone.DARK) else Tone.AUTO)
    labels = np.zeros(image.shape, dtype=np.int32)
    if seen.scale is not None:
        candidates = find_candidates(seen.edges.grey, seen.edges.noise, seen.scale, SauvolaParams())
        labels[slice(*image.valid_rows)] = candidates.labels
    return labels


def counted_faults(provenance: Mapping[str, Any]) -> dict[str, int] | None:
    """Count the differences from the design by kind; None where no design was used.

    Parameters
    ----------
    provenance : mapping
        Of an extraction.
    """
    record = provenance.get(DESIGN)
    if not isinstance(record, Mapping) or not record.get("used"):
        return None
    counts: Counter[str] = Counter({fault.value: 0 for fault in Fault})
    counts.update(str(fault["fault"]) for fault in record.get("faults", ()))
    return dict(counts)


def _fault_record(fault: TopologyFault) -> dict[str, Any]:
    return {
        "fault": fault.fault.value,
        "is_part": fault.is_part,
        "regions": list(fault.regions),
        "features": list(fault.features),
        "centre_rc": [round(value, 2) for value in fault.centre_rc],
        "centre_nm": [round(value, 3) for value in fault.centre_nm],
        "area_nm2": round(fault.area_nm2, 2),
    }
