"""What the GUI's benchmark found: medians, 95th percentiles, ratios to the control, and bars."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_segsem._heartbeat import LIMIT_MS, compare

FORMAT_VERSION = 1
OUTLINE_BAR_MS = 100.0
REPEAT_BAR_S = 0.1

BEFORE_WORK = ("open", "first click", "fill", "training begins", "training ends")
"""Kinds of action that no bar is for: the window, the model and the objects come to be there."""

WAYS = {
    "rested": "click, after the mouse rested there",
    "at once": "click, at a place not looked at",
    "box": "box, at a place not looked at",
}
FRAMES = {
    "pan, whole image": "moving the whole image",
    "pan, one to one": "moving it at one to one",
    "prompt": "click to outline",
    "accept": "accept to screen",
}

Runs = Mapping[str, Mapping[str, list[dict[str, Any]]]]
Found = dict[str, Any]


def report(runs: Runs, model: str, image: Path | None) -> Found:
    """Put what all runs said together.

    Parameters
    ----------
    runs : mapping
        What each run said, by part and role.
    model : str
    image : Path or None
        The user's, where it is not a synthetic one.

    Returns
    -------
    dict
        As JSON values: a part each, `bars` with what was wanted and whether it was met, and
        `gaps`, those of the GUI thread by part and kind of action.
    """
    found: Found = {
        "format_version": FORMAT_VERSION,
        "benchmark": "gui",
        "model": model,
        "image": "synthetic" if image is None else image.name,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if _has_load() else None,
    }
    if "outline" in runs:
        found["outline_ms"] = _pairs(runs["outline"], WAYS)
    for part in ("script", "training"):
        if part in runs:
            found[part] = _script(runs[part])
    if "repeat" in runs:
        found["repeat"] = _repeat(runs["repeat"]["ours"])
    if "regions" in runs:
        ours = runs["regions"]["ours"]
        found["regions_ms"] = _pairs(runs["regions"], FRAMES)
        found["regions"] = {name: max(run[name] for run in ours) for name in ("objects", "shapes")}
    found["gaps"] = {part: _gaps(roles) for part, roles in runs.items()}
    found["bars"] = _bars(found)
    return found


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, 95th percentile and number of values."""
    known = np.array(list(values), dtype=float)
    return {
        "median": round(float(np.median(known)), 2),
        "p95": round(float(np.percentile(known, 95)), 2),
        "n": len(known),
    }


def as_text(found: Found) -> str:
    """Tables, and a line for each bar."""
    load = found["load"]
    busy = "" if load is None else f", load {load[0]:.1f} at the end"
    lines = [f"{found['model']}, {found['image']} image, {found['processors']} processors{busy}"]
    if "outline_ms" in found:
        lines += _table("release to outline on screen, ms", found["outline_ms"], WAYS)
    if "regions_ms" in found:
        count = found["regions"]["objects"]
        lines += _table(f"{count:,} objects in 4096 x 4096 px, ms", found["regions_ms"], FRAMES)
    if "repeat" in found:
        lines += _repeat_text(found["repeat"])
    for part, gaps in found["gaps"].items():
        lines += _gaps_text(part, gaps)
    lines.append("")
    for bar in found["bars"]:
        how = "met   " if bar["met"] else "MISSED"
        lines.append(f"{how} {bar['name']}: {bar['value']}, wanted {bar['wanted']}")
    return "\n".join(lines)


def _pairs(roles: Mapping[str, list[dict[str, Any]]], names: Mapping[str, str]) -> Found:
    pairs: Found = {}
    for name in names:
        values = {
            role: spread(value for run in runs for value in run[name])
            for role, runs in roles.items()
        }
        ratio = values["ours"]["median"] / max(values["control"]["median"], 1e-9)
        pairs[name] = {**values, "ratio_of_medians": round(ratio, 3)}
    return pairs


def _script(roles: Mapping[str, list[dict[str, Any]]]) -> Found:
    return {
        "actions": roles["ours"][0]["actions"],
        **{f"{role}_s": [run["s"] for run in runs] for role, runs in roles.items()},
    }


def _repeat(runs: list[dict[str, Any]]) -> Found:
    played = [one for run in runs for one in run["repeat"]]
    holes = runs[0]["holes"]
    by_hand = [value for run in runs for value in run["one by one"]]
    per_object = spread(one["s"] / holes for one in played)
    return {
        "holes": holes,
        "found": [one["right"] for one in played],
        "extra": [one["extra"] for one in played],
        "s_per_object": {
            **per_object,
            "median": float(np.median([r["s"] for r in played])) / holes,
        },
        "one_by_one_s": spread(by_hand),
    }


def _gaps(roles: Mapping[str, list[dict[str, Any]]]) -> Found:
    """Gaps of both roles; a part without a control is only told."""
    known = {role: roles.get(role, []) for role in ("ours", "control")}
    found = compare(known)
    # Where others compute, a window stands still that has nothing to do: the thread's own
    # processor time tells the two apart.
    found["busy"] = [
        name
        for name, phase in found["phases"].items()
        if phase["ours"]["longest_cpu_ms"] > LIMIT_MS >= phase["control"]["longest_cpu_ms"]
    ]
    if not known["control"]:
        found["excess"] = found["busy"] = []
    return found


def _bars(found: Found) -> list[Found]:
    bars = []
    if "outline_ms" in found:
        median = found["outline_ms"]["rested"]["ours"]["median"]
        wanted = f"at most {OUTLINE_BAR_MS:g} ms"
        bars.append(
            _bar("click to outline, median", f"{median:.0f} ms", wanted, median, OUTLINE_BAR_MS)
        )
    for part in ("script", "regions", "training"):
        gaps = found["gaps"].get(part, {"excess": [], "busy": []})
        for key, what in (("excess", "the window stands still"), ("busy", "our thread computes")):
            excess = [name for name in gaps[key] if name not in BEFORE_WORK]
            name = f"{part}: what {what} for over {LIMIT_MS:g} ms in, and not in the control"
            if part in found["gaps"]:
                value = ", ".join(excess) or "nothing"
                bars.append(_bar(name, value, "nothing", len(excess), 0))
    if "repeat" in found:
        repeat = found["repeat"]
        seconds = repeat["s_per_object"]["median"]
        wanted = f"under {REPEAT_BAR_S:g} s"
        bars.append(_bar("repeat, per object", f"{seconds:.3f} s", wanted, seconds, REPEAT_BAR_S))
        missed = max(repeat["holes"] - n for n in repeat["found"])
        wrong = missed + max(repeat["extra"])
        value = f"{missed} missed, {max(repeat['extra'])} extra"
        bars.append(_bar("repeat, holes found", value, "all, none extra", wrong, 0))
    if "regions" in found:
        shapes = found["regions"]["shapes"]
        bars.append(_bar("shapes in Shapes layers", str(shapes), "none", shapes, 0))
    return bars


def _bar(name: str, value: str, wanted: str, number: float, most: float) -> Found:
    return {"name": name, "value": value, "wanted": wanted, "met": bool(number <= most)}


def _table(title: str, pairs: Found, names: Mapping[str, str]) -> list[str]:
    lines = [
        "",
        f"{title:<38}{'ours':^18}{'control':^18}{'ratio':>7}",
        f"{'':<38}{'median':>9}{'p95':>9}{'median':>9}{'p95':>9}",
    ]
    for name, text in names.items():
        ours, control = pairs[name]["ours"], pairs[name]["control"]
        cells = f"{ours['median']:>9.0f}{ours['p95']:>9.0f}"
        cells += f"{control['median']:>9.0f}{control['p95']:>9.0f}"
        lines.append(f"{text:<38}{cells}{pairs[name]['ratio_of_medians']:>7.2f}")
    return lines


def _repeat_text(repeat: Found) -> list[str]:
    each, by_hand = repeat["s_per_object"], repeat["one_by_one_s"]
    return [
        "",
        f"array of {repeat['holes']} holes, repeat: {each['median']:.3f} s per object, "
        f"p95 {each['p95']:.3f} s ({each['n']} runs); "
        f"one by one without a pause: {by_hand['median']:.3f} s",
    ]


def _gaps_text(part: str, gaps: Found) -> list[str]:
    title = f"GUI thread in {part}, longest, ms"
    lines = [
        "",
        f"{title:<38}{'gap':^18}{'processor time':^18}",
        f"{'':<38}{'ours':>9}{'control':>9}{'ours':>9}{'control':>9}",
    ]
    for name, roles in gaps["phases"].items():
        cells = "".join(
            f"{roles[role][key]:>9.0f}"
            for key in ("longest_ms", "longest_cpu_ms")
            for role in ("ours", "control")
        )
        marks = {"excess": "  <- gap", "busy": "  <- computes"}
        lines.append(f"{name:<38}{cells}{''.join(m for k, m in marks.items() if name in gaps[k])}")
    counts = gaps["collections"]
    lines.append(
        f"without Python's collections of garbage, which make {counts['ours']} of our gaps and "
        f"{counts['control']} of the control's longer than {LIMIT_MS:g} ms"
    )
    return lines


def _has_load() -> bool:
    return hasattr(os, "getloadavg")
