"""What all panels have in common: header, scrolling body, footer, dropped files, the end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from napari_segsem._dialogs import ask_images
from napari_segsem._sessions import Shared, enter, leave, real_viewer
from napari_segsem._tasks import soon
from napari_segsem.widgets.header import Header
from napari_segsem.widgets.parts import follow, text_label

MINIMUM_WIDTH = 340

TITLE_HEIGHT = 30
"""Of a fold: it stays in sight above what is shown in it."""


class Panel(QWidget):
    """A dock's content over the session of its viewer.

    Attributes
    ----------
    title : str
        Name in the plugin's menu.

    Subclasses fill `body`. psygnal holds their slots weakly, so that a panel need not disconnect.
    """

    title = ""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = real_viewer(napari_viewer)
        self.shared: Shared = enter(self.viewer)
        self.session = self.shared.session
        self.header = Header(self.shared, self.open_dialog)
        self.footer = text_label(tip="The last message")
        self.body = QVBoxLayout()
        self._wanted: QWidget | None = None
        self._lay_out()
        self.setAcceptDrops(True)
        follow(self, self.session.message, self._show_message)
        # Not a method: the panel no longer exists when this is called.
        self.destroyed.connect(partial(_gone, self.shared, self.title))
        self.shared.restorer.panel_opened(self.title)
        self.shared.annotate_layers.adopt_open_image()

    def open_dialog(self) -> None:
        """Ask for images and open them."""
        self.session.open_files(ask_images(self))

    def changeEvent(self, event: Any) -> None:  # noqa: N802
        """End with the dock: napari only takes the panel out of it."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.shared.restorer.panel_closed(self.title)
            soon(self.deleteLater)

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        """Accept files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        """Open dropped files."""
        urls = event.mimeData().urls()
        self.session.open_files([Path(url.toLocalFile()) for url in urls if url.isLocalFile()])
        event.acceptProposedAction()

    def show_widget(self, widget: QWidget) -> None:
        """Scroll to a part of the panel."""
        self._wanted = widget
        soon(self._scroll_to_wanted)

    def _scroll_to_wanted(self, *_range: int) -> None:
        bar, wanted = self._scroll.verticalScrollBar(), self._wanted
        if bar is None or wanted is None:
            return
        top = wanted.mapTo(self._inner, QPoint(0, 0)).y() - TITLE_HEIGHT
        bar.setValue(top)
        # A part that was just unfolded makes the panel longer a little later.
        if bar.value() >= top:
            self._wanted = None

    def _show_message(self, text: str, is_error: bool) -> None:
        self.footer.setText(text)

    def _lay_out(self) -> None:
        self._inner = inner = QWidget()
        inner_layout = QVBoxLayout(inner)
        inner_layout.addWidget(self.header)
        inner_layout.addWidget(_line())
        inner_layout.addLayout(self.body, 1)
        self._scroll = scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        bar = scroll.verticalScrollBar()
        if bar is not None:
            bar.rangeChanged.connect(self._scroll_to_wanted)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # A panel is as wide as its dock: what does not fit is cut short, not scrolled sideways.
        inner.setMinimumWidth(1)
        scroll.setWidget(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addWidget(_line())
        layout.addWidget(self.footer)
        self.setMinimumWidth(MINIMUM_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)


def _gone(shared: Shared, title: str, *_destroyed: object) -> None:
    shared.restorer.panel_closed(title)
    leave(shared)


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
