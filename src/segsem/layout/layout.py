"""`Layout`: polygons in nm by layer, whatever file they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY

Layer: TypeAlias = tuple[int, int]
"""(layer, datatype)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One cell of a layout, flattened.

    Attributes
    ----------
    path : Path
        The file.
    polygons_by_layer : dict
        (layer, datatype) to a list of (K, 2) float64 polygons in (x, y) nm, y up; the first
        vertex is not repeated.
    cell : str
        The cell that was flattened.
    cells : tuple of str
        All cells of the file.
    unit_nm : float
        What one unit of the file's numbers is in nm.
    layer_names : dict
        Name of a layer where the format has names instead of numbers (`.glp` levels, SVG fills);
        such layers are numbered 1/0, 2/0, ... in the order of the file.
    """

    path: Path
    polygons_by_layer: dict[Layer, list[PointsXY]]
    cell: str
    cells: tuple[str, ...]
    unit_nm: float
    layer_names: dict[Layer, str] = field(default_factory=dict)

    def polygons(self, layer: str | None = None) -> list[PointsXY]:
        """Polygons of one layer.

        Parameters
        ----------
        layer : str, optional
            "L/D", "L" (datatype 0) or a name; may be left out where there is one layer only.

        Raises
        ------
        InputError
            If there is no such layer, or several and none was named.
        """
        return self.polygons_by_layer[self.find_layer(layer)]

    def find_layer(self, layer: str | None = None) -> Layer:
        """Look a layer up by "L/D", "L" or name; see `polygons`."""
        if layer is None:
            if len(self.polygons_by_layer) == 1:
                return next(iter(self.polygons_by_layer))
            self._refuse("one layer", f"{len(self.polygons_by_layer)}")
        named = [key for key, name in self.layer_names.items() if name == layer]
        key = named[0] if named else parse_layer(str(layer))
        if key not in self.polygons_by_layer:
            self._refuse("a layer of the file", repr(layer))
        return key

    def _refuse(self, expected: str, got: str) -> None:
        offered = ", ".join(self._described(key) for key in sorted(self.polygons_by_layer))
        msg = (
            f"{self.path.name}: expected {expected}, but got {got}. "
            f"Choose with --layer out of: {offered or 'none, the cell is empty'}"
        )
        raise InputError(msg)

    def _described(self, key: Layer) -> str:
        name = self.layer_names.get(key)
        return f"{key[0]}/{key[1]}" + (f" ({name})" if name else "")


def parse_layer(text: str) -> Layer:
    """Read "L/D" or "L".

    Raises
    ------
    InputError
        If it is neither.
    """
    first, _, second = text.partition("/")
    try:
        layer, datatype = int(first), int(second or 0)
    except ValueError as error:
        msg = f"Expected a layer as L/D (for instance 11/0), but got {text!r}"
        raise InputError(msg) from error
    return layer, datatype
