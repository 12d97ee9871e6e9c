"""The point table as Parquet, where pyarrow is installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segsem.core.exceptions import UsageError
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.export.point_columns import (
    TEXT_COLUMNS,
    WHOLE_COLUMNS,
    ColumnTemplate,
    Places,
    point_columns,
)


def check_parquet() -> None:
    """Refuse where pyarrow is not installed.

    Raises
    ------
    UsageError
        If it is not.
    """
    _pyarrow()


def write_parquet(
    path: Path, extractions: Iterable[Extraction], template: ColumnTemplate, places: Places
) -> None:
    """Write the points of images with the template's columns, one row group for each image.

    Raises
    ------
    UsageError
        If pyarrow is not installed.
    ExportError
        If the file cannot be written.
    """
    arrow, parquet = _pyarrow()
    kinds = {column: _kind(arrow, column) for _, column in template.columns}
    schema = arrow.schema([(name, kinds[column]) for name, column in template.columns])
    with atomic_path(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for extraction in extractions:
            texts: dict[str, list[str]] = {name: [] for name, _ in template.columns}
            for columns in point_columns([extraction], places):
                for name, column in template.columns:
                    texts[name] += columns(column)
            arrays = [
                arrow.array([_value(text, column) for text in texts[name]], kinds[column])
                for name, column in template.columns
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        msg = (
            "Expected the package pyarrow for the format parquet, but it is not installed: "
            "pip install pyarrow, or export csv"
        )
        raise UsageError(msg) from None


def _kind(arrow: Any, column: str) -> Any:
    if column in TEXT_COLUMNS:
        return arrow.string()
    return arrow.int64() if column in WHOLE_COLUMNS else arrow.float64()


def _value(text: str, column: str) -> str | int | float | None:
    if column in TEXT_COLUMNS:
        return text
    if column in WHOLE_COLUMNS:
        return int(text)
    return float(text) if text else None
