"""Make the reference polygons of real images that clicks are measured against.

    python tools/make_references.py DATA tests/integration/references [--overlays FOLDER]

DATA is the folder with `real_sem/uuhy_resist`. No model is asked, and nothing of `segsem` but the
reading of files: edges are half-way between the dark beside a feature and its bright rim, on the
rim's outer flank, in line scans averaged along the edge. `--overlays` draws them, enlarged, to be
looked at; `tests/integration/references/README.md` says what was seen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import ndimage as ndi

from segsem.imaging.read import read_image

VALID_ROWS = 880
GRATINGS = ("S1_200kX.TIF", "S2_200kX.TIF")
PILLARS = "Square_100nm_100kX.TIF"
PILLAR_COUNT, PILLAR_SEED = 20, 20
SCAN_PX = 9
"""Line scans averaged along an edge."""

STEP_PX = 8
ENLARGED = 6
REACH_PX = 26
ANGLES = 72

Points = np.ndarray


def outer_flank(profile: Points, step_px: float) -> float | None:
    """Position, from the profile's start in the dark, where it first is half-way up to its rim.

    The profile runs from the dark inwards over the rim; its rim is its highest place, the dark
    the lowest before it.
    """
    smooth = ndi.gaussian_filter1d(profile, 0.7 / step_px)
    rim = int(np.argmax(smooth))
    if rim < 2:
        return None
    dark = int(np.argmin(smooth[:rim]))
    half = 0.5 * (smooth[rim] + smooth[dark])
    # From the rim outwards, so that a noise peak in the dark is not taken for the edge.
    above = rim
    while above > dark and smooth[above - 1] >= half:
        above -= 1
    below = above - 1
    share = (half - smooth[below]) / (smooth[above] - smooth[below])
    return float((below + share) * step_px)


def line_edges(grey: Points) -> list[tuple[str, Points]]:
    """Edges ("rising" or "falling" in grey with the row) as (columns, 2) points, row by column."""
    mean = ndi.gaussian_filter1d(grey.mean(axis=1), 3.0)
    level = 0.5 * (np.percentile(mean, 10) + np.percentile(mean, 80))
    crossings = np.flatnonzero(np.diff((mean > level).astype(int)))
    averaged = ndi.uniform_filter1d(grey, SCAN_PX, axis=1, mode="nearest")
    found = []
    for row in crossings:
        rising = mean[row + 1] > mean[row]
        start, stop = max(row - REACH_PX, 0), min(row + REACH_PX + 1, len(grey))
        if min(row, len(grey) - row) < REACH_PX // 2:
            continue
        points = []
        for col in range(grey.shape[1]):
            window = averaged[start:stop, col]
            at = outer_flank(window if rising else window[::-1], 1.0)
            if at is not None:
                points.append((start + at if rising else stop - 1 - at, col))
        edge = np.array(points)
        edge[:, 0] = ndi.median_filter(edge[:, 0], 5, mode="nearest")
        found.append(("rising" if rising else "falling", edge))
    return found


def grating_objects(grey: Points) -> list[dict[str, Any]]:
    """Bright lines and dark spaces between consecutive edges, and those that the frame cuts."""
    width, last = grey.shape[1] - 0.5, VALID_ROWS - 0.5
    top = np.array([[-0.5, 0.0], [-0.5, width - 0.5]])
    bottom = np.array([[last, 0.0], [last, width - 0.5]])
    edges = line_edges(grey)
    starts = [("top", top), *edges]
    ends = [*edges, ("bottom", bottom)]
    objects = []
    for (kind, upper), (end, lower) in zip(starts, ends, strict=True):
        bright = kind == "rising" or end == "falling"
        outline = np.vstack([_thinned(upper, width), _thinned(lower, width)[::-1]])
        objects.append(
            {
                "name": f"{'line' if bright else 'space'} at row {np.mean(outline[:, 0]):.0f}",
                "kind": "line" if bright else "space",
                "cut": kind == "top" or end == "bottom",
                "outline_rc": np.round(outline, 1).tolist(),
            }
        )
    return objects


def _thinned(edge: Points, width: float) -> Points:
    """Every few columns, and out to both sides of the image."""
    thin = edge[::STEP_PX] if len(edge) > 2 else edge
    first, last = thin[0].copy(), edge[-1].copy()
    first[1], last[1] = -0.5, width
    return np.vstack([first, thin[1:], last])


def pillar_objects(grey: Points) -> list[dict[str, Any]]:
    """Twenty pillars drawn from those that lie whole in the image."""
    smooth = ndi.gaussian_filter(grey, 2.0)
    level = 0.5 * (np.percentile(smooth, 10) + np.percentile(smooth, 95))
    filled = ndi.binary_fill_holes(smooth > level)
    labels, _ = ndi.label(filled)
    whole = []
    for number, box in enumerate(ndi.find_objects(labels), start=1):
        inside = all(
            side.start > 12 and side.stop < size - 12
            for side, size in zip(box, grey.shape, strict=True)
        )
        if inside and np.count_nonzero(labels[box] == number) > 200:
            whole.append(ndi.center_of_mass(filled, labels, number))
    chosen = np.random.default_rng(PILLAR_SEED).permutation(len(whole))[:PILLAR_COUNT]
    objects = []
    for index in sorted(int(i) for i in chosen):
        row, col = whole[index]
        outline = pillar_outline(grey, row, col)
        objects.append(
            {
                "name": f"pillar at ({row:.0f}, {col:.0f})",
                "kind": "pillar",
                "cut": False,
                "outline_rc": np.round(outline, 1).tolist(),
            }
        )
    return objects


def pillar_outline(grey: Points, row: float, col: float) -> Points:
    """Edge along rays from the centre, each the mean of rays within 7 degrees, as (72, 2)."""
    step, longest = 0.25, 32.0
    radii = np.arange(longest, 8.0, -step)
    angles = np.deg2rad(np.arange(0, 360, 360 / (3 * ANGLES)))
    at = [row + np.outer(np.sin(angles), radii), col + np.outer(np.cos(angles), radii)]
    rays = ndi.map_coordinates(grey, at, order=1, mode="nearest")
    rays = ndi.uniform_filter1d(rays, 9, axis=0, mode="wrap")[::3]
    edge = np.array([outer_flank(ray, step) or np.nan for ray in rays])
    edge = longest - ndi.median_filter(edge, 3, mode="wrap")
    turn = angles[::3]
    return np.stack([row + edge * np.sin(turn), col + edge * np.cos(turn)], axis=1)


def draw(grey: Points, objects: list[dict[str, Any]], folder: Path, stem: str) -> None:
    """Enlarged overlays in tiles of 170 px."""
    folder.mkdir(parents=True, exist_ok=True)
    side = 170
    big = cv2.resize(grey.astype(np.uint8), None, fx=ENLARGED, fy=ENLARGED)
    canvas = cv2.cvtColor(big, cv2.COLOR_GRAY2BGR)
    for item in objects:
        # The centre of pixel 0 lies at (ENLARGED - 1) / 2 of the enlargement.
        points = (np.array(item["outline_rc"])[:, ::-1] + 0.5) * ENLARGED - 0.5
        color = (0, 0, 255) if item["kind"] != "space" else (255, 200, 0)
        fixed = np.round(points * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], True, color, 1, cv2.LINE_AA, 4)
    for row in range(0, grey.shape[0], side):
        for col in range(0, grey.shape[1], side):
            tile = canvas[row * ENLARGED :, col * ENLARGED :]
            part = tile[: side * ENLARGED, : side * ENLARGED]
            cv2.imwrite(str(folder / f"{stem}_{row:03d}_{col:04d}.png"), part)


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--overlays", type=Path)
    args = parser.parse_args()
    for name in (*GRATINGS, PILLARS):
        path = args.data / "real_sem" / "uuhy_resist" / name
        grey = read_image(path).data[:VALID_ROWS].astype(np.float64)
        objects = pillar_objects(grey) if name == PILLARS else grating_objects(grey)
        reference = {
            "format_version": 1,
            "image": name,
            "image_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "valid_rows": VALID_ROWS,
            "objects": objects,
        }
        file = args.out / f"{path.stem}.json"
        file.write_text(json.dumps(reference, separators=(",", ":")) + "\n", encoding="utf-8")
        if args.overlays is not None:
            draw(grey, objects, args.overlays, path.stem)


if __name__ == "__main__":
    main()
