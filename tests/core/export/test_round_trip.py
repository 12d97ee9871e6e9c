"""From a design through its image and contours to OASIS and back: nothing may shift or flip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import klayout.db as kdb
import numpy as np

from segsem.core.coordinates import rc_to_nm
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.export.export_results import export_results
from segsem.export.job import ExportOptions
from segsem.export.layout import LayoutOptions
from segsem.export.outputs import write_results
from segsem.imaging.image import SEMImage
from segsem.layout.registration import Place, Verdict
from segsem.pipeline import extract
from segsem.synth.generate import generate_image

DBU_NM = 0.1


def field(centres_nm: np.ndarray, half_nm: tuple[float, float], shape: tuple[int, int],
          size_nm: tuple[float, float]) -> np.ndarray:  # fmt: skip
    """Soft-edged bright boxes: 50 % of their height lies exactly on their edges."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    points = rc_to_nm(np.stack([rows, cols], axis=-1), shape[0], size_nm)
    grey = np.zeros(shape)
    for x, y in centres_nm:
        d = np.maximum(np.abs(points[..., 0] - x) - half_nm[0], np.abs(points[..., 1] - y)
                       - half_nm[1])  # fmt: skip
        grey = np.maximum(grey, 1 / (1 + np.exp(d / 3.0)))
    return grey


def test_round_trip_from_the_design_through_the_image_to_oasis(
    tmp_path: Path, registered: Callable[..., None]
) -> None:
    """Oblong pixels, a design position of millimetres: mean offset below 0.05 px, signs right."""
    shape, size_nm = (200, 260), (2.0, 3.0)
    grid = np.stack(np.meshgrid(np.arange(80, 740, 130.3), np.arange(60, 380, 97.7)), -1)
    centres = grid.reshape(-1, 2)
    grey = 60 + 120 * field(centres, (36.0, 27.0), shape, size_nm)
    noisy = np.random.default_rng(1).normal(grey, 4.0).clip(0, 255)
    image = SEMImage(
        np.rint(noisy).astype(np.uint8), "site", sha256="x", pixel_size_nm=size_nm,
        pixel_size_source="user",
    )  # fmt: skip
    found = extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    assert len(found.regions) == len(centres)
    write_results(found, tmp_path / "results")
    shift = np.array([3_000_000.4, -2_000_000.7])
    place = Place((0.0, 0.0), (float(shift[0]), float(shift[1])))
    registered(tmp_path / "results", "site", place, Verdict.GOOD, shape=shape,
               pixel_size_nm=size_nm)  # fmt: skip
    layout = LayoutOptions(allow_needs_human=True)
    export_results([tmp_path / "results"], tmp_path / "out", ExportOptions(layout=layout))
    read = kdb.Layout()
    read.read(str(tmp_path / "out" / "contours.oas"))
    boxes = [
        shape.bbox()
        for datatype in range(4)
        if (index := read.find_layer(1, datatype)) is not None
        for shape in read.top_cell().shapes(index).each()
    ]
    got = np.array([[b.center().x, b.center().y] for b in boxes]) * DBU_NM
    truth = centres + shift
    nearest = truth[np.linalg.norm(got[:, None] - truth[None], axis=2).argmin(axis=1)]
    assert len({tuple(t) for t in nearest.tolist()}) == len(centres)
    offset_px = (got - nearest).mean(axis=0) / [size_nm[1], size_nm[0]]
    assert np.abs(offset_px).max() < 0.05


def centroid(points: np.ndarray) -> np.ndarray:
    """Of the area that a closed polyline bounds."""
    origin = points[0]  # millimetres off, products would have no digits left
    x, y = (points - origin).T
    x1, y1 = np.roll(points - origin, -1, axis=0).T
    cross = x * y1 - x1 * y
    moments = np.array([((x + x1) * cross).sum(), ((y + y1) * cross).sum()])
    return np.asarray(origin + moments / (3 * cross.sum()))


def test_round_trip_of_a_synthetic_image_with_noise_and_roughness(
    tmp_path: Path, registered: Callable[..., None]
) -> None:
    """Of `segsem synth`: each contact lies where the exact edges say, in the design's frame."""
    drawn = generate_image(731_000_005, "contacts", 1)
    height = drawn.image.shape[0]
    image = SEMImage(
        drawn.image, "site", sha256="x", pixel_size_nm=drawn.pixel_size_nm,
        pixel_size_source="user",
    )  # fmt: skip
    params = ExtractParams(routing=Routing.SAUVOLA_ONLY, tone=Tone(drawn.tone))
    write_results(extract(image, None, params), tmp_path / "results")
    shift = np.array([-1_234_567.8, 3_456_789.1])
    registered(
        tmp_path / "results", "site", Place((0.0, 0.0), (float(shift[0]), float(shift[1]))),
        Verdict.GOOD, shape=image.shape, pixel_size_nm=drawn.pixel_size_nm,
    )  # fmt: skip
    layout = LayoutOptions(allow_needs_human=True)
    export_results([tmp_path / "results"], tmp_path / "out", ExportOptions(layout=layout))
    read = kdb.Layout()
    read.read(str(tmp_path / "out" / "contours.oas"))
    got = np.array(
        [
            centroid(np.array([[p.x, p.y] for p in shape.polygon.each_point_hull()]) * DBU_NM)
            for datatype in range(4)
            if (index := read.find_layer(1, datatype)) is not None
            for shape in read.top_cell().shapes(index).each()
        ]
    )
    whole = [c for c in drawn.contours if c.closed and not c.is_hole]
    truth = np.array(
        [centroid(rc_to_nm(c.vertices_rc, height, drawn.pixel_size_nm)) for c in whole]
    )
    truth += shift
    distance = np.linalg.norm(truth[:, None] - got[None], axis=2)
    offsets_px = (got[distance.argmin(axis=1)] - truth) / drawn.pixel_size_nm[1]
    assert len(whole) > 10
    # A sign that is wrong, or y that runs down, would put most of them elsewhere.
    assert np.abs(offsets_px).max() < 0.5
    assert np.abs(offsets_px.mean(axis=0)).max() < 0.05
