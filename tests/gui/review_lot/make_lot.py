"""A lot with planted errors, in a process of its own: `make_lot.py OUT SEED REAL_IMAGES...`.

Twenty synthetic images (14 of `default`, 6 of `contacts`) and a piece of each real one. torch is
no guest in a process that has a window.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from segsem.evaluation.planted_lot import LotImage, synthetic_lot, write_planted
from segsem.imaging.read import read_image
from segsem.models.load import load_predictor

PRESETS = {"default": 14, "contacts": 6}
PIECE_PX = 320
"""Whole ones would take longer than all the others together."""

NOMINAL_NM = (2.0, 2.0)
"""Where a real image does not say; nothing is measured in nm here but the layout."""


def synthetic(out: Path, seed: int) -> Iterator[LotImage]:
    """Images with exact truth."""
    for number, (preset, count) in enumerate(PRESETS.items()):
        # With one seed, some images of the two presets would be the same.
        yield from synthetic_lot(out / "synth" / preset, preset, count, seed + number)


def piece_of(path: Path, out: Path) -> LotImage:
    """The middle of a real image, as a file that the viewer can open."""
    whole = read_image(path)
    first, last = whole.valid_rows
    row = max(first, (first + last - PIECE_PX) // 2)
    col = max(0, (whole.shape[1] - PIECE_PX) // 2)
    grey = whole.data[row : min(row + PIECE_PX, last), col : col + PIECE_PX]
    name = out / f"{path.stem.replace('.', '_')}.png"
    cv2.imwrite(str(name), np.ascontiguousarray(grey))
    size = whole.pixel_size_nm or NOMINAL_NM
    image = replace(read_image(name), pixel_size_nm=size, pixel_size_source="user")
    return LotImage(image, in_array="Square" in path.name)


def main() -> None:
    """Write the images, their results, and what was planted."""
    out, seed, real = Path(sys.argv[1]), int(sys.argv[2]), [Path(p) for p in sys.argv[3:]]
    (out / "real").mkdir(parents=True)
    pieces = (piece_of(path, out / "real") for path in real)
    images = chain(synthetic(out, seed), pieces)
    errors = write_planted(images, load_predictor("segsem-nano"), out / "results", seed)
    (out / "planted.json").write_text(json.dumps([error.as_json() for error in errors]))


if __name__ == "__main__":
    main()
