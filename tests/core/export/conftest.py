"""Hand-made extractions: shapes whose place in the layout is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from segsem.core.contour import Contour, PointFlag, Region, ReviewStatus, Source
from segsem.core.extraction import Extraction
from segsem.layout.registration import Place, Registration, Verdict
from segsem.layout.registration_json import write_registrations

SAM2, SAUVOLA, MANUAL = 0, 1, 2
HEIGHT, WIDTH, BAR_ROW = 120, 160, 100


def make_contour(
    contour_id: int,
    vertices_rc: npt.ArrayLike,
    *,
    closed: bool = True,
    is_hole: bool = False,
    codes: int | npt.ArrayLike = SAM2,
) -> Contour:
    """A contour with plain evidence; normals point along +column."""
    vertices = np.asarray(vertices_rc, dtype=np.float64)
    n = len(vertices)
    ramp = np.linspace(0.1, 0.4, n)
    return Contour(
        contour_id=contour_id,
        vertices_rc=vertices,
        raw_vertices_rc=vertices + 0.25,
        normals_rc=np.tile([0.6, 0.8], (n, 1)),
        closed=closed,
        is_hole=is_hole,
        sigma_px=ramp,
        slope=10 * ramp,
        contrast=100 * ramp,
        confidence=ramp,
        source_code=np.broadcast_to(np.asarray(codes, dtype=np.uint8), n).copy(),
        flags=np.zeros(n, dtype=np.uint8),
    )


def make_region(region_id: int, box_rc: tuple[int, int, int, int], *contours: Contour) -> Region:
    """A region whose mask is a full box."""
    row0, col0, row1, col1 = box_rc
    return Region(
        region_id=region_id,
        offset_rc=(row0, col0),
        mask=np.ones((row1 - row0, col1 - col0), dtype=bool),
        contours=contours,
        source=Source.SAM2,
        confidence=0.9,
    )


def box_rc(row0: float, col0: float, row1: float, col1: float) -> npt.NDArray[np.float64]:
    """Outline, counter-clockwise with y up."""
    return np.array([[row1, col0], [row1, col1], [row0, col1], [row0, col0]], dtype=np.float64)


@pytest.fixture
def contour() -> Callable[..., Contour]:
    """Factory of contours."""
    return make_contour


@pytest.fixture
def region() -> Callable[..., Region]:
    """Factory of regions."""
    return make_region


@pytest.fixture
def extraction() -> Extraction:
    """An L shape, a frame with a hole, a mixed box, an open line at the border, and a data bar.

    Pixels are 1.5 nm high and 2 nm wide.
    """
    ell = make_contour(1, [[40, 10], [40, 30], [35, 30], [35, 15], [10, 15], [10, 10]])
    ell.sigma_px[1] = np.nan
    ell.flags[:3] = [PointFlag.CORNER, PointFlag.CORNER | PointFlag.LOW_SLOPE, 0]
    frame = make_contour(2, box_rc(50, 10, 90, 50), codes=SAUVOLA)
    hole = make_contour(3, box_rc(60, 20, 80, 40)[::-1], is_hole=True, codes=SAUVOLA)
    mixed = make_contour(4, box_rc(10.25, 60.5, 30.125, 90.75), codes=[SAM2, SAUVOLA, SAM2, SAM2])
    line = make_contour(
        5, [[r, 140 + r / 50] for r in range(0, 100, 5)], closed=False, codes=MANUAL
    )
    line.flags[[0, -1]] = PointFlag.BORDER
    confidence = np.full((HEIGHT, WIDTH), 0.9, dtype=np.float32)
    confidence[BAR_ROW:] = np.nan
    ell_mask = np.ones((31, 21), dtype=bool)
    ell_mask[:25, 6:] = False
    regions = (
        replace(
            make_region(1, (10, 10, 41, 31), ell),
            mask=ell_mask,
            evidence={"iou": 0.8, "stability": float("nan")},
            prompts={"box_rc": [1.0, 2.0, 3.0, 4.0], "points_rc": []},
        ),
        replace(
            make_region(2, (50, 10, 91, 51), frame, hole),
            source=Source.SAUVOLA,
            fallback_reason="confidence 0.31 below 0.85",
            confidence=0.7,
        ),
        replace(make_region(7, (10, 60, 31, 91), mixed), source=Source.MIXED),
        replace(
            make_region(4, (0, 142, 100, 160), line),
            source=Source.MANUAL,
            status=ReviewStatus.CORRECTED,
        ),
    )
    return Extraction(
        image_id="site 07",
        shape=(HEIGHT, WIDTH),
        valid_rows=(0, BAR_ROW),
        pixel_size_nm=(1.5, 2.0),
        pixel_size_source="manifest",
        regions=regions,
        confidence_map=confidence,
        provenance={
            "model": {"name": "segsem-nano", "sha256": "0" * 64},
            "edge_definition": {"edge_method": "half", "edge_side": "outer"},
            "parameters": {"threshold": None},
            "tone": "bright",
            "snr": np.float32(7.25),
        },
        warnings=("data bar from row 100",),
    )


@pytest.fixture
def undecided(extraction: Extraction) -> Extraction:
    """The same with region 2 waiting for a decision."""
    regions = tuple(replace(r, needs_human=r.region_id == 2) for r in extraction.regions)
    return replace(extraction, regions=regions)


@pytest.fixture
def uncalibrated(extraction: Extraction) -> Extraction:
    """The same with unknown pixel size."""
    return replace(extraction, pixel_size_nm=None, pixel_size_source=None)


@pytest.fixture
def grey(extraction: Extraction) -> npt.NDArray[np.uint8]:
    """A grey image of the extraction's shape."""
    image = np.full(extraction.shape, 90, dtype=np.uint8)
    image[extraction.labels() > 0] = 160
    return image


def _big_contour(n_points: int) -> npt.NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    radius = 40 + 5 * np.sin(23 * angle)
    return np.stack([60 - radius * np.sin(angle), 80 + radius * np.cos(angle)], axis=-1)


@pytest.fixture
def big_contour() -> Callable[[int], npt.NDArray[np.float64]]:
    """Make the vertices of a wavy ring of n points."""
    return _big_contour


@pytest.fixture
def long_contour(
    extraction: Extraction, contour: Callable[..., Contour], region: Callable[..., Region]
) -> Extraction:
    """One contour of 20,000 vertices."""
    big = contour(1, _big_contour(20_000))
    return replace(
        extraction,
        pixel_size_nm=(50.0, 50.0),
        regions=(region(1, (0, 0, 9, 9), big),),
    )


@pytest.fixture
def registered() -> Callable[..., None]:
    """Write where an image of results lies in a design, as `segsem measure` does."""

    def write(results: Path, image: str, place: Place, verdict: Verdict, **more: object) -> None:
        found = Registration(
            shape=(120, 160), pixel_size_nm=(1.5, 2.0), place=place, verdict=verdict, score=0.9,
            second_score=float("nan"), second_position_nm=None, undetermined_xy=None,
            residual_rms_nm=1.0, residual_rms_px=0.5, mean_epe_nm=0.0, points=100, matched=1.0,
            scale_fitted=False, design_width_nm=50.0,
        )  # fmt: skip
        folder = results / "measure"
        folder.mkdir(exist_ok=True)
        write_registrations(
            folder / "registration.json", {image: replace(found, **more)}, {"f": "x"}
        )

    return write
