"""Parameters of the stages: frozen pydantic models that the GUI form, the command line and the
saved provenance all read, so that help text and bounds exist once.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Tone(StrEnum):
    """Whether features are brighter or darker than what surrounds them."""

    AUTO = "auto"
    BRIGHT = "bright"
    DARK = "dark"


class EdgeMethod(StrEnum):
    """How the image places an edge along its normal."""

    HALF_OF_EXTREMES = "half"
    MAX_SLOPE = "slope"
    INVERSE = "inverse"


class EdgeSide(StrEnum):
    """Which flank of the bright rim is the edge."""

    OUTER = "outer"
    INNER = "inner"
    MIDDLE = "middle"


class Routing(StrEnum):
    """Which methods may stand."""

    HYBRID = "hybrid"
    SAM2_ONLY = "no-fallback"
    SAUVOLA_ONLY = "fallback-only"


class StageParams(BaseModel):
    """Base of all parameter models: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EdgeParams(StageParams):
    """Edge definition and sub-pixel placement."""

    edge_method: EdgeMethod = Field(
        EdgeMethod.HALF_OF_EXTREMES,
        title="Edge method",
        description=(
            "Where along the normal the edge lies: 50 % between the local extremes (half), the "
            "steepest point (slope), or the edge of a model of the whole line scan, which hardly "
            "depends on blur and holds at low SNR (inverse)."
        ),
    )
    edge_side: EdgeSide = Field(
        EdgeSide.OUTER,
        title="Edge side",
        description=(
            "Flank of the bright rim: outer (outside a line, hole side of a hole), inner, "
            "or the middle of both."
        ),
    )
    search_px: float = Field(
        6.0,
        gt=1.0,
        le=64.0,
        title="Search distance (px)",
        description=(
            "How far along the normal the image may move an edge from where segmentation put it."
        ),
    )
    smooth_px: float = Field(
        2.5,
        ge=0.0,
        le=50.0,
        title="Tangential smoothing (px)",
        description=(
            "Gaussian sigma along the contour for OPC contours; 0 keeps every raw edge position. "
            "The inverse line scan finds its own smoothing from noise and roughness unless this "
            "is 0, and keeps the raw positions beside it."
        ),
    )
    step_px: float = Field(
        1.0,
        gt=0.1,
        le=16.0,
        title="Point step (px)",
        description="Distance between contour points.",
    )


class SauvolaParams(StageParams):
    """Sauvola's adaptive threshold; window and smoothing 0 mean: estimated from the image."""

    window_px: int = Field(
        0, ge=0, le=4095, title="Window (px)", description="Odd window; 0 = from the feature size."
    )
    k: float = Field(0.2, ge=-1.0, le=1.0, title="k", description="Weight of the local deviation.")
    smooth_px: float = Field(
        0.0,
        ge=0.0,
        le=20.0,
        title="Smoothing (px)",
        description="Gaussian sigma; 0 = from the noise.",
    )


class ExtractParams(StageParams):
    """Everything that decides what `extract` finds."""

    tone: Tone = Field(
        Tone.AUTO, title="Tone", description="Features brighter or darker than their surroundings."
    )
    routing: Routing = Field(
        Routing.HYBRID,
        title="Routing",
        description="SAM2 with Sauvola fallback, or only one of them.",
    )
    threshold: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        title="Confidence threshold",
        description=(
            "SAM2 stands at or above it; empty: the model's calibrated value, 0.85 until "
            "calibrated."
        ),
    )
    min_area_px: int = Field(
        0,
        ge=0,
        title="Smallest region (px²)",
        description="0 = from the feature size of the image.",
    )
    edge: EdgeParams = Field(default_factory=EdgeParams)
    sauvola: SauvolaParams = Field(default_factory=SauvolaParams)
