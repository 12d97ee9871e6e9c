"""The benchmark of edge placement: complete, the same every time, and chosen by nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import box

import segsem.synth.edges_set as edges_set_module
from segsem.cli import synth as cli
from segsem.synth import write
from segsem.synth.edges_set import EDGES_COUNT, EDGES_SEED, is_reported_set
from segsem.synth.families.frames import frames
from segsem.synth.families.pattern import PatternRequest
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import get_preset

EDGES = get_preset("edges")
SMALL = replace(EDGES, shape=(140, 150), families=("line_space", "frames"))
PACKAGE = Path(edges_set_module.__file__).parents[1]


def test_every_combination_comes_once() -> None:
    cells = [EDGES.of_image(index) for index in range(EDGES_COUNT)]
    seen = {(c.families, c.tones, c.edge_snr, c.blur_px) for c, _ in cells}
    assert len(seen) == len(cells) == 240
    assert len(EDGES.families) == 6
    assert len(EDGES.blur_levels_px) >= 3
    assert min(EDGES.snr_levels) == 2
    assert max(EDGES.snr_levels) == 15
    assert len(EDGES.snr_levels) == 5
    layers = {layer: (c.families, c.tones) for c, layer in cells}
    assert len(layers) == len(set(layers.values())) == 12


def test_the_first_part_is_balanced_too() -> None:
    cells = [EDGES.of_image(index)[0] for index in range(60)]
    assert set(Counter((c.families, c.tones) for c in cells).values()) == {5}
    assert set(Counter(c.edge_snr for c in cells).values()) == {12}
    assert len({c.blur_px for c in cells}) == len(EDGES.blur_levels_px)


@pytest.fixture(scope="module")
def images() -> dict[int, SynthImage]:
    return {index: generate_image(5, SMALL, index) for index in (0, 4, 20)}


def test_images_are_the_same_every_time(images: dict[int, SynthImage]) -> None:
    again = generate_image(5, SMALL, 4)
    assert np.array_equal(again.image, images[4].image)
    assert again.settings == images[4].settings


def test_a_layer_has_one_edge_response_and_its_images_differ(
    images: dict[int, SynthImage],
) -> None:
    assert SMALL.of_image(0)[1] == SMALL.of_image(20)[1]
    first, second = images[0].settings, images[20].settings
    for name in ("response", "feature_px", "pixel_nm", "roughness"):
        assert first[name] == second[name]
    assert first["beam"]["sigma_px"] < second["beam"]["sigma_px"]
    assert not np.array_equal(images[0].contours[0].vertices_rc, images[20].contours[0].vertices_rc)


def test_frames_have_holes_and_are_as_wide_as_asked() -> None:
    request = PatternRequest((200, 260), feature_px=24.0, space_ratio=0.8, corner_px=4.0)
    frame = box(0, 0, 260, 200)
    for seed in range(5):
        pattern = frames(np.random.default_rng(seed), request)
        assert all(polygon.is_valid and polygon.interiors for polygon in pattern.printed)
        shape = shapely.union_all(pattern.intent).intersection(frame.buffer(60))
        opened = shape.buffer(-11.5, join_style="mitre").buffer(11.6, join_style="mitre")
        assert shape.difference(opened).intersection(frame).area < 1.0
        closed = shape.buffer(7.0, join_style="mitre").buffer(-7.0, join_style="mitre")
        assert closed.difference(shape).intersection(frame).area < 1.0


def test_the_reported_set_is_known_by_its_manifest() -> None:
    assert is_reported_set({"preset": "edges", "seed": EDGES_SEED})
    assert is_reported_set({"preset": "edges", "seed": str(EDGES_SEED)})
    assert not is_reported_set({"preset": "edges", "seed": 0})
    assert not is_reported_set({})


@pytest.mark.parametrize(("seed", "count", "drawn"), [(None, EDGES_COUNT, EDGES_SEED), (7, 20, 7)])
def test_the_command_draws_the_whole_reported_set_unless_a_seed_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int | None, count: int, drawn: int
) -> None:
    asked = []
    monkeypatch.setattr(write, "write_set", lambda folder, wanted: asked.append(wanted))
    cli._steps(tmp_path, None, seed, "edges", None)
    assert asked == [write.SynthSet("edges", count, drawn)]


def test_its_seed_is_written_down_in_one_place_only() -> None:
    # Whoever wants to tune on such images draws others.
    named = [p.name for p in PACKAGE.rglob("*.py") if f"{EDGES_SEED:_}" in p.read_text("utf-8")]
    named += [p.name for p in PACKAGE.rglob("*.py") if str(EDGES_SEED) in p.read_text("utf-8")]
    assert named == ["edges_set.py"]
