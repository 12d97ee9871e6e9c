"""Run `segsem extract` on a large image and measure seconds and peak memory.

    python tools/measure_large.py --side 8192                    with the bundled model
    python tools/measure_large.py --side 8192 --fallback-only
    python tools/measure_large.py --side 8192 --scene film -- --tone bright

Scenes: `mix` (an array of contacts, vertical lines, slanted lines), `contacts`, `film` (one bright
region with an array of holes), `slanted` (lines at 37 degrees across the image). Memory is the
largest resident set of the child process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import erf

GIBIBYTE = 2**30
BAND_ROWS = 256
BLUR_PX, NOISE = 1.5, 10.0


def contacts(row: np.ndarray, col: np.ndarray, scale: float) -> np.ndarray:
    """Signed distance to round contacts, positive inside."""
    pitch = 36.0 * scale
    off_row, off_col = np.mod(row + 0.3, pitch) - pitch / 2, np.mod(col + 0.7, pitch) - pitch / 2
    return 11.0 * scale - np.hypot(off_row, off_col)


def lines(across: np.ndarray, width: float, pitch: float) -> np.ndarray:
    """Signed distance to parallel lines."""
    return width / 2 - np.abs(np.mod(across + 0.4, pitch) - pitch / 2)


def scene(name: str, row: np.ndarray, col: np.ndarray, side: int, scale: float) -> np.ndarray:
    """Signed distance to the features of a scene, positive inside."""
    if name == "contacts":
        return contacts(row, col, scale)
    if name == "film":
        return -contacts(row, col, scale)
    if name == "slanted":
        return lines(0.6 * row + 0.8 * col, 28.0 * scale, 60.0 * scale)
    half = side / 2 - 0.5
    upright = lines(col, 26.0 * scale, 50.0 * scale)
    slanted = lines(0.05 * row + 0.99875 * col, 28.0 * scale, 60.0 * scale)
    below = np.where(col < half, upright, slanted)
    found = np.where(row < half, contacts(row, col, scale), below)
    apart = np.abs(row - half) - 10.0
    apart = np.where(row > half, np.minimum(apart, np.abs(col - half) - 10.0), apart)
    return np.asarray(np.minimum(found, apart))


def draw(path: Path, name: str, side: int, scale: float) -> None:
    """Write a noisy image of a scene: plateaus, bright rims, blur."""
    rng = np.random.default_rng(3)
    grey = np.empty((side, side), dtype=np.uint8)
    for start in range(0, side, BAND_ROWS):
        row, col = np.mgrid[start : min(start + BAND_ROWS, side), :side].astype(np.float32)
        distance = scene(name, row, col, side, scale)
        clean = 70 + 40 * (1 + erf(distance / (BLUR_PX * np.sqrt(2))))
        clean += 40 * np.exp(-0.5 * ((distance - 2.5) / 2) ** 2)
        clean += rng.normal(0, NOISE, clean.shape)
        grey[start : start + BAND_ROWS] = np.clip(np.rint(clean), 0, 255)
    Image.fromarray(grey).save(path, compress_level=1)


def measure(path: Path, out: Path, options: list[str]) -> dict[str, Any]:
    """Extract an image in a child process; its seconds and its largest resident set."""
    command = [sys.executable, "-m", "segsem", "extract", str(path), "-o", str(out)]
    start = time.perf_counter()
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    regions = json.loads((out / path.stem / "regions.json").read_text(encoding="utf-8"))["regions"]
    points = sum(contour["points"] for region in regions for contour in region["contours"])
    return {
        "seconds": round(seconds, 1),
        "peak_gib": round(peak / GIBIBYTE, 3),
        "regions": len(regions),
        "contour_points": points,
    }


def main() -> None:
    """Draw, extract, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--scene", default="mix", choices=["mix", "contacts", "film", "slanted"])
    parser.add_argument("--scale", type=float, default=1.0, help="size of the features")
    parser.add_argument("--fallback-only", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the image and the results")
    parser.add_argument("options", nargs="*", help="more options of `segsem extract`, after --")
    args = parser.parse_args()
    options = ["--pixel-size", "1", "--force", *args.options]
    options += ["--fallback-only"] if args.fallback_only else []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        path = folder / f"{args.scene}_{args.side}.png"
        folder.mkdir(parents=True, exist_ok=True)
        draw(path, args.scene, args.side, args.scale)
        figures = measure(path, folder / "out", options)
    sys.stdout.write(json.dumps({"side": args.side, "scene": args.scene, **figures}) + "\n")


if __name__ == "__main__":
    main()
