from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.layout.design import Design
from segsem.layout.register import RegisterOptions, register
from segsem.layout.registration import Registration, Verdict

SHAPE = (300, 260)


@pytest.fixture(scope="module")
def metal(fakes: ModuleType) -> Design:
    """Rectangles of several sizes: no two places alike."""
    rng = np.random.default_rng(7)
    sizes = [40.0, 60.0, 120.0, 200.0]
    return Design.from_polygons(
        [fakes.rectangle(*rng.uniform(0, 1600, 2), *rng.choice(sizes, 2)) for _ in range(60)]
    )


def offset_nm(found: Registration, truth: Registration) -> float:
    """Greatest distance by which a corner or the middle of the image is laid wrongly."""
    height, width = truth.shape
    points = np.array([[0, 0], [0, width], [height, 0], [height, width], [height / 2, width / 2]])
    wrong = found.rc_to_design_nm(points) - truth.rc_to_design_nm(points)
    return float(np.linalg.norm(wrong, axis=1).max())


@pytest.mark.parametrize("pixel", [(2.0, 2.0), (1.6, 2.1)])
@pytest.mark.parametrize("rotation", [0.0, 0.4, -1.7])
def test_contours_are_laid_on_their_design_exactly(
    fakes: ModuleType, metal: Design, pixel: tuple[float, float], rotation: float
) -> None:
    truth = fakes.placed(SHAPE, pixel, (803.7, 791.2), rotation)
    image = fakes.printed(metal, truth)
    contours = [c for region in image.regions for c in region.contours]
    found = register(metal, image.labels() > 0, pixel, contours=contours)
    assert found.verdict is Verdict.GOOD
    assert offset_nm(found, truth) < 0.02
    assert found.residual_rms_px < 0.01
    assert found.matched > 0.97
    assert found.score > found.second_score


def test_a_uniform_bias_moves_nothing_and_is_told(fakes: ModuleType, metal: Design) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2), 0.3)
    image = fakes.printed(metal, truth, grown_nm=3.0)
    contours = [c for region in image.regions for c in region.contours]
    found = register(metal, image.labels() > 0, (2.0, 2.0), contours=contours)
    assert offset_nm(found, truth) < 0.1
    assert found.mean_epe_nm == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("quarter", [90.0, 180.0, -90.0])
def test_quarter_turns_only_where_asked_for(
    fakes: ModuleType, metal: Design, quarter: float
) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2), quarter + 0.2)
    image = fakes.printed(metal, truth)
    contours = [c for region in image.regions for c in region.contours]
    mask = image.labels() > 0
    asked = RegisterOptions(quarter_turns=True)
    found = register(metal, mask, (2.0, 2.0), contours=contours, options=asked)
    assert offset_nm(found, truth) < 0.02
    unasked = register(metal, mask, (2.0, 2.0), contours=contours)
    assert unasked.verdict is Verdict.POOR
    assert unasked.score < found.score


def test_a_mask_alone_registers_to_a_tenth_of_a_pixel(fakes: ModuleType, metal: Design) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2), 0.4)
    mask = fakes.printed(metal, truth).labels() > 0
    found = register(metal, mask, (2.0, 2.0))
    assert offset_nm(found, truth) < 2.0
    assert np.hypot(*np.subtract(found.place.position_nm, truth.place.position_nm)) < 0.4


def test_a_scale_is_fitted_where_asked_for_and_tells_what_it_hides(
    fakes: ModuleType, metal: Design
) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2), 0.4, scale=1.01)
    image = fakes.printed(metal, truth)
    contours = [c for region in image.regions for c in region.contours]
    mask = image.labels() > 0
    options = RegisterOptions(fit_scale=True)
    found = register(metal, mask, (2.0, 2.0), contours=contours, options=options)
    assert found.place.scale == pytest.approx(1.01, abs=1e-4)
    assert found.absorbed_cd_nm == pytest.approx(0.01 * found.design_width_nm, abs=0.02)
    assert offset_nm(found, truth) < 0.1
    fixed = register(metal, mask, (2.0, 2.0), contours=contours)
    assert fixed.place.scale == 1.0
    assert fixed.absorbed_cd_nm == 0.0


def test_a_pattern_that_repeats_is_ambiguous_and_goes_where_it_is_expected(
    fakes: ModuleType,
) -> None:
    contacts = Design.from_polygons(
        [fakes.rectangle(100 * i, 100 * j, 50, 50) for i in range(14) for j in range(14)]
    )
    truth = fakes.placed((200, 200), (2.0, 2.0), (712.0, 688.0))
    image = fakes.printed(contacts, truth)
    contours = [c for region in image.regions for c in region.contours]
    mask = image.labels() > 0
    found = register(contacts, mask, (2.0, 2.0), contours=contours)
    assert found.verdict is Verdict.AMBIGUOUS
    assert found.second_score > 0.95 * found.score
    away = np.subtract(found.place.position_nm, truth.place.position_nm) / 100
    assert np.abs(away - np.round(away)).max() < 1e-3
    near = RegisterOptions(near_nm=(515.0, 790.0))
    moved = register(contacts, mask, (2.0, 2.0), contours=contours, options=near)
    assert moved.place.position_nm == pytest.approx((512.0, 788.0), abs=0.05)


def test_the_user_knows_better_where_another_place_fits_better(fakes: ModuleType) -> None:
    """Two chips side by side; on the one that the image shows, a third is not as drawn."""
    rng = np.random.default_rng(11)
    boxes = [(*rng.uniform(0, 900, 2), *rng.choice([40.0, 60.0, 120.0], 2)) for _ in range(30)]
    changed = [(x + 90, y - 70, w, h) if i % 3 == 0 else (x, y, w, h)
               for i, (x, y, w, h) in enumerate(boxes)]  # fmt: skip
    shown = Design.from_polygons([fakes.rectangle(*box) for box in boxes])
    both = [*changed, *((x + 3000, y, w, h) for x, y, w, h in boxes)]
    design = Design.from_polygons([fakes.rectangle(*box) for box in both])
    truth = fakes.placed(SHAPE, (2.0, 2.0), (480.0, 460.0))
    image = fakes.printed(shown, truth)
    contours = [c for region in image.regions for c in region.contours]
    mask = image.labels() > 0
    by_itself = register(design, mask, (2.0, 2.0), contours=contours)
    assert by_itself.place.position_nm == pytest.approx((3480.0, 460.0), abs=0.5)
    told = RegisterOptions(near_nm=(550.0, 400.0))
    found = register(design, mask, (2.0, 2.0), contours=contours, options=told)
    assert found.place.position_nm == pytest.approx((480.0, 460.0), abs=0.5)


def test_parallel_lines_tell_one_direction_only(fakes: ModuleType) -> None:
    lines = Design.from_polygons(
        [fakes.rectangle(x, -2000, w, 4000) for x, w in ((0, 40), (100, 60), (230, 30), (330, 90))]
    )
    truth = fakes.placed((200, 200), (2.0, 2.0), (210.0, 0.0))
    image = fakes.printed(lines, truth)
    contours = [c for region in image.regions for c in region.contours]
    found = register(lines, image.labels() > 0, (2.0, 2.0), contours=contours)
    assert found.verdict is Verdict.UNDETERMINED
    assert found.undetermined_xy == pytest.approx((0.0, 1.0), abs=1e-6)
    assert found.place.position_nm[0] == pytest.approx(210.0, abs=0.05)


def test_defects_pull_at_nothing(fakes: ModuleType, metal: Design) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2), 0.4)
    image = fakes.printed(metal, truth)
    flakes = Design.from_polygons(
        [fakes.rectangle(x, y, 40, 40) for x, y in ((700, 650), (900, 850), (640, 900))]
    )
    stray = fakes.printed(flakes, truth)
    contours = [c for one in (image, stray) for region in one.regions for c in region.contours]
    mask = (image.labels() > 0) | (stray.labels() > 0)
    found = register(metal, mask, (2.0, 2.0), contours=contours)
    assert offset_nm(found, truth) < 0.05


def test_another_design_is_poor(fakes: ModuleType, metal: Design) -> None:
    truth = fakes.placed(SHAPE, (2.0, 2.0), (803.7, 791.2))
    image = fakes.printed(metal, truth)
    other = Design.from_polygons([fakes.rectangle(90 * i, 7 * i * i, 30, 30) for i in range(15)])
    contours = [c for region in image.regions for c in region.contours]
    found = register(other, image.labels() > 0, (2.0, 2.0), contours=contours)
    assert found.verdict is Verdict.POOR


def test_an_unknown_pixel_size_and_an_empty_image_are_refused(metal: Design) -> None:
    with pytest.raises(InputError, match="pixel size"):
        register(metal, np.ones((50, 50), dtype=bool), None)
    with pytest.raises(InputError, match="shows none"):
        register(metal, np.zeros((50, 50), dtype=bool), (2.0, 2.0))
