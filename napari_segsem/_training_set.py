"""What is in the training set of the project, looked through in the background. Knows no Qt."""

from __future__ import annotations

from psygnal import Signal

from napari_segsem._documents import Background
from napari_segsem._series import Series
from napari_segsem._workplace import Workplace
from segsem.core.progress import run_to_completion
from segsem.dataset.training_set import TrainingSummary, member_rows, summarise


class TrainingSet:
    """Summary of the project's training set, made anew when something of it may have changed.

    Parameters
    ----------
    workplace : Workplace
    series : Series
    background : callable
        Where it is looked through.
    """

    changed = Signal()

    def __init__(self, workplace: Workplace, series: Series, background: Background) -> None:
        self._workplace, self._series, self._background = workplace, series, background
        self.summary = TrainingSummary()
        self._busy = self._again = self._closed = False
        workplace.changed.connect(self.look)
        series.entry_changed.connect(self._edited)
        self.look()

    def look(self) -> None:
        """Look through the training set once more."""
        project = self._workplace.open_project
        if project is None or self._closed:
            return
        if self._busy:
            self._again = True
            return
        if not member_rows(project):
            self._take(TrainingSummary())
            return
        self._busy = True
        live = self._workplace.live_objects()
        self._background(
            lambda: run_to_completion(summarise(project, live)),
            self._looked,
            lambda message: self._end(),
        )

    def close(self) -> None:
        """Look no more."""
        self._closed = True

    def _edited(self, _index: int) -> None:
        if self._series.is_in_training_set:
            self.look()

    def _looked(self, summary: TrainingSummary) -> None:
        if not self._closed:
            self._take(summary)
        self._end()

    def _take(self, summary: TrainingSummary) -> None:
        if summary != self.summary:
            self.summary = summary
            self.changed.emit()

    def _end(self) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.look()
