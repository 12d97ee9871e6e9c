"""What is asked of the engine for the prompts of an image, and what becomes of the answers.

One object in work goes before many: its question overtakes a batch, and what of the batch is
still open is asked again once it is answered. Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from psygnal import Signal

from napari_segsem._document import Document
from napari_segsem._prompt_state import PromptState, RepeatSeed
from napari_segsem._proposals import Proposal, box_key, repeat_key
from segsem.core.exceptions import SegSemError
from segsem.core.mask_patch import MaskPatch
from segsem.core.types import BoxRC, MaskArray
from segsem.engine.answers import Candidates, Outline, StaleAnswerError, outline_of
from segsem.engine.client import EngineClient
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.questions import ObjectAnswer, Question

HOVER_DECODE_S = 0.08
HOVER_ENCODE_S = 0.25
"""A model that takes longer for a prompt or a window is too slow to follow the mouse."""

Tell = Callable[[str], None]
PointRC = tuple[float, float]


class Asking:
    """Asks, and hands answers to the annotation that they belong to.

    Parameters
    ----------
    engine : EngineClient
    in_panels : callable
        Runs a callable in the panels' thread.
    shown : callable
        Gives the document that is shown.
    start_engine : callable
    tell, tell_error : callable
        Show a message.
    """

    hovered = Signal(object)
    """`Outline` of what a click under the mouse would give; None: nothing any more."""

    def __init__(
        self,
        engine: EngineClient,
        in_panels: Callable[[Callable[[], None]], None],
        shown: Callable[[], Document | None],
        start_engine: Callable[[], None],
        tell: Tell,
        tell_error: Tell,
    ) -> None:
        self._engine, self._in_panels, self._shown = engine, in_panels, shown
        self._start_engine, self._tell, self._tell_error = start_engine, tell, tell_error
        self.hover_wanted = True
        self._hovering = False
        self._next_hover: PointRC | None = None

    def ask(self) -> None:
        """Ask what the prompts of the image shown ask for, as far as that is not known."""
        document = self._shown()
        if document is None:
            return
        annotation = document.annotation
        if annotation.state.asks and not self._is_answered(document):
            # What is shown under the mouse stays until the answer takes its place: a frame that
            # only takes it away would keep the answer waiting.
            self._next_hover = None
            self._ask_one(document)
            return
        self.stop_hovering()
        if not self._ask_many(document):
            self._engine.cancel()

    def stop_hovering(self) -> None:
        """Show nothing under the mouse any more."""
        self._next_hover = None
        self.hovered.emit(None)

    @property
    def can_hover(self) -> bool:
        """Whether the model is known to be fast enough to follow the mouse."""
        pace = self._engine.pace_s
        return pace is not None and pace[0] <= HOVER_ENCODE_S and pace[1] <= HOVER_DECODE_S

    def hover(self, point_rc: PointRC) -> bool:
        """Show what a click would give there, where nothing is in work; tell whether it is asked.

        One question at a time is under way; of the places passed meanwhile the last one counts.
        """
        document = self._shown()
        if document is None or self._engine.pid is None or not document.annotation.state.is_empty:
            return False
        if not (self.hover_wanted and self.can_hover):
            return False
        self._next_hover = point_rc
        if not self._hovering:
            self._ask_hover(document)
        return True

    def _is_answered(self, document: Document) -> bool:
        annotation = document.annotation
        known = annotation.candidates
        return (
            known is not None
            and not known.partial
            and annotation.answers_to == (annotation.state.one)
        )

    def _ask_one(self, document: Document) -> None:
        state = document.annotation.state.one
        question = state.question()
        self._start_engine()
        answer = self._engine.predict(
            document.image.sha256,
            question.prompts,
            lambda part: self._part_arrived(document, state, part),
            question.known,
        )
        answer.add_done_callback(lambda done: self._arrived(document, state, done))

    def _ask_many(self, document: Document) -> bool:
        proposals = document.annotation.proposals
        boxes = proposals.open_boxes()
        seed = document.annotation.state.repeat
        if boxes:
            self._ask_boxes(document, boxes)
        elif seed is not None and (proposals.wants_repeat or not proposals.is_complete):
            self._ask_repeat(document, seed)
        else:
            return False
        return True

    def _ask_boxes(self, document: Document, boxes: list[BoxRC]) -> None:
        questions = [Question(Prompts(box_rc=box)) for box in boxes]

        def arrived(answers: list[ObjectAnswer]) -> None:
            found = [
                Proposal(
                    box_key(boxes[answer.index]),
                    answer,
                    questions[answer.index].prompts.as_json(),
                )
                for answer in answers
            ]
            self._in_panels(lambda: document.annotation.proposals.put(found))

        self._start_engine()
        document.annotation.proposals.begin()
        batch = self._engine.predict_many(document.image.sha256, questions, arrived)
        batch.add_done_callback(lambda done: self._many_arrived(document, done))

    def _ask_repeat(self, document: Document, seed: RepeatSeed) -> None:
        annotation = document.annotation
        asked_with = {"repeat_of": seed.name, "turned": seed.turned}

        def arrived(answers: list[ObjectAnswer], threshold: float) -> None:
            found = [Proposal(repeat_key(each.masks[0]), each, asked_with) for each in answers]

            def put() -> None:
                if annotation.state.repeat == seed:
                    annotation.proposals.put(found, threshold)

            self._in_panels(put)

        def taken() -> MaskArray:
            # In the client's thread; the data bar is no part of the engine's image.
            return annotation.labels[: document.image.valid_rows[1]] > 0

        self._start_engine()
        annotation.proposals.begin()
        batch = self._engine.repeat(
            document.image.sha256,
            seed.mask,
            taken if annotation.objects else None,
            turned=seed.turned,
            on_part=arrived,
        )
        batch.add_done_callback(lambda done: self._many_arrived(document, done))

    def _many_arrived(self, document: Document, done: Future[list[ObjectAnswer]]) -> None:
        self._in_panels(lambda: self._many_answered(document, done))

    def _many_answered(self, document: Document, done: Future[list[ObjectAnswer]]) -> None:
        proposals = document.annotation.proposals
        try:
            answers = done.result()
        except (StaleAnswerError, CancelledError):
            return
        except SegSemError as error:
            proposals.finish()
            self._tell_error(str(error))
            return
        proposals.finish()
        if document is self._shown():
            if proposals.wants_repeat:
                self._ask_many(document)
            elif answers and answers[0].match is not None:
                self._tell(
                    f"{len(proposals.shown)} others like it found: accept all, or click each"
                )
            elif document.annotation.state.repeat is not None and not proposals.shown:
                self._tell("No other object like it was found")

    def _part_arrived(self, document: Document, state: PromptState, part: Candidates) -> None:
        part.outline(0)
        self._in_panels(lambda: self._show_candidates(document, state, part))

    def _arrived(self, document: Document, state: PromptState, done: Future[Candidates]) -> None:
        # Still in the client's thread: what is drawn first is made here, not in the GUI's.
        if not done.cancelled() and done.exception() is None:
            done.result().outline(0)
        self._in_panels(lambda: self._answered(document, state, done))

    def _answered(self, document: Document, state: PromptState, done: Future[Candidates]) -> None:
        try:
            candidates = done.result()
        except (StaleAnswerError, CancelledError):
            return
        except SegSemError as error:
            self.stop_hovering()
            self._tell_error(str(error))
            return
        self._show_candidates(document, state, candidates)
        if document is self._shown():
            # What it overtook goes on.
            self._ask_many(document)

    def _show_candidates(
        self, document: Document, state: PromptState, candidates: Candidates
    ) -> None:
        if document is not self._shown() or document.annotation.state.one != state:
            # The person went on while this was on its way.
            return
        self.stop_hovering()
        document.annotation.set_candidates(candidates)
        if not (candidates.complete or candidates.partial):
            self._tell("The object goes on beyond this outline: click where it does")

    def _ask_hover(self, document: Document) -> None:
        point, self._next_hover = self._next_hover, None
        if point is None:
            return
        self._hovering = True
        answer = self._engine.hover(document.image.sha256, point)
        answer.add_done_callback(lambda done: self._hover_arrived(document, done))

    def _hover_arrived(self, document: Document, done: Future[ObjectAnswer | None]) -> None:
        outline: Outline | None = None
        if not done.cancelled() and done.exception() is None:
            found = done.result()
            if found is not None and not found.masks[0].is_empty:
                outline = outline_around(found.masks[0])
        self._in_panels(lambda: self._show_hover(document, outline))

    def _show_hover(self, document: Document, outline: Outline | None) -> None:
        self._hovering = False
        if document is not self._shown() or not document.annotation.state.is_empty:
            return
        self.hovered.emit(outline)
        if self._next_hover is not None:
            self._ask_hover(document)


def outline_around(mask: MaskPatch) -> Outline:
    """Edge of a mask that was cut to what is set."""
    (row, col), (height, width) = mask.offset_rc, mask.shape
    # With a rim, so that the cut is not taken for a window's side.
    part = mask.within(row - 1, col - 1, (height + 2, width + 2))
    return outline_of(part, (row - 1, col - 1))
