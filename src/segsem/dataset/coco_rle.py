"""COCO's run-length encoding of masks: column by column, runs of 0 and 1 in turn, 0 first.

The compact form is a text: each count, from the fourth on less the one two before it, in groups of
five bits, lowest first, one character (plus 48) each; the sixth bit says that more follow, the
fifth of the last group is the sign.

References
----------
COCO API, `common/maskApi.c` (P. Dollár, T.-Y. Lin), functions `rleToString`, `rleFrString`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segsem.core.types import MaskArray

_LONGEST = 13
"""Characters of one count at most: 63 bits."""


def encode_counts(mask: MaskArray) -> list[int]:
    """Runs of a (H, W) mask."""
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(flat)]])
    counts = np.diff(edges).tolist()
    return [0, *counts] if len(flat) and flat[0] else counts


def decode_counts(counts: Sequence[int], shape: tuple[int, int]) -> MaskArray:
    """Make a mask of runs.

    Raises
    ------
    ValueError
        If a count is negative, or they do not fill the image.
    """
    if any(count < 0 for count in counts) or sum(counts) != shape[0] * shape[1]:
        msg = f"its run lengths do not fill {shape[0]} x {shape[1]} px"
        raise ValueError(msg)
    values = np.arange(len(counts)) % 2 == 1
    flat = np.repeat(values, np.asarray(counts, dtype=np.int64))
    return np.asarray(flat.reshape(shape, order="F"))


def counts_to_text(counts: Sequence[int]) -> str:
    """Write runs in the compact form."""
    text: list[str] = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != -1 if group & 0x10 else value != 0
            text.append(chr((group | 0x20 if more else group) + 48))
    return "".join(text)


def text_to_counts(text: str) -> list[int]:
    """Read runs in the compact form.

    Raises
    ------
    ValueError
        If it is none.
    """
    counts: list[int] = []
    at = 0
    while at < len(text):
        value = shift = 0
        more = True
        while more:
            if at == len(text) or shift == 5 * _LONGEST:
                msg = "its run lengths end in the middle of a number"
                raise ValueError(msg)
            group = ord(text[at]) - 48
            if not 0 <= group < 64:
                msg = f"its run lengths hold the character {text[at]!r}"
                raise ValueError(msg)
            value |= (group & 0x1F) << shift
            more, at, shift = bool(group & 0x20), at + 1, shift + 5
        if group & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts
