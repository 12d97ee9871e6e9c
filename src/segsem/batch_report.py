"""What a batch is asked to write, and what became of its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from segsem.core.exceptions import PartialBatchError, SegSemError
from segsem.core.progress import Progress
from segsem.export.layout import LayoutFormat
from segsem.export.outputs import FORMATS, PNG
from segsem.export.summary_csv import SummaryRow
from segsem.layout.design_job import DesignJob
from segsem.segmentation.predictor import Predictor


class ImageStatus(StrEnum):
    """What became of an image."""

    EXTRACTED = "extracted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a batch writes, and what it writes over.

    Attributes
    ----------
    formats : tuple of str, optional
        Out of `oas`, `gds`, `csv`, `png`. Named formats must be written or the image counts as
        failed; None writes all that are possible.
    force : bool
        Extract again what is complete, and replace results that a person has reviewed.
    allow_needs_human : bool
        Put regions into the layouts that wait for a person's decision.
    design : DesignJob, optional
        The design that all images are laid on.
    """

    formats: tuple[str, ...] | None = None
    force: bool = False
    allow_needs_human: bool = False
    design: DesignJob | None = None

    @property
    def layouts(self) -> list[LayoutFormat]:
        """Layout formats to write."""
        return [f for f in LayoutFormat if f.value in (self.formats or FORMATS)]

    @property
    def overlay(self) -> bool:
        """Whether `overlay.png` is written."""
        return PNG in (self.formats or FORMATS)


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """What became of one image.

    Attributes
    ----------
    status : ImageStatus
        Extracted now, kept from an earlier run, or failed.
    row : SummaryRow
        Its row in `summary.csv`.
    folder : Path or None
        Its results; None where there are none.
    warnings : tuple of str
        What the user should know.
    error : SegSemError or None
        Why it failed.
    faults : dict of str to int, optional
        How often the image differs from its design, by kind; None where there is none in use.
    """

    status: ImageStatus
    row: SummaryRow
    folder: Path | None = None
    warnings: tuple[str, ...] = ()
    error: SegSemError | None = None
    faults: dict[str, int] | None = None

    @property
    def image_id(self) -> str:
        """The image's id, which names its folder."""
        return self.row.image_id


@dataclass(frozen=True, slots=True)
class LazyModel:
    """A model that is known by its hash before it is loaded.

    Attributes
    ----------
    name, weights_sha256 : str
        What the results of earlier runs are compared with.
    load : callable
        Gives the predictor; called once, when the first image needs it.
    calibration_sha256 : str
        Of its calibration's file, empty without one: who stands depends on it.
    """

    name: str
    weights_sha256: str
    load: Callable[[], Predictor]
    calibration_sha256: str = ""


@dataclass(frozen=True, slots=True)
class ImageStep(Progress):
    """A step within an image; `done` and `total` count within it, not the images."""

    image_id: str = ""


@dataclass(frozen=True, slots=True)
class ImageFinished(Progress):
    """The step at which an image is done with, well or not."""

    outcome: ImageOutcome | None = None


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of all images.

    Attributes
    ----------
    out : Path
        Folder of the results.
    outcomes : tuple of ImageOutcome
        In the order of the images.
    files : tuple of Path
        Files for the whole batch: layouts with what belongs to them, and `summary.csv`.
    """

    out: Path
    outcomes: tuple[ImageOutcome, ...]
    files: tuple[Path, ...]

    @property
    def failed(self) -> list[ImageOutcome]:
        """The images that failed."""
        return [outcome for outcome in self.outcomes if outcome.error is not None]

    @property
    def exit_code(self) -> int:
        """0 if all is well, the errors' own code if nothing else came out, otherwise 5."""
        codes = {o.error.exit_code for o in self.outcomes if o.error is not None}
        if not codes:
            return 0
        if len(self.failed) == len(self.outcomes) and len(codes) == 1:
            return codes.pop()
        return PartialBatchError.exit_code
