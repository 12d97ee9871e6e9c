from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import CalibrationError, InputError
from segsem.layout.design import Design, sample_edges
from segsem.metrology.design_epe import average_repeats, epe_of_design, summary_of
from segsem.metrology.design_topology import Fault, check_topology
from segsem.metrology.measured import MeasuredImage

SHAPE = (200, 240)
PIXEL = (1.5, 2.0)


@pytest.fixture(scope="module")
def design(fakes: ModuleType) -> Design:
    """Lines, a contact and a frame with a hole, in a field of 480 x 300 nm."""
    frame = fakes.rectangle(300, 60, 140, 140)
    hole = fakes.rectangle(340, 100, 60, 60)
    parts = [fakes.rectangle(60, 40, 50, 220), fakes.rectangle(170, 40, 60, 60), frame]
    area = Design.from_polygons(parts).area - Design.from_polygons([hole]).area
    return Design.from_area(area)


@pytest.mark.parametrize("grown", [-4.0, 0.0, 2.5])
@pytest.mark.parametrize("rotation", [0.0, 1.3])
def test_a_bias_is_measured_signed_outwards_at_holes_as_well(
    fakes: ModuleType, design: Design, grown: float, rotation: float
) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0), rotation)
    image = MeasuredImage.of(fakes.printed(design, truth, grown_nm=grown))
    epe = epe_of_design(image, truth, sample_edges(design, 1.5, 8.0), 12.0)
    assert epe.straight() == pytest.approx(np.full(len(epe.straight()), grown), abs=1e-6)
    assert epe.missing_share() == 0.0
    stats = summary_of(epe)
    assert (stats.mean, stats.three_sigma) == (pytest.approx(grown), pytest.approx(0, abs=1e-6))
    perimeter = 2 * (50 + 220) + 4 * 60 + 4 * 140 + 4 * 60
    assert stats.n == pytest.approx(perimeter / 1.5 - 16 * 2 * 8 / 1.5, abs=20)


def test_sigma_comes_from_the_contour_along_the_normal(fakes: ModuleType, design: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    image = MeasuredImage.of(fakes.printed(design, truth, sigma_px=0.2))
    epe = epe_of_design(image, truth, sample_edges(design, 1.5, 8.0), 12.0)
    vertical = np.abs(epe.edges.normals_xy[:, 0]) > 0.5
    kept = epe.found & ~epe.edges.corner
    assert epe.sigma_nm[kept & vertical] == pytest.approx(0.2 * 2.0)
    assert epe.sigma_nm[kept & ~vertical] == pytest.approx(0.2 * 1.5)


def test_a_missing_feature_never_scores_nought(fakes: ModuleType, design: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    extraction = fakes.printed(design, truth)
    line = next(r for r in extraction.regions if r.mask.shape[0] > 140 and r.mask.shape[1] < 30)
    without = replace(extraction, regions=(line,))
    epe = epe_of_design(MeasuredImage.of(without), truth, sample_edges(design, 1.5, 8.0), 12.0)
    gone = 1 - (540 - 64) / (1580 - 16 * 16)
    assert epe.missing_share() == pytest.approx(gone, abs=0.02)


def test_what_a_person_rejected_or_must_see_is_not_measured(
    fakes: ModuleType, design: Design
) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    extraction = fakes.printed(design, truth)
    first, second, third = extraction.regions
    regions = (
        replace(first, status=ReviewStatus.REJECTED),
        replace(second, needs_human=True),
        replace(third, needs_human=True, status=ReviewStatus.ACCEPTED),
    )
    image = MeasuredImage.of(replace(extraction, regions=regions))
    assert [region.region_id for region in image.regions] == [third.region_id]
    assert image.left_out == 2


def test_an_unknown_pixel_size_is_refused(fakes: ModuleType, design: Design) -> None:
    extraction = fakes.printed(design, fakes.placed(SHAPE, PIXEL, (240.0, 150.0)))
    with pytest.raises(CalibrationError, match="--pixel-size"):
        MeasuredImage.of(replace(extraction, pixel_size_nm=None))


def test_repeats_are_averaged_point_by_point(fakes: ModuleType, design: Design) -> None:
    edges = sample_edges(design, 1.5, 8.0)
    found = []
    for grown, middle in ((1.0, 240.0), (2.0, 243.0), (6.0, 238.0)):
        truth = fakes.placed(SHAPE, PIXEL, (middle, 150.0), 0.5)
        image = MeasuredImage.of(fakes.printed(design, truth, grown_nm=grown))
        found.append(epe_of_design(image, truth, edges, 12.0))
    mean = average_repeats(found)
    straight = (mean.n == 3) & ~edges.corner
    assert straight.sum() > 700
    assert mean.epe_nm[straight] == pytest.approx(3.0, abs=1e-6)
    assert mean.sigma_nm[straight] == pytest.approx(np.std([1, 2, 6], ddof=1), abs=1e-6)
    assert mean.standard_error_nm[straight] == pytest.approx(
        np.std([1, 2, 6], ddof=1) / np.sqrt(3), abs=1e-6
    )
    moved = mean.points_nm()[straight] - edges.points_nm[straight]
    assert np.sum(moved * edges.normals_xy[straight], axis=1) == pytest.approx(3.0)
    one = average_repeats(found[:1])
    assert np.isnan(one.sigma_nm).all()
    assert one.epe_nm[found[0].found] == pytest.approx(found[0].epe_nm[found[0].found])


def test_repeats_of_other_designs_are_refused(fakes: ModuleType, design: Design) -> None:
    truth = fakes.placed(SHAPE, PIXEL, (240.0, 150.0))
    image = MeasuredImage.of(fakes.printed(design, truth))
    one = epe_of_design(image, truth, sample_edges(design, 1.5, 8.0), 12.0)
    other = epe_of_design(image, truth, sample_edges(design, 2.0, 8.0), 12.0)
    with pytest.raises(InputError, match="same design"):
        average_repeats([one, other])
    with pytest.raises(InputError, match="at least one"):
        average_repeats([])


def test_missing_extra_bridged_and_broken_features(fakes: ModuleType) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (240.0, 200.0))
    names = {
        "whole": fakes.rectangle(20, 20, 60, 60),
        "gone": fakes.rectangle(120, 20, 60, 60),
        "left": fakes.rectangle(20, 120, 60, 60),
        "right": fakes.rectangle(90, 120, 60, 60),
        "long": fakes.rectangle(20, 250, 300, 60),
    }
    design = Design.from_polygons(list(names.values()))
    bridge, flake = fakes.rectangle(60, 130, 60, 20), fakes.rectangle(380, 40, 40, 40)
    halves = [fakes.rectangle(20, 250, 120, 60), fakes.rectangle(200, 250, 120, 60)]
    shown = [names["whole"], names["left"], names["right"], bridge, flake, *halves]
    printed = Design.from_polygons(shown)
    faults = check_topology(MeasuredImage.of(fakes.printed(printed, truth)), truth, design, 64)
    found = {fault.fault: fault for fault in faults}
    assert len(faults) == 4
    assert found[Fault.MISSING].centre_nm == pytest.approx((150, 50), abs=1.1)
    assert found[Fault.MISSING].area_nm2 == pytest.approx(3600, rel=0.05)
    assert found[Fault.EXTRA].centre_nm == pytest.approx((400, 60), abs=1.1)
    assert found[Fault.BROKEN].centre_nm == pytest.approx((170, 280), abs=1.1)
    assert found[Fault.BRIDGED].centre_nm == pytest.approx((85, 140), abs=2.1)
    same = check_topology(MeasuredImage.of(fakes.printed(design, truth)), truth, design, 64)
    assert same == []


def test_what_touches_a_feature_or_lies_where_one_is_missing_is_extra(fakes: ModuleType) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (240.0, 200.0))
    line, island = fakes.rectangle(60, 60, 40, 280), fakes.rectangle(200, 300, 40, 40)
    wide = fakes.rectangle(330, 60, 40, 280)
    design = Design.from_polygons([line, island, wide])
    # A flake grown onto the line, one on the rim of the washed-out island, and a line too wide.
    touching, on_rim = fakes.rectangle(100, 150, 70, 20), fakes.rectangle(236, 300, 40, 40)
    grown = fakes.rectangle(326, 56, 48, 288)
    shown = Design.from_polygons([line, touching, on_rim, grown])
    faults = check_topology(MeasuredImage.of(fakes.printed(shown, truth)), truth, design, 64)
    found = [(fault.fault, fault.is_part) for fault in faults]
    assert found == [(Fault.MISSING, False), (Fault.EXTRA, False), (Fault.EXTRA, True)]
    missing, flake, part = faults
    assert missing.centre_rc == pytest.approx((39.5, 109.5), abs=1)
    assert flake.centre_nm == pytest.approx((256, 320), abs=1.1)
    # 4 px beside the line count as its own edge.
    assert part.centre_nm == pytest.approx((139, 160), abs=1.6)
    assert part.area_nm2 == pytest.approx(62 * 20, rel=0.07)


@pytest.mark.parametrize("grown", [-12.0, 12.0])
def test_a_bias_of_all_edges_is_no_fault(fakes: ModuleType, grown: float) -> None:
    truth = replace(
        fakes.placed(SHAPE, (2.0, 2.0), (240.0, 200.0)), mean_epe_nm=grown, design_width_nm=50.0
    )
    cells = [fakes.rectangle(90 * i, 90 * j, 50, 50) for i in range(6) for j in range(5)]
    design = Design.from_polygons(cells)
    image = MeasuredImage.of(fakes.printed(design, truth, grown_nm=grown))
    assert check_topology(image, truth, design, 64) == []
