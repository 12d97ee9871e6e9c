from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely.geometry import box

from segsem.core.exceptions import UsageError
from segsem.synth.detector import DoseNoise
from segsem.synth.families.pattern import PatternRequest
from segsem.synth.generate import FAMILIES
from segsem.synth.heldout import (
    HELDOUT_FAMILIES,
    MIN_AREA_PX2,
    SETS,
    Group,
    draw_heldout,
    get_set,
    seed_of,
)
from segsem.synth.heldout_physics import SETTINGS, DoubleEdge, Physics
from segsem.synth.presets import PRESETS
from segsem.synth.process import Process, draw_process

REQUEST = PatternRequest((200, 260), feature_px=20.0, space_ratio=0.8, corner_px=4.0)
FRAME = box(0, 0, 260, 200)


@pytest.mark.parametrize("family", HELDOUT_FAMILIES)
def test_families_are_valid_and_show_feature_and_background(family: str) -> None:
    for seed in range(6):
        pattern = HELDOUT_FAMILIES[family](np.random.default_rng(seed), REQUEST)
        assert all(polygon.is_valid for polygon in pattern.printed)
        covered = shapely.union_all(pattern.printed).intersection(FRAME).area / FRAME.area
        assert 0.05 < covered < 0.95


@pytest.mark.parametrize("family", HELDOUT_FAMILIES)
def test_features_and_gaps_can_be_seen(family: str) -> None:
    for seed in range(4):
        pattern = HELDOUT_FAMILIES[family](np.random.default_rng(seed), REQUEST)
        shape = shapely.union_all(pattern.printed).intersection(FRAME.buffer(40))
        # Nothing is narrower than 5 px: neither a feature nor what parts two of them. Corners
        # are rounded, so that an opening takes next to nothing away.
        opened = shape.buffer(-2.4).buffer(2.5)
        closed = shape.buffer(2.4).buffer(-2.5)
        assert shape.difference(opened).intersection(FRAME).area < 6.0
        assert closed.difference(shape).intersection(FRAME).area < 6.0


def test_sets_cover_seeds_families_and_physics_with_seeds_of_their_own() -> None:
    names = {group: [s.name for s in SETS if s.group is group] for group in Group}
    assert names[Group.SEEDS] == list(FAMILIES)
    assert names[Group.FAMILIES] == list(HELDOUT_FAMILIES)
    assert names[Group.PHYSICS] == [physics.name for physics in SETTINGS]
    assert len({seed_of(s.name) for s in SETS}) == len(SETS)
    with pytest.raises(UsageError, match="Expected a set out of"):
        get_set("nothing")


@pytest.mark.parametrize("name", ["line_space", "rings", "crushed"])
def test_an_image_is_the_same_every_time_and_its_objects_are_in_the_labels(name: str) -> None:
    first, again = draw_heldout(get_set(name), 1), draw_heldout(get_set(name), 1)
    other = draw_heldout(get_set(name), 3)

    assert first.image.shape == first.labels.shape == (384, 384)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    objects = list(first.objects())
    assert [label for label, _ in objects] == [label for label, _ in again.objects()]
    assert 0 < len(objects) <= 12
    for label, mask in objects:
        assert np.array_equal(mask, first.labels == label)
        assert mask.sum() >= MIN_AREA_PX2


def test_both_tones_and_both_sizes_are_drawn() -> None:
    made = [draw_heldout(get_set("cell_array"), index) for index in (0, 1, 6, 7)]
    kinds = {(item.tone, len(item.image)) for item in made}
    assert kinds == {("bright", 384), ("dark", 384), ("bright", 512), ("dark", 512)}


def test_the_integral_of_a_double_edge_is_that_of_its_yield() -> None:
    response = DoubleEdge(rim=0.4, rim_px=1.2, wall=0.3, top=0.9, top_px=1.4, top_at_px=5.0)
    at = np.linspace(-20, 40, 60_001)
    summed = np.concatenate([[0.0], np.cumsum(response.at(at)[:-1] * np.diff(at))])
    closed = response.integral(at) - response.integral(at[:1])
    assert np.abs(summed - closed).max() < 5e-3
    assert response.at(np.array([5.0]))[0] > response.at(np.array([0.01]))[0]
    far = np.array([response.reach_px])
    assert response.at(far)[0] == pytest.approx(response.material, abs=2e-3)


@pytest.fixture
def process() -> Process:
    return draw_process(np.random.default_rng(4), PRESETS["default"])


def setting(name: str) -> Physics:
    return next(physics for physics in SETTINGS if physics.name == name)


def edge(size: int = 96) -> np.ndarray:
    """Yield of a bright half plane from column 48 on."""
    image = np.full((size, size), 0.8)
    image[:, size // 2 :] = 1.8
    return image


def test_tails_reach_far_and_shadows_fall_to_one_side(process: Process) -> None:
    rng = np.random.default_rng(0)
    tails = setting("long_tails").optics(rng, edge(), 1.0)
    assert tails[48, 38] > 0.82
    assert tails[48, 58] < 1.78
    bar = np.full((96, 96), 0.8)
    bar[:, 40:50] = 1.8
    shadow = bar - setting("shadows").optics(rng, bar, 1.0)
    left, right = shadow[48, 20], shadow[48, 70]
    assert min(left, right) == pytest.approx(0.0, abs=1e-9)
    assert max(left, right) > 0.3


def test_scan_lines_are_displaced_and_interlaced(process: Process) -> None:
    rng = np.random.default_rng(1)
    jitter = setting("vibration").jitter(rng, process, 200)
    assert 0.9 < np.abs(jitter).max() < 3.0
    calm = replace(process.detector, noise=DoseNoise.NONE, read_noise=0.0, banding=0.0)
    grey = setting("interlaced").detector(rng, calm, edge()).astype(float)
    # A row is the mean of an odd and an even one: half of the edge lies 1 to 2 px beside the rest.
    profile = grey[50] - grey[50, 10]
    share = profile / profile[-1]
    assert 1 <= np.count_nonzero((share > 0.2) & (share < 0.8)) <= 2


def test_few_electrons_few_levels_and_lost_contrast(process: Process) -> None:
    rng = np.random.default_rng(2)
    crushed = setting("crushed").detector(rng, process.detector, edge())
    assert len(np.unique(crushed)) <= 12
    few = setting("low_dose").detector(rng, process.detector, edge()).astype(float)
    dark, bright = few[:, :40], few[:, 56:]
    # 1.5 to 3 electrons between dark and bright: about one sigma of the bright side.
    assert 0.5 < (bright.mean() - dark.mean()) / bright.std() < 2.0
    faded = setting("contamination").optics(rng, edge(), 1.0)
    steps = faded[:, 70] - faded[:, 20]
    assert min(steps[0], steps[-1]) < 0.65 * max(steps[0], steps[-1])


def test_an_edge_alone_has_one_grey_on_both_sides_and_half_its_height_at_the_edge(
    process: Process,
) -> None:
    response = setting("edge_only").process(np.random.default_rng(3), process).response
    far = response.at(np.array([-40.0, 40.0]))
    assert far[0] == pytest.approx(far[1], abs=1e-4)
    across = response.at(np.arange(-10.0, 10.0, 0.01))
    half = 0.5 * (across.max() + far[0])
    assert response.at(np.array([1e-6]))[0] == pytest.approx(half, rel=0.01)


def test_training_never_sees_held_out_images() -> None:
    """Whatever training imports, directly or through others, at any depth of the modules."""
    code = (
        "import pkgutil, importlib, sys, segsem.training, segsem.synth.training\n"
        "for module in pkgutil.iter_modules(segsem.training.__path__):\n"
        "    importlib.import_module('segsem.training.' + module.name)\n"
        "print([name for name in sys.modules if 'heldout' in name or 'evaluation' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
