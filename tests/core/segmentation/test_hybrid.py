"""The router: who stands, with which reason, and that nothing is silent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.contour import SOURCE_CODES, Source
from segsem.core.exceptions import UsageError
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.pipeline import extract, extract_steps
from segsem.segmentation.ahead import Helpers
from segsem.segmentation.predictor import MaskPrediction


def test_a_good_model_stands_everywhere(scenes, threshold_predictor):
    image = scenes.image(scenes.noisy(scenes.lines()))
    extraction = extract(image, threshold_predictor())
    assert len(extraction.regions) == 10
    assert {region.source for region in extraction.regions} == {Source.SAM2}
    assert all(region.fallback_reason is None for region in extraction.regions)
    assert not any(region.needs_human for region in extraction.regions)


def test_a_bad_model_falls_back_with_a_reason(scenes, threshold_predictor):
    def swollen(mask, _):
        return ndi.binary_dilation(mask, iterations=5)

    image = scenes.image(scenes.noisy(scenes.lines()))
    extraction = extract(image, threshold_predictor(swollen))
    assert len(extraction.regions) == 10
    assert {region.source for region in extraction.regions} == {Source.SAUVOLA}
    for region in extraction.regions:
        assert region.fallback_reason.startswith("SAM2 confidence 0.")
        assert region.evidence["sam2_confidence"] < 0.85


def test_one_bad_tile_makes_a_mixed_line(scenes, threshold_predictor):
    # 300 x 200 px in tiles of 128: three rows of two, the last two are the bottom.
    def fails_at_the_bottom(mask, embedding):
        bottom = embedding.signature in ("test-5", "test-6")
        return ndi.binary_dilation(mask, iterations=5) if bottom else mask

    image = scenes.image(scenes.noisy(scenes.lines(shape=(300, 200))))
    extraction = extract(image, threshold_predictor(fails_at_the_bottom))
    whole = [region for region in extraction.regions if region.mask.shape[0] > 200]
    assert whole
    for region in whole:
        assert region.source is Source.MIXED
        assert "tiles" in region.fallback_reason
        codes = {SOURCE_CODES[c] for contour in region.contours for c in contour.source_code}
        assert codes == {Source.SAM2, Source.SAUVOLA}
        contour = region.contours[0]
        sauvola = contour.source_code == SOURCE_CODES.index(Source.SAUVOLA)
        assert contour.vertices_rc[sauvola, 0].min() > contour.vertices_rc[~sauvola, 0].max() - 2


def test_tiles_that_disagree_are_blended(scenes, threshold_predictor):
    # 128-px tiles of 300 rows: three rows of tiles, the middle one sees everything 6 px wider.
    class WiderInTheMiddle(threshold_predictor):
        def decode(self, embedding, prompts):
            found = super().decode(embedding, prompts)
            mask = found.best_mask
            inwards, outwards = (ndi.distance_transform_edt(m) for m in (mask, ~mask))
            distance = np.where(mask, inwards - 0.5, 0.5 - outwards)
            logits = np.float32(distance + (3.0 if embedding.signature == "test-2" else 0.0))
            return MaskPrediction(logits[None], logits[None, ::4, ::4], np.float32([0.9]))

    image = scenes.image(scenes.noisy(scenes.lines(shape=(300, 100))))
    params = ExtractParams(routing=Routing.SAM2_ONLY)
    extraction = extract(image, WiderInTheMiddle(), params)
    inner = [r for r in extraction.regions if r.offset_rc[1] + r.mask.shape[1] < 90]
    assert len(inner) == 2
    for region in inner:
        for contour in region.contours:
            row, col = contour.raw_vertices_rc.T
            order = np.argsort(row)
            at = np.interp(np.arange(10, 290), row[order], col[order])
            assert np.ptp(at) > 2.0  # the tiles do disagree
            assert np.abs(np.diff(at)).max() < 1.25  # vertices lie on whole px; a hard cut: 1.8


def test_a_corner_of_a_candidate_in_a_tile_is_not_lost(scenes, threshold_predictor):
    # Tiles of 128 px meet at row and column 100: this disc has a few pixels in the fourth one.
    row, col = np.indices((200, 200))
    distance = np.hypot((row - 92 + 23) % 46 - 23, (col - 92 + 23) % 46 - 23)
    grey = 60 + 110 * scenes.soft(13.0 - distance)
    extraction = extract(scenes.image(scenes.noisy(grey)), threshold_predictor())
    labels = extraction.labels()
    region = extraction.regions[labels[92, 92] - 1]
    (contour,) = region.contours
    radius = np.hypot(*(contour.raw_vertices_rc - 92.0).T)
    assert np.ptp(radius) < 1.5
    assert not region.needs_human


def test_no_fallback_keeps_a_doubtful_model_and_says_so(scenes, threshold_predictor):
    def shifted(mask, _):
        return np.roll(mask, 5, axis=1)

    image = scenes.image(scenes.noisy(scenes.lines()))
    extraction = extract(
        image, threshold_predictor(shifted), ExtractParams(routing=Routing.SAM2_ONLY)
    )
    assert {region.source for region in extraction.regions} == {Source.SAM2}
    assert any(region.needs_human for region in extraction.regions)


def test_without_a_predictor_only_sauvola_may_be_asked_for(scenes):
    image = scenes.image(scenes.noisy(scenes.lines()))
    with pytest.raises(UsageError, match="fallback-only"):
        extract(image, None)
    extraction = extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    assert {region.source for region in extraction.regions} == {Source.SAUVOLA}


def test_line_widths_and_pitch_are_right(scenes, threshold_predictor):
    image = scenes.image(scenes.noisy(scenes.lines()))
    extraction = extract(image, threshold_predictor())
    centres, widths = [], []
    for region in extraction.regions:
        left, right = sorted(float(np.median(c.vertices_rc[:, 1])) for c in region.contours)
        centres.append((left + right) / 2)
        widths.append(right - left)
    np.testing.assert_allclose(widths, 18.0, atol=0.15)
    np.testing.assert_allclose(np.sort(centres), 20.3 + 40 * np.arange(10), atol=0.15)


def test_labels_follow_the_placed_contours(scenes, threshold_predictor):
    def thin(mask, _):
        return ndi.binary_erosion(mask, iterations=1, border_value=1)

    grey = scenes.lines()
    extraction = extract(scenes.image(scenes.noisy(grey)), threshold_predictor(thin))
    truth = grey > 115
    labels = extraction.labels() > 0
    assert np.count_nonzero(labels & truth) / np.count_nonzero(labels | truth) > 0.98


def test_dark_holes_are_found_one_by_one(scenes, threshold_predictor):
    grey = scenes.holes()
    extraction = extract(
        scenes.image(scenes.noisy(grey)),
        threshold_predictor(bright=False),
        ExtractParams(tone=Tone.AUTO),
    )
    assert extraction.provenance["tone"] == "dark"
    assert len(extraction.regions) == 7 * 7
    for region in extraction.regions:
        (contour,) = region.contours
        assert contour.closed
        assert not contour.is_hole
        # Half of extremes on a small disc under blur: slightly small, the same for all.
        assert region.area_px == pytest.approx(np.pi * 9**2, rel=0.08)


@pytest.mark.parametrize("level", [0, 128])
def test_an_image_without_features_gives_a_warning_and_no_region(scenes, level):
    grey = np.full((100, 100), level, dtype=np.uint8)
    extraction = extract(scenes.image(grey), None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    assert extraction.regions == ()
    assert any("no features" in warning for warning in extraction.warnings)


def test_data_bar_holds_no_contour(scenes):
    grey = scenes.noisy(scenes.lines())
    grey[260:] = np.where(np.arange(400) // 7 % 2, 255, 0)
    image = scenes.image(grey, data_bar_row=260)
    extraction = extract(image, None, ExtractParams(routing=Routing.SAUVOLA_ONLY))
    rows = np.concatenate([c.vertices_rc[:, 0] for r in extraction.regions for c in r.contours])
    assert rows.max() < 260
    assert np.isnan(extraction.confidence_map[260:]).all()
    assert not extraction.labels()[260:].any()


def test_contour_ids_are_unique_and_areas_descend(scenes, threshold_predictor):
    extraction = extract(
        scenes.image(scenes.noisy(scenes.holes())), threshold_predictor(bright=False)
    )
    ids = [c.contour_id for r in extraction.regions for c in r.contours]
    assert len(ids) == len(set(ids))
    assert [r.region_id for r in extraction.regions] == list(range(1, len(extraction.regions) + 1))


def test_the_manifest_tells_the_tone_and_the_user_overrules_it(scenes):
    image = scenes.image(scenes.noisy(scenes.lines()), metadata={"tone": "dark"})
    params = ExtractParams(routing=Routing.SAUVOLA_ONLY)
    told = extract(image, None, params).provenance
    assert (told["tone"], told["tone_source"]) == ("dark", "manifest")
    said = extract(image, None, params.model_copy(update={"tone": Tone.BRIGHT})).provenance
    assert (said["tone"], said["tone_source"]) == ("bright", "user")


def test_tiles_side_by_side_give_what_tiles_one_by_one_give(scenes, threshold_predictor):
    class SideBySide(threshold_predictor):
        @contextmanager
        def helpers(self):
            with ThreadPoolExecutor(3) as executor:
                yield Helpers(executor, 3)

    image = scenes.image(scenes.noisy(scenes.lines(shape=(300, 420))))
    alone, together = (extract(image, kind()) for kind in (threshold_predictor, SideBySide))
    assert len(alone.regions) == len(together.regions) > 5
    np.testing.assert_array_equal(alone.confidence_map, together.confidence_map)
    for one, other in zip(alone.regions, together.regions, strict=True):
        assert one.evidence == other.evidence
        assert one.prompts == other.prompts
        for first, second in zip(one.contours, other.contours, strict=True):
            np.testing.assert_array_equal(first.vertices_rc, second.vertices_rc)


def test_closing_the_steps_ends_what_was_begun_ahead(scenes, threshold_predictor):
    class SideBySide(threshold_predictor):
        @contextmanager
        def helpers(self):
            with ThreadPoolExecutor(2, "tiles-of-this-test") as executor:
                yield Helpers(executor, 2)

    image = scenes.image(scenes.noisy(scenes.lines(shape=(300, 420))))
    steps = extract_steps(image, SideBySide())
    while next(steps).message != "segmenting":
        pass
    next(steps)
    assert any("tiles-of-this-test" in thread.name for thread in threading.enumerate())
    steps.close()
    assert not any("tiles-of-this-test" in thread.name for thread in threading.enumerate())
