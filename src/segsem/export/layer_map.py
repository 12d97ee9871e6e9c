"""Which layer and datatype each kind of shape gets in OASIS and GDSII."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from segsem.core.contour import SOURCE_CODES, Source
from segsem.core.exceptions import InputError
from segsem.core.files import write_text

LayerDatatype = tuple[int, int]

CONTOUR_KINDS = ("outer", "hole", "open")
FIELD_OF_VIEW = "field_of_view"
NEEDS_HUMAN = "needs_human"
SAUVOLA_STRETCH = "sauvola_stretch"
VALID_REGION = "valid_region"

HIGHEST_NUMBER = 32767
"""GDSII keeps layer and datatype in a signed 16-bit word."""

_CSV_COLUMNS = ("name", "layer", "datatype")


def contour_name(kind: str, source: Source) -> str:
    """Name a contour's layer: `outer_sam2`, `hole_sauvola`, `open_mixed`, ..."""
    return f"{kind}_{source.value}"


DEFAULT_LAYERS: Mapping[str, LayerDatatype] = {
    **{
        contour_name(kind, source): (layer, datatype)
        for layer, kind in enumerate(CONTOUR_KINDS, start=1)
        for datatype, source in enumerate(SOURCE_CODES)
    },
    FIELD_OF_VIEW: (10, 0),
    NEEDS_HUMAN: (10, 1),
    SAUVOLA_STRETCH: (10, 2),
    VALID_REGION: (10, 3),
}


@dataclass(frozen=True, slots=True)
class LayerMap:
    """Layer and datatype by name; names that are not given keep their default.

    Raises
    ------
    InputError
        If a name is unknown or a number out of range.
    """

    layers: Mapping[str, LayerDatatype] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, numbers in self.layers.items():
            if name not in DEFAULT_LAYERS:
                msg = f"Expected a layer name out of {', '.join(DEFAULT_LAYERS)}, but got {name!r}"
                raise InputError(msg)
            if not all(0 <= number <= HIGHEST_NUMBER for number in numbers):
                msg = (
                    f"Expected layer and datatype of {name} between 0 and {HIGHEST_NUMBER}, "
                    f"but got {numbers[0]}/{numbers[1]}"
                )
                raise InputError(msg)

    def __getitem__(self, name: str) -> LayerDatatype:
        return self.layers.get(name, DEFAULT_LAYERS[name])

    def items(self) -> list[tuple[str, LayerDatatype]]:
        """List all names with their numbers."""
        return [(name, self[name]) for name in DEFAULT_LAYERS]


def write_layer_map(path: Path | str, layer_map: LayerMap) -> None:
    """Write the whole map as a CSV of name, layer, datatype, which can be given back."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    writer.writerows((name, *numbers) for name, numbers in layer_map.items())
    write_text(path, buffer.getvalue())


def read_layer_map(path: Path | str) -> LayerMap:
    """Read a layer map.

    Parameters
    ----------
    path : path
        CSV with the columns name, layer, datatype, or (`.json`) an object
        ``{"outer_sam2": [1, 0], ...}``. What is left out keeps its default.

    Returns
    -------
    LayerMap
        The map.

    Raises
    ------
    InputError
        If the file cannot be read or does not hold a layer map.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = _json_pairs(text) if path.suffix.lower() == ".json" else _csv_pairs(text)
        layers = _without_repeats(pairs)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        msg = (
            f"Cannot read {path} as a layer map: {error}. Expected a CSV with the columns "
            f'{",".join(_CSV_COLUMNS)} or JSON like {{"outer_sam2": [1, 0]}}'
        )
        raise InputError(msg) from error
    return LayerMap(layers)


def _csv_pairs(text: str) -> list[tuple[str, LayerDatatype]]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(StringIO(text)) if row]
    if not rows or tuple(rows[0]) != _CSV_COLUMNS:
        msg = f"the first row is {rows[0] if rows else []}"
        raise ValueError(msg)
    pairs = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(_CSV_COLUMNS):
            msg = f"row {number} has {len(row)} columns"
            raise ValueError(msg)
        pairs.append((row[0], (int(row[1]), int(row[2]))))
    return pairs


def _json_pairs(text: str) -> list[tuple[str, LayerDatatype]]:
    content = json.loads(text)
    if not isinstance(content, dict):
        msg = "it is not an object"
        raise ValueError(msg)
    pairs = []
    for name, numbers in content.items():
        if (
            not isinstance(numbers, list)
            or len(numbers) != 2
            or not all(type(number) is int for number in numbers)
        ):
            msg = f"{name!r} is {numbers!r}"
            raise ValueError(msg)
        pairs.append((name, (numbers[0], numbers[1])))
    return pairs


def _without_repeats(pairs: Iterable[tuple[str, LayerDatatype]]) -> dict[str, LayerDatatype]:
    layers: dict[str, LayerDatatype] = {}
    for name, numbers in pairs:
        if name in layers:
            msg = f"{name!r} occurs twice"
            raise ValueError(msg)
        layers[name] = numbers
    return layers
