"""`history.csv`: how a training run goes, one row for every few steps."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from segsem.core.files import atomic_path

HISTORY_FILE = "history.csv"
FIELDS = (
    "step",
    "size_px",
    "lr",
    "loss",
    "focal",
    "dice",
    "iou_loss",
    "best_iou",
    "ranked_iou",
    "corrected_iou",
    "classes",
    "edges",
)


class History:
    """Means of what was recorded since the last row.

    Parameters
    ----------
    folder : Path
        Where `history.csv` is, or will be.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / HISTORY_FILE
        self._values: dict[str, list[Any]] = {}

    def record(self, **values: Any) -> None:
        """Take values (numbers, or tensors of one) by the names of their columns."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def write_row(self, step: int, size_px: int, learning_rate: float) -> dict[str, float]:
        """Append a row of the means, start anew, and return the means."""
        means = {name: float(sum(values)) / len(values) for name, values in self._values.items()}
        row: dict[str, object] = {name: f"{mean:.5f}" for name, mean in means.items()}
        row |= {"step": step, "size_px": size_px, "lr": f"{learning_rate:.2e}"}
        self._values.clear()
        fresh = not self._path.is_file()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        return means

    def cut_after(self, step: int) -> None:
        """Drop the rows of steps that a resumed run goes through again."""
        if not self._path.is_file():
            return
        with self._path.open(newline="", encoding="utf-8") as file:
            kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        with (
            atomic_path(self._path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(kept)
