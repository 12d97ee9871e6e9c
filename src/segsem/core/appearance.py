"""One colour and one line style for each source, everywhere: overlay, report and viewer.

Colours are from the Okabe-Ito palette, which stays distinguishable with colour blindness; the
line styles tell the sources apart without any colour.

References
----------
M. Okabe and K. Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from dataclasses import dataclass

from segsem.core.contour import Source


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one kind of contour is drawn.

    Attributes
    ----------
    label : str
        Its name in a legend.
    color : str
        `#rrggbb`.
    dashes : tuple of float
        Lengths drawn and left out in turn, in line widths; empty is solid.
    """

    label: str
    color: str
    dashes: tuple[float, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        value = int(self.color[1:], 16)
        return value >> 16, (value >> 8) & 255, value & 255


SOURCE_STYLES: dict[Source, LineStyle] = {
    Source.SAM2: LineStyle("SAM2", "#56B4E9"),
    Source.SAUVOLA: LineStyle("Sauvola", "#E69F00", (6.0, 3.5)),
    Source.MANUAL: LineStyle("Manual", "#009E73", (1.0, 2.5)),
    Source.MIXED: LineStyle("Mixed", "#CC79A7", (7.0, 2.5, 1.0, 2.5)),
}
"""Stretches of a mixed contour are drawn in the style of the method that they stand on; the
entry for `mixed` is for a whole region, where stretches cannot be told apart."""

NEEDS_HUMAN_STYLE = LineStyle("Needs a decision", "#D55E00")
"""Drawn as a broad band under the contour, so that the source stays visible on it."""

BEFORE_STYLE = LineStyle("Before", "#FFFFFF", (4.0, 3.0))
AFTER_STYLE = LineStyle("After", "#F0E442")
"""What a model made of an object before it was fine-tuned, and after; yellow is also the preview
of what a model offers."""
