"""The part of Fine-tune that says whether the new model is better, and takes it or not."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_segsem._finetune_layers import KINDS
from napari_segsem._finetune_models import MEASURES, Interval, TunedModel
from napari_segsem._finetune_state import duration
from napari_segsem._sessions import Shared
from napari_segsem.widgets.legend import LINE_WIDTH, LineSample
from napari_segsem.widgets.parts import arrow, button, follow, make_primary, row, text_label
from segsem.core.appearance import AFTER_STYLE, BEFORE_STYLE, SOURCE_STYLES, LineStyle
from segsem.core.contour import Source

MASKS = LineStyle("Your masks", SOURCE_STYLES[Source.SAM2].color)
IMAGE_GREY = "#505050"
VERDICT_GROWTH = 1.25
"""The verdict's letters over the others."""


class ImageLineSample(LineSample):
    """A line as over an image: white would not be seen on the light theme."""

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw the line on grey."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(IMAGE_GREY))
        painter.end()
        super().paintEvent(event)


class ResultBox(QWidget):
    """Verdict, before and after, the outlines in the viewer, and the decision.

    Parameters
    ----------
    shared : Shared
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared, self._tuning = shared, shared.tuning
        self._pictures = shared.finetune_layers
        self.verdict_label = text_label(tip="On held-out images, which nothing was learnt from")
        font = self.verdict_label.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * VERDICT_GROWTH)
        self.verdict_label.setFont(font)
        self.gain_label = text_label(tip="Means with 95 % intervals; bootstrap over images")
        self.table = QGridLayout()
        self.note_label = text_label(tip="What was compared")
        self.look_button = button(
            "Look at it", "Outlines before and after on held-out images", self._look
        )
        self.previous_button = arrow("‹", "Previous held-out image", lambda: self._step(-1))
        self.next_button = arrow("›", "Next held-out image", lambda: self._step(1))
        self.place_label = text_label(tip="Held-out image")
        self.kind_field = QComboBox()
        self.kind_field.addItems(list(KINDS))
        self.kind_field.setToolTip("How the objects were asked for")
        self.kind_field.currentTextChanged.connect(self._ask_by)
        self.adopt_button = button("Adopt", "", self._adopt)
        self.keep_button = button("Keep the old one", "Nothing changes", self._keep)
        self.doubt_label = text_label()
        self.insist_button = button("Adopt all the same", "Work with it nevertheless", self._insist)
        self.unsure_button = button("No", "Leave everything as it is", self._do_not_insist)
        self._doubt = row(self.insist_button, self.unsure_button)
        self._lay_out()
        follow(self, shared.tuning.changed, self.show_result)
        follow(self, shared.finetune_layers.changed, self._show_place)
        self._asking = False
        self.show_result()

    def show_result(self) -> None:
        """Show the figures of the model that is looked at."""
        model = self._tuning.result
        self.setVisible(model is not None)
        if model is None:
            self._asking = False
            self._pictures.hide()
            return
        self.verdict_label.setText(verdict_text(model))
        self.gain_label.setText(gain_text(model))
        self._fill_table(model)
        images = "image" if len(model.held_out_ids) == 1 else "images"
        self.note_label.setText(
            f"{model.name} from {model.base}, {duration(model.seconds)}. "
            f"{len(model.held_out_ids)} held-out {images}; your masks are the measure."
            + (f"\n{model.calibration_note}." if model.calibration_note else "")
        )
        self._show_decision(model)
        self._show_place()

    def _show_decision(self, model: TunedModel) -> None:
        in_use = self._tuning.is_adopted
        self.adopt_button.setText("Adopt" if model.is_better else "Adopt…")
        self.adopt_button.setToolTip(
            "Prompts, proposals and extraction work with it from now on"
            if model.is_better
            else "It is not better: you will be asked once more"
        )
        self.keep_button.setText("Close" if in_use else "Keep the old one")
        self.adopt_button.setVisible(not in_use and not self._asking)
        self.keep_button.setVisible(not self._asking)
        self._doubt.setVisible(self._asking)
        self.doubt_label.setVisible(self._asking)
        self.doubt_label.setText(
            f"{model.name} is not better than {model.base} on held-out images. Work with it all "
            "the same? You can go back at any time."
        )
        first, second = self.adopt_button, self.keep_button
        if not model.is_better:
            first, second = second, first
        make_primary(first)
        _make_plain(second)

    def _fill_table(self, model: TunedModel) -> None:
        while (item := self.table.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for column, title in enumerate(("Held out", "Before", "After")):
            self.table.addWidget(QLabel(f"<b>{title}</b>"), 0, column)
        shown = [name for name in MEASURES if name in model.after]
        for line, name in enumerate(shown, start=1):
            what, _, how = MEASURES[name].partition(", ")
            label = QLabel(f"{what}<br><small>{how}</small>")
            self.table.addWidget(label, line, 0, Qt.AlignmentFlag.AlignTop)
            for column, values in ((1, model.before), (2, model.after)):
                self.table.addWidget(_figure(values[name]), line, column)

    def _look(self) -> None:
        if self._pictures.is_shown:
            self._pictures.hide()
        elif self._tuning.result is not None:
            self._pictures.show(self._tuning.result)

    def _step(self, by: int) -> None:
        self._pictures.step(by)

    def _ask_by(self, text: str) -> None:
        self._pictures.ask_by(KINDS[text])

    def _show_place(self) -> None:
        shown = self._pictures.is_shown and bool(self._pictures.image_ids)
        several = len(self._pictures.image_ids) > 1
        self.look_button.setText("Hide it" if shown else "Look at it")
        self._place_row.setVisible(shown)
        self._legend.setVisible(shown)
        self.previous_button.setVisible(several)
        self.next_button.setVisible(several)
        index, count = self._pictures.index, len(self._pictures.image_ids)
        self.place_label.setText(
            "another image is shown" if index is None else f"{index + 1} of {count}"
        )

    def _adopt(self) -> None:
        model = self._tuning.result
        if model is not None and model.is_better:
            self._pictures.hide()
            self._tuning.adopt()
        elif model is not None:
            self._asking = True
            self._show_decision(model)

    def _insist(self) -> None:
        self._asking = False
        self._pictures.hide()
        self._tuning.adopt(insist=True)

    def _do_not_insist(self) -> None:
        self._asking = False
        self.show_result()

    def _keep(self) -> None:
        self._pictures.hide()
        if self._tuning.is_adopted:
            self._tuning.show(None)
        else:
            self._tuning.keep_old()

    def _lay_out(self) -> None:
        self._place_row = row(
            self.kind_field, self.previous_button, self.place_label, self.next_button
        )
        self._legend = QWidget()
        legend = QGridLayout(self._legend)
        legend.setContentsMargins(0, 0, 0, 0)
        for index, style in enumerate((BEFORE_STYLE, AFTER_STYLE, MASKS)):
            line, column = divmod(index, 2)
            legend.addWidget(ImageLineSample(style, LINE_WIDTH), line, 2 * column)
            legend.addWidget(QLabel(style.label), line, 2 * column + 1)
            legend.setColumnStretch(2 * column + 1, 1)
        self.table.setColumnStretch(0, 1)
        self.table.setHorizontalSpacing(12)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # The decision stays in sight; the figures behind it follow.
        for widget in (
            self.verdict_label,
            self.gain_label,
            row(self.adopt_button, self.keep_button, self.look_button),
            self.doubt_label,
            self._doubt,
            self._place_row,
            self._legend,
        ):
            layout.addWidget(widget)
        layout.addLayout(self.table)
        layout.addWidget(self.note_label)


def verdict_text(model: TunedModel) -> str:
    """Say whether it is better, in one word and the figure that matters."""
    word = "Better" if model.is_better else "Not better"
    return word if model.gain is None else f"{word}: {model.gain.mean:+.3f}"


def gain_text(model: TunedModel) -> str:
    """Say what the figure is."""
    if model.gain is None:
        return "Nothing is known of held-out images."
    gain = model.gain
    return (
        f"Change of the mean of IoU and boundary F1 on held-out images; 95 % interval "
        f"{gain.low:+.3f} to {gain.high:+.3f}."
    )


def _figure(value: Interval) -> QLabel:
    return QLabel(f"{value.mean:.3f}<br><small>{value.low:.2f} to {value.high:.2f}</small>")


def _make_plain(made: QWidget) -> None:
    font = made.font()
    font.setBold(False)
    made.setFont(font)
    made.setMinimumHeight(0)
