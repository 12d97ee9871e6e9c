"""Draw the few-shot curve from what `tools/measure_fewshot.py` wrote.

python tools/fewshot_figure.py OUT/runs.csv docs/images/fewshot.svg
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from segsem.core.files import write_text

WIDTH, HEIGHT, LEFT, TOP = 420, 260, 60, 30
INK, BLUE, ORANGE = "#333333", "#0072b2", "#d55e00"
TOP_PX = 3.0
HELD_OUT = "held out"

Rows = list[dict[str, str]]
Curves = dict[str, dict[int, list[float]]]


def main(table: Path, out: Path) -> None:
    """Read the table, draw the mean of each number of images, and each run."""
    with table.open(newline="", encoding="utf-8") as file:
        curves = read_curves(list(csv.DictReader(file)))
    counts = sorted(curves["held-out sites, raw"])
    drawn = _frame(counts)
    looks = {
        "held-out sites, raw": (BLUE, ""),
        "held-out sites, placed": (BLUE, "6 4"),
        "known families, raw": (ORANGE, ""),
        "known families, placed": (ORANGE, "6 4"),
    }
    for number, (name, (colour, dash)) in enumerate(looks.items()):
        points = [(_x(counts, n), _y(float(np.mean(curves[name][n])))) for n in counts]
        drawn += _line(points, colour, dash)
        for count in counts:
            for value in curves[name][count]:
                x, y = _x(counts, count), _y(value)
                drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>\n'
        height = TOP + 16 + 18 * number
        drawn += _line([(LEFT + 200, height), (LEFT + 230, height)], colour, dash)
        drawn += f'<text x="{LEFT + 238}" y="{height + 4}">{name}</text>\n'
    width, height = LEFT + WIDTH + 20, TOP + HEIGHT + 50
    write_text(
        out,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{drawn}</svg>\n',
    )


def read_curves(rows: Rows) -> Curves:
    """Mean edge errors in px, by what was measured and number of images; one for each run."""
    by_run: dict[tuple[int, str], Rows] = defaultdict(list)
    for row in rows:
        by_run[int(row["images"]), row["run"]].append(row)
    curves: Curves = defaultdict(lambda: defaultdict(list))
    for (count, _), run in by_run.items():
        for name, known in (("held-out sites", False), ("known families", True)):
            some = [row for row in run if (row["group"] != HELD_OUT) == known]
            objects = [int(row["objects"]) for row in some]
            raw = [(float(r["click_epe_px"]) + float(r["box_epe_px"])) / 2 for r in some]
            placed = [float(row["placed_epe_px"]) for row in some]
            curves[f"{name}, raw"][count].append(float(np.average(raw, weights=objects)))
            curves[f"{name}, placed"][count].append(float(np.average(placed, weights=objects)))
    return curves


def _x(counts: list[int], count: int) -> float:
    # Even steps: the numbers of images about double from one to the next.
    return LEFT + 20 + (WIDTH - 40) * counts.index(count) / (len(counts) - 1)


def _y(error_px: float) -> float:
    return TOP + HEIGHT * (1 - error_px / TOP_PX)


def _line(points: list[tuple[float, float]], colour: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>\n'


def _frame(counts: list[int]) -> str:
    middle, base = LEFT + WIDTH / 2, TOP + HEIGHT
    drawn = (
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
        f'stroke="{INK}"/>\n'
        f'<text x="{middle}" y="{TOP - 10}" text-anchor="middle">'
        "Edge error after fine-tuning the image encoder</text>\n"
        f'<text x="{middle}" y="{base + 38}" text-anchor="middle">images that teach</text>\n'
        f'<text x="18" y="{TOP + HEIGHT / 2}" text-anchor="middle" '
        f'transform="rotate(-90 18 {TOP + HEIGHT / 2})">mean |EPE| in px</text>\n'
    )
    for count in counts:
        drawn += (
            f'<text x="{_x(counts, count):.1f}" y="{base + 17}" text-anchor="middle">'
            f"{count}</text>\n"
        )
    for tick in np.arange(0.0, TOP_PX + 0.1, 0.5):
        height = _y(float(tick)) + 4
        drawn += f'<text x="{LEFT - 6}" y="{height:.1f}" text-anchor="end">{tick:g}</text>\n'
    return drawn


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
