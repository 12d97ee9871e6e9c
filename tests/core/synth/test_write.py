from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image

from segsem.core.coordinates import nm_to_rc, rc_to_xy_px
from segsem.core.exceptions import ExportError, UsageError
from segsem.core.progress import Progress, run_to_completion
from segsem.imaging.manifest import read_manifest
from segsem.layout.read import read_layout
from segsem.synth import presets
from segsem.synth.write import SynthSet, write_set

SHAPE = (130, 110)


@pytest.fixture(autouse=True)
def _small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(presets.get_preset("default"), name="small", shape=SHAPE)
    monkeypatch.setitem(presets.PRESETS, "small", small)
    monkeypatch.setitem(presets.PRESETS, "spotless", replace(small, name="spotless", clean=True))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_whatever_the_count(tmp_path: Path) -> None:
    seen: list[Progress] = []
    run_to_completion(write_set(tmp_path / "a", SynthSet("small", 3, 4)), seen.append)
    run_to_completion(write_set(tmp_path / "b", SynthSet("small", 2, 4)))
    first, second = hashes(tmp_path / "a"), hashes(tmp_path / "b")
    del first["manifest.csv"], second["manifest.csv"]
    assert len(second) == 2 * 5
    assert second.items() <= first.items()
    assert [(step.done, step.total) for step in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    run_to_completion(write_set(tmp_path / "c", SynthSet("small", 1, 5)))
    assert not hashes(tmp_path / "c").items() & first.items()


def test_manifest_is_one_that_extract_reads(tmp_path: Path) -> None:
    manifest = read_manifest(run_to_completion(write_set(tmp_path, SynthSet("small", 2, 4))))
    assert [row.path.name for row in manifest.rows] == [
        "small_0000_line_space.png",
        "small_0001_contacts.png",
    ]
    for row in manifest.rows:
        assert row.path.is_file()
        assert row.pixel_size_nm is not None
        assert 0.8 <= row.pixel_size_nm[0] <= 2.0
        assert (tmp_path / row.groups["truth"] / "contours.csv").is_file()
        assert np.asarray(Image.open(row.path)).shape == SHAPE
    assert [row.tone for row in manifest.rows] == ["bright", "dark"]


def test_written_truth_names_the_pixels_of_the_labels(tmp_path: Path) -> None:
    run_to_completion(write_set(tmp_path, SynthSet("small", 2, 9)))
    for name in ("small_0000_line_space", "small_0001_contacts"):
        labels = tifffile.imread(tmp_path / "truth" / name / "labels.tif")
        assert labels.shape == SHAPE
        assert labels.dtype == np.int32
        with (tmp_path / "truth" / name / "contours.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0])[:3] == ["contour_id", "x_px", "y_px"]
        points = np.array([(float(row["y_px"]), float(row["x_px"])) for row in rows])
        inner = np.all((points > 1.5) & (points < np.array(SHAPE) - 2.5), axis=1)
        nearest = np.rint(points[inner]).astype(int)
        for row in range(-1, 2):  # every vertex has its region on one side, background beyond
            beside = labels[nearest[:, 0] + row, nearest[:, 1]]
            assert np.isin(beside, [0, *(int(r["region_id"]) for r in rows)]).all()
        window = np.stack(
            [labels[nearest[:, 0] + i, nearest[:, 1] + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
        )
        assert np.mean((window == 0).any(axis=0) & (window > 0).any(axis=0)) > 0.99


def test_design_in_nm_lies_on_the_labels(tmp_path: Path) -> None:
    """Catches a flip of y or x, a wrong scale and a shift by half a pixel."""
    run_to_completion(write_set(tmp_path, SynthSet("spotless", 5, 2)))
    for row in read_manifest(tmp_path / "manifest.csv").rows:
        layout = read_layout(tmp_path / row.groups["design"])
        assert row.pixel_size_nm is not None
        polygons = [
            shapely.Polygon(rc_to_xy_px(nm_to_rc(points, SHAPE[0], row.pixel_size_nm)))
            for points in layout.polygons("1/0")
        ]
        rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
        centres = shapely.points(cols.ravel(), rows.ravel())
        tree = shapely.STRtree([polygon.buffer(0) for polygon in polygons])
        drawn = np.zeros(SHAPE, dtype=bool)
        drawn.ravel()[tree.query(centres, predicate="within")[0]] = True
        labels = tifffile.imread(tmp_path / row.groups["truth"] / "labels.tif") > 0
        overlap = np.sum(drawn & labels) / np.sum(drawn | labels)
        # Contacts print as ellipses in their square: pi / 4 of the area at the least.
        assert overlap > (0.76 if row.groups["family"] == "contacts" else 0.93)
        shifted = np.roll(labels, (3, 5), axis=(0, 1))
        assert np.sum(drawn & shifted) / np.sum(drawn | shifted) < overlap


def test_a_layout_takes_the_place_of_the_families(tmp_path: Path) -> None:
    bars = [
        np.array([(x, 0), (x + 45, 0), (x + 45, 5000), (x, 5000)], dtype=np.float64)
        for x in range(0, 5000, 110)
    ]
    wanted = SynthSet("small", 1, 1, layout_nm=bars)
    (row,) = read_manifest(run_to_completion(write_set(tmp_path, wanted))).rows
    assert row.groups["family"] == "layout"
    assert row.pixel_size_nm is not None
    labels = tifffile.imread(tmp_path / row.groups["truth"] / "labels.tif") > 0
    assert labels.mean() == pytest.approx(45 / 110, abs=0.15)


def test_bad_requests(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="count"):
        SynthSet("default", 0, 0)
    with pytest.raises(UsageError, match="preset"):
        SynthSet("nosuch", 1, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="Cannot write"):
        run_to_completion(write_set(tmp_path / "file", SynthSet("small", 1, 0)))
