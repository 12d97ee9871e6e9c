"""`segsem models calibrate` and `segsem models check-confidence`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.cli.progress_bar import shown
from segsem.core.exceptions import UsageError
from segsem.core.files import write_text
from segsem.core.priority import step_back

LOAD_MODULE = "segsem.models.load"
STORE_MODULE = "segsem.models.store"
FILE_MODULE = "segsem.models.calibration_file"
SET_MODULE = "segsem.evaluation.confidence_set"
REPORT_MODULE = "segsem.evaluation.confidence_report"
FIT_MODULE = "segsem.segmentation.calibrate"
EXAMPLES_MODULE = "segsem.segmentation.calibration_examples"

Model = Annotated[str, typer.Option(help="Model name, or folder of a model.")]


def calibrate(
    model: Model = "segsem-nano",
    images: Annotated[
        int | None, typer.Option(min=4, help="Synthetic images to calibrate on. [default: 100]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the images and faults.")] = None,
) -> None:
    """Fit confidence to a model on synthetic images with planted failures: calibration.json."""
    step_back()
    sets: Any = importlib.import_module(SET_MODULE)
    count = images or sets.CALIBRATION_IMAGES
    chosen = sets.CALIBRATION_SEED if seed is None else seed
    if chosen == sets.TEST_SEED:
        msg = f"Expected a seed other than {chosen}, which confidence is tested on: give another"
        raise UsageError(msg)
    folder = importlib.import_module(STORE_MODULE).find_model(model)
    predictor = _load(model)
    fitted = shown(
        importlib.import_module(FIT_MODULE).fit_calibration(
            predictor,
            sets.synthetic_images(chosen, count),
            seed=chosen,
            total=count,
            origin={"preset": sets.CALIBRATION_PRESET, "seed": chosen},
        )
    )
    path = importlib.import_module(FILE_MODULE).write_calibration(folder, fitted)
    typer.echo(f"wrote {path}")
    typer.echo(f"threshold {fitted.threshold:.3f}; SAM2 stands from {fitted.part_threshold:.3f}")


def check_confidence(
    model: Model = "segsem-nano",
    images: Annotated[
        int | None, typer.Option(min=4, help="Synthetic images to test on. [default: 70]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the images and faults.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for confidence.md, regions.csv.")
    ] = None,
) -> None:
    """Test a model's confidence on images that it was not calibrated on."""
    step_back()
    sets: Any = importlib.import_module(SET_MODULE)
    count = images or sets.TEST_IMAGES
    chosen = sets.TEST_SEED if seed is None else seed
    predictor = _load(model)
    calibration = predictor.calibration
    if calibration is None:
        note = predictor.calibration_note or f"{model} has no calibration.json"
        msg = f"Expected a calibrated model, but {note}: run segsem models calibrate"
        raise UsageError(msg)
    sets.check_test_seed(chosen, calibration.origin.get("seed"))
    collect = importlib.import_module(EXAMPLES_MODULE).collect_examples
    examples = shown(collect(predictor, sets.synthetic_images(chosen, count), chosen, count))
    reports: Any = importlib.import_module(REPORT_MODULE)
    text = reports.table(reports.confidence_reports(examples, calibration))
    typer.echo(text)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "confidence.md", text)
        write_text(out / "regions.csv", reports.regions_csv(examples, calibration))
        typer.echo(f"wrote {out / 'confidence.md'} and regions.csv")


def _load(model: str) -> Any:
    # Before torch loads: threads that spin while waiting starve whatever else runs here.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    return importlib.import_module(LOAD_MODULE).load_predictor(model)
