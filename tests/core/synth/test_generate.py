from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from segsem.core.coordinates import rc_to_xy_px, signed_area_rc
from segsem.core.exceptions import UsageError
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import PRESETS, get_preset
from segsem.synth.process import draw_process, edge_levels

SMALL = replace(get_preset("default"), shape=(150, 180), feature_px=(18.0, 30.0))


@pytest.fixture(scope="module")
def images() -> list[SynthImage]:
    return [generate_image(11, SMALL, index) for index in range(10)]


def test_every_family_meets_every_tone(images: list[SynthImage]) -> None:
    met = {(made.family, made.tone) for made in images}
    assert met == {(family, tone) for family in SMALL.families for tone in ("bright", "dark")}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_rotate_families_and_tones(preset) -> None:  # type: ignore[no-untyped-def]
    assert set(preset.families) <= set(SMALL.families) | {"metal2d", "frames", "octilinear"}
    assert preset.edge_snr[0] > 0


def test_an_image_depends_on_seed_and_index_alone(images: list[SynthImage]) -> None:
    again = generate_image(11, SMALL, 3)
    assert np.array_equal(again.image, images[3].image)
    assert np.array_equal(again.labels, images[3].labels)
    assert again.settings == images[3].settings
    other = generate_image(12, SMALL, 3)
    assert not np.array_equal(other.image, images[3].image)


def test_labels_are_the_pixel_centres_inside_the_contours(images: list[SynthImage]) -> None:
    """Closed contours, filled by another implementation, against the label image."""
    checked = 0
    for made in images:
        closed = [c for c in made.contours if c.closed]
        for contour in closed[:6]:
            polygon = shapely.Polygon(rc_to_xy_px(contour.vertices_rc))
            at = np.rint(contour.vertices_rc.mean(axis=0)).astype(int)
            rows, cols = np.mgrid[at[0] - 30 : at[0] + 30, at[1] - 30 : at[1] + 30]
            ok = (rows >= 0) & (rows < 150) & (cols >= 0) & (cols < 180)
            rows, cols = rows[ok], cols[ok]
            filled = shapely.contains(polygon, shapely.points(cols, rows))
            near = shapely.distance(polygon.boundary, shapely.points(cols, rows)) < 3
            labels = made.labels[rows, cols] == contour.region_id
            # Beside the edge only, where no hole or neighbour interferes.
            expected = ~filled if contour.is_hole else filled
            assert np.array_equal(labels[near & filled], expected[near & filled])
            checked += int((near & filled).sum())
    assert checked > 500


def test_contours_are_oriented_open_at_the_border_and_named(images: list[SynthImage]) -> None:
    for made in images:
        assert [c.contour_id for c in made.contours] == list(range(1, len(made.contours) + 1))
        assert set(range(1, made.labels.max() + 1)) <= {c.region_id for c in made.contours}
        for contour in made.contours:
            if contour.closed:
                assert (signed_area_rc(contour.vertices_rc) < 0) == contour.is_hole
            else:
                low, high = contour.vertices_rc[[0, -1]] + 0.5, np.array([150, 180])
                assert np.all(np.any((low == 0) | (low == high), axis=1))


def test_clean_images_put_the_rim_on_the_material_and_the_tone_is_true() -> None:
    clean = replace(get_preset("clean"), shape=(150, 180))
    for index in range(4):
        made = generate_image(3, clean, index)
        image = made.image.astype(float)
        inside, outside = image[made.labels > 0].mean(), image[made.labels == 0].mean()
        assert (inside > outside) == (made.tone == "bright")
        assert made.edge_snr == np.inf
        again = generate_image(3, clean, index)
        assert np.array_equal(again.image, made.image)


def test_few_shot_images_share_their_process() -> None:
    fewshot = replace(get_preset("fewshot"), shape=(96, 96))
    first, second = (generate_image(5, fewshot, index) for index in (0, 1))
    for key in ("response", "beam", "detector", "pixel_nm", "edge_snr"):
        assert first.settings[key] == second.settings[key]
    assert not np.array_equal(first.labels, second.labels)


def test_the_wanted_snr_is_the_snr_and_little_is_clipped(images: list[SynthImage]) -> None:
    for seed in range(20):
        process = draw_process(np.random.default_rng(seed), SMALL)
        low, high = edge_levels(process.response, process.beam)
        signal = process.detector.gain * (high - low)
        noise = process.detector.grey_noise(0.5 * (low + high))
        assert signal / noise == pytest.approx(process.edge_snr, rel=1e-6)
        assert 4.0 <= process.edge_snr <= 16.0
        assert process.beam.sigma_px <= 2.2
    for made in images:
        assert np.mean((made.image == 0) | (made.image == 255)) < 0.003


def test_unknown_preset() -> None:
    with pytest.raises(UsageError, match="free-form"):
        generate_image(0, "no such")
