"""Tables of held-out scores: Markdown for people, plain values for files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segsem.evaluation.heldout import ObjectScores
from segsem.evaluation.protocol import KINDS, ORACLE
from segsem.evaluation.real import RealScores
from segsem.evaluation.statistics import GOOD_IOU, Summary, band, grouped, summarise

SNR_LIMITS = (4.0, 8.0, 14.0)
WIDTH_LIMITS_PX = (10.0, 16.0, 28.0)
EXTENT_LIMITS_PX = (64.0, 128.0, 256.0)
BOX_LIMITS = (0.25, 0.5, 0.75)
_TITLES = {
    "seeds": "training's kinds of pattern, other seeds and renderer",
    "families": "families never trained on",
    "physics": "physics never trained on",
}
_ROW_KINDS = ("click", "inner click", "box", "jittered box", "click+2", ORACLE)

Key = Callable[[ObjectScores], str | None]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: groups of objects, each with a summary for each kind of prompt.

    Attributes
    ----------
    title : str
    rows : list of Summary
    """

    title: str
    rows: list[Summary]


def _ordinary(value: Key) -> Key:
    """Leave out what was drawn under other physics, where the SNR has no meaning."""
    return lambda item: None if item.group == "physics" else value(item)


_BREAKDOWNS: tuple[tuple[str, Key], ...] = (
    ("By set", lambda item: f"{item.group}: {item.set_name}"),
    ("By tone", lambda item: f"{item.group}: {item.tone}"),
    ("By edge SNR (ordinary physics)", _ordinary(lambda i: band(i.edge_snr, SNR_LIMITS, ""))),
    ("By width of the object", lambda item: band(item.width_px, WIDTH_LIMITS_PX, " px")),
    ("By extent of the object", lambda item: band(item.extent_px, EXTENT_LIMITS_PX, " px")),
    ("By share of its box that the object fills", lambda i: band(i.box_share, BOX_LIMITS, "")),
    ("Cut by the image's border", lambda item: "cut" if item.cut else "whole"),
)


def tables_of(found: Sequence[ObjectScores]) -> list[Table]:
    """Overall and by set, tone, SNR, width, extent."""
    kinds = (*KINDS, ORACLE)
    groups = {"all": list(found), **grouped(found, lambda item: item.group)}
    rows = [summarise(name, kind, items) for name, items in groups.items() for kind in kinds]
    tables = [Table("Overall", rows)]
    for title, key in _BREAKDOWNS:
        groups = grouped(found, key)
        if title not in ("By set", "By tone"):
            groups = dict(sorted(groups.items(), key=lambda pair: _order(pair[0])))
        rows = [summarise(name, kind, items) for name, items in groups.items() for kind in kinds]
        tables.append(Table(title, rows))
    return tables


def _order(name: str) -> tuple[bool, float]:
    """Bands by their lower limit."""
    if name.startswith("<"):
        return False, -1.0
    number = name.removeprefix(">= ").split("-")[0].split(" ")[0]
    return (False, float(number)) if number.replace(".", "").isdigit() else (True, 0.0)


def markdown(tables: Sequence[Table]) -> str:
    """Return the tables as Markdown: the first by prompt, the others one row for each group."""
    parts = [_by_prompt(tables[0])]
    parts += [_by_group(table) for table in tables[1:]]
    return "\n\n".join(parts) + "\n"


def as_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return the tables as plain values."""
    return [{"title": t.title, "rows": [asdict(row) for row in t.rows]} for t in tables]


def _by_prompt(table: Table) -> str:
    lines = [
        f"### {table.title}",
        "",
        "| objects | prompt | n | images | mean IoU (95 %) | best of three | > 0.85 "
        "| boundary F1 at 1 px (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.rows:
        name = _TITLES.get(row.group, row.group)
        best = "" if row.kind == ORACLE else f"{row.best_iou.value:.3f}"
        lines.append(
            f"| {name} | {row.kind} | {row.objects} | {row.images} | {row.iou} "
            f"| {best} | {row.over_85:.2f} | {row.boundary_f1} |"
        )
    return "\n".join(lines)


def _by_group(table: Table) -> str:
    lines = [
        f"### {table.title}",
        "",
        "| objects | n | " + " | ".join(_ROW_KINDS) + " | F1 click | F1 box | F1 click+2 |",
        "|---" * (len(_ROW_KINDS) + 5) + "|",
    ]
    groups: dict[str, dict[str, Summary]] = {}
    for row in table.rows:
        groups.setdefault(row.group, {})[row.kind] = row
    for name, rows in groups.items():
        ious = [f"{rows[kind].iou.value:.3f}" for kind in _ROW_KINDS]
        ious[0] = str(rows["click"].iou)
        edges = [f"{rows[kind].boundary_f1.value:.3f}" for kind in ("click", "box", "click+2")]
        count = rows["click"].objects
        lines.append(f"| {name} | {count} | " + " | ".join([*ious, *edges]) + " |")
    return "\n".join(lines)


def real_markdown(found: Sequence[RealScores]) -> str:
    """Table of real objects by kind of object, and the clicks that missed."""
    lines = [
        "### Real images",
        "",
        "| objects | n | "
        + " | ".join(KINDS)
        + " | clicks > 0.85 | boxes > 0.85 | F1 click | F1 box |",
        "|---" * (len(KINDS) + 6) + "|",
    ]
    for name, items in real_groups(found).items():
        ious = [f"{np.mean([item.scores[kind].iou for item in items]):.3f}" for kind in KINDS]
        good = [
            f"{sum(item.scores[kind].iou > GOOD_IOU for item in items)} of {len(items)}"
            for kind in ("click", "box")
        ]
        edges = [
            f"{np.mean([item.scores[kind].boundary_f1 for item in items]):.3f}"
            for kind in ("click", "box")
        ]
        lines.append(f"| {name} | {len(items)} | " + " | ".join([*ious, *good, *edges]) + " |")
    missed = [
        f"- {item.image}: {item.name}: {item.scores['click'].iou:.2f}"
        for item in found
        if item.scores["click"].iou <= GOOD_IOU
    ]
    lines += ["", f"IoU of at most {GOOD_IOU} after one click:", "", *(missed or ["- none"])]
    return "\n".join(lines) + "\n"


def real_groups(found: Sequence[RealScores]) -> dict[str, list[RealScores]]:
    """Objects by kind; silicon, oxide and matrix together as well."""
    shapes = [item for item in found if item.kind in ("silicon", "oxide", "matrix")]
    groups = {"all silicon shapes and gaps": shapes}
    for item in found:
        groups.setdefault(item.kind, []).append(item)
    return groups
