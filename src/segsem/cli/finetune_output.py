"""What `segsem finetune` says while it works: to a person, or to a program."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from segsem.training.finetune import Event


class Teller(Protocol):
    """Who is told."""

    def tell(self, event: Event) -> None:
        """Tell an event."""
        ...

    def say(self, name: str, **values: Any) -> None:
        """Tell something that is no event of the training: `paused`, `cancelled`, `error`."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class JsonLines:
    """One JSON object a line on stdout."""

    def tell(self, event: Event) -> None:
        """Tell an event."""
        self.say(event.name, **event.values)

    def say(self, name: str, **values: Any) -> None:
        """Tell anything."""
        typer.echo(json.dumps({"event": name, **values}, ensure_ascii=False))
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is to be ended."""


class Words:
    """Lines on stdout, a bar on stderr where that is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(bar_width=24), TimeRemainingColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._bar.start()
        self._task = self._bar.add_task("", total=None)
        self._epochs = 1

    def tell(self, event: Event) -> None:
        """Tell an event."""
        values = event.values
        if event.name in ("reading", "checking", "calibrating"):
            self._move(values["done"], values["total"], values["message"])
        elif event.name == "step":
            done = (values["epoch"] - 1) * values["steps"] + values["step"]
            message = f"epoch {values['epoch']} of {self._epochs}, loss {values['loss']:.3f}"
            self._move(done, self._epochs * values["steps"], message)
        else:
            self._epochs = (
                values.get("epochs", self._epochs) if event.name == "started" else (self._epochs)
            )
            for line in lines_of(event):
                typer.echo(line)

    def say(self, name: str, **values: Any) -> None:
        """Tell anything but errors, which the command line tells itself."""
        if name != "error":
            typer.echo(values.get("message", name))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _move(self, done: int, total: int, message: str) -> None:
        self._bar.update(self._task, completed=done, total=total, description=message)


def lines_of(event: Event) -> list[str]:
    """Put an event into words."""
    values = event.values
    if event.name == "started":
        return _started(values)
    if event.name == "timing":
        return [
            f"expected time: {_duration(values['expected_s'])} ({values['step_s']:.2f} s a step)"
        ]
    if event.name == "epoch":
        loss = "base model" if values["train_loss"] is None else f"loss {values['train_loss']:.3f}"
        best = ", best so far" if values["best"] else ""
        return [
            f"epoch {values['epoch']}: {loss}, validation IoU {values['val_iou']:.3f}, boundary "
            f"F1 {values['val_boundary_f1']:.3f}, edge error {values['val_edge_px']:.2f} px{best}"
        ]
    return _done(values) if event.name == "done" else []


def _started(values: dict[str, Any]) -> list[str]:
    images, objects = values["images"], values["objects"]
    lines = [f"warning: {line}" for line in values["warnings"]]
    lines.append(
        f"{len(images['train'])} images with {objects['train']} objects teach, "
        f"{len(images['held_out'])} with {objects['held_out']} are held out; "
        f"{values['validation_sites']} validation sites; {values['train']} learns, "
        f"{values['weights_learning']:,} weights, from {values['base']}"
    )
    if values["resumed_after_epoch"] is not None:
        lines.append(f"goes on after epoch {values['resumed_after_epoch']}")
    return lines


def _done(values: dict[str, Any]) -> list[str]:
    gain, calibration = values["gain"], values.get("calibration")
    lines = [f"{values['model']}: {_duration(values['seconds'])}, epoch {values['best_epoch']}"]
    for name, one in values["held_out"].items():
        before, after = one["before"]["mean"], one["after"]["mean"]
        lines.append(f"  {name:<18} {before:.3f} -> {after:.3f}")
    if calibration is not None:
        lines.append(f"  {calibration['note']}")
    lines.append(
        f"{values['verdict']} on held-out images: gain {gain['mean']:+.3f}, 95 % interval "
        f"{gain['low']:+.3f} to {gain['high']:+.3f}"
    )
    return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
