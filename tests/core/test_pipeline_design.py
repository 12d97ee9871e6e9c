"""A design beside an extraction, on an image that shows it with known faults at a known place."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import ndimage as ndi

from segsem.core.exceptions import CalibrationError
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.imaging.image import SEMImage
from segsem.layout.design import Design
from segsem.layout.design_job import DesignJob
from segsem.layout.register import RegisterOptions, register
from segsem.layout.registration import Verdict
from segsem.pipeline import extract
from segsem.pipeline_design import DesignGuide, counted_faults
from segsem.segmentation.candidates import Candidates, find_candidates
from segsem.segmentation.design_answers import look_for_unseen
from segsem.segmentation.expected import Expected, unseen
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction
from segsem.segmentation.prompts import Prompts
from segsem.segmentation.segment import see

SAUVOLA = ExtractParams(routing=Routing.SAUVOLA_ONLY)
RECORD = {"file": "site.oas", "sha256": "0" * 64, "cell": "TOP", "layer": "5/0"}


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """`tests/fakes/designed.py`."""
    path = Path(__file__).parents[1] / "fakes" / "designed.py"
    spec = importlib.util.spec_from_file_location("designed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def job(site: ModuleType) -> DesignJob:
    return DesignJob(site.design(), RECORD)


class Boxed:
    """Answers with what is bright in the box, whatever lies beyond: it sees no bridge."""

    name, weights_sha256, frame_px = "boxed", "0" * 64, 160

    def __init__(self) -> None:
        self.asked: list[Prompts] = []

    def encode(self, image: Any) -> ImageEmbedding:
        grey = np.asarray(image, dtype=np.float32)
        return ImageEmbedding(grey.shape, grey.shape, grey, "boxed")

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        grey = ndi.gaussian_filter(embedding.features, 1.0)
        assert prompts.box_rc is not None
        row0, col0, row1, col1 = prompts.box_rc
        rows, cols = np.ogrid[: grey.shape[0], : grey.shape[1]]
        near = (rows >= row0 - 3) & (rows <= row1 + 3) & (cols >= col0 - 3) & (cols <= col1 + 3)
        logits = np.where(near, (grey - 115) / 8, -8).astype(np.float32)
        stack = np.stack([logits, logits - 1, logits - 2])
        return MaskPrediction(stack, stack[:, ::4, ::4], np.float32([0.95, 0.8, 0.6]))

    def decode_batch(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        self.asked += prompts
        return [self.decode(embedding, one) for one in prompts]


def faults(found: Extraction) -> dict[str, list[dict[str, Any]]]:
    listed: dict[str, list[dict[str, Any]]] = {}
    for fault in found.provenance["design"]["faults"]:
        listed.setdefault(fault["fault"], []).append(fault)
    return listed


def check_exactly_the_faults(site: ModuleType, found: Extraction) -> None:
    listed = faults(found)
    assert counted_faults(found.provenance) == {
        "missing": 1, "extra": 1, "broken": 0, "bridged": 1,
    }  # fmt: skip
    (missing,), (extra,), (bridged,) = listed["missing"], listed["extra"], listed["bridged"]
    assert missing["centre_rc"] == pytest.approx(site.centre_rc(*site.MISSING), abs=0.6)
    assert missing["features"] == [site.feature(*site.MISSING)]
    assert missing["regions"] == []
    assert extra["centre_rc"] == pytest.approx(site.centre_rc(*site.FLAKE, 44, 36), abs=0.6)
    assert not extra["is_part"]
    ends = np.array([site.centre_rc(*one) for one in site.BRIDGED])
    assert bridged["centre_rc"] == pytest.approx(ends.mean(axis=0), abs=1.5)
    assert bridged["features"] == sorted(site.feature(*one) for one in site.BRIDGED)
    flagged = {region.region_id: region.flags for region in found.regions if region.flags}
    assert flagged == {extra["regions"][0]: ("extra",), bridged["regions"][0]: ("bridged",)}


def test_exactly_the_faults_are_named_and_the_place_is_exact(
    site: ModuleType, job: DesignJob
) -> None:
    found = extract(site.image(), None, SAUVOLA, design=job)
    check_exactly_the_faults(site, found)
    record = found.provenance["design"]
    assert {name: record[name] for name in RECORD} == RECORD
    assert record["used"]
    assert record["registration"]["verdict"] == "good"
    assert record["registration"]["score"] > 0.85
    assert record["registration"]["residual_rms_px"] < 0.1
    contours = [c for region in found.regions for c in region.contours]
    again = register(job.design, found.labels() > 0, found.pixel_size_nm, contours=contours)
    assert record["registration"]["place"]["position_nm"] == list(again.place.position_nm)
    assert site.off_px(again) < 0.05


def test_an_image_as_drawn_has_no_flags(site: ModuleType, job: DesignJob) -> None:
    found = extract(site.image(faults=False), None, SAUVOLA, design=job)
    assert found.provenance["design"]["faults"] == []
    assert not any(region.flags for region in found.regions)
    assert not any("design" in warning for warning in found.warnings)


def test_prompts_from_the_design_hide_neither_bridge_nor_flake(
    site: ModuleType, job: DesignJob
) -> None:
    predictor = Boxed()
    found = extract(site.image(), predictor, design=job)
    check_exactly_the_faults(site, found)
    with_design = {
        number
        for region in found.regions
        for tile in region.prompts["tiles"]
        for number in tile.get("design_features", ())
    }
    missing = site.feature(*site.MISSING)
    assert with_design == set(range(1, len(job.design.polygons) + 1)) - {missing}
    extra = next(region for region in found.regions if region.flags == ("extra",))
    assert all("design_features" not in tile for tile in extra.prompts["tiles"])


def test_boxes_that_are_asked_with_are_the_designs(site: ModuleType, job: DesignJob) -> None:
    def boxes(design: DesignJob | None) -> set[tuple[int, ...]]:
        predictor = Boxed()
        image = site.image()
        # A contact half eaten away from below: the image alone shows its upper half.
        row, col = (round(v) for v in site.centre_rc(250, 130))
        data = image.data.copy()
        data[row + 1 : row + 20, col - 20 : col + 20] = 60
        extract(replace(image, data=data), predictor, design=design)
        near = [one.box_rc for one in predictor.asked if one.box_rc is not None]
        return {tuple(round(v) for v in box) for box in near if round(box[2] - box[0]) in (11, 24)}

    alone, guided = boxes(None), boxes(job)
    assert guided - alone


@pytest.mark.parametrize("there", [True, False])
def test_what_the_threshold_does_not_see_is_asked_for_and_what_is_not_there_stays_missing(
    site: ModuleType, job: DesignJob, there: bool
) -> None:
    image = site.image(faults=not there)
    expected, candidates = seen_without(site, job, image, site.MISSING)
    assert [number for number, _ in unseen(expected, candidates)] == [site.feature(*site.MISSING)]
    found = look_for_unseen(expected, candidates, Boxed(), image.data)
    row, col = (round(value) for value in site.centre_rc(*site.MISSING))
    assert bool(found.labels[row, col]) is there
    others = candidates.labels > 0
    assert np.array_equal(found.labels[others], candidates.labels[others])
    if there:
        new = found.labels == found.labels[row, col]
        assert np.count_nonzero(new) == pytest.approx((site.SIDE / site.PIXEL_NM) ** 2, rel=0.05)
        assert (found.field[new] > 0).all()


def seen_without(
    site: ModuleType, job: DesignJob, image: SEMImage, contact: tuple[int, int]
) -> tuple[Expected, Candidates]:
    """What the design expects, and the threshold's candidates with one of them left out."""
    seen = see(image, Tone.BRIGHT)
    assert seen.scale is not None
    found = find_candidates(seen.edges.grey, seen.edges.noise, seen.scale, SAUVOLA.sauvola)
    expected = DesignGuide(job, image).expect(found)
    assert expected is not None
    row, col = (round(value) for value in site.centre_rc(*contact))
    label = found.labels[row, col]
    gone = (found.labels == label) & (label > 0)
    return expected, replace(found, labels=np.where(gone, 0, found.labels))


def test_another_design_is_refused_in_one_line_and_changes_nothing(site: ModuleType) -> None:
    rings = [site.ring(90 * i, 7 * i * i, 30, 30) for i in range(15)]
    other = DesignJob(Design.from_polygons(rings), RECORD)
    image = site.image()
    plain, found = (extract(image, Boxed(), design=one) for one in (None, other))
    (warning,) = set(found.warnings) - set(plain.warnings)
    assert warning.startswith("the design is not used: the image does not lie on it (score 0.")
    assert "\n" not in warning
    record = found.provenance["design"]
    assert not record["used"]
    assert not record["prompts"]
    assert record["registration"]["verdict"] == Verdict.POOR.value
    assert counted_faults(found.provenance) is None
    assert np.array_equal(found.labels(), plain.labels())
    assert [r.prompts for r in found.regions] == [r.prompts for r in plain.regions]


def test_an_array_needs_to_be_told_where_it_lies(site: ModuleType, job: DesignJob) -> None:
    cells = [site.ring(80 * i, 80 * j, 40, 40) for i in range(20) for j in range(20)]
    array = Design.from_polygons(cells)
    grey = np.full((200, 200), 60.0)
    rows, cols = np.mgrid[:200, :200]
    grey[((rows + 3) % 40 < 20) & ((cols + 8) % 40 < 20)] = 170
    grey = ndi.gaussian_filter(grey, 1.2) + np.random.default_rng(0).normal(0, 4, grey.shape)
    image = replace(site.image(), data=grey.astype(np.uint8))
    open_ended = extract(image, None, SAUVOLA, design=DesignJob(array, RECORD))
    assert any("it repeats: another place scores" in line for line in open_ended.warnings)
    told = RegisterOptions(near_nm=(800.0, 800.0))
    settled = extract(image, None, SAUVOLA, design=DesignJob(array, RECORD, told))
    assert settled.provenance["design"]["used"]
    assert settled.provenance["design"]["faults"] == []


def test_an_unknown_pixel_size_is_refused(site: ModuleType, job: DesignJob) -> None:
    image = site.without_pixel_size(site.image())
    with pytest.raises(CalibrationError, match=r"site: expected a pixel size .* --pixel-size NM"):
        extract(image, None, SAUVOLA, design=job)


def test_an_empty_image_is_told_not_to_lie_on_the_design(site: ModuleType, job: DesignJob) -> None:
    black = replace(site.image(), data=np.zeros(site.SHAPE, dtype=np.uint8))
    found = extract(black, None, SAUVOLA, design=job)
    assert not found.provenance["design"]["used"]
    assert any(line.startswith("the design is not used") for line in found.warnings)
