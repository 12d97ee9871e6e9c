"""Results of hand-made squares, and a review of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segsem.core.contour import Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review
from segsem.review.review import Review

SIDE, GAP = 12, 20
SHAPE = (120, 160)


def square_contour(contour_id: int, row: float, col: float, side: float = SIDE) -> Contour:
    vertices = np.array(
        [[row + side, col], [row + side, col + side], [row, col + side], [row, col]], dtype=float
    )
    n = len(vertices)
    return Contour(
        contour_id=contour_id,
        vertices_rc=vertices,
        raw_vertices_rc=vertices,
        normals_rc=np.tile([0.6, 0.8], (n, 1)),
        closed=True,
        is_hole=False,
        sigma_px=np.full(n, 0.1),
        slope=np.ones(n),
        contrast=np.ones(n),
        confidence=np.full(n, 0.5),
        source_code=np.zeros(n, dtype=np.uint8),
        flags=np.zeros(n, dtype=np.uint8),
    )


def square(region_id: int, row: int, col: int, confidence: float, side: int = SIDE) -> Region:
    return Region(
        region_id=region_id,
        offset_rc=(row, col),
        mask=np.ones((side + 1, side + 1), dtype=bool),
        contours=(square_contour(region_id, row, col, side),),
        source=Source.SAM2,
        confidence=confidence,
    )


def extraction(image_id: str, confidences: Sequence[float], **changes: object) -> Extraction:
    """One square for each confidence, row by row."""
    per_row = (SHAPE[1] - 4) // GAP
    regions = tuple(
        square(n + 1, 4 + GAP * (n // per_row), 4 + GAP * (n % per_row), value)
        for n, value in enumerate(confidences)
    )
    made = Extraction(
        image_id=image_id,
        shape=SHAPE,
        valid_rows=(0, SHAPE[0]),
        pixel_size_nm=(2.0, 2.0),
        pixel_size_source="user",
        regions=regions,
        confidence_map=np.ones(SHAPE, dtype=np.float32),
        provenance={"image_sha256": f"hash of {image_id}", "threshold": 0.8, "snr": 9.0},
    )
    return replace(made, **changes)


class Clock:
    """Counts seconds."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> str:
        self.n += 1
        return f"2026-01-01T00:00:{self.n:02d}Z"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two images of four squares."""
    write_results(extraction("a", [0.9, 0.5, 0.7, 0.99]), tmp_path / "out")
    write_results(extraction("b", [0.6, 0.95, 0.5, 0.85]), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def opened(out: Path) -> Iterator[Callable[..., Review]]:
    """Open the review; the one before is closed."""
    reviews: list[Review] = []

    def open_again(*, write: bool = True) -> Review:
        if reviews:
            reviews.pop().close()
        reviews.append(open_review(find_lot([out]), write=write))
        return reviews[-1]

    yield open_again
    for review in reviews:
        review.close()


@pytest.fixture
def make_extraction() -> Callable[..., Extraction]:
    return extraction


@pytest.fixture
def make_square() -> Callable[..., Region]:
    return square
