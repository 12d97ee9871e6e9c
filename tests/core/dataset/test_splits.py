"""Splits: whole groups, no copies on both sides, the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from segsem.core.exceptions import InputError
from segsem.dataset.splits import Split, SplitImage, check_leaks, k_folds, make_split


def image(number: int, groups: Mapping[str, str] | None = None, content: str = "") -> SplitImage:
    return SplitImage(
        f"image{number:02d}",
        f"hash{number}",
        content or f"content{number}",
        (100, 80),
        groups or {},
    )


def on_sites(n_images: int, n_sites: int) -> list[SplitImage]:
    return [image(i, {"wafer": "W1", "site": str(i % n_sites)}) for i in range(n_images)]


def test_about_a_quarter_is_held_out_and_nothing_is_on_both_sides() -> None:
    images = [image(i) for i in range(20)]
    split = make_split(images)
    assert len(split.held_out) == 5
    assert sorted([*split.train, *split.held_out]) == [item.image_id for item in images]


def test_two_images_are_one_and_one() -> None:
    split = make_split([image(0), image(1)])
    assert (len(split.train), len(split.held_out)) == (1, 1)
    assert "Only 1 image is held out" in split.warnings[-1]


def test_groups_stay_whole() -> None:
    images = on_sites(24, 8)
    split = make_split(images, seed=3)
    groups = {item.image_id: item.group for item in images}
    held, taught = ({groups[name] for name in side} for side in (split.held_out, split.train))
    assert len(split.held_out) == 6
    assert not held & taught
    assert split.warnings == ()


def test_a_site_of_another_wafer_is_another_site() -> None:
    assert (
        image(0, {"wafer": "A", "site": "1"}).group != image(1, {"wafer": "B", "site": "1"}).group
    )


def test_groups_larger_than_a_quarter_give_the_smallest() -> None:
    images = [image(i, {"site": "big"}) for i in range(7)]
    images += [image(i, {"site": "small"}) for i in range(7, 12)]
    assert len(make_split(images).held_out) == 5


def test_one_site_is_told_and_split_by_image() -> None:
    split = make_split(on_sites(8, 1))
    assert len(split.held_out) == 2
    assert split.warnings[0].startswith("All images are of one site (wafer=W1, site=0)")


def test_images_without_groups_are_told() -> None:
    assert "No image names" in make_split([image(i) for i in range(12)]).warnings[0]


def test_dose_and_focus_are_no_groups() -> None:
    assert not image(0, {"dose": "3"}).has_group


def test_the_seed_decides_and_the_order_does_not() -> None:
    images = [image(i) for i in range(20)]
    assert make_split(images, 1) == make_split(images[::-1], 1)
    assert any(make_split(images, seed) != make_split(images, 1) for seed in range(2, 6))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_refused(count: int) -> None:
    with pytest.raises(InputError, match="at least 2 different images"):
        make_split([image(i) for i in range(count)])


def test_the_same_picture_twice_is_refused() -> None:
    images = [image(0, content="x"), image(1), image(2, content="x")]
    with pytest.raises(InputError, match="image02 and image00 show the same picture"):
        make_split(images)


def test_a_leak_by_content_is_found_whatever_the_names() -> None:
    images = [image(0, content="x"), image(1, content="x")]
    with pytest.raises(InputError, match=r"image01 is held out .* teaches as image00"):
        check_leaks(images, Split(("image00",), ("image01",)))


def test_what_a_person_chose_is_taken() -> None:
    images = [image(i) for i in range(6)]
    split = make_split(images, held_out=["image05"], train=["image01", "image02"])
    assert split.held_out == ("image05",)
    assert split.train == ("image01", "image02")


def test_a_chosen_image_on_both_sides_is_refused() -> None:
    images = [image(i) for i in range(6)]
    with pytest.raises(InputError, match="image01 is held out"):
        make_split(images, held_out=["image01"], train=["image01", "image02"])


def test_an_unknown_image_is_refused() -> None:
    with pytest.raises(InputError, match="image9 is none of them"):
        make_split([image(0), image(1)], held_out=["image9"])


def test_a_group_that_a_person_split_is_told() -> None:
    split = make_split(on_sites(8, 2), held_out=["image00"])
    assert any("one group are on both sides" in line for line in split.warnings)


def test_sites_lie_in_training_images_and_in_corners() -> None:
    split = make_split([image(i) for i in range(40)])
    assert len(split.sites) == 12
    assert {site.image_id for site in split.sites} <= set(split.train)
    for site in split.sites:
        assert (site.row1 - site.row0, site.col1 - site.col0) == (50, 40)
        assert site.row0 in (0, 50)
        assert site.col0 in (0, 40)


def test_folds_hold_every_image_out_once_and_keep_groups() -> None:
    images = on_sites(20, 7)
    folds = k_folds(images, 4)
    held = [name for fold in folds for name in fold.held_out]
    assert sorted(held) == [item.image_id for item in images]
    for fold in folds:
        assert fold.warnings == ()


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(InputError, match="between 2 and 3 folds"):
        k_folds(on_sites(9, 3), 4)


def test_a_split_survives_json() -> None:
    split = make_split([image(i) for i in range(6)])
    assert Split.from_json(json.loads(json.dumps(asdict(split)))) == split
