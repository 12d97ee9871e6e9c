"""The bundled model from end to end: command line and Python API on an image with known edges."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import erf

import segsem as api
from segsem.export.results import read_results
from segsem.models.store import find_model, read_description

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]

CENTRE_RC, RADIUS_PX, SIZE_PX = (95.7, 101.2), 41.4, 192


def disc_image() -> np.ndarray:
    """A bright disc of known centre and radius on a dark ground, blurred by 1.5 px."""
    row, col = np.mgrid[:SIZE_PX, :SIZE_PX]
    distance = RADIUS_PX - np.hypot(row - CENTRE_RC[0], col - CENTRE_RC[1])
    image = 60.0 + 60.0 * (1.0 + erf(distance / (1.5 * 2**0.5)))
    image += np.random.default_rng(5).normal(0.0, 3.0, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "disc.png"
    Image.fromarray(disc_image()).save(path)
    return path


def test_extract_with_the_bundled_model(disc: Path, segsem: Segsem, tmp_path: Path) -> None:
    done = segsem("extract", disc, "-o", tmp_path, "--pixel-size", "1.5")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    extraction = read_results(tmp_path / "disc")
    description = read_description(find_model("segsem-nano"))
    assert extraction.provenance["model"] == "segsem-nano"
    assert extraction.provenance["weights_sha256"] == description.weights_sha256
    assert_is_the_disc(extraction)


@pytest.mark.parametrize("option", ["--no-fallback", "--fallback-only"])
def test_either_method_alone_finds_it(
    option: str, disc: Path, segsem: Segsem, tmp_path: Path
) -> None:
    done = segsem("extract", disc, "-o", tmp_path, "--pixel-size", "1.5", option)
    assert done.returncode == 0, done.stderr
    extraction = read_results(tmp_path / "disc")
    source = "sam2" if option == "--no-fallback" else "sauvola"
    assert {region.source.value for region in extraction.regions} == {source}
    assert_is_the_disc(extraction)


def test_the_five_lines_of_the_readme(disc: Path, tmp_path: Path) -> None:
    image = api.read_image(disc, pixel_size_nm=1.5)
    predictor = api.load_predictor("segsem-nano")
    prompts = api.Prompts(points_rc=[CENTRE_RC], point_labels=[1])
    prediction = predictor.decode(predictor.encode(image), prompts)
    extraction = api.extract(image, predictor)
    files = api.write_outputs(extraction, tmp_path)

    assert prediction.masks.shape == (3, SIZE_PX, SIZE_PX)
    assert prediction.masks.dtype == np.bool_
    assert prediction.iou_pred.shape == (3,)
    assert_is_the_disc(extraction)
    assert {"contours.oas", "contours.gds", "contours.csv"} <= {path.name for path in files}


def assert_is_the_disc(extraction: api.Extraction) -> None:
    assert len(extraction.regions) == 1
    (contour,) = extraction.regions[0].contours
    assert contour.closed
    assert not contour.is_hole
    radius = np.hypot(*(contour.vertices_rc - CENTRE_RC).T)
    assert np.mean(radius) == pytest.approx(RADIUS_PX, abs=0.15)
    assert np.std(radius) < 0.35
