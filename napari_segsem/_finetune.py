"""Fine-tuning from the window: `segsem finetune` as a child, its events, what becomes of its model.

Annotation goes on meanwhile: the child reads the project's files, and writes only the folder of
its own model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segsem._child import Child
from napari_segsem._documents import Background
from napari_segsem._finetune_models import (
    TunedModel,
    drop_unfinished,
    free_name,
    read_tuned,
    tuned_models,
    unfinished,
)
from napari_segsem._finetune_state import Phase, TrainingState
from napari_segsem._model_choice import ModelChoice
from napari_segsem._session import Session
from napari_segsem._tasks import ChildTask
from napari_segsem._workplace import Workplace
from segsem.models.project_models import FOLDER
from segsem.project.project import Project
from segsem.training.finetune_params import FinetuneParams


class FineTuning:
    """At most one run at a time, and the model whose figures are looked at.

    Parameters
    ----------
    session : Session
    workplace : Workplace
    choice : ModelChoice
    background : callable
        Where files are written, and where one waits for a child to end.

    Attributes
    ----------
    state : TrainingState
    expected_s : float or None
        Time that was measured for the training set as it is; None before.
    result : TunedModel or None
        Whose before and after is shown.
    """

    changed = Signal()
    """Another phase, another result."""
    progressed = Signal()
    """An event of the run."""

    def __init__(
        self, session: Session, workplace: Workplace, choice: ModelChoice, background: Background
    ) -> None:
        self._session, self._workplace, self._choice = session, workplace, choice
        self._background = background
        self._folder: Path | None = None
        self._child: Child | None = None
        self._task: ChildTask | None = None
        self._closed = False
        self.state = TrainingState()
        self.is_timing = False
        self.expected_s: float | None = None
        self.result: TunedModel | None = None
        self.unfinished: str | None = None
        workplace.changed.connect(self._project_changed)
        choice.changed.connect(self._models_changed)
        self._project_changed()

    @property
    def is_running(self) -> bool:
        """Whether a child is at work, or about to be."""
        return self.state.phase.is_running

    @property
    def models(self) -> list[TunedModel]:
        """The project's fine-tuned models, the newest last."""
        return [] if self._folder is None else tuned_models(self._folder)

    @property
    def is_adopted(self) -> bool:
        """Whether the model that is looked at is the one in use."""
        return self.result is not None and self._session.model == str(self.result.folder)

    def left_s(self) -> float | None:
        """How long the run takes at most; None while nobody can know."""
        return self.state.left_s(time.monotonic())

    def start(self, params: Mapping[str, Any] | None = None, base: str | None = None) -> None:
        """Fine-tune on the training set as it is now; what was not finished is dropped.

        Parameters
        ----------
        params : mapping of str to Any, optional
            Of `FinetuneParams`, only those that differ from what is usual.
        base : str, optional
            Model to begin with; the one in use by default.
        """
        self._begin(params or {}, base, timing=False)

    def measure_time(
        self, params: Mapping[str, Any] | None = None, base: str | None = None
    ) -> None:
        """Only find out how long it would take."""
        self._begin(params or {}, base, timing=True)

    def resume(self) -> None:
        """Go on with the run that was not finished."""
        if self.is_running or self.unfinished is None or self._folder is None:
            return
        name = self.unfinished
        old = self.state if self.state.name == name else TrainingState(name)
        # Its curves stay; what is after the last whole epoch is trained again.
        old.forget_unfinished_epoch()
        old.phase, old.message = Phase.PREPARING, ""
        self.state, self.is_timing, self.result = old, False, None
        self._launch([*_command(self._folder, name), "--resume"])

    def pause(self) -> None:
        """Rest after the step in hand."""
        if self._child is not None and self.state.phase is Phase.TRAINING:
            self._child.say("pause")

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._child is not None and self.state.phase is Phase.PAUSED:
            self._child.say("resume")

    def cancel(self) -> None:
        """End the child and all its children; the last whole epoch is kept."""
        if not self.is_running or self.state.phase is Phase.ENDING:
            return
        child, task = self._child, self._task
        self._child = self._task = None
        self.state.phase = Phase.ENDING
        self.changed.emit()
        if task is None or child is None:
            # Not begun yet.
            self._stopped()
            return
        task.drop()
        self._background(child.kill, lambda _ended: self._stopped(), self._failed)

    def show(self, model: TunedModel | None) -> None:
        """Look at the figures of a model; None: at none."""
        self.result = model
        if self.state.phase is Phase.DONE:
            self.state = TrainingState()
        self.changed.emit()

    def keep_old(self) -> None:
        """Leave everything as it is; the new model stays among the project's models."""
        if self.result is not None:
            self._session.tell(f"{self.result.name} is kept, but not worked with")
        self.show(None)

    def adopt(self, *, insist: bool = False) -> None:
        """Work with the model that is looked at."""
        if self.result is not None:
            self._choice.adopt(
                self.result.name,
                insist=insist,
                then=lambda: self.show(None),
                failed=self._session.tell_error,
            )

    def go_back(self) -> None:
        """Work with the model before."""
        self._choice.go_back(self.changed.emit, self._session.tell_error)

    def forget_time(self) -> None:
        """Drop the time that was measured: there is something else to learn."""
        if self.expected_s is not None:
            self.expected_s = None
            self.changed.emit()

    def close(self) -> None:
        """End the child now; nothing is called any more."""
        self._closed = True
        self._end_now()

    def _end_now(self) -> None:
        task, self._task, self._child = self._task, None, None
        if task is not None:
            task.cancel()

    def _begin(self, params: Mapping[str, Any], base: str | None, *, timing: bool) -> None:
        if self.is_running:
            return
        project = self._workplace.open_project
        if project is None:
            self._session.tell("Open an image first: its project holds the training set")
            return
        self._folder = project.folder
        if not timing and self.unfinished is not None:
            drop_unfinished(project.folder, self.unfinished)
            self.unfinished = None
        name = free_name(project.folder)
        self.state, self.is_timing, self.result = (
            TrainingState(name, Phase.PREPARING),
            timing,
            None,
        )
        command = [*_command(project.folder, name), "--base", base or self._choice.base]
        for parameter, value in params.items():
            command += ["--set", f"{parameter}={value}"]
        self._launch([*command, *(["--time"] if timing else [])])

    def _launch(self, command: Sequence[str]) -> None:
        state = self.state
        self.changed.emit()

        def written(_project: Project) -> None:
            # Cancelled or closed meanwhile.
            if self._closed or state is not self.state or state.phase is not Phase.PREPARING:
                return
            self._child = Child(command, listens=True)
            self._task = ChildTask(
                self._child, self._on_event, self._on_done, self._failed, self._read_result
            )

        self._workplace.write_down(written, self._failed)

    def _read_result(self) -> TunedModel | None:
        if self.is_timing or self._folder is None:
            return None
        return read_tuned(self._folder / FOLDER / self.state.name)

    def _on_event(self, event: dict[str, Any]) -> None:
        if self._child is None or self.state.phase is Phase.ENDING:
            return
        before = self.state.phase
        self.state.take(event, time.monotonic())
        if event.get("event") == "timing":
            self.expected_s = self.state.expected_s
        if self.state.phase is not before:
            self.changed.emit()
        self.progressed.emit()

    def _on_done(self, result: TunedModel | None) -> None:
        self._child = self._task = None
        self.state.phase = Phase.IDLE if self.is_timing else Phase.DONE
        self.is_timing = False
        self.result = result
        self._look_for_unfinished()
        if result is not None:
            verdict = "better" if result.is_better else "not better"
            self._session.tell(f"{result.name} is {verdict} on held-out images")
        self.changed.emit()

    def _failed(self, message: str) -> None:
        self._child = self._task = None
        self.is_timing = False
        self.state.phase, self.state.message = Phase.FAILED, message
        self._look_for_unfinished()
        self._session.tell_error(f"Fine-tuning failed. {message}")
        self.changed.emit()

    def _stopped(self) -> None:
        if self._closed:
            return
        timing, self.is_timing = self.is_timing, False
        self._look_for_unfinished()
        self.state.phase = Phase.IDLE if timing else Phase.STOPPED
        name = self.state.name
        if self._folder is not None and self.unfinished != name:
            # Nothing that one could go on with.
            drop_unfinished(self._folder, name)
        self._session.tell("Fine-tuning cancelled")
        self.changed.emit()

    def _look_for_unfinished(self) -> None:
        self.unfinished = None if self._folder is None else unfinished(self._folder)

    def _project_changed(self) -> None:
        project = self._workplace.open_project
        folder = None if project is None else project.folder
        if folder == self._folder:
            return
        if self.is_running:
            self._session.tell("Fine-tuning was ended: another project is open now")
            self._end_now()
        self._folder = folder
        self.state, self.result = TrainingState(), None
        self.expected_s, self.is_timing = None, False
        self._look_for_unfinished()
        self.changed.emit()

    def _models_changed(self) -> None:
        self.changed.emit()


def changed_params(params: FinetuneParams) -> dict[str, str]:
    """Parameters that differ from what is usual, as `--set` takes them."""
    usual = FinetuneParams()
    return {
        name: str(getattr(params, name))
        for name in FinetuneParams.model_fields
        if getattr(params, name) != getattr(usual, name)
    }


def _command(project: Path, name: str) -> list[str]:
    return ["finetune", str(project), "--name", name, "--events", "jsonl"]
