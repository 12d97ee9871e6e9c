"""Repeats: which images they are, where a place lies in them, which region it is there."""

from __future__ import annotations

import numpy as np
import pytest

from segsem.core.groups import repeat_groups
from segsem.layout.registration import Place, Registration, Verdict
from segsem.review.repeat_figures import window_about
from segsem.review.repeat_places import (
    BY_POSITION,
    DesignPlace,
    Presence,
    Way,
    map_places,
    match_region,
)
from segsem.review.repeats import RepeatImage, find_repeats

SHAPE = (100, 140)
PIXEL_NM = (2.0, 3.0)
VALID = (0, 90)
DESIGN, OTHER_DESIGN = ("hash", "TOP", "1/0"), ("hash", "TOP", "2/0")


def image(name: str, **changes: object) -> RepeatImage:
    values: dict[str, object] = {
        "groups": {"wafer": "W7", "site": "A3"},
        "shape": SHAPE,
        "pixel_size_nm": PIXEL_NM,
    }
    return RepeatImage(name, **(values | changes))


def registered(
    position_nm: tuple[float, float], rotation_deg: float = 0.0, shape: tuple[int, int] = SHAPE
) -> Registration:
    """The image's centre lies at a place of the design."""
    centre = shape[1] * PIXEL_NM[1] / 2, shape[0] * PIXEL_NM[0] / 2
    place = Place(centre, position_nm, rotation_deg)
    nan = float("nan")
    return Registration(
        shape, PIXEL_NM, place, Verdict.GOOD, 0.9, nan, None, None, 1.0, 0.5, 0.0, 100, 1.0, False,
        40.0,
    )  # fmt: skip


def labels_with(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    for number, (r0, c0, r1, c1) in enumerate(boxes, start=1):
        labels[r0:r1, c0:c1] = number
    return labels


def test_repeats_share_the_place_and_may_differ_in_their_number() -> None:
    shown = image("a", groups={"wafer": "W7", "site": "A3", "repeat": "1"})
    others = [
        image("b", groups={"wafer": "W7", "site": "A3", "repeat": "2"}),
        image("other site", groups={"wafer": "W7", "site": "A4"}),
        image("other wafer", groups={"wafer": "W8", "site": "A3"}),
        image("other dose", groups={"wafer": "W7", "site": "A3", "dose": "21"}),
        image("c"),
    ]
    found = find_repeats(shown, [shown, *others])
    assert found.image_ids == ("b", "c")
    assert found.place == "wafer W7, site A3"
    assert found.note == ""
    assert repeat_groups({"repeat": "1", "site": "A3", "dose": ""}) == {"site": "A3"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"shape": (100, 141)}, "1 image of another size or pixel size"),
        ({"pixel_size_nm": (3.0, 2.0)}, "1 image of another size or pixel size"),
        ({"pixel_size_nm": None}, "1 image of another size or pixel size"),
        ({"has_results": False}, "1 image without results: extract first"),
        ({"groups": {"site": "A3"}}, "no other image"),
    ],
)
def test_why_there_are_none_is_one_line(changes: dict[str, object], why: str) -> None:
    found = find_repeats(image("a"), [image("a"), image("b", **changes)])
    assert found.image_ids == ()
    assert found.note == f"No repeats: of wafer W7, site A3 there is {why}."


def test_without_a_place_nothing_is_a_repeat() -> None:
    lonely = {"groups": {"wafer": "W7", "dose": "20"}}
    found = find_repeats(image("a", **lonely), [image("b", **lonely)])
    assert found.image_ids == ()
    assert "`site` or `layout`" in found.note
    assert "\n" not in found.note


def test_who_is_left_out_is_told_beside_those_who_are_not() -> None:
    found = find_repeats(
        image("a"), [image("b"), image("c", shape=(9, 9)), image("d", shape=(8, 8))]
    )
    assert found.image_ids == ("b",)
    assert found.note == "Left out: 2 images of another size or pixel size."


def test_pixel_sizes_differ_by_their_last_digits_only() -> None:
    shown = image("a")
    near, far = (2.001, 3.001), (2.01, 3.0)
    found = find_repeats(shown, [image("b", pixel_size_nm=near), image("c", pixel_size_nm=far)])
    assert found.image_ids == ("b",)


def test_the_design_moves_a_place_by_what_the_images_are_apart() -> None:
    # The other image looks 12 nm further right and 8 nm further up: the same place lies 4 columns
    # further left and 4 rows further down in it.
    here, there = registered((500.0, 700.0)), registered((512.0, 708.0))
    found = map_places([DesignPlace(DESIGN, here)], [DesignPlace(DESIGN, there)])
    assert found.way is Way.DESIGN
    np.testing.assert_allclose(found.to_other(np.array([[40.0, 60.0]])), [[44.0, 56.0]], atol=1e-9)


def test_the_design_turns_a_place_with_the_image() -> None:
    # Turned by 90 degrees counter-clockwise, the image lies on the design: what is 30 nm right of
    # the middle in the first lies 30 nm below the middle in the second.
    here, there = registered((500.0, 700.0)), registered((500.0, 700.0), 90.0)
    found = map_places([DesignPlace(DESIGN, here)], [DesignPlace(DESIGN, there)])
    middle = np.array([49.5, 69.5])
    np.testing.assert_allclose(
        found.to_other(middle + np.array([0.0, 10.0])), middle + np.array([15.0, 0.0]), atol=1e-9
    )


def test_another_design_says_nothing() -> None:
    here, there = registered((500.0, 700.0)), registered((512.0, 708.0))
    found = map_places([DesignPlace(DESIGN, here)], [DesignPlace(OTHER_DESIGN, there)])
    assert found is BY_POSITION
    assert found.to_other(np.array([40.0, 60.0])).tolist() == [40.0, 60.0]
    assert map_places([], [DesignPlace(DESIGN, there)]) is BY_POSITION


def test_the_best_overlap_is_the_region() -> None:
    mask = np.ones((20, 20), bool)
    # Shifted by 3 rows and 2 columns, beside a neighbour that also reaches under it.
    labels = labels_with((23, 32, 43, 52), (20, 50, 23, 70))
    found = match_region((20, 30), mask, BY_POSITION, labels, VALID)
    assert (found.presence, found.region_id) == (Presence.FOUND, 1)
    common = 17 * 18
    assert found.overlap == pytest.approx(common / (800 - common))
    assert found.centre_rc == (29.5, 39.5)


def test_a_neighbour_that_only_touches_is_not_the_region() -> None:
    mask = np.ones((20, 20), bool)
    found = match_region((20, 30), mask, BY_POSITION, labels_with((20, 46, 40, 66)), VALID)
    assert (found.presence, found.region_id, found.overlap) == (Presence.MISSING, None, 0.0)
    found = match_region((20, 30), mask, BY_POSITION, labels_with((20, 45, 40, 65)), VALID)
    assert found.region_id == 1


def test_a_bridge_is_the_region_of_both_of_its_parts() -> None:
    mask = np.ones((20, 20), bool)
    labels = labels_with((20, 10, 40, 80))
    for col in (12, 55):
        assert match_region((20, col), mask, BY_POSITION, labels, VALID).region_id == 1


def test_what_lies_outside_the_field_is_not_missing() -> None:
    mask = np.ones((20, 20), bool)
    nothing = labels_with()
    here = [DesignPlace(DESIGN, registered((500.0, 700.0)))]

    def presence(up_nm: float) -> Presence:
        there = [DesignPlace(DESIGN, registered((500.0, 700.0 + up_nm)))]
        place_map = map_places(here, there)
        return match_region((60, 30), mask, place_map, nothing, VALID).presence

    # Rows 60 to 80 come to lie on 70 to 90: the data bar begins at 90.
    assert presence(20.0) is Presence.MISSING
    # On 81 to 101: 9 of 20 rows are in the field.
    assert presence(42.0) is Presence.OUTSIDE


def test_the_window_is_square_in_nm_and_about_the_place() -> None:
    # 40 rows of 2 nm and 20 columns of 3 nm: 1.6 times 80 nm, which is 64 rows and 43 columns.
    row0, col0, row1, col1 = window_about((50.0, 60.0), (30, 50, 70, 70), PIXEL_NM)
    assert (row1 - row0, col1 - col0) == (64, 43)
    assert abs((row0 + row1 - 1) / 2 - 50.0) <= 0.5
    assert abs((col0 + col1 - 1) / 2 - 60.0) <= 0.5
