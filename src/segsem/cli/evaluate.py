"""`segsem evaluate`: contours against exact truth."""

from __future__ import annotations

import importlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.cli.progress_bar import shown
from segsem.core.exceptions import UsageError
from segsem.core.params import EdgeMethod, EdgeParams, EdgeSide, ExtractParams, Routing

PROTOCOL_MODULE = "segsem.evaluation.contour_protocol"
TABLES_MODULE = "segsem.evaluation.contour_tables"
TRUTH_MODULE = "segsem.evaluation.truth_set"
BATCH_MODULE = "segsem.batch"
EDGES_MODULE = "segsem.synth.edges_set"
LOAD_MODULE = "segsem.models.load"


class Protocol(StrEnum):
    """How images are chosen."""

    HOLDOUT = "holdout"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    dataset: Annotated[
        Path, typer.Argument(help="Folder with manifest.csv, images/ and truth/ (segsem synth).")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for metrics.csv, table.md.")],
    results: Annotated[
        list[Path] | None,
        typer.Option(help="What segsem extract wrote for these images; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model to extract with now; may be repeated.")
    ] = None,
    routing: Annotated[
        list[Routing] | None,
        typer.Option(
            help="With --model: hybrid (default), no-fallback; fallback-only needs no model; "
            "may be repeated."
        ),
    ] = None,
    protocol: Annotated[
        Protocol, typer.Option(help="holdout: all images, none of which anything was trained on.")
    ] = Protocol.HOLDOUT,
    count: Annotated[
        int | None, typer.Option(min=1, help="The first images of the set only.")
    ] = None,
    edge_method: Annotated[
        EdgeMethod, typer.Option(help="Of what is extracted now.")
    ] = EdgeMethod.HALF_OF_EXTREMES,
    edge_side: Annotated[EdgeSide, typer.Option(help="As well.")] = EdgeSide.OUTER,
) -> None:
    """Measure signed edge placement error, overlap, CD and topology against exact truth.

    Gives placed contours and those before placement, by family, tone, source, SNR, blur and
    Cramér-Rao bound, with intervals over images. Exit codes: 0 all is well, 2 usage, 3 bad
    input, 4 model.
    """
    routings = routing or ([Routing.HYBRID] if model else [])
    _check(results or [], model or [], routings)
    # Before hours of work, not after them.
    importlib.import_module(BATCH_MODULE).check_writable(out)
    images = importlib.import_module(TRUTH_MODULE).read_truth_set(dataset)[:count]
    protocols: Any = importlib.import_module(PROTOCOL_MODULE)
    variants = [protocols.variant_of_results(root) for root in results or []]
    params = ExtractParams(edge=EdgeParams(edge_method=edge_method, edge_side=edge_side))
    variants += _extracting(model or [], routings, params)
    scores = shown(protocols.score_variants(images, variants))
    source = f"{dataset} ({len(images)} images, {protocol.value}{_whose(images)})"
    for path in importlib.import_module(TABLES_MODULE).write_report(out, scores, source):
        typer.echo(f"wrote {path}")
    _tell_partial(scores, len(images), len(variants))


def _whose(images: list[Any]) -> str:
    """Tell the set that figures are reported for from other draws of its preset."""
    is_reported = importlib.import_module(EDGES_MODULE).is_reported_set
    reported = sum(is_reported(image.groups) for image in images)
    return f"; {reported} of the reported set" if reported else ""


def _check(results: list[Path], models: list[str], routings: list[Routing]) -> None:
    if not results and not routings:
        msg = "Expected --results FOLDER, --model NAME or --routing fallback-only, but got none"
        raise UsageError(msg)
    if not models and any(r is not Routing.SAUVOLA_ONLY for r in routings):
        msg = "Expected --model NAME beside this --routing, but got none"
        raise UsageError(msg)


def _extracting(models: list[str], routings: list[Routing], params: ExtractParams) -> list[Any]:
    """Return the variants that are extracted now; each model is loaded once."""
    protocols: Any = importlib.import_module(PROTOCOL_MODULE)
    variants = []
    for name in models:
        # Before torch loads: threads that spin while waiting starve whatever else runs here.
        os.environ.setdefault("GOMP_SPINCOUNT", "0")
        wanted = [r for r in routings if r is not Routing.SAUVOLA_ONLY]
        predictor = importlib.import_module(LOAD_MODULE).load_predictor(name) if wanted else None
        for way in wanted:
            own = params.model_copy(update={"routing": way})
            variants.append(
                protocols.variant_of_model(
                    f"{name}, {way.value}, {params.edge.edge_method.value}", predictor, own
                )
            )
    if Routing.SAUVOLA_ONLY in routings:
        sauvola = f"Sauvola, {params.edge.edge_method.value}"
        own = params.model_copy(update={"routing": Routing.SAUVOLA_ONLY})
        variants.append(protocols.variant_of_model(sauvola, None, own))
    return variants


def _tell_partial(scores: list[Any], images: int, variants: int) -> None:
    lacking = images * variants - len(scores)
    if lacking:
        typer.echo(
            f"warning: {lacking} of {images * variants} results are not there and count for "
            "nothing: extract the whole set",
            err=True,
        )
