"""What a review reads of a region: its record in `regions.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from segsem.core.contour import ReviewStatus, Source

BoxRC = tuple[int, int, int, int]
PlaceRC = tuple[float, float]


class RegionFacts(Protocol):
    """What is read of a region."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def source(self) -> Source: ...  # noqa: D102
    @property
    def confidence(self) -> float | None: ...  # noqa: D102
    @property
    def fallback_reason(self) -> str | None: ...  # noqa: D102
    @property
    def needs_human(self) -> bool: ...  # noqa: D102
    @property
    def status(self) -> ReviewStatus: ...  # noqa: D102
    @property
    def area_px(self) -> int: ...  # noqa: D102
    @property
    def bbox_rc(self) -> BoxRC: ...  # noqa: D102
    @property
    def contours(self) -> Sequence[ContourFacts]: ...  # noqa: D102
    @property
    def evidence(self) -> Mapping[str, float | None]: ...  # noqa: D102


class ContourFacts(Protocol):
    """What is read of a contour."""

    @property
    def is_hole(self) -> bool: ...  # noqa: D102
    @property
    def closed(self) -> bool: ...  # noqa: D102
