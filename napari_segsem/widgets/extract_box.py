"""The part of Review that extracts the image: start, progress, cancel, failed."""

from __future__ import annotations

from napari.utils import progress
from qtpy.QtWidgets import QComboBox, QProgressBar, QVBoxLayout, QWidget

from napari_segsem._sessions import Shared
from napari_segsem.widgets.design_box import DesignBox
from napari_segsem.widgets.parts import button, fold, follow, row, text_label
from segsem.core.params import Routing

METHODS = {
    "SAM2, Sauvola where it is unsure": Routing.HYBRID,
    "Sauvola only": Routing.SAUVOLA_ONLY,
    "SAM2 only": Routing.SAM2_ONLY,
}


class ExtractBox(QWidget):
    """One button, one bar."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared, self._run = shared, shared.extraction
        self._activity: progress | None = None
        self.extract_button = button(
            "Extract image",
            "Find the contours of all features in this image",
            self.start,
            primary=True,
        )
        self.bar = QProgressBar()
        self.bar.setToolTip("Progress of the extraction")
        self.step_label = text_label()
        self.cancel_button = button("Cancel", "Stop the extraction", self._run.cancel)
        self._working = row(self.bar, self.cancel_button)
        self.error_label = text_label()
        self.method = QComboBox()
        self.method.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.method.addItems(list(METHODS))
        self.method.setToolTip("Which method may stand in the result")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.extract_button, self._working, self.step_label, self.error_label):
            layout.addWidget(widget)
        self.design_box = DesignBox(shared)
        self.design_fold = fold("Design", self.design_box)
        layout.addWidget(self.design_fold)
        follow(self, self._run.changed, self.show_state)
        follow(self, self._run.progressed, self._show_progress)
        follow(self, shared.session.review_changed, self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Show whether an image is being extracted, or what went wrong."""
        running = self._run.is_running
        again = self._shared.session.review is not None
        self.extract_button.setText("Extract again" if again else "Extract image")
        self.extract_button.setVisible(not running)
        self.extract_button.setEnabled(self._shared.session.document is not None)
        self._working.setVisible(running)
        self.step_label.setVisible(running)
        self.error_label.setVisible(not running and self._run.error is not None)
        self.error_label.setText(f"Extraction failed. {self._run.error or ''}")
        if not running:
            self._end_activity()

    def start(self) -> None:
        """Extract the image that is shown."""
        self.bar.setRange(0, 0)
        self.step_label.setText("Starting…")
        self._run.start(METHODS[self.method.currentText()])
        if self._run.is_running:
            self._activity = progress(total=0, desc="Extracting contours")

    def _show_progress(self, done: int, total: int, message: str) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.step_label.setText(message)

    def _end_activity(self) -> None:
        if self._activity is not None:
            self._activity.close()
            self._activity = None
