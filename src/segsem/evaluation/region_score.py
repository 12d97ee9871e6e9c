"""How well the regions of one image agree with its truth: overlap, boundary, topology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.extraction import Extraction
from segsem.core.types import LabelArray
from segsem.evaluation.truth_set import Truth
from segsem.metrics.boundary import boundary_f1, hausdorff
from segsem.metrics.epe_report import RATEABLE_PX
from segsem.metrics.normal_epe import NormalEPE
from segsem.metrics.overlap import iou
from segsem.metrics.right_regions import RIGHT_SHARE, RIGHT_WITHIN_PX
from segsem.metrics.topology import TopologyReport, match_regions

BORDER_PIECE_PX = 100
"""Found pieces at the border that are smaller are not extra."""


@dataclass(frozen=True, slots=True)
class RegionScore:
    """Figures of one image.

    Attributes
    ----------
    iou, boundary_f1_1px, boundary_f1_2px : float
        Of all features together.
    hausdorff_px, hd95_px : float
        Of the mask's boundary, infinite where nothing was found.
    missing, extra, bridged, broken : int
        Features without a region, regions without a feature, regions that join features,
        features in pieces. A feature counts where 32 px of its edge lie 4 px inside the image.
    rateable, wrong : int
        Features that count, and those of them whose edge is not right.
    """

    iou: float
    boundary_f1_1px: float
    boundary_f1_2px: float
    hausdorff_px: float
    hd95_px: float
    missing: int
    extra: int
    bridged: int
    broken: int
    rateable: int
    wrong: int

    @property
    def topology_errors(self) -> int:
        """All four kinds together."""
        return self.missing + self.extra + self.bridged + self.broken

    @property
    def gross_failures(self) -> int:
        """Features that are not right, and regions that are none."""
        return self.wrong + self.extra


def region_score(extraction: Extraction, truth: Truth, centred: NormalEPE) -> RegionScore:
    """Compare an image's regions with its truth.

    Parameters
    ----------
    extraction : Extraction
        What was found.
    truth : Truth
        What is there.
    centred : NormalEPE
        Errors of the placed contours less their mean.

    Returns
    -------
    RegionScore
        The figures, over the rows that are image.
    """
    rows = slice(*extraction.valid_rows)
    found, true = extraction.labels()[rows], truth.labels[rows]
    is_found, is_true = found > 0, true > 0
    topology = match_regions(found, true)
    rateable = _rateable(truth, centred)
    right = _right(truth, centred, topology)
    return RegionScore(
        iou=iou(is_found, is_true),
        boundary_f1_1px=boundary_f1(is_found, is_true, 1.0),
        boundary_f1_2px=boundary_f1(is_found, is_true, 2.0),
        hausdorff_px=hausdorff(is_found, is_true),
        hd95_px=hausdorff(is_found, is_true, 95.0),
        missing=len(rateable & set(topology.missing)),
        extra=len(set(topology.extra) - _border_pieces(found)),
        bridged=len(topology.merged),
        broken=len(rateable & set(topology.split)),
        rateable=len(rateable),
        wrong=len(rateable - right),
    )


def _rateable(truth: Truth, errors: NormalEPE) -> set[int]:
    if not len(errors.truth):
        return set()
    length = np.bincount(truth.region[errors.truth], errors.step_px)
    return {int(label) for label in np.flatnonzero(length >= RATEABLE_PX)}


def _right(truth: Truth, errors: NormalEPE, topology: TopologyReport) -> set[int]:
    if not len(errors.truth):
        return set()
    region = truth.region[errors.truth]
    # What was not found is NaN, which compares as False.
    near = np.bincount(region, errors.step_px * (np.abs(errors.epe_px) <= RIGHT_WITHIN_PX))
    share = near / np.maximum(np.bincount(region, errors.step_px), 1e-9)
    good = {int(label) for label in np.flatnonzero(share >= RIGHT_SHARE)}
    return good & {true for _, true in topology.matched}


def _border_pieces(labels: LabelArray) -> set[int]:
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    areas = np.bincount(labels.ravel())
    return {int(i) for i in np.unique(edge) if i and areas[i] < BORDER_PIECE_PX}
