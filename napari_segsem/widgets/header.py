"""The header that all panels share: image, pixel size, model, engine."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_segsem._finetune_state import Phase, TrainingState
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import arrow, button, follow, row, text_label
from segsem.core.types import PixelSize
from segsem.engine.answers import EngineState

LARGEST_NM = 100_000.0

MAY_BREAK = "\u200b"
"""Names of images have no spaces to break a line at."""

STATES = {
    EngineState.STOPPED: "starts with the first prompt",
    EngineState.STARTING: "starting…",
    EngineState.LOADING: "loading the model…",
    EngineState.READY: "ready",
    EngineState.ENCODING: "encoding…",
    EngineState.FAILED: "failed",
}
BUSY = {EngineState.STARTING, EngineState.LOADING, EngineState.ENCODING}


class Header(QWidget):
    """What is open, how large a pixel is, what the model is doing."""

    def __init__(self, shared: Shared, open_dialog: Callable[[], None]) -> None:
        super().__init__()
        self._shared, self._session = shared, shared.session
        self._is_brief = False
        self.image_label = text_label(tip="The image that is shown")
        self._previous = arrow("‹", "Previous image", lambda: self._session.step(-1))
        self._next = arrow("›", "Next image", lambda: self._session.step(1))
        self._turn = row(self._previous, self._next)
        self.open_button = button("Open…", "Open other SEM images", open_dialog)
        self.pixel_label = text_label(tip="Size of a pixel and where it is read from")
        self.pixel_field = QDoubleSpinBox()
        self.pixel_field.setDecimals(4)
        self.pixel_field.setRange(0.0, LARGEST_NM)
        self.pixel_field.setSuffix(" nm/px")
        self.pixel_field.setSpecialValueText("unknown")
        self.pixel_field.setToolTip(
            "The file names no pixel size. Type it here to get nanometres and layouts"
        )
        self._set_size = button("Set", "Use this pixel size", self._give_pixel_size)
        self._pixel_row = row(self.pixel_field, self._set_size)
        self.model_label = text_label(tip="Model that answers prompts")
        self.engine_label = text_label(tip="What the inference process is doing")
        self._restart = button("Restart", "Start the inference process again", self._restart_engine)
        self._busy = QProgressBar()
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.setFixedHeight(4)
        self._lay_out()
        self._connect()
        self.show_document()
        self.show_model()
        self.show_engine()

    def show_model(self) -> None:
        """Show which model is worked with."""
        self.model_label.setText(self._shared.model_choice.name)

    def be_brief(self, brief: bool) -> None:
        """Leave out model and engine where nobody prompts, unless there is something to tell."""
        self._is_brief = brief
        self.show_engine()

    def show_document(self) -> None:
        """Show the image and its pixel size."""
        document = self._session.document
        number, count = self._session.position
        self._turn.setVisible(count > 1)
        self.open_button.setVisible(document is not None)
        self._pixel_row.setVisible(document is not None and document.image.pixel_size_nm is None)
        self.pixel_label.setVisible(document is None or document.image.pixel_size_nm is not None)
        if document is None:
            self.image_label.setText("none open")
            self.pixel_label.setText("–")
            return
        height, width = document.image.shape
        of = f" ({number} of {count})" if count > 1 else ""
        name = document.image.name.replace("_", f"_{MAY_BREAK}")
        self.image_label.setText(f"{name}{of}, {width} × {height} px")
        size = document.image.pixel_size_nm
        if size is not None:
            source = document.image.pixel_size_source
            self.pixel_label.setText(f"{size_text(size)} ({source})")

    def show_engine(self) -> None:
        """Show what the engine is doing."""
        state = self._session.engine_state
        text = STATES[state]
        if state is EngineState.FAILED:
            text = self._session.engine_message
        if self._shared.extraction.is_running:
            text = "extracting…"
        if self._shared.tuning.is_running:
            text += f"; {training_text(self._shared.tuning.state)}"
        self.engine_label.setText(text)
        self._restart.setVisible(state is EngineState.FAILED)
        self._busy.setVisible(state in BUSY)
        is_at_work = self._shared.extraction.is_running or self._shared.tuning.is_running
        tells = is_at_work or state in BUSY or state is EngineState.FAILED
        for part in self._model_rows:
            part.setVisible(tells or not self._is_brief)

    def _show_progress(self, done: int, total: int, message: str) -> None:
        part = f" {done} of {total}" if total else ""
        self.engine_label.setText(f"extracting{part}…")

    def _give_pixel_size(self) -> None:
        if self.pixel_field.value() > 0:
            self._session.set_pixel_size(self.pixel_field.value())
        else:
            self._session.tell("Type the pixel size in nm first")

    def _restart_engine(self) -> None:
        self._session.restart_engine()

    def _lay_out(self) -> None:
        rows = QGridLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setColumnStretch(1, 1)
        named = ("Image", "Pixel size", "Model", "Engine")
        values = (
            self.image_label,
            self.pixel_label,
            self.model_label,
            row(self.engine_label, self._restart),
        )
        self._model_rows: list[QWidget] = []
        for line, (name, value) in enumerate(zip(named, values, strict=True)):
            label = QLabel(name)
            rows.addWidget(label, line, 0, Qt.AlignmentFlag.AlignTop)
            if name in ("Model", "Engine"):
                self._model_rows += [label, value]
            # Beside the image's name are its buttons; the others have the room to the right end.
            columns = 1 if value is self.image_label else 2
            rows.addWidget(value, line, 1, 1, columns, Qt.AlignmentFlag.AlignTop)
        rows.addWidget(row(self._turn, self.open_button), 0, 2)
        rows.addWidget(self._pixel_row, 1, 1, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self._busy)

    def _connect(self) -> None:
        follow(self, self._session.document_changed, self.show_document)
        follow(self, self._session.engine_changed, self.show_engine)
        follow(self, self._session.model_changed, self.show_model)
        follow(self, self._shared.tuning.changed, self.show_engine)
        follow(self, self._shared.tuning.progressed, self.show_engine)
        follow(self, self._shared.extraction.changed, self.show_engine)
        follow(self, self._shared.extraction.progressed, self._show_progress)


def training_text(state: TrainingState) -> str:
    """How far fine-tuning is, in two words."""
    if state.phase is Phase.PAUSED:
        return f"training paused at {state.epoch} of {state.epochs}"
    if state.phase is Phase.TRAINING:
        return f"training {min(max(state.epoch, 1), state.epochs)} of {state.epochs}"
    return "fine-tuning…"


def size_text(size: PixelSize) -> str:
    """Pixel size with its unit; two numbers where it is not square."""
    if size[0] == size[1]:
        return f"{size[0]:.4g} nm/px"
    return f"{size[0]:.4g} × {size[1]:.4g} nm/px (y × x)"
