"""The design of a window: which layout and layer, and where the image that is shown lies in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._session import Session
from segsem.core.exceptions import UsageError
from segsem.layout.design_job import DesignJob
from segsem.layout.layout import Layout
from segsem.layout.read import read_layout
from segsem.layout.register import RegisterOptions
from segsem.pipeline_design import Located, locate_image

Background = Callable[[Callable[[], Any], Callable[[Any], None], Callable[[str], None]], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    path : Path
        The layout file.
    cell : str or None
        Its cell; None where it has one top cell.
    layer : str or None
        `L/D`; None until one of several is chosen.
    at_nm : (float, float) or None
        Where in the design the middle of the image lies, as the user says.
    """

    path: Path
    cell: str | None = None
    layer: str | None = None
    at_nm: tuple[float, float] | None = None

    @property
    def arguments(self) -> list[str]:
        """Options of `segsem extract`."""
        if self.layer is None:
            return []
        words = ["--design", str(self.path), "--layer", self.layer]
        if self.cell is not None:
            words += ["--cell", self.cell]
        if self.at_nm is not None:
            words += ["--at", ",".join(repr(float(value)) for value in self.at_nm)]
        return words


class DesignDesk:
    """Reads a design and lays the image that is shown on it, beside the window.

    Parameters
    ----------
    session : Session
    background : callable
        Runs work beside the GUI.
    """

    changed = Signal()

    def __init__(self, session: Session, background: Background) -> None:
        self._session, self._background = session, background
        self._layout: Layout | None = None
        self._round = 0
        self.choice: Choice | None = None
        self.layers: list[str] = []
        self.is_busy = False
        self.error: str | None = None
        self.located: Located | None = None
        session.document_changed.connect(self._on_image)
        session.review_changed.connect(self._on_image)

    def close(self) -> None:
        """Let go of the session."""
        self._round += 1
        self._session.document_changed.disconnect(self._on_image, missing_ok=True)
        self._session.review_changed.disconnect(self._on_image, missing_ok=True)

    def choose(self, path: Path, cell: str | None = None) -> None:
        """Read a layout; with one layer only, lay the image on it at once."""
        self.choice, self._layout, self.layers = Choice(path, cell), None, []
        self.located = None
        self._run(lambda: read_layout(path, cell), self._on_layout)

    def choose_layer(self, layer: str) -> None:
        """Lay the image on another layer."""
        if self.choice is not None and layer != self.choice.layer:
            self.choice = replace(self.choice, layer=layer)
            self.locate()

    def say_place(self, text: str) -> None:
        """Take the user's word for where the image lies; nothing takes it back.

        Parameters
        ----------
        text : str
            `X, Y` in nm.
        """
        if self.choice is None:
            return
        try:
            at_nm = place_of(text)
        except UsageError as error:
            self.error = str(error)
            self.changed.emit()
            return
        if at_nm != self.choice.at_nm or self.error is not None:
            self.choice = replace(self.choice, at_nm=at_nm)
            self.locate()

    def remove(self) -> None:
        """Work without a design again."""
        self._round += 1
        self.choice, self._layout, self.layers = None, None, []
        self.is_busy, self.error, self.located = False, None, None
        self.changed.emit()

    def locate(self) -> None:
        """Lay the image that is shown on the design."""
        document, choice, layout = self._session.document, self.choice, self._layout
        self.located, self.error = None, None
        if document is None or choice is None or layout is None or choice.layer is None:
            self._round += 1
            self.is_busy = False
            self.changed.emit()
            return
        image = document.image
        review = self._session.review
        known = None if review is None else review.extraction

        def work() -> Located:
            options = RegisterOptions(near_nm=choice.at_nm)
            return locate_image(DesignJob.of(layout, choice.layer, options), image, known)

        self._run(work, self._on_located)

    def arguments(self, document: Document) -> list[str]:
        """Options of `segsem extract` for an image; none where its pixel size is unknown."""
        if self.choice is None or document.image.pixel_size_nm is None:
            return []
        return self.choice.arguments

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._round += 1
        own, self.is_busy, self.error = self._round, True, None

        def ended(result: Any) -> None:
            if own == self._round:
                self.is_busy = False
                done(result)

        def failed(message: str) -> None:
            if own == self._round:
                self.is_busy, self.error = False, message
                self.changed.emit()

        self._background(work, ended, failed)
        self.changed.emit()

    def _on_layout(self, layout: Layout) -> None:
        self._layout = layout
        self.layers = [f"{number}/{kind}" for number, kind in sorted(layout.polygons_by_layer)]
        if len(self.layers) == 1 and self.choice is not None:
            self.choice = replace(self.choice, layer=self.layers[0])
        if not self.layers:
            self.error = f"{layout.path.name}: the cell {layout.cell} holds no polygons"
        if self.error is None:
            self.locate()
        self.changed.emit()

    def _on_located(self, located: Located) -> None:
        self.located = located
        self.changed.emit()

    def _on_image(self) -> None:
        if self._layout is not None:
            self.locate()


def place_of(text: str) -> tuple[float, float] | None:
    """Read `X, Y` in nm; None where nothing is written.

    Raises
    ------
    UsageError
        If it is no place.
    """
    words = text.replace(",", " ").split()
    if not words:
        return None
    try:
        x, y = (float(word) for word in words)
    except ValueError:
        x = y = float("nan")
    if not (abs(x) < 1e12 and abs(y) < 1e12):
        msg = f"Expected a place as X, Y in nm, but got {text.strip()!r}"
        raise UsageError(msg)
    return x, y


def told(desk: DesignDesk, has_image: bool, has_pixel_size: bool) -> str:
    """Say in words what stands with the design."""
    if desk.error is not None:
        return desk.error
    if desk.choice is None:
        return "No design. With one, SAM2 is asked with its shapes, and differences are flagged."
    if desk.is_busy:
        return "Laying the image on the design…" if desk.layers else "Reading the layout…"
    if desk.choice.layer is None:
        return "Choose the layer that the image shows."
    if not has_image:
        return "Open an image to lay it on the design."
    if not has_pixel_size:
        return "Give the pixel size first: without it the image cannot be laid on a design."
    return _placed(desk.located)


def _placed(located: Located | None) -> str:
    if located is None:
        return ""
    found = located.registration
    if found is None:
        return f"Not found: {located.reason}"
    x, y = found.place.position_nm
    where = (
        f"middle at {x:.1f}, {y:.1f} nm, turned by {found.place.rotation_deg:+.2f}°, "
        f"residual {found.residual_rms_nm:.1f} nm ({found.residual_rms_px:.2f} px), "
        f"score {found.score:.2f}"
    )
    if located.reason is None:
        return f"Found: {where}."
    return f"Not sure: {located.reason}. Extraction goes on without it. {_advice(located)}"


def _advice(located: Located) -> str:
    if located.registration is not None and located.registration.matched >= 0.5:
        return "Say below where the middle of the image lies."
    return "Check layer and pixel size, or say below where the middle of the image lies."
