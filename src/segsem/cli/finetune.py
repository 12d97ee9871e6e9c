"""`segsem finetune`: a model that has learnt from a project's corrected masks."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.cli.extract import EventFormat
from segsem.cli.finetune_control import Cancelled, Control
from segsem.cli.finetune_output import JsonLines, Teller, Words
from segsem.core.exceptions import InputError, SegSemError, TaskError, UsageError
from segsem.core.priority import step_back
from segsem.training.finetune_params import FinetuneParams, TrainedPart

MODULE = "segsem.training.finetune"
CANCELLED_CODE = 130

_HELP = {name: field.description for name, field in FinetuneParams.model_fields.items()}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("finetune")(finetune)


def finetune(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")],
    name: Annotated[str, typer.Option(help="Name of the new model.")],
    base: Annotated[
        str | None, typer.Option(help="Model to begin with. [default: segsem-nano]")
    ] = None,
    train: Annotated[TrainedPart | None, typer.Option(help=_HELP["train"])] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help=_HELP["epochs"])] = None,
    seed: Annotated[int | None, typer.Option(min=0, help=_HELP["seed"])] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other parameter; repeatable."),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(help='JSON with "held_out" and, optionally, "train": lists of image ids.'),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last whole epoch.")
    ] = False,
    events: Annotated[
        EventFormat | None, typer.Option(help="Progress for programs: one JSON object a line.")
    ] = None,
    time: Annotated[bool, typer.Option("--time", help="Only say how long it would take.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Fine-tune a model on a project's training set, at low priority.

    The image encoder learns, the rest stays as it is. Held-out images say whether the new model is
    better; nothing changes in the project until it is adopted (`segsem models adopt`). With
    --events, the lines pause, resume and cancel are heard on stdin. Exit codes: 0 there is a new
    model, better or not; 2 usage, 3 bad input, 4 model, 130 cancelled.
    """
    step_back()
    params = _params({"train": train, "epochs": epochs, "seed": seed}, set_ or [])
    chosen = _split(split)
    teller: Teller = Words() if events is None else JsonLines()
    control = None if events is None else Control(sys.stdin)
    try:
        core: Any = importlib.import_module(MODULE)
        request = core.Request(project, name, base, params, resume, time, **chosen, device=device)
        outcome = _drain(core.finetune(request), teller, control)
    except Cancelled:
        message = f"cancelled; go on with: segsem finetune {project} --name {name} --resume"
        teller.say("cancelled", message=message)
        raise typer.Exit(CANCELLED_CODE) from None
    except SegSemError as error:
        teller.say("error", message=str(error), exit_code=error.exit_code)
        raise
    except (RuntimeError, MemoryError) as error:
        # Out of memory, first of all.
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        msg = (
            f"Training failed: {line}. Fewer objects at once take less memory (--set "
            "objects_at_once=1); the last whole epoch is kept, go on with --resume"
        )
        teller.say("error", message=msg, exit_code=TaskError.exit_code)
        raise TaskError(msg) from error
    finally:
        teller.close()
    if outcome is not None and events is None:
        typer.echo(_advice(project, name, outcome.verdict))


def _drain(steps: Any, teller: Teller, control: Control | None) -> Any:
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            return stop.value
        teller.tell(event)
        if control is not None:
            _heed(control, teller.say, steps)


def _heed(control: Control, say: Callable[[str], None], steps: Any) -> None:
    try:
        control.between_steps(say)
    except Cancelled:
        steps.close()
        raise


def _params(named: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Parameters that were given, checked."""
    values = {name: value for name, value in named.items() if value is not None}
    for text in assignments:
        name, found, value = text.partition("=")
        if not found or name not in FinetuneParams.model_fields:
            known = ", ".join(FinetuneParams.model_fields)
            msg = f"Expected --set NAME=VALUE with a NAME out of {known}, but got {text!r}"
            raise UsageError(msg)
        values[name] = value
    try:
        checked = FinetuneParams(**values)
    except ValueError as error:
        first = getattr(error, "errors", list)()[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"{where}: {first['msg']}, but got {first['input']!r}"
        raise UsageError(msg) from error
    return {name: getattr(checked, name) for name in values}


def _split(path: Path | None) -> dict[str, tuple[str, ...] | None]:
    if path is None:
        return {"held_out": None, "train": None}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        train = content.get("train")
        return {
            "held_out": tuple(map(str, content["held_out"])),
            "train": None if train is None else tuple(map(str, train)),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f'{path} is no split: expected JSON with "held_out", a list of image ids ({error!r})'
        raise InputError(msg) from error


def _advice(project: Path, name: str, verdict: str) -> str:
    if verdict == "better":
        return f"to work with it: segsem models adopt {project} {name}"
    return (
        f"It is not better: the project keeps its model. To work with it all the same: "
        f"segsem models adopt {project} {name} --insist"
    )
