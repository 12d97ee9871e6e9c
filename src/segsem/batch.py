"""Many images, one at a time: a failure stays with its image, and a second run goes on where the
first one stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Protocol

from segsem import __version__
from segsem.batch_report import (
    BatchOptions,
    BatchReport,
    ImageFinished,
    ImageOutcome,
    ImageStatus,
    ImageStep,
    LazyModel,
)
from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import (
    CalibrationError,
    ExportError,
    InputError,
    InternalError,
    SegSemError,
)
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams
from segsem.core.progress import Progress
from segsem.export.batch_layout import layout_cell, write_layouts
from segsem.export.layout import LayoutOptions
from segsem.export.outputs import write_results
from segsem.export.results import REGIONS_JSON, find_results, read_results
from segsem.export.reviewed import ResultFolder, open_reviews, with_decisions
from segsem.export.selection import check_pixel_size
from segsem.export.summary_csv import SummaryRow, failed_row, summary_row, write_summary
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise
from segsem.imaging.quality import image_quality
from segsem.pipeline import extract_steps
from segsem.pipeline_design import counted_faults
from segsem.segmentation.predictor import Predictor

SUMMARY_CSV = "summary.csv"
SIGNATURE = "signature"
"""Key in the provenance of `regions.json`: a result with the same one need not be made again."""

_log = logging.getLogger(__name__)

_UNFORESEEN = (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError)
"""What an image that nobody thought of may raise; torch's out-of-memory is a RuntimeError."""


class ImageSource(Protocol):
    """An image that is yet to be read."""

    @property
    def image_id(self) -> str:
        """Unique in the batch; names the image's folder."""
        ...

    def read(self) -> SEMImage:
        """Read it; the image's `name` is the id."""
        ...


@dataclass(slots=True)
class _Batch:
    out: Path
    params: ExtractParams
    model: LazyModel | None
    options: BatchOptions
    predictor: Predictor | None = None
    outcomes: list[ImageOutcome] = field(default_factory=list)


def check_writable(out: Path) -> None:
    """Refuse a folder that nothing can be written to, before any work is done.

    Raises
    ------
    ExportError
        If it cannot be made or written to. Nothing is left in either case.
    """
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        msg = f"Cannot write to {out}: {error.strerror or error}. Choose another folder with -o."
        raise ExportError(msg) from error


def run_batch(
    sources: Sequence[ImageSource],
    out: Path | str,
    params: ExtractParams,
    model: LazyModel | None,
    options: BatchOptions | None = None,
) -> Generator[Progress, None, BatchReport]:
    """Extract many images into one folder, holding one image at a time.

    A result is kept if it is complete and was made from the same image with the same parameters
    and model. Layouts and `summary.csv` cover all results in the folder.

    Parameters
    ----------
    sources : sequence of ImageSource
        The images, with unique ids.
    out : path
        Folder of the results; made if it is not there.
    params : ExtractParams
        How to extract.
    model : LazyModel, optional
        Loaded when the first image needs it; None only where the routing asks for no model.
    options : BatchOptions, optional
        What to write.

    Yields
    ------
    Progress
        Before each image; `ImageStep` within it, `ImageFinished` after it.

    Returns
    -------
    BatchReport
        What became of the images.

    Raises
    ------
    ExportError
        If the folder cannot be written to.
    ModelError
        If the model cannot be loaded.
    """
    batch = _Batch(Path(out), params, model, options or BatchOptions())
    check_writable(batch.out)
    total = len(sources)
    for done, source in enumerate(sources):
        yield Progress(done, total, source.image_id)
        outcome = yield from _run_one(source, batch)
        batch.outcomes.append(outcome)
        yield ImageFinished(done + 1, total, source.image_id, outcome)
    if total > 1 or any(outcome.error is None for outcome in batch.outcomes):
        yield Progress(total, total, "Writing layouts and summary")
    return BatchReport(batch.out, tuple(batch.outcomes), tuple(_write_batch_files(batch)))


def _run_one(source: ImageSource, batch: _Batch) -> Generator[Progress, None, ImageOutcome]:
    start = perf_counter()
    try:
        with _unforeseen_named():
            image = source.read()
        if batch.options.formats is not None and batch.options.layouts:
            check_pixel_size(image.name, image.pixel_size_nm)
    except SegSemError as error:
        return _failed(source.image_id, error, start)
    try:
        with _unforeseen_named():
            kept = _keep(image, batch)
    except SegSemError as error:
        return _failed(source.image_id, error, start)
    if kept is not None:
        return kept
    # Outside the isolation: a model that does not load is no fault of the image and ends all.
    if batch.predictor is None and batch.model is not None:
        batch.predictor = batch.model.load()
    try:
        with _unforeseen_named():
            return (yield from _extract(image, batch, start))
    except SegSemError as error:
        return _failed(source.image_id, error, start)


def _keep(image: SEMImage, batch: _Batch) -> ImageOutcome | None:
    if batch.options.force:
        return None
    folder = batch.out / image.name
    kept = _earlier_result(folder, _signature(image, batch))
    if kept is None:
        return None
    refusals = _layout_refusals(kept, batch.options)
    return _outcome(ImageStatus.KEPT, kept, folder, _row_of_kept(kept), refusals)


def _row_of_kept(kept: Extraction) -> SummaryRow:
    seconds = kept.provenance.get("seconds")
    return summary_row(kept, seconds if isinstance(seconds, float) else None)


def _extract(
    image: SEMImage, batch: _Batch, start: float
) -> Generator[Progress, None, ImageOutcome]:
    extraction = yield from _steps_of(image, batch)
    quality = asdict(image_quality(image))
    signed = {**quality, **extraction.provenance, SIGNATURE: _signature(image, batch)}
    extraction = replace(extraction, provenance=signed)
    refusals = _layout_refusals(extraction, batch.options)
    if batch.options.formats is None:
        notes = dict.fromkeys(f"No layout was written: {error}" for error in refusals)
        extraction, refusals = replace(extraction, warnings=(*extraction.warnings, *notes)), []
    write_results(extraction, batch.out, image=normalise(image) if batch.options.overlay else None)
    row = summary_row(extraction, perf_counter() - start)
    return _outcome(ImageStatus.EXTRACTED, extraction, batch.out / image.name, row, refusals)


def _steps_of(image: SEMImage, batch: _Batch) -> Generator[Progress, None, Extraction]:
    steps = extract_steps(image, batch.predictor, batch.params, batch.options.design)
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            extraction: Extraction = stop.value
            return extraction
        yield ImageStep(step.done, step.total, step.message, image.name)


def _outcome(
    status: ImageStatus,
    extraction: Extraction,
    folder: Path,
    row: SummaryRow,
    refusals: Sequence[SegSemError],
) -> ImageOutcome:
    if refusals:
        row = replace(row, error=str(refusals[0]))
        return ImageOutcome(ImageStatus.FAILED, row, folder, extraction.warnings, refusals[0])
    faults = counted_faults(extraction.provenance)
    return ImageOutcome(status, row, folder, extraction.warnings, faults=faults)


def _failed(image_id: str, error: SegSemError, start: float) -> ImageOutcome:
    row = failed_row(image_id, str(error), perf_counter() - start)
    return ImageOutcome(ImageStatus.FAILED, row, error=error)


def _earlier_result(folder: Path, signature: str) -> Extraction | None:
    if not (folder / REGIONS_JSON).is_file():
        return None
    try:
        earlier = read_results(folder)
    except InputError as error:
        _log.info("made again: %s", error)
        return None
    if earlier.provenance.get(SIGNATURE) == signature:
        return earlier
    if _is_reviewed(folder, earlier):
        msg = (
            f"{folder} holds regions that a person has reviewed, made with other parameters or "
            "from another image: choose another folder with -o, or replace them with --force"
        )
        raise InputError(msg)
    return None


def _is_reviewed(folder: Path, earlier: Extraction) -> bool:
    """Whether a person has decided about a region, in the results or in the journal beside them."""
    result = ResultFolder.read(folder)
    review = open_reviews([result])[result.image_id]
    try:
        decided = with_decisions(earlier, review)
    finally:
        review.close()
    return any(region.status is not ReviewStatus.PENDING for region in decided.regions)


def _signature(image: SEMImage, batch: _Batch) -> str:
    model = batch.model
    made_from = {
        "segsem": __version__,
        "image": image.sha256,
        "pixel_size_nm": image.pixel_size_nm,
        "data_bar_row": image.data_bar_row,
        "tone": image.metadata.get("tone"),
        "params": batch.params.model_dump(mode="json"),
        "model": None
        if model is None
        else [model.name, model.weights_sha256, model.calibration_sha256],
        "overlay": batch.options.overlay,
    }
    if batch.options.design is not None:
        made_from["design"] = batch.options.design.signature
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _layout_refusals(extraction: Extraction, options: BatchOptions) -> list[SegSemError]:
    refusals: list[SegSemError] = []
    for layout_format in options.layouts:
        try:
            layout_cell(extraction, layout_format, _layout_options(options))
        except (CalibrationError, ExportError) as error:
            refusals.append(error)
    return refusals


def _layout_options(options: BatchOptions) -> LayoutOptions:
    return LayoutOptions(allow_needs_human=options.allow_needs_human)


def _write_batch_files(batch: _Batch) -> list[Path]:
    rows = [outcome.row for outcome in batch.outcomes]
    standing = [outcome for outcome in batch.outcomes if outcome.folder is not None]
    if not standing and len(rows) < 2:
        return []
    files: list[Path] = []
    if standing:
        folders = find_results(batch.out)
        ours = {row.image_id for row in rows}
        rows += [_row_of_kept(read_results(f)) for f in folders if f.name not in ours]
        failed = {row.image_id for row in rows if row.error}
        files += write_layouts(
            [folder for folder in folders if folder.name not in failed],
            batch.out,
            formats=batch.options.layouts,
            options=_layout_options(batch.options),
            skip_refused=True,
        )
    write_summary(batch.out / SUMMARY_CSV, rows)
    return [*files, batch.out / SUMMARY_CSV]


@contextmanager
def _unforeseen_named() -> Iterator[None]:
    try:
        yield
    except _UNFORESEEN as error:
        _log.debug("unforeseen error", exc_info=True)
        msg = f"Internal error, please report it: {type(error).__name__}: {error}"
        raise InternalError(" ".join(msg.split())) from error
