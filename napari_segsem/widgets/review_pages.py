"""Pages of the review panel, one in sight: the panel is as high as the page that is shown."""

from __future__ import annotations

from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

SHOWN = QSizePolicy.Policy.Preferred
AWAY = QSizePolicy.Policy.Ignored
SPACING_PX = 4


class Page(QWidget):
    """One page: parts below each other."""

    def __init__(self, pages: Pages, *parts: tuple[QWidget, int]) -> None:
        super().__init__()
        self._pages = pages
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, SPACING_PX, 0, 0)
        layout.setSpacing(SPACING_PX)
        for part, stretch in parts:
            layout.addWidget(part, stretch)
        if not any(stretch for _, stretch in parts):
            layout.addStretch(1)

    def expand(self, *, animate: bool = False) -> None:
        """Show this page."""
        self._pages.setCurrentWidget(self)


class Pages(QTabWidget):
    """Tabs whose height is that of the page in sight, not that of the highest."""

    def __init__(self) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.setUsesScrollButtons(False)
        self.currentChanged.connect(self._changed)

    def add(self, title: str, tip: str, *parts: tuple[QWidget, int]) -> Page:
        """Append a page of parts, each with its stretch."""
        page = Page(self, *parts)
        page.setSizePolicy(SHOWN, SHOWN if self.count() == 0 else AWAY)
        self.setTabToolTip(self.addTab(page, title), tip)
        return page

    def _changed(self, _index: int) -> None:
        current = self.currentWidget()
        for number in range(self.count()):
            page = self.widget(number)
            if page is not None:
                page.setSizePolicy(SHOWN, SHOWN if page is current else AWAY)
