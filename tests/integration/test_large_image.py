"""Large images: memory by the pixel; strips of any aspect.

An image of 8192 x 8192 px is to take at most 4 GiB. That run takes minutes; it is made by hand:

    python tools/measure_large.py --side 8192
    python tools/measure_large.py --side 8192 --fallback-only

Here smaller images are held to the same bytes per pixel, beyond what the program takes for an
image of a few tiles.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsem.export.results import read_results

REPOSITORY = Path(__file__).resolve().parents[2]
Segsem = Callable[..., "subprocess.CompletedProcess[str]"]

LIMIT_GIB, LIMIT_SIDE_PX = 4.0, 8192
SMALL_SIDE_PX = 512


def measured(*arguments: str | int) -> dict[str, float]:
    tool = REPOSITORY / "tools" / "measure_large.py"
    command = [sys.executable, str(tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "scale", "least_regions", "options"),
    [(2048, 2.0, 400, []), (4096, 5.0, 250, ["--fallback-only"])],
    ids=["model", "threshold"],
)
def test_memory_by_the_pixel(side, scale, least_regions, options):
    small = measured("--side", SMALL_SIDE_PX, *options)
    large = measured("--side", side, "--scale", scale, *options)
    assert large["regions"] >= least_regions
    share = (side / LIMIT_SIDE_PX) ** 2
    allowed_gib = (LIMIT_GIB - small["peak_gib"]) * share
    assert large["peak_gib"] - small["peak_gib"] <= allowed_gib


@pytest.mark.parametrize("shape", [(64, 2000), (2000, 64), (300, 301), (40, 900)])
@pytest.mark.parametrize("options", [[], ["--fallback-only"]], ids=["model", "threshold"])
def test_any_aspect(shape, options, segsem: Segsem, tmp_path: Path):
    along = int(np.argmax(shape))
    at = np.indices(shape)[along]
    grey = 80 + 90 / (1 + np.exp(-(9 - np.abs((at + 7) % 50 - 25))))
    noisy = grey + np.random.default_rng(0).normal(0, 6, shape)
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(tmp_path / "strip.png")
    done = segsem("extract", tmp_path / "strip.png", "-o", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    extraction = read_results(tmp_path / "out" / "strip")
    assert extraction.shape == shape
    lines = [r for r in extraction.regions if r.area_px > 0.8 * 18 * min(shape)]
    assert abs(len(lines) - max(shape) / 50) <= 1
    edges = [c.vertices_rc[:, along].mean() for r in lines for c in r.contours]
    inner = [e for e in edges if 10 < e < max(shape) - 10]
    # Edges lie at 9 px on either side of every 50th px.
    offset = (np.sort(inner) + 7) % 50
    assert np.abs(np.abs(offset - 25) - 9).max() < 1.0
