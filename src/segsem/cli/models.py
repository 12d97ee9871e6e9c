"""`segsem models`: list, download, add, verify, score, and train the bundled model anew."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.cli.calibrate import calibrate, check_confidence
from segsem.cli.model_score import score
from segsem.cli.models_adopt import adopt, back
from segsem.cli.models_download import download
from segsem.cli.progress_bar import shown
from segsem.core.exceptions import ModelError, UsageError
from segsem.core.priority import step_back
from segsem.models import store
from segsem.models.registry import MODELS, NANO, SHORT_NAMES

ADD_MODULE = "segsem.models.add"
WEIGHTS_MODULE = "segsem.models.weights"
PRETRAIN_MODULE = "segsem.training.pretrain"
TRAIN_COMMAND = "segsem models train-nano -o DIR --recipe {recipe} --steps {steps} --seed {seed}"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = typer.Typer(no_args_is_help=True, help="The models that are here, and new ones.")
    models.command("list")(list_models)
    models.command("download")(download)
    models.command("add")(add)
    models.command("verify")(verify)
    models.command("score")(score)
    models.command("calibrate")(calibrate)
    models.command("check-confidence")(check_confidence)
    models.command("adopt")(adopt)
    models.command("back")(back)
    models.command("train-nano")(train_nano)
    app.add_typer(models, name="models")


def list_models() -> None:
    """List known models, and which of them are here."""
    installed = store.installed_models()
    rows = [("name", "configuration", "licence", "where")]
    for name, spec in MODELS.items():
        here = str(installed[name]) if name in installed else f"not here: {spec.url}"
        rows.append((name, spec.config, spec.licence, here))
    for name, folder in installed.items():
        if name not in MODELS:
            rows.append((name, _config_of(folder), "", str(folder)))
    for row in rows:
        typer.echo(f"{row[0]:<24}{row[1]:<18}{row[2]:<14}{row[3]}")
    if any(name not in installed for name in SHORT_NAMES.values()):
        typer.echo(f"to download: segsem models download {' | '.join(SHORT_NAMES)}")


def _config_of(folder: Path) -> str:
    try:
        return store.read_description(folder).config
    except ModelError:
        return "(damaged)"


def add(
    file: Annotated[Path, typer.Argument(help="Weights: .pt or .safetensors.")],
    config: Annotated[str, typer.Option(help="Configuration, e.g. sam2.1_hiera_t.")],
    name: Annotated[str | None, typer.Option(help="Name of the added model.")] = None,
) -> None:
    """Check a weights file against an architecture and add it to the user's models."""
    description = importlib.import_module(ADD_MODULE).add_model(file, config, name)
    typer.echo(f"added {description.name}: {store.folder_for(description.name)}")


def verify(
    name: Annotated[
        str | None, typer.Argument(help="Name or folder; all models by default.")
    ] = None,
) -> None:
    """Check the weights that are here against their hashes."""
    folders = [store.find_model(name)] if name else list(store.installed_models().values())
    if not folders:
        msg = "No model is here. Reinstall napari-segsem, which brings segsem-nano."
        raise ModelError(msg)
    damaged = 0
    for folder in folders:
        try:
            description = store.verify(folder)
        except ModelError as error:
            if name:
                raise
            damaged += 1
            typer.echo(f"damaged  {folder.name}  {error}")
            continue
        typer.echo(f"ok  {description.name}  {description.weights_sha256}")
    if damaged:
        msg = f"{damaged} of {len(folders)} models are damaged; what to do stands beside each"
        raise ModelError(msg)


def train_nano(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new model.")],
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 4600,
    seed: Annotated[int, typer.Option(min=0)] = 20261123,
    recipe: Annotated[
        str, typer.Option(help="small (two CPU cores), large (a GPU); clicks, boxes, edges: go on.")
    ] = "small",
    start: Annotated[
        str | None,
        typer.Option(help="Name or folder of a model to begin with."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that draw examples; the result is the same."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the folder's checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train segsem-nano from scratch on synthetic crops, at low priority."""
    step_back()
    device = importlib.import_module("segsem.models.load").choose_device(device)
    pretrain: Any = importlib.import_module(PRETRAIN_MODULE)
    if recipe not in pretrain.RECIPES:
        msg = f"Expected a --recipe out of {', '.join(pretrain.RECIPES)}, but got {recipe!r}"
        raise UsageError(msg)
    chosen = pretrain.RECIPES[recipe]
    options = pretrain.TrainOptions(steps=steps, seed=seed, **chosen.options)
    weights = None if start is None else _weights_of(start)
    model = shown(pretrain.pretrain_nano(out, options, resume, device, chosen, weights, workers))
    provenance = {
        "command": TRAIN_COMMAND.format(steps=steps, seed=seed, recipe=recipe)
        + (f" --start {start}" if start else ""),
        "steps": steps,
        "seed": seed,
        "data": "segsem.synth.training.random_crop, drawn while training",
    }
    writer: Any = importlib.import_module(ADD_MODULE)
    description = writer.write_model(model, out, NANO.name, NANO.config, provenance)
    typer.echo(f"wrote {out / store.WEIGHTS_FILE}  {description.weights_sha256}")


def _weights_of(name: str) -> Any:
    folder = store.find_model(name)
    store.verify(folder)
    return importlib.import_module(WEIGHTS_MODULE).read_state(folder / store.WEIGHTS_FILE)
