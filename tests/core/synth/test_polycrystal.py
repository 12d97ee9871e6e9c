"""The few-shot process: closed forms, sites that differ but share a process, its place in files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from segsem.core.progress import run_to_completion
from segsem.imaging.manifest import read_manifest
from segsem.synth import presets
from segsem.synth.families.octilinear import octilinear
from segsem.synth.families.pattern import PatternRequest
from segsem.synth.generate import generate_image
from segsem.synth.polycrystal import Grains, TaperedWall
from segsem.synth.write import SynthSet, write_set

WALL = TaperedWall(
    material=0.9, background=0.6, rim=0.5, rim_px=1.8, shadow=0.05, wall_px=6.0, foot=0.03
)


def test_a_tapered_wall_rises_from_its_foot_to_its_top() -> None:
    just_inside, middle, top, far = WALL.at(np.array([1e-9, 3.0, 6.0, 60.0]))
    assert just_inside == pytest.approx(0.63)
    assert middle == pytest.approx(0.5 * (0.63 + 1.4))
    assert top == pytest.approx(1.4)
    assert far == pytest.approx(0.9)
    assert WALL.at(np.array([0.0]))[0] == pytest.approx(0.55)


def test_its_integral_is_that_of_the_yield() -> None:
    at = np.linspace(-20, 30, 500_001)
    summed = np.concatenate(
        [[0], np.cumsum(np.diff(at) * 0.5 * (WALL.at(at)[1:] + WALL.at(at)[:-1]))]
    )
    summed -= np.interp(0.0, at, summed)
    assert np.abs(WALL.integral(at) - summed).max() < 1e-4


def test_beyond_its_reach_the_yield_is_a_plateau() -> None:
    reach = WALL.reach_px
    assert WALL.at(np.array([reach]))[0] == pytest.approx(0.9, abs=1e-3)
    assert WALL.at(np.array([-reach]))[0] == pytest.approx(0.6, abs=1e-3)


def test_grains_are_constant_pieces_within_their_height() -> None:
    factor = Grains(20.0, 0.3).factor(np.random.default_rng(0), (120, 90))
    assert factor.shape == (120, 90)
    assert np.abs(factor - 1).max() <= 0.3
    # About one piece for each 20 x 20 px.
    assert 15 <= len(np.unique(factor)) <= 60


def test_traces_keep_their_distance() -> None:
    request = PatternRequest((256, 256), 32.0, 0.9, 7.0)
    for seed in range(3):
        printed = octilinear(np.random.default_rng(seed), request).printed
        for number, one in enumerate(printed):
            for other in printed[number + 1 :]:
                assert one.distance(other) > 6.0
        # No necks: nothing falls apart where it is made thinner by a quarter of a trace's width.
        for one in printed:
            assert one.buffer(-8.0).geom_type == "Polygon"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = replace(presets.get_preset("polycrystal"), name="tiny", shape=(128, 128), sites=2)
    monkeypatch.setitem(presets.PRESETS, "tiny", preset)


def test_images_of_a_site_share_its_look(small: None) -> None:
    first, second, third = (generate_image(5, "tiny", index) for index in range(3))
    assert [made.site for made in (first, second, third)] == ["S00", "S01", "S00"]
    for name in ("response", "beam", "feature_px", "space_ratio", "edge_snr"):
        assert first.settings[name] == third.settings[name]
        if name != "response":
            assert first.settings[name] != second.settings[name]
    assert not np.array_equal(first.image, third.image)
    again = generate_image(5, "tiny", 2)
    assert np.array_equal(again.image, third.image)
    assert not np.array_equal(generate_image(6, "tiny", 2).image, third.image)


def test_truth_is_the_foot_of_the_wall(small: None) -> None:
    preset = replace(
        presets.get_preset("tiny"), edge_snr=(500.0, 500.0), roughness_px=(0, 0), jitter_px=(0, 0)
    )
    made = generate_image(5, preset, 0)
    depth = cv2.distanceTransform((made.labels > 0).astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((made.labels == 0).astype(np.uint8), cv2.DIST_L2, 5)
    grey = made.image.astype(float)
    background = grey[outside > 12].mean()
    at_foot, at_top = (
        grey[(depth > 0) & (depth < 1.5)].mean(),
        grey[(depth > 5) & (depth < 7)].mean(),
    )
    assert at_foot - background < 0.25 * (at_top - background)


def test_sites_are_in_the_manifest_and_only_where_there_are_some(
    small: None, tmp_path: Path
) -> None:
    rows = read_manifest(run_to_completion(write_set(tmp_path, SynthSet("tiny", 2, 3)))).rows
    assert [row.groups["site"] for row in rows] == ["S00", "S01"]
    other = run_to_completion(write_set(tmp_path / "other", SynthSet("fewshot", 1, 3)))
    with other.open(newline="") as file:
        assert "site" not in next(csv.reader(file))
