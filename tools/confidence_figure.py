"""Draw reliability and risk against coverage from what `segsem models check-confidence -o` wrote.

python tools/confidence_figure.py out/regions.csv docs/images/confidence.svg
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from segsem.core.files import write_text
from segsem.metrics.calibration import reliability, risk_coverage

SIDE, GAP, LEFT, TOP = 260, 90, 60, 30
INK, BLUE, GREY = "#333333", "#1f77b4", "#aaaaaa"


def main(table: Path, out: Path) -> None:
    """Read the table, draw both figures side by side."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    confidence = np.array([float(row["confidence"]) for row in rows])
    right = np.array([float(row["right"]) for row in rows])
    image = np.unique([row["image"] for row in rows], return_inverse=True)[1]
    bins = reliability(confidence, right, image.astype(np.intp))
    first = _frame(0, "confidence", "share right", f"Reliability, {len(rows)} regions", 1.0)
    first += _line([(0.0, 0.0), (1.0, 1.0)], 0, 1.0, GREY, dashed=True)
    for row in bins:
        first += _line(
            [(row.confidence, row.right.low), (row.confidence, row.right.high)], 0, 1.0, BLUE
        )
        x, y = _at(row.confidence, row.right.value, 0, 1.0)
        first += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{BLUE}"/>\n'
    coverage, risk = risk_coverage(confidence, right)
    top = max(0.05 * np.ceil(float(1 - right.mean()) / 0.05), 0.05)
    second = _frame(1, "share kept, most confident first", "share wrong", "Risk and coverage", top)
    second += _line([(0.0, 0.05), (1.0, 0.05)], 1, top, GREY, dashed=True)
    second += _line(list(zip(coverage, np.minimum(risk, top), strict=True)), 1, top, BLUE)
    width, height = LEFT + 2 * SIDE + GAP + 20, TOP + SIDE + 55
    write_text(
        out,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{first}{second}</svg>\n',
    )


def _at(x: float, y: float, panel: int, top: float) -> tuple[float, float]:
    return LEFT + panel * (SIDE + GAP) + SIDE * x, TOP + SIDE * (1 - y / top)


def _line(
    points: list[tuple[float, float]], panel: int, top: float, colour: str, dashed: bool = False
) -> str:
    path = " ".join("{:.1f},{:.1f}".format(*_at(x, y, panel, top)) for x, y in points)
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>\n'


def _frame(panel: int, x_name: str, y_name: str, title: str, top: float) -> str:
    left, base = _at(0.0, 0.0, panel, top)
    middle = left + SIDE / 2
    drawn = (
        f'<rect x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" '
        f'stroke="{INK}"/>\n'
        f'<text x="{middle}" y="{TOP - 10}" text-anchor="middle">{title}</text>\n'
        f'<text x="{middle}" y="{base + 38}" text-anchor="middle">{x_name}</text>\n'
        f'<text x="{left - 44}" y="{TOP + SIDE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 {left - 44} {TOP + SIDE / 2})">{y_name}</text>\n'
    )
    for tick in np.linspace(0.0, 1.0, 5):
        x, _ = _at(float(tick), 0.0, panel, top)
        _, y = _at(0.0, float(tick) * top, panel, top)
        drawn += (
            f'<text x="{x:.1f}" y="{base + 17}" text-anchor="middle">{tick:g}</text>\n'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick * top:.3g}</text>\n'
        )
    return drawn


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
