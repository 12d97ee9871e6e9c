"""`read_layout`: the format is told by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segsem.core.exceptions import InputError
from segsem.layout.gds_oasis import read_gds_oasis
from segsem.layout.glp import read_glp
from segsem.layout.layout import Layout
from segsem.layout.svg import read_svg

_READERS: dict[str, Callable[[Path], Layout]] = {".glp": read_glp, ".svg": read_svg}
_GDSTK_SUFFIXES = (".gds", ".gdsii", ".oas", ".oasis")


def read_layout(path: Path | str, cell: str | None = None) -> Layout:
    """Read a layout file and flatten one cell of it.

    Parameters
    ----------
    path : path
        GDSII (`.gds`), OASIS (`.oas`), ICCAD `.glp` or SVG.
    cell : str, optional
        Cell of a GDSII or OASIS file; may be left out where there is one top cell.

    Returns
    -------
    Layout

    Raises
    ------
    InputError
        If the file is not there, of another kind, damaged, or has no such cell.
    """
    source = Path(path)
    if not source.is_file():
        msg = f"Expected a layout file, but there is none at {source}"
        raise InputError(msg)
    suffix = source.suffix.lower()
    if suffix in _GDSTK_SUFFIXES:
        return read_gds_oasis(source, cell)
    if suffix not in _READERS:
        known = ", ".join([*_GDSTK_SUFFIXES, *_READERS])
        msg = f"{source.name}: expected a layout ({known}), but got {suffix or 'no suffix'!r}"
        raise InputError(msg)
    layout = _READERS[suffix](source)
    if cell is not None and cell not in layout.cells:
        msg = f"{source.name}: expected one of its cells {layout.cells}, but got {cell!r}"
        raise InputError(msg)
    return layout
