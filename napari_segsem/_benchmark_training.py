"""The script again while a model learns: ours from its own panel, the control beside a child.

Both windows have the same training run beside them, so that what differs is what the plugin does
with it: events, curves, time left.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_segsem._benchmark_parts import Stage, opened, play
from napari_segsem._benchmark_roles import OurHands
from napari_segsem._child import PROGRAM
from napari_segsem._finetune_state import Phase
from napari_segsem._heartbeat_run import SETTLE_MS, Wait
from napari_segsem.widgets.finetune import FinetunePanel
from segsem.core.progress import run_to_completion
from segsem.dataset.additions import add_all
from segsem.dataset.finding import find_images
from segsem.project.default_folder import NAME, work_folder
from segsem.project.project import Project
from segsem.synth.write import SynthSet, write_set

N_IMAGES, SET_SEED = 4, 23
EPOCHS = 60
"""More than the script lasts for: small images, so that epochs end and curves grow meanwhile."""


def prepare(folder: Path) -> None:
    """Have the window's default project hold a training set.

    Parameters
    ----------
    folder : Path
        For the images.
    """
    run_to_completion(write_set(folder, SynthSet("fewshot", N_IMAGES, SET_SEED)))
    project = Project.create(work_folder() / NAME, NAME)
    try:
        found = find_images([folder / "manifest.csv"])
        run_to_completion(add_all(project, found.additions, name="truth"))
    finally:
        project.close()


def training_part(stage: Stage) -> Iterator[Wait]:
    """Begin to fine-tune, go through the script while it learns, end it."""
    beside: OurTraining | Beside
    beside = OurTraining(stage.role) if isinstance(stage.role, OurHands) else Beside()
    yield from opened(stage)
    stage.beat.enter("training begins")
    beside.start()
    yield beside.learns
    yield SETTLE_MS
    yield from play(stage)
    stage.beat.enter("training ends")
    stage.found["learnt throughout"] = beside.learns()
    beside.end()
    yield beside.is_gone


class OurTraining:
    """A run from the Fine-tune panel, which shows its curves.

    Parameters
    ----------
    role : OurHands
    """

    def __init__(self, role: OurHands) -> None:
        self._panel = FinetunePanel(role.viewer)
        role.viewer.window.add_dock_widget(self._panel, name="Fine-tune (SegSEM)")
        self._tuning = self._panel.shared.tuning

    def start(self) -> None:
        """As the button does."""
        self._tuning.start({"epochs": EPOCHS})

    def learns(self) -> bool:
        """Whether steps are being taken."""
        state = self._tuning.state
        return state.phase is Phase.TRAINING and bool(state.losses)

    def end(self) -> None:
        """As the button does."""
        self._tuning.cancel()

    def is_gone(self) -> bool:
        """Whether the child has ended."""
        return not self._tuning.is_running


class Beside:
    """The same run as a child that nobody listens to."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        """Start it."""
        project = work_folder() / NAME
        arguments = [str(project), "--name", "beside", "--set", f"epochs={EPOCHS}"]
        self._child = subprocess.Popen(
            [*PROGRAM, "finetune", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._checkpoint = project / "models" / "beside" / "checkpoint.pt"

    def learns(self) -> bool:
        """Whether an epoch was taken, and it goes on."""
        return self._child is not None and self._child.poll() is None and self._checkpoint.is_file()

    def end(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.terminate()

    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._child is None or self._child.poll() is not None
