"""Tiles leave no trace: images with exact truth, cut on purpose through most of their features.

Points of the contours near a seam are compared with those elsewhere. Both have the same true
error only up to chance, and errors of neighbouring points are alike (roughness, placement averages
along the edge): the unit of chance is a stretch of contour, not a point. The rule: the root mean
square error near seams, one mean per image removed, is at most that elsewhere plus three standard
errors of the difference, estimated from stretches of 24 px (a jackknife over stretches); the same
for the 95th percentile of the absolute error. What would be a seam's own edge counts separately:
no contour runs along a seam where there is no true edge, and none breaks there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

import segsem
from segsem.contours.place import BORDER_PX
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.imaging.image import SEMImage
from segsem.metrics.epe import EPESamples, compare_contours
from segsem.metrics.polyline import Polyline
from segsem.metrics.topology import match_regions
from segsem.segmentation.auto_prompts import HALO_FRACTION
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.window import tiles
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import get_preset

SEED, COUNT, SIDE_PX = 11, 10, 320
TILE_PX = 128
NEAR_PX, FAR_PX = 4.0, 8.0
STRETCH_PX = 24.0
STANDARD_ERRORS = 3.0
LEAST_REGION_PX = 100


class SmallTiles:
    """Another predictor in a smaller frame."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.name, self.weights_sha256 = predictor.name, predictor.weights_sha256
        self.frame_px = TILE_PX

    def encode(self, image: np.ndarray) -> ImageEmbedding:
        return self._predictor.encode(image)

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        return self._predictor.decode(embedding, prompts)

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        return self._predictor.decode_batch(embedding, prompts)


@dataclass(frozen=True)
class Compared:
    truth: SynthImage
    extraction: Extraction
    samples: EPESamples

    @property
    def errors(self) -> np.ndarray:
        return self.samples.epe_px - self.samples.epe_px.mean()

    @property
    def to_seam(self) -> np.ndarray:
        return seam_distance(self.samples.points_rc)


def seams() -> list[set[int]]:
    """Rows and columns at which tiles meet."""
    cuts: list[set[int]] = [set(), set()]
    for _, core in tiles((SIDE_PX, SIDE_PX), TILE_PX, int(TILE_PX * HALO_FRACTION)):
        cuts[0].add(core.row0)
        cuts[1].add(core.col0)
    return [axis - {0} for axis in cuts]


def seam_distance(points_rc: np.ndarray) -> np.ndarray:
    lines = [
        np.abs(points_rc[:, axis] - (cut - 0.5))
        for axis, cuts in enumerate(seams())
        for cut in cuts
    ]
    return np.min(lines, axis=0)


@pytest.fixture(scope="module", params=[Routing.HYBRID, Routing.SAUVOLA_ONLY])
def compared(request: pytest.FixtureRequest) -> list[Compared]:
    predictor = SmallTiles(segsem.load_predictor("segsem-nano"))
    preset = replace(get_preset("default"), shape=(SIDE_PX, SIDE_PX))
    found = []
    for index in range(COUNT):
        truth = generate_image(SEED, preset, index)
        image = SEMImage(truth.image, f"image{index}", pixel_size_nm=truth.pixel_size_nm)
        params = ExtractParams(tone=Tone(truth.tone), routing=request.param)
        extraction = segsem.extract(image, predictor, params)
        contours = [Polyline.from_contour(c) for r in extraction.regions for c in r.contours]
        true = [Polyline(t.vertices_rc, t.closed) for t in truth.contours]
        samples = compare_contours(contours, true, truth.image.shape)
        found.append(Compared(truth, extraction, samples))
    return found


def test_seams_cut_many_features(compared):
    cut = total = 0
    for one in compared:
        near = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
        near[sorted(seams()[0])] = True
        near[:, sorted(seams()[1])] = True
        cut += len(np.unique(one.truth.labels[near])) - 1
        total += int(one.truth.labels.max())
    assert cut > 0.4 * total


def test_no_region_is_broken_joined_or_added_at_a_seam(compared):
    for one in compared:
        labels, truth = one.extraction.labels(), one.truth.labels
        topology = match_regions(labels, truth, min_area_px=0)
        assert not topology.split, one.extraction.image_id
        assert not topology.merged, one.extraction.image_id
        small = {i for i in topology.extra if np.count_nonzero(labels == i) < LEAST_REGION_PX}
        assert not set(topology.extra) - small
        assert not any(_touches_seam(labels == i) for i in small)
        missing = [i for i in topology.missing if not _touches_border(truth == i)]
        assert not missing, one.extraction.image_id


def test_every_contour_is_a_true_edge(compared):
    for one in compared:
        assert one.samples.extra_length_px == 0
        assert one.samples.duplicate_length_px == 0
        assert one.samples.reversed_length_px == 0


def test_contours_end_at_the_images_border_only(compared):
    for one in compared:
        for region in one.extraction.regions:
            for contour in region.contours:
                if contour.closed:
                    continue
                for end in contour.vertices_rc[[0, -1]]:
                    depth = np.minimum(end + 0.5, SIDE_PX - 0.5 - end).min()
                    assert depth < BORDER_PX, (one.extraction.image_id, end)


def test_no_step_at_a_seam(compared):
    """Where a contour crosses a seam, it moves no more sideways than it does elsewhere."""
    steps = {True: [], False: []}
    for one in compared:
        to_seam, errors = one.to_seam, one.errors
        along = (np.diff(one.samples.contour) == 0) & (np.diff(one.samples.truth) == 0)
        step = np.abs(np.diff(errors))[along]
        near = (np.minimum(to_seam[1:], to_seam[:-1]) <= 1.0)[along]
        steps[True].append(step[near])
        steps[False].append(step[~near])
    at_seams, elsewhere = (np.concatenate(steps[key]) for key in (True, False))
    assert len(at_seams) > 500
    assert np.percentile(at_seams, 99) <= 1.25 * np.percentile(elsewhere, 99)


@pytest.mark.parametrize("figure", ["rms", "p95"])
def test_errors_at_seams_are_those_elsewhere(compared, figure):
    def value(chosen: list[np.ndarray]) -> float:
        errors = np.concatenate(chosen)
        return float(
            np.sqrt(np.mean(errors**2)) if figure == "rms" else np.percentile(np.abs(errors), 95)
        )

    near = [s for one in compared for s in stretches(one, one.to_seam <= NEAR_PX)]
    far = [s for one in compared for s in stretches(one, one.to_seam > FAR_PX)]
    assert len(near) > 100
    doubt = np.hypot(jackknife(near, value), jackknife(far, value))
    assert value(near) <= value(far) + STANDARD_ERRORS * doubt
    # The rule must be able to find something: its allowance is a fraction of the error itself.
    assert STANDARD_ERRORS * doubt < 0.35 * value(far)


def stretches(one: Compared, chosen: np.ndarray) -> list[np.ndarray]:
    """Errors of the chosen points, in stretches of contour whose errors are taken as one draw."""
    samples = one.samples
    along = np.concatenate([[0.0], np.cumsum(samples.length_px)[:-1]])
    piece = np.floor(along / STRETCH_PX).astype(int)
    key = piece * (int(samples.contour.max()) + 1) + samples.contour
    errors, keys = one.errors[chosen], key[chosen]
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    return np.split(errors[order], cuts)


def jackknife(parts: list[np.ndarray], value) -> float:
    """Standard error of a figure, leaving out a twentieth of the stretches at a time."""
    groups = 20
    without = [value([p for i, p in enumerate(parts) if i % groups != g]) for g in range(groups)]
    return float(np.sqrt((groups - 1) * np.var(without)))


def _touches_border(mask: np.ndarray) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _touches_seam(mask: np.ndarray) -> bool:
    rows, cols = (sorted(axis) for axis in seams())
    return bool(mask[rows].any() or mask[:, cols].any())
