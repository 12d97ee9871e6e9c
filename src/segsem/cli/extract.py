"""`segsem extract`: contours of one image, a folder of images or a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from segsem.core.exceptions import PartialBatchError, SegSemError, UsageError
from segsem.core.params import (
    EdgeMethod,
    EdgeParams,
    EdgeSide,
    ExtractParams,
    Routing,
    Tone,
)
from segsem.core.progress import Progress

if TYPE_CHECKING:
    from segsem.batch import ImageSource
    from segsem.batch_report import BatchOptions, BatchReport, LazyModel
    from segsem.cli.extract_output import Presenter

DEFAULT_MODEL = "segsem-nano"


class EventFormat(StrEnum):
    """How progress is told to another program."""

    JSONL = "jsonl"


def _help(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].description or ""


def register(app: typer.Typer) -> None:
    """Add `segsem extract`."""
    app.command("extract")(extract)


def extract(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE|FOLDER|MANIFEST...", help="What to extract."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")],
    model: Annotated[
        str | None,
        typer.Option(help=f"Model name, or folder of a model. [default: {DEFAULT_MODEL}]"),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(metavar="NM", help="Pixel size in nm, or Y,X; for images that name none."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help=_help(ExtractParams, "threshold")),
    ] = None,
    tone: Annotated[Tone, typer.Option(help=_help(ExtractParams, "tone"))] = Tone.AUTO,
    edge_method: Annotated[
        EdgeMethod, typer.Option(help=_help(EdgeParams, "edge_method"))
    ] = EdgeMethod.HALF_OF_EXTREMES,
    edge_side: Annotated[
        EdgeSide, typer.Option(help=_help(EdgeParams, "edge_side"))
    ] = EdgeSide.OUTER,
    design: Annotated[
        Path | None,
        typer.Option(help="Layout (GDSII, OASIS, GLP, SVG): prompts, and what differs from it."),
    ] = None,
    cell: Annotated[str | None, typer.Option(help="Its cell.")] = None,
    layer: Annotated[str | None, typer.Option(metavar="L/D", help="Its layer.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", "--near", metavar="X,Y", help="Where in the design (nm) the centre lies."
        ),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Try quarter turns of the design as well.")
    ] = False,
    fit_scale: Annotated[
        bool, typer.Option("--fit-scale", help="Fit a scale between image and design.")
    ] = False,
    no_fallback: Annotated[
        bool, typer.Option("--no-fallback", help="SAM2 only, whatever its confidence.")
    ] = False,
    fallback_only: Annotated[
        bool, typer.Option("--fallback-only", help="Sauvola only; no model is loaded.")
    ] = False,
    formats: Annotated[
        str | None,
        typer.Option(
            help="Out of oas,gds,csv,png; those named must be possible. [default: all possible]"
        ),
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Largest image to read, in pixels.")
    ] = None,
    allow_needs_human: Annotated[
        bool,
        typer.Option(
            "--allow-needs-human", help="Layouts with regions that need a person's decision."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Extract again what is complete or reviewed.")
    ] = False,
    events: Annotated[
        EventFormat | None, typer.Option(help="Progress for programs: one JSON object a line.")
    ] = None,
) -> None:
    """Extract contours, with their confidence and source, in px and nm.

    With --design each image is laid on it: features that are missing or broken and regions that
    are extra or bridge features are flagged in regions.json; where an image does not lie on it
    for sure, that is said and the image goes on without it.

    A second run keeps what is complete and was made in the same way. Exit codes: 0 all is well,
    2 usage, 3 bad input, 4 model, 5 some images failed.
    """
    from segsem.batch import check_writable
    from segsem.batch_report import BatchOptions
    from segsem.cli.design_options import DesignOptions
    from segsem.imaging.discover import discover
    from segsem.imaging.read import MAX_PIXELS

    with _presenter(events) as presenter:
        params = ExtractParams(
            tone=tone,
            routing=_routing(no_fallback, fallback_only, model),
            threshold=threshold,
            edge=EdgeParams(edge_method=edge_method, edge_side=edge_side),
        )
        given = DesignOptions(design, cell, layer, at, rotate, fit_scale)
        options = BatchOptions(_formats(formats), force, allow_needs_human, given.read())
        size = _pixel_size(pixel_size)
        check_writable(out)
        sources = discover(inputs, pixel_size_nm=size, max_pixels=max_pixels or MAX_PIXELS)
        lazy_model = None if fallback_only else _model(model or DEFAULT_MODEL)
        report = _run(sources, out, params, lazy_model, options, presenter)
    _raise_failures(report)


def _run(
    sources: Sequence[ImageSource],
    out: Path,
    params: ExtractParams,
    model: LazyModel | None,
    options: BatchOptions,
    presenter: Presenter,
) -> BatchReport:
    from segsem.batch import run_batch
    from segsem.batch_report import ImageFinished
    from segsem.core.progress import run_to_completion

    def show(step: Progress) -> None:
        presenter.step(step)
        if isinstance(step, ImageFinished) and step.outcome is not None:
            presenter.image(step.outcome, step.total)

    report = run_to_completion(run_batch(sources, out, params, model, options), show)
    presenter.report(report)
    return report


@contextmanager
def _presenter(events: EventFormat | None) -> Iterator[Presenter]:
    from segsem.cli.extract_output import Events, person_presenter

    if events is None:
        with person_presenter() as presenter:
            yield presenter
        return
    teller = Events()
    try:
        yield teller
    except SegSemError as error:
        teller.error(str(error), error.exit_code)
        raise


def _raise_failures(report: BatchReport) -> None:
    errors = [outcome.error for outcome in report.failed if outcome.error is not None]
    if not errors:
        return
    if len(report.outcomes) == 1:
        raise errors[0]
    listed = ", ".join(outcome.image_id for outcome in report.failed[:5])
    more = ", ..." if len(errors) > 5 else ""
    kind = type(errors[0]) if errors[0].exit_code == report.exit_code else PartialBatchError
    msg = f"{len(errors)} of {len(report.outcomes)} images failed: {listed}{more}"
    raise kind(msg)


def _model(name_or_dir: str) -> LazyModel:
    from segsem.batch_report import LazyModel
    from segsem.models.calibration_file import calibration_digest
    from segsem.models.load import load_predictor
    from segsem.models.store import find_model, verify

    # Before torch loads: threads that spin while waiting starve whatever else runs here.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    folder = find_model(name_or_dir)
    description = verify(folder)
    return LazyModel(
        description.name,
        description.weights_sha256,
        partial(load_predictor, name_or_dir),
        calibration_digest(folder),
    )


def _routing(no_fallback: bool, fallback_only: bool, model: str | None) -> Routing:
    if no_fallback and fallback_only:
        msg = "Expected --no-fallback or --fallback-only, but got both"
        raise UsageError(msg)
    if fallback_only and model is not None:
        msg = "Expected no --model with --fallback-only, which uses none"
        raise UsageError(msg)
    if fallback_only:
        return Routing.SAUVOLA_ONLY
    return Routing.SAM2_ONLY if no_fallback else Routing.HYBRID


def _formats(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from segsem.export.outputs import FORMATS

    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        msg = f"Expected --formats out of {','.join(FORMATS)}, but got {text!r}"
        raise UsageError(msg)
    return names


def _pixel_size(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(0 < number < 1e6 for number in numbers):
        msg = f"Expected --pixel-size as a positive number of nm, or Y,X, but got {text!r}"
        raise UsageError(msg)
    return numbers[0], numbers[-1]
