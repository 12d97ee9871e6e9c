"""Verdicts of the QA gates on the lot that is reviewed: worked out in the background, kept fresh.

Figures, limits and rules are those of `segsem export` and `segsem report`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psygnal import Signal

from napari_segsem._documents import Background
from napari_segsem._lot import Lot
from napari_segsem._review_desk import ReviewDesk
from segsem.export.quality import LotQuality, Measured, check_quality, find_measures, read_measures
from segsem.review.limits import QALimits, project_file_near, read_limits


@dataclass(frozen=True, slots=True)
class LotFacts:
    """What the gates read beside the decisions.

    Attributes
    ----------
    stamp : tuple
        Changes with the files.
    measured : Measured
    limits : QALimits
    limits_file : Path or None
        Where they are from; None for the defaults.
    """

    stamp: tuple[object, ...]
    measured: Measured
    limits: QALimits
    limits_file: Path | None


class LotGates:
    """The verdicts, as long as somebody looks at them.

    Parameters
    ----------
    desk : ReviewDesk
    background : callable
        Where they are worked out.
    later : callable
        Runs a callable once decisions have stopped coming in.
    """

    changed = Signal()

    def __init__(
        self,
        desk: ReviewDesk,
        background: Background,
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._desk, self._background, self._later = desk, background, later
        self.quality: LotQuality | None = None
        self.error = ""
        self._facts: LotFacts | None = None
        self._done_for: tuple[Lot, int] | None = None
        self._busy = self._closed = False
        self.is_wanted = False
        """Whether somebody looks."""

    @property
    def limits_file(self) -> Path | None:
        """File that the limits are from; None for the defaults."""
        return None if self._facts is None else self._facts.limits_file

    @property
    def limits(self) -> QALimits:
        """What is asked for."""
        return QALimits() if self._facts is None else self._facts.limits

    def show_lot(self) -> None:
        """Follow the desk to another lot."""
        lot = self._desk.lot
        if self._done_for is not None and self._done_for[0] is not lot:
            self.quality, self.error, self._facts, self._done_for = None, "", None, None
            self.changed.emit()
        self.refresh()

    def decided(self) -> None:
        """Something was decided: once no more comes in, verdicts are worked out anew."""
        if self.is_wanted:
            self._later(self.refresh)

    def refresh(self) -> None:
        """Work out what is not up to date, if somebody looks."""
        lot = self._desk.lot
        if lot is None or self._busy or self._closed or not self.is_wanted:
            return
        if self._done_for == (lot, lot.version) and not self.error:
            return
        self._busy = True
        version, facts = lot.version, self._facts

        def done(found: tuple[LotFacts, LotQuality]) -> None:
            self._facts, self.quality = found
            self.error = ""
            ended()

        def failed(message: str) -> None:
            self.quality, self.error = None, message
            ended()

        def ended() -> None:
            self._busy = False
            if self._closed:
                return
            if lot is self._desk.lot:
                self._done_for = (lot, version)
            else:
                self.quality, self._facts = None, None
            self.changed.emit()
            if self._desk.lot is not None and self._done_for != (lot, self._desk.lot.version):
                self._later(self.refresh)

        self._background(lambda: _checked(lot, facts), done, failed)

    def close(self) -> None:
        """Work nothing out any more."""
        self._closed = True


def read_facts(folder: Path, known: LotFacts | None = None) -> LotFacts:
    """Read what `segsem measure` wrote and the project's limits, unless they are known.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    measures, limits_file = find_measures([folder]), project_file_near(folder)
    stamp = _stamp(measures, limits_file)
    if known is not None and known.stamp == stamp:
        return known
    return LotFacts(stamp, read_measures(measures), read_limits(limits_file), limits_file)


def _checked(lot: Lot, known: LotFacts | None) -> tuple[LotFacts, LotQuality]:
    facts = read_facts(lot.folder, known)
    reviews = dict.fromkeys(lot.results, lot.review)
    name = lot.folder.resolve().name
    found = check_quality(name, list(lot.results.values()), reviews, facts.measured, facts.limits)
    return facts, found


def _stamp(measures: Path | None, limits_file: Path | None) -> tuple[object, ...]:
    files = [] if measures is None else sorted(measures.iterdir())
    if limits_file is not None:
        files.append(limits_file)
    return tuple((path, path.stat().st_mtime_ns) for path in files if path.is_file())
