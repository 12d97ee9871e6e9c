"""Edges that no contour follows become places to look at."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from segsem.segmentation.stray_edges import LEAST_PX, StrayEdge, stray_edges


def ring(shape: tuple[int, int], middle: tuple[int, int], radius: int) -> np.ndarray:
    rows, cols = np.indices(shape)
    disc = (rows - middle[0]) ** 2 + (cols - middle[1]) ** 2 <= radius**2
    return np.asarray(disc & ~ndi.binary_erosion(disc))


def test_rings_are_told_the_longest_first() -> None:
    marks = ring((200, 200), (50, 60), 12) | ring((200, 200), (150, 140), 20)
    found = stray_edges(marks)
    assert [edge.bbox_rc for edge in found] == [(130, 120, 171, 161), (38, 48, 63, 73)]
    assert sum(edge.length_px for edge in found) == np.count_nonzero(marks)
    assert found[1].as_json() == [38, 48, 63, 73, found[1].length_px]


def test_gaps_of_two_px_do_not_part_an_edge_and_larger_ones_do() -> None:
    marks = np.zeros((100, 100), dtype=bool)
    marks[10, 10:60] = True
    marks[10, 30:32] = False
    assert stray_edges(marks) == [StrayEdge((10, 10, 11, 60), 48)]
    marks[10, 30:34] = False
    assert stray_edges(marks) == []


def test_short_marks_say_nothing() -> None:
    marks = np.zeros((100, 100), dtype=bool)
    marks[10, 10 : 10 + LEAST_PX - 1] = True
    assert stray_edges(marks) == []
    assert stray_edges(np.zeros((5, 5), dtype=bool)) == []
