"""Smoothing before the threshold finds edges; it must not move where they are placed."""

from __future__ import annotations

import numpy as np

from segsem.core.params import ExtractParams, Routing, SauvolaParams, Tone
from segsem.pipeline import extract


def test_smoothing_moves_raw_contours_but_not_placed_ones(scenes):
    rows, cols = np.mgrid[:160, :160]
    radius = 30.0
    grey = 60 + 120 * scenes.soft(radius - np.hypot(rows - 79.6, cols - 80.3))
    image = scenes.image(np.rint(grey).astype(np.uint8))
    placed, raw = [], []
    for sigma in (0.3, 3.0):
        params = ExtractParams(
            routing=Routing.SAUVOLA_ONLY, tone=Tone.BRIGHT, sauvola=SauvolaParams(smooth_px=sigma)
        )
        (region,) = extract(image, None, params).regions
        (contour,) = region.contours
        for vertices, found in ((contour.vertices_rc, placed), (contour.raw_vertices_rc, raw)):
            found.append(np.hypot(*(vertices - (79.6, 80.3)).T).mean())
    assert abs(placed[0] - placed[1]) < 0.01
    assert abs(placed[1] - radius) < 0.1
    assert abs(raw[0] - raw[1]) > 0.1
