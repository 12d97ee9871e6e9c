"""A scene whose truth is known in closed form, and extractions of it that are wrong on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from segsem.core.contour import Contour, Region, Source
from segsem.core.extraction import Extraction
from segsem.evaluation.truth_set import Truth
from segsem.metrics.polyline import Polyline

SHAPE = (200, 240)
DISCS = ((50.0, 60.0), (50.0, 150.0), (140.0, 60.0), (140.0, 150.0))
RADIUS = 20.0
LEFT, RIGHT = 199.5, 225.5
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """One contour of a scene: its region, and how it runs."""

    region: int
    vertices_rc: Points
    closed: bool


def disc(centre: tuple[float, float], radius: float, n: int = 360) -> Points:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.asarray(centre) + radius * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)


def make_edges(bias: float = 0.0) -> list[Edge]:
    """Four discs and a line across the whole image; their features too large by `bias`."""
    edges = [Edge(i, disc(c, RADIUS + bias), True) for i, c in enumerate(DISCS, start=1)]
    row = np.linspace(-0.5, SHAPE[0] - 0.5, 201)
    down = np.stack([row, np.full(201, LEFT - bias)], axis=-1)
    up = np.stack([row[::-1], np.full(201, RIGHT + bias)], axis=-1)
    return [*edges, Edge(5, down, False), Edge(5, up, False)]


def make_labels(bias: float = 0.0) -> npt.NDArray[np.int32]:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, dtype=np.int32)
    for number, (row, col) in enumerate(DISCS, start=1):
        labels[np.hypot(rows - row, cols - col) < RADIUS + bias] = number
    labels[:, (cols[0] > LEFT - bias) & (cols[0] < RIGHT + bias)] = 5
    return labels


def make_extraction(
    edges: Sequence[Edge],
    labels: npt.NDArray[np.int32],
    *,
    raw: Sequence[Edge] | None = None,
    sources: dict[int, int] | None = None,
    sigma: float = 0.1,
    image_id: str = "scene",
    sha256: str | None = None,
) -> Extraction:
    regions = []
    number = 0
    for label in np.unique(labels[labels > 0]):
        contours = []
        for edge, before in zip(edges, raw or edges, strict=True):
            if edge.region != label:
                continue
            number += 1
            n = len(edge.vertices_rc)
            contours.append(
                Contour(
                    contour_id=number,
                    vertices_rc=edge.vertices_rc,
                    raw_vertices_rc=before.vertices_rc,
                    normals_rc=np.tile([0.6, 0.8], (n, 1)),
                    closed=edge.closed,
                    is_hole=False,
                    sigma_px=np.full(n, sigma),
                    slope=np.ones(n),
                    contrast=np.ones(n),
                    confidence=np.full(n, 0.9),
                    source_code=np.full(n, (sources or {}).get(int(label), 0), dtype=np.uint8),
                    flags=np.zeros(n, dtype=np.uint8),
                )
            )
        at = np.argwhere(labels == label)
        (r0, c0), (r1, c1) = at.min(axis=0), at.max(axis=0) + 1
        mask = labels[r0:r1, c0:c1] == label
        regions.append(
            Region(int(label), (int(r0), int(c0)), mask, tuple(contours), Source.SAM2, 0.9)
        )
    return Extraction(
        image_id=image_id,
        shape=SHAPE,
        valid_rows=(0, SHAPE[0]),
        pixel_size_nm=(1.0, 1.0),
        pixel_size_source="user",
        regions=tuple(regions),
        confidence_map=np.full(SHAPE, 0.9, dtype=np.float32),
        provenance={} if sha256 is None else {"image_sha256": sha256},
    )


def write_truth_set(root: Path, names: Sequence[str] = ("a", "b")) -> Path:
    """A set as `segsem synth` writes it, of the scene above."""
    rows = ["image,tone,family,edge_snr,blur_px,truth"]
    for number, name in enumerate(names):
        truth = root / "truth" / name
        truth.mkdir(parents=True)
        (root / "images").mkdir(exist_ok=True)
        clean = 50 + 100 * ndimage.gaussian_filter((make_labels() > 0).astype(float), 1.2)
        noise = np.random.default_rng(number).normal(0, 6, SHAPE)
        grey = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(root / "images" / f"{name}.png")
        lines = ["contour_id,x_px,y_px,region_id,is_hole,closed"]
        for index, edge in enumerate(make_edges(), start=1):
            tail = f"{edge.region},0,{int(edge.closed)}"
            lines += [f"{index},{col:.4f},{row:.4f},{tail}" for row, col in edge.vertices_rc]
        (truth / "contours.csv").write_text("\n".join(lines) + "\n")
        tifffile.imwrite(truth / "labels.tif", make_labels())
        (truth / "settings.json").write_text(json.dumps({"feature_px": 26.0}))
        rows.append(f"images/{name}.png,bright,discs,{4 + 6 * number},1.5,truth/{name}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def edges() -> Callable[..., list[Edge]]:
    """Factory of the scene's edges."""
    return make_edges


@pytest.fixture
def labels() -> Callable[..., npt.NDArray[np.int32]]:
    """Factory of the scene's labels."""
    return make_labels


@pytest.fixture
def extraction() -> Callable[..., Extraction]:
    """Factory of extractions."""
    return make_extraction


@pytest.fixture
def edge() -> type[Edge]:
    """One contour of a scene."""
    return Edge


@pytest.fixture
def truth() -> Truth:
    """The scene's truth."""
    true = make_edges()
    lines = [Polyline(e.vertices_rc, e.closed) for e in true]
    return Truth(lines, np.array([e.region for e in true]), make_labels(), {})


@pytest.fixture
def truth_set(tmp_path: Path) -> Path:
    """Folder of a set of two images."""
    return write_truth_set(tmp_path / "set")
