"""Plots of a report as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Source

WIDTH, HEIGHT = 460, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 22, 10, 40
_INK, _GRID = "#444", "#ddd"


def histogram(
    groups: Mapping[str, Sequence[float]],
    colors: Mapping[str, str],
    *,
    label: str,
    low: float | None = None,
    high: float | None = None,
    bins: int = 20,
    mark: float | None = None,
) -> str:
    """Draw stacked bars of how often values occur.

    Parameters
    ----------
    groups : mapping of name to values
        Stacked in this order.
    colors : mapping of name to `#rrggbb`
    label : str
        Of the axis, with its unit.
    low, high : float, optional
        Ends of the axis; of the values by default.
    bins : int
    mark : float, optional
        Where a vertical line is drawn, e.g. a threshold.

    Returns
    -------
    str
        `<svg>` element; a sentence where there is no value.
    """
    everything = np.array([value for values in groups.values() for value in values], dtype=float)
    if not len(everything):
        return '<p class="none">Nothing to show.</p>'
    start = float(everything.min()) if low is None else low
    stop = float(everything.max()) if high is None else high
    if stop <= start:
        start, stop = start - 0.5, start + 0.5
    edges = np.linspace(start, stop, bins + 1)
    heights = {name: np.histogram(values, edges)[0] for name, values in groups.items()}
    most = max(1, int(np.sum(list(heights.values()), axis=0).max()))
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    parts = [_frame(label), *_y_axis(most, tall), *_x_axis(start, stop, wide)]
    base = np.zeros(bins)
    for name, counts in heights.items():
        for n in np.flatnonzero(counts).tolist():
            left = _LEFT + wide * n / bins
            top = _TOP + tall * (1 - (base[n] + counts[n]) / most)
            title = f"{edges[n]:.4g} to {edges[n + 1]:.4g}: {counts[n]} {name}"
            parts.append(
                f'<rect x="{left + 0.5:.2f}" y="{top:.2f}" width="{wide / bins - 1:.2f}" '
                f'height="{tall * counts[n] / most:.2f}" fill="{colors[name]}">'
                f"<title>{escape(title)}</title></rect>"
            )
        base += counts
    if mark is not None and start <= mark <= stop:
        x = _LEFT + wide * (mark - start) / (stop - start)
        parts.append(
            f'<line x1="{x:.2f}" x2="{x:.2f}" y1="{_TOP}" y2="{_TOP + tall}" stroke="#000" '
            'stroke-dasharray="4 3"/>'
        )
    return "".join([*parts, "</svg>"])


def share_bar(counts: Mapping[Source, int]) -> str:
    """Draw the share of each source as one bar."""
    total = sum(counts.values())
    if not total:
        return '<p class="none">Nothing to show.</p>'
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} 34" role="img" aria-label="share of sources">'
    ]
    left = 0.0
    for source, number in counts.items():
        width = WIDTH * number / total
        if not number:
            continue
        style = SOURCE_STYLES[source]
        said = f"{style.label} {100 * number / total:.1f} %"
        parts.append(
            f'<rect x="{left:.2f}" y="0" width="{width:.2f}" height="22" fill="{style.color}" '
            f'stroke="#fff"><title>{escape(said)}</title></rect>'
        )
        left += width
    return "".join([*parts, "</svg>"])


def line_sample(source: Source) -> str:
    """Draw a piece of line as a source's contours are drawn."""
    style = SOURCE_STYLES[source]
    dashes = f' stroke-dasharray="{" ".join(f"{2 * d:g}" for d in style.dashes)}"'
    return (
        '<svg class="sample" viewBox="0 0 44 8" role="img" aria-hidden="true">'
        f'<line x1="1" x2="43" y1="4" y2="4" stroke="{style.color}" stroke-width="2.4"'
        f"{dashes if style.dashes else ''}/></svg>"
    )


def _frame(label: str) -> str:
    middle = _LEFT + (WIDTH - _LEFT - _RIGHT) / 2
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="distribution of {escape(label, quote=True)}">'
        f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle" font-size="11" fill="{_INK}">'
        f"{escape(label)}</text>"
    )


def _y_axis(most: int, tall: float) -> list[str]:
    parts = []
    for value in sorted({0, most // 2, most}):
        y = _TOP + tall * (1 - value / most)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.2f}" y2="{y:.2f}" '
            f'stroke="{_GRID}"/><text x="{_LEFT - 5}" y="{y + 4:.2f}" text-anchor="end" '
            f'font-size="10" fill="{_INK}">{value}</text>'
        )
    return parts


def _x_axis(start: float, stop: float, wide: float) -> list[str]:
    return [
        f'<text x="{_LEFT + wide * part:.2f}" y="{HEIGHT - 24}" text-anchor="middle" '
        f'font-size="10" fill="{_INK}">{start + (stop - start) * part:.4g}</text>'
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
