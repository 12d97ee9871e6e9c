"""Outlines of held-out objects, written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segsem.contours.trace import Polyline
from segsem.core.exceptions import InputError
from segsem.training.outlines import FILE, ObjectOutlines, read_outlines, write_outlines

SQUARE = Polyline(np.array([[0.0, 0.0], [0.0, 20.0], [20.0, 20.0], [20.0, 0.0]]), True)
CUT = Polyline(np.array([[5.0, 0.0], [5.0, 30.0]]), False)


def test_they_come_back_as_they_were(tmp_path: Path) -> None:
    one = ObjectOutlines({"click": (SQUARE, CUT)}, {"click": (), "box": (CUT,)})
    write_outlines(tmp_path, {"site1": [one], "site2": []})
    found = read_outlines(tmp_path)
    assert list(found) == ["site1", "site2"]
    (back,) = found["site1"]
    square, cut = back.before["click"]
    assert (square.closed, cut.closed) == (True, False)
    np.testing.assert_allclose(cut.vertices_rc[[0, -1]], CUT.vertices_rc)
    # Every point lies on the square's outline.
    inside = np.abs(square.vertices_rc - 10).max(axis=1)
    np.testing.assert_allclose(inside, 10, atol=0.01)
    assert back.after["click"] == ()


def test_a_model_without_any_has_none(tmp_path: Path) -> None:
    assert read_outlines(tmp_path) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "segsem-outlines", "version": 9}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"outlines\.json cannot be read"):
        read_outlines(tmp_path)
