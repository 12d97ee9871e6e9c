"""Lots of the review's benchmark: known contours on synthetic pads, nothing is extracted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from napari_segsem._heartbeat import PAD_PX, PITCH_PX, pads
from segsem.core.contour import SOURCE_CODES, Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.imaging.read import read_image

SHAPE = (1024, 1024)
POINTS = 120
PIXEL_NM = 2.0
THRESHOLD = 0.8
SEED = 23

SAUVOLA_EVERY = 6
"""One region of so many stands on Sauvola."""

REASON = "SAM2 confidence 0.41 below 0.73: its outline leaves the visible edge"


def write_lot(folder: Path, n_images: int, per_image: int, *, in_runs: bool) -> Path:
    """Write images and their results.

    Parameters
    ----------
    folder : Path
    n_images, per_image : int
        Images, and regions of each.
    in_runs : bool
        The less sure half of each image's regions follow each other in the queue; the others,
        or all, are anywhere in it, so that nearly each opens another image.

    Returns
    -------
    Path
        The results.
    """
    rng = np.random.default_rng(SEED)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(n_images):
        path = folder / "images" / f"site_{number:02d}.tif"
        tifffile.imwrite(path, pads(SHAPE, SEED + number))
        sure = rng.uniform(0.7, 1.0, per_image)
        if in_runs:
            half = per_image // 2
            sure[:half] = 0.3 + 0.02 * number + 0.001 * np.arange(half)
        said = {"image_path": str(path), "image_sha256": read_image(path).sha256}
        extraction = Extraction(
            image_id=path.stem,
            shape=SHAPE,
            valid_rows=(0, SHAPE[0]),
            pixel_size_nm=(PIXEL_NM, PIXEL_NM),
            pixel_size_source="user",
            regions=tuple(_region(n, float(sure[n])) for n in range(per_image)),
            confidence_map=np.full(SHAPE, 0.9, dtype=np.float32),
            provenance={**said, "threshold": THRESHOLD},
        )
        write_results(extraction, folder / "results")
    return folder / "results"


def _region(number: int, confidence: float) -> Region:
    row, col = (int(at) * PITCH_PX for at in divmod(number, SHAPE[1] // PITCH_PX))
    source = Source.SAUVOLA if number % SAUVOLA_EVERY == 0 else Source.SAM2
    turn = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    outward = np.column_stack([-np.sin(turn), np.cos(turn)])
    middle, radius = PAD_PX / 2 - 0.5, PAD_PX / 2
    ring = np.array([row, col]) + middle + radius * outward
    rows, cols = np.ogrid[:PAD_PX, :PAD_PX]
    disc = (rows - middle) ** 2 + (cols - middle) ** 2 <= radius**2
    flat: npt.NDArray[np.float64] = np.ones(POINTS)
    contour = Contour(
        contour_id=number + 1,
        vertices_rc=ring,
        raw_vertices_rc=ring,
        normals_rc=outward,
        closed=True,
        is_hole=False,
        sigma_px=0.1 * flat,
        slope=10 * flat,
        contrast=90 * flat,
        confidence=confidence * flat,
        source_code=np.full(POINTS, SOURCE_CODES.index(source), dtype=np.uint8),
        flags=np.zeros(POINTS, dtype=np.uint8),
    )
    reason = REASON if source is Source.SAUVOLA else None
    return Region(number + 1, (row, col), disc, (contour,), source, confidence, reason)
