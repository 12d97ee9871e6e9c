"""`Session`: what the panels of one viewer share: images, engine, messages. Knows no Qt.

Panels and layers listen to its signals; it listens to the engine. Whatever the engine says comes
through `dispatch`, which hands it to the thread that the panels live in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path

from psygnal import Signal

from napari_segsem._annotation import Annotation
from napari_segsem._asking import Asking
from napari_segsem._document import Document
from napari_segsem._documents import Background, Documents, run_now
from napari_segsem._foresight import Foresight
from napari_segsem._review import Review
from napari_segsem._series import Series
from napari_segsem._workplace import Workplace
from segsem.core.exceptions import SegSemError
from segsem.engine.answers import Candidates, EngineState, StaleAnswerError
from segsem.engine.client import EngineClient
from segsem.imaging.image import SEMImage
from segsem.segmentation.questions import Question

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "segsem-nano"

Dispatch = Callable[[Callable[[], None]], None]


class Session:
    """State of one viewer.

    Parameters
    ----------
    dispatch : callable
        Runs a callable in the panels' thread.
    model : str
        Name of the model.
    background : callable
        Where images are read; at once in the caller's thread by default.
    workplace : Workplace, optional
        Where the work is kept; it is kept in memory only if not given.
    """

    document_changed = Signal()
    review_changed = Signal()
    engine_changed = Signal()
    model_changed = Signal()
    message = Signal(str, bool)

    def __init__(
        self,
        dispatch: Dispatch,
        model: str = DEFAULT_MODEL,
        background: Background = run_now,
        workplace: Workplace | None = None,
    ) -> None:
        self.workplace = workplace
        self.model = model
        self.engine_state = EngineState.STOPPED
        self.engine_message = ""
        self._dispatch = dispatch
        self._engine = EngineClient(model, self._on_engine_state)
        self.asking = Asking(
            self._engine,
            self._in_panels,
            lambda: self.document,
            self.start_engine,
            self.tell,
            self.tell_error,
        )
        self.foresight = Foresight(self._engine, self._in_panels, lambda: self.document)
        if workplace is None:
            self.documents = Documents(background, self._show, self.tell_error)
        else:
            workplace.talk_to(self.tell, self.tell_error)
            self.documents = Documents(
                background, self._show, self.tell_error, workplace.restore, workplace.keep
            )
        self.series = Series(self.documents, background, workplace, self.tell, self.tell_error)
        self._shown: Document | None = None
        self._closed = False

    @property
    def document(self) -> Document | None:
        """The image that is shown."""
        return self.documents.current

    @property
    def annotation(self) -> Annotation | None:
        """Prompts and objects of the image that is shown."""
        return None if self.document is None else self.document.annotation

    @property
    def review(self) -> Review | None:
        """Review of the image that is shown; None before it was extracted."""
        return None if self.document is None else self.document.review

    @property
    def position(self) -> tuple[int, int]:
        """Number of the image shown, and of all that are open."""
        return self.documents.position

    def open_files(self, paths: Sequence[Path]) -> None:
        """Open images; the first is shown once it is read, the others when they are reached.

        A folder, a manifest or a project takes the place of the images that are open, and is
        gone on with where it was left.
        """
        self.series.open(paths)

    def open_image(self, image: SEMImage) -> None:
        """Show an image that is already read."""
        if self.workplace is None:
            self.documents.open_image(image)
        else:
            self.workplace.start()
            self.documents.open_image(image, self.workplace.is_kept)

    def fetch(self, path: Path, then: Callable[[Document], None]) -> None:
        """Read an image without showing it, then call `then`."""
        self.documents.fetch(path, then)

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image."""
        self.documents.step(by)

    def set_pixel_size(self, nm: float) -> None:
        """Give the pixel size of an image that does not name one."""
        if self.document is not None:
            self.document.set_pixel_size(nm)
            if self.workplace is not None:
                self.workplace.mark(self.document, pixel_size_nm=[nm, nm])
            self.document_changed.emit()
            if self.review is not None:
                self.tell("Pixel size set: extract the image again to get contours in nm")

    def start_engine(self) -> None:
        """Start the inference process if it is not running."""
        if self._engine.pid is None and not self._closed:
            self._guarded(self._engine.start)
            self._send_image()
            self.documents.read_ahead(self._prefetch)

    def restart_engine(self) -> None:
        """Start the inference process anew; images and prompts stay."""
        self._engine.close()
        self.start_engine()
        self.ask()

    def use_model(self, model: str) -> None:
        """Work with another model from now on: a name, or a model's folder.

        The engine is started anew with it, if it was running.
        """
        if model == self.model or self._closed:
            return
        running = self._engine.pid is not None or self.engine_state is EngineState.FAILED
        self.model = self._engine.model = model
        self._engine.pace_s = None
        self.model_changed.emit()
        if running:
            self.restart_engine()

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine."""
        return self._engine.pid

    def ask(self) -> None:
        """Ask what the prompts of the image shown ask for; the newest question wins."""
        self.asking.ask()

    def ask_about(
        self,
        question: Question,
        then: Callable[[Candidates], None],
        failed: Callable[[str], None],
    ) -> None:
        """Ask the engine about something of the image shown that is no prompt of its annotation.

        Parameters
        ----------
        question : Question
            In the image's frame.
        then : callable
            Called with the answer, in the panels' thread.
        failed : callable
            Called with a message for the user; with an empty one where a newer question came.
        """
        document = self.document
        if document is None:
            failed("Open an SEM image first")
            return
        self.start_engine()
        answer = self._engine.predict(document.image.sha256, question.prompts, None, question.known)

        def answered(done: Future[Candidates]) -> None:
            try:
                candidates = done.result()
            except (StaleAnswerError, CancelledError):
                failed("")
            except SegSemError as error:
                failed(str(error))
            else:
                then(candidates)

        answer.add_done_callback(lambda done: self._in_panels(lambda: answered(done)))

    def tell(self, text: str) -> None:
        """Show a message."""
        self.message.emit(text, False)

    def tell_error(self, text: str) -> None:
        """Show what went wrong and what to do."""
        self.message.emit(text, True)

    def close(self) -> None:
        """End the engine, and bring the files of the project up to date."""
        self._closed = True
        self.documents.close()
        self._engine.close()
        self.series.close()
        if self.workplace is not None:
            self.workplace.close()

    def _show(self) -> None:
        document, left = self.document, self._shown
        self._shown = document
        if self.workplace is not None and left is not None and left is not document:
            self.workplace.leave(left)
        self.series.note_shown()
        if document is None:
            return
        document.annotation.prompts_changed.disconnect(self.ask, missing_ok=True)
        document.annotation.prompts_changed.connect(self.ask)
        # Nobody looks at the image before any more; its prompts are asked again when it is back.
        self._engine.cancel()
        self.asking.stop_hovering()
        self._send_image()
        self.document_changed.emit()
        self.review_changed.emit()
        self.documents.read_ahead(self._prefetch)
        known = document.annotation.candidates
        if not document.annotation.state.is_empty and (known is None or not known.complete):
            self.ask()
        for warning in document.image.warnings:
            self.tell(warning)
        while document.notices:
            self.tell_error(document.notices.pop())

    def _send_image(self) -> None:
        """Give the engine the image that is shown, and what to do while nobody asks."""
        document = self.document
        if document is None or self._engine.pid is None:
            return
        self._engine.cancel_idle()
        # The grey values are made in the client's thread, where they are not made already.
        self._engine.set_image(document.image.sha256, lambda: document.model_grey)
        self._engine.warm(document.image.sha256)

    def _prefetch(self, document: Document) -> None:
        if document is not self.document and self._engine.pid is not None:
            self._engine.prefetch(document.image.sha256, lambda: document.model_grey)

    def _guarded(self, start: Callable[[], object]) -> None:
        try:
            start()
        except SegSemError as error:
            self._engine_says(EngineState.FAILED, str(error))

    def _on_engine_state(self, state: EngineState, message: str) -> None:
        self._in_panels(lambda: self._engine_says(state, message))

    def _engine_says(self, state: EngineState, message: str) -> None:
        self.engine_state, self.engine_message = state, message
        self.engine_changed.emit()

    def _in_panels(self, action: Callable[[], None]) -> None:
        def act() -> None:
            if not self._closed:
                action()

        if not self._closed:
            self._dispatch(act)
