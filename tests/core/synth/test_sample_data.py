"""The shipped images are the ones that the documented command makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segsem.imaging.manifest import read_manifest
from segsem.synth.generate import generate_image


def test_it_is_small_and_whole(sample_data: Path) -> None:
    sizes = [path.stat().st_size for path in sample_data.rglob("*") if path.is_file()]
    assert sum(sizes) < 5_000_000
    assert max(sizes) < 1_000_000
    demo = read_manifest(sample_data / "manifest.csv").rows
    fewshot = read_manifest(sample_data / "fewshot" / "manifest.csv").rows
    assert (len(demo), len(fewshot)) == (6, 12)
    for folder, rows in ((sample_data, demo), (sample_data / "fewshot", fewshot)):
        for row in rows:
            assert row.pixel_size_nm is not None
            labels = tifffile.imread(folder / row.groups["truth"] / "labels.tif")
            assert labels.shape == np.asarray(Image.open(row.path)).shape
            assert labels.max() > 0
            assert (folder / row.groups["truth"] / "contours.csv").is_file()
            assert (folder / row.groups["design"]).is_file()


@pytest.mark.parametrize("index", [0, 2])
def test_the_generator_still_makes_them(sample_data: Path, index: int) -> None:
    folder = sample_data / "fewshot"
    row = read_manifest(folder / "manifest.csv").rows[index]
    made = generate_image(int(row.groups["seed"]), row.groups["preset"], index)
    shipped = np.asarray(Image.open(row.path)).astype(int)
    # Another maths library may round a pixel otherwise; more than a few are another image.
    assert np.mean(shipped != made.image) < 1e-3
    labels = tifffile.imread(folder / row.groups["truth"] / "labels.tif")
    assert np.mean(labels != made.labels) < 1e-4
