"""How long the GUI's thread is away: a timer that beats in it, and keeps the gaps."""

from __future__ import annotations

import gc
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from qtpy.QtCore import Qt, QTimer

BEAT_MS = 2
SUSPICIOUS_MS = 40.0
"""A beat that is late by this much is looked into while it is."""

KEPT_MS = 20.0


class Heartbeat:
    """Beats in the GUI thread and keeps the gaps, by the phase in which they end.

    Python's collections of garbage are told apart: a full one takes a tenth of a second in a
    program as large as napari, and comes when enough was made anew, whoever made the last of it.
    """

    def __init__(self) -> None:
        self.gaps: dict[str, list[dict[str, Any]]] = {}
        self._phase = ""
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._where: str | None = None
        self._main = threading.get_ident()
        self._collecting_since = self._collected_s = 0.0
        gc.callbacks.append(self._on_collection)
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)
        threading.Thread(target=self._watch, daemon=True).start()

    def enter(self, phase: str) -> None:
        """Count gaps for another phase from now on."""
        self._beat()
        self._phase = phase
        self.gaps.setdefault(phase, [])

    def _beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        gap_ms = (now - self._last) * 1e3
        if self._phase and gap_ms > KEPT_MS:
            cpu_ms = round((cpu - self._cpu) * 1e3, 1)
            gap = {"ms": round(gap_ms, 1), "cpu_ms": cpu_ms, "where": self._where}
            gap["collecting_ms"] = round(self._collected_s * 1e3, 1)
            self.gaps[self._phase].append(gap)
        self._last, self._cpu, self._where = now, cpu, None
        self._collected_s = 0.0

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        if threading.get_ident() != self._main:
            return
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._collected_s += time.perf_counter() - self._collecting_since

    def _watch(self) -> None:
        while True:
            time.sleep(BEAT_MS / 1e3)
            if (time.perf_counter() - self._last) * 1e3 > SUSPICIOUS_MS and self._where is None:
                self._where = _plugin_lines(sys._current_frames().get(self._main))


def _plugin_lines(frame: FrameType | None) -> str | None:
    """Lines of the plugin that are being run, innermost first; None where there are none."""
    found: list[str] = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        ours = "napari_segsem" in path.parts or "segsem" in path.parts
        if ours and not path.name.startswith("_heartbeat"):
            found.append(f"{path.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(found) or None
