"""What the review's benchmark found: times of a decision and of a step, gaps, bars."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_segsem._benchmark_report import spread
from napari_segsem._benchmark_review_run import MANY, OTHER, SAME, SCROLL
from napari_segsem._heartbeat import LIMIT_MS, compare

FORMAT_VERSION = 1
DECISION_BAR_MS = 200.0

STEPS = {
    SAME: "decision, next region in the same image",
    OTHER: "decision, next region in another image",
    MANY: "decision in a queue of thousands",
    SCROLL: "step of the list, end to end",
}
BEFORE_WORK = ("open",)
"""No bar is for it: the window and the lot come to be there."""

Runs = Mapping[str, Mapping[str, list[dict[str, Any]]]]
Found = dict[str, Any]


def report(runs: Runs) -> Found:
    """Put what all runs said together.

    Parameters
    ----------
    runs : mapping
        What each run said, by part and role.

    Returns
    -------
    dict
        As JSON values: `steps` with wall and GUI-thread processor times in ms, of both roles;
        `gaps` of the GUI thread by part; `bars` with what was wanted and whether it was met.
    """
    found: Found = {
        "format_version": FORMAT_VERSION,
        "benchmark": "review",
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if _has_load() else None,
        "decisions": _most(runs, "decisions"),
        "regions_in_list": _most(runs, "regions"),
        "steps": {},
    }
    for name in STEPS:
        roles = {
            role: np.array([one for part in runs.values() for run in part[role]
                            for one in run.get(name, [])], dtype=float).reshape(-1, 2)
            for role in ("ours", "control")
        }  # fmt: skip
        if len(roles["ours"]):
            found["steps"][name] = _compared(roles)
    found["gaps"] = {part: _gaps(roles) for part, roles in runs.items()}
    found["bars"] = _bars(found, runs)
    return found


def as_text(found: Found) -> str:
    """Tables of all parts."""
    lines = [
        f"{'ms':<42}{'wall: ours':^18}{'control':^18}{'processor: ours':^18}{'control':^18}",
        f"{'':<42}{'median':>9}{'p95':>9}" + f"{'median':>9}{'p95':>9}" * 3,
    ]
    for name, step in found["steps"].items():
        cells = "".join(
            f"{step[clock][role][key]:>9.1f}"
            for clock in ("wall_ms", "processor_ms")
            for role in ("ours", "control")
            for key in ("median", "p95")
        )
        lines.append(f"{STEPS[name]:<42}{cells}")
    for part, gaps in found["gaps"].items():
        lines += ["", f"GUI thread in {part!r}, longest gap and busiest, ms"]
        for name, roles in gaps["phases"].items():
            ours, control = roles["ours"], roles["control"]
            cells = "".join(
                f"{values[key]:>9.0f}"
                for key in ("longest_ms", "longest_cpu_ms")
                for values in (ours, control)
            )
            lines.append(f"{STEPS.get(name, name):<42}{cells}")
        counts = gaps["collections"]
        lines.append(
            f"garbage collections alone make {counts['ours']} of our gaps and "
            f"{counts['control']} of the control's longer than {LIMIT_MS:g} ms"
        )
    lines.append("")
    for bar in found["bars"]:
        lines.append(f"{'met   ' if bar['met'] else 'MISSED'}  {bar['name']}: {bar['value']}"
                     f" (wanted: {bar['wanted']})")  # fmt: skip
    return "\n".join(lines)


def _compared(roles: Mapping[str, Any]) -> Found:
    compared: Found = {}
    for column, clock in enumerate(("wall_ms", "processor_ms")):
        values = {role: spread(times[:, column].tolist()) for role, times in roles.items()}
        compared[clock] = values
        control = values["control"]["median"]
        compared[f"ratio_of_{clock}"] = round(values["ours"]["median"] / max(control, 1e-3), 2)
    return compared


def _gaps(roles: Mapping[str, list[dict[str, Any]]]) -> Found:
    found = compare(dict(roles))
    # Where others compute, a window stands still that has nothing to do: the thread's own
    # processor time tells the two apart.
    found["busy"] = [
        name
        for name, phase in found["phases"].items()
        if phase["ours"]["longest_cpu_ms"] > LIMIT_MS >= phase["control"]["longest_cpu_ms"]
    ]
    return found


def _bars(found: Found, runs: Runs) -> list[Found]:
    bars = []
    decisions = np.array(
        [one for run in runs.get("decide", {}).get("ours", [])
         for name in (SAME, OTHER) for one in run.get(name, [])], dtype=float
    ).reshape(-1, 2)  # fmt: skip
    if len(decisions):
        for column, clock in enumerate(("wall", "processor")):
            p95 = float(np.quantile(decisions[:, column], 0.95))
            value = f"median {np.median(decisions[:, column]):.0f} ms, p95 {p95:.0f} ms"
            wanted = f"p95 at most {DECISION_BAR_MS:g} ms"
            bars.append(_bar(f"time of a decision, {clock}", value, wanted, p95 <= DECISION_BAR_MS))
    for part, gaps in found["gaps"].items():
        for key, what in (("excess", "the window stands still"), ("busy", "our thread computes")):
            names = [STEPS.get(n, n) for n in gaps[key] if n not in BEFORE_WORK]
            name = f"{part}: what {what} for over {LIMIT_MS:g} ms in, and not in the control"
            bars.append(_bar(name, ", ".join(names) or "nothing", "nothing", not names))
    return bars


def _bar(name: str, value: str, wanted: str, met: bool) -> Found:
    return {"name": name, "value": value, "wanted": wanted, "met": bool(met)}


def _most(runs: Runs, name: str) -> int | None:
    known = [run[name] for part in runs.values() for run in part["ours"] if name in run]
    return max(known, default=None)


def _has_load() -> bool:
    return hasattr(os, "getloadavg")
