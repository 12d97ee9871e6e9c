"""Numbers of regions as one table: size, widths, errors, roughness, and which stand out.

Sizes come from the records of the results, widths, errors and roughness from the tables of
`segsem measure`: those beside the results, or tables that were made for this window.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_segsem._lot import Lot
from segsem.core.contour import ReviewStatus
from segsem.core.files import atomic_path
from segsem.metrology.region_measures import ByRegion, RegionMeasures
from segsem.review.item import ItemFlag, ItemKey
from segsem.review.outliers import find_outliers, robust_z

Values = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One column of numbers.

    Attributes
    ----------
    name : str
        In the file.
    title : str
        In the heading, with the unit.
    tip : str
        What it is.
    has_outliers : bool
        Whether values are compared with the others of their image: sizes, which are positive.
    decimals : int
    of_whole : bool
        Whether it says nothing where the image's border cuts the region.
    """

    name: str
    title: str
    tip: str
    has_outliers: bool = False
    decimals: int = 2
    of_whole: bool = False


SIZES_NM = (
    Quantity("area_nm2", "Area (nm²)", "Area of the region's mask", True, 0, True),
    Quantity(
        "diameter_nm", "Eq. diam. (nm)", "Diameter of the circle of the same area", True, 2, True
    ),
)
SIZES_PX = (
    Quantity("area_px2", "Area (px²)", "Area of the region's mask", True, 0, True),
    Quantity(
        "diameter_px", "Eq. diam. (px)", "Diameter of the circle of the same area", True, 2, True
    ),
)
MEASURED = {
    "cd_nm": Quantity("cd_mean_nm", "CD mean (nm)", "Mean width, narrower direction", True),
    "cd_min_nm": Quantity("cd_min_nm", "CD min (nm)", "Least width of the same direction", True),
    "cd_max_nm": Quantity("cd_max_nm", "CD max (nm)", "Greatest width of that direction", True),
    "epe_nm": Quantity("epe_mean_nm", "EPE mean (nm)", "Mean signed error against the design"),
    "epe_three_sigma_nm": Quantity("epe_three_sigma_nm", "EPE 3σ (nm)", "Spread of the error"),
    "ler_nm": Quantity("ler_three_sigma_nm", "LER 3σ (nm)", "Line edge roughness, unbiased"),
    "lwr_nm": Quantity("lwr_three_sigma_nm", "LWR 3σ (nm)", "Line width roughness, unbiased"),
}
CONFIDENCE = Quantity("confidence", "Confidence", "Probability that the region's edge is right")
SNR = Quantity("image_snr", "Image SNR", "Edge-peak signal-to-noise ratio of the whole image")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Regions and what is known of each.

    Attributes
    ----------
    keys : tuple of ItemKey
        Regions by image and number; rejected ones are left out.
    quantities : tuple of Quantity
        Those that are known of at least one region.
    values : (regions, quantities) array
        NaN where not known.
    outliers : (regions, quantities) bool
        Values unlike the others of their image.
    """

    keys: tuple[ItemKey, ...]
    quantities: tuple[Quantity, ...]
    values: Values
    outliers: Marks

    def column(self, name: str) -> int | None:
        """Place of a quantity; None where it is not known."""
        return next((n for n, one in enumerate(self.quantities) if one.name == name), None)


NOTHING = Numbers((), (), np.zeros((0, 0)), np.zeros((0, 0), np.bool_))


def collect_numbers(
    lot: Lot, image_ids: Sequence[str], measures: ByRegion, outlier_z: float
) -> Numbers:
    """Put together what is known of the regions of some images.

    Parameters
    ----------
    lot : Lot
    image_ids : sequence of str
    measures : mapping
        Of `segsem measure`, by image and region.
    outlier_z : float
        Robust z-score from which on a size is an outlier: `outlier_z` of `[qa]`.
    """
    in_nm = all(lot.results[name].record.pixel_size_nm is not None for name in image_ids)
    keys, rows, flags = [], [], []
    for image_id in image_ids:
        known = measures.get(image_id, {})
        snr = lot.results[image_id].record.provenance.get("snr")
        for region in sorted(lot.results[image_id].record.regions, key=lambda one: one.id):
            key = ItemKey(image_id, region.id)
            if lot.status(key) is ReviewStatus.REJECTED:
                continue
            measured = known.get(region.id, RegionMeasures())
            rows.append(
                [
                    *_sizes(lot, key, in_nm=in_nm),
                    *(getattr(measured, name) for name in MEASURED),
                    lot.review.items[key].confidence,
                    float(snr) if isinstance(snr, int | float) else math.nan,
                ]
            )
            keys.append(key)
            flags.append(lot.review.items[key].flags)
    quantities = (*(SIZES_NM if in_nm else SIZES_PX), *MEASURED.values(), CONFIDENCE, SNR)
    values = np.array(rows, dtype=np.float64).reshape(len(keys), len(quantities))
    shown = np.flatnonzero(np.isfinite(values).any(axis=0)) if len(keys) else np.arange(0)
    chosen = tuple(quantities[n] for n in shown)
    values = values[:, shown]
    return Numbers(tuple(keys), chosen, values, _outliers(keys, chosen, values, flags, outlier_z))


def write_numbers(path: Path, numbers: Numbers, statuses: Mapping[ItemKey, ReviewStatus]) -> None:
    """Write a table as CSV, whole or not at all.

    Raises
    ------
    ExportError
        If the file cannot be written.
    """
    names = [quantity.name for quantity in numbers.quantities]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["image_id", "region_id", "status", *names, "outlier"])
        for key, values, marks in zip(numbers.keys, numbers.values, numbers.outliers, strict=True):
            texts = [f"{value:.6g}" if math.isfinite(value) else "" for value in values.tolist()]
            status = statuses[key].value
            writer.writerow([key.image_id, key.region_id, status, *texts, int(marks.any())])


def _sizes(lot: Lot, key: ItemKey, *, in_nm: bool) -> tuple[float, float]:
    changed = lot.review.standing(key).replacement
    area = float(lot.review.items[key].area_px if changed is None else changed.area_px)
    size = lot.results[key.image_id].record.pixel_size_nm
    if in_nm and size is not None:
        area *= size[0] * size[1]
    return area, 2 * math.sqrt(area / math.pi)


def _outliers(
    keys: Sequence[ItemKey],
    quantities: Sequence[Quantity],
    values: Values,
    flags: Sequence[frozenset[ItemFlag]],
    beyond: float,
) -> Marks:
    marks = np.zeros(values.shape, dtype=np.bool_)
    images = np.array([key.image_id for key in keys], dtype=object)
    is_cut = np.array([ItemFlag.CUT in own for own in flags], dtype=np.bool_)
    for column, quantity in enumerate(quantities):
        if not quantity.has_outliers:
            continue
        for image_id in dict.fromkeys(images.tolist()):
            own = np.flatnonzero((images == image_id) & ~(is_cut & quantity.of_whole))
            sizes = dict(zip(own.tolist(), values[own, column].tolist(), strict=True))
            marks[list(find_outliers(robust_z(sizes), beyond)), column] = True
    # What the gates call an outlier is one here, whichever value it was for.
    marks[[ItemFlag.OUTLIER in own for own in flags], :1] = True
    return marks
