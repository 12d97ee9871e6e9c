"""Which images teach, which check: split by image and group, never by crop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError
from segsem.project.image_table import ImageRow

GROUP_NAMES = ("wafer", "site", "tool", "layout")
"""Groups of `images.csv` that make images alike; dose and focus do not."""

HELD_OUT_SHARE = 0.25
FEWEST = 2
"""Images with objects: one to learn from, one to check on."""

MOST_SITES = 12
"""Validation sites: so many tell when to stop, and each costs a quarter of an image."""

SITE_SIDE = 0.5
"""Side of a validation site over the image's."""


@dataclass(frozen=True, slots=True)
class SplitImage:
    """What a split has to know of an image.

    Attributes
    ----------
    image_id, sha256, fingerprint : str
        Hash of the file, and of what it shows (`dataset.content`).
    shape : (int, int)
        (H, W) in px of what shows the sample.
    groups : mapping of str to str
    """

    image_id: str
    sha256: str
    fingerprint: str
    shape: tuple[int, int]
    groups: Mapping[str, str]

    @classmethod
    def of(cls, row: ImageRow, fingerprint: str, shape: tuple[int, int]) -> SplitImage:
        """Take what is needed from a row of the image table."""
        return cls(row.image_id, row.sha256, fingerprint, shape, dict(row.groups))

    @property
    def group(self) -> tuple[str, ...]:
        """What this image shares with those that are alike; its own id where nothing is known."""
        named = tuple(
            f"{name}={self.groups[name]}" for name in GROUP_NAMES if self.groups.get(name)
        )
        return named or (f"image={self.image_id}",)

    @property
    def has_group(self) -> bool:
        """Whether wafer, site, tool or layout is known."""
        return any(self.groups.get(name) for name in GROUP_NAMES)


@dataclass(frozen=True, slots=True)
class Site:
    """A part of a training image that is kept for validation.

    Attributes
    ----------
    image_id : str
    row0, col0, row1, col1 : int
        Half-open, in px.
    """

    image_id: str
    row0: int
    col0: int
    row1: int
    col1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index into the image."""
        return slice(self.row0, self.row1), slice(self.col0, self.col1)


@dataclass(frozen=True, slots=True)
class Split:
    """Ids of the images that teach and of those that check, and the sites within the former.

    Attributes
    ----------
    train, held_out : tuple of str
    sites : tuple of Site
        At most one for each training image; their labels never teach.
    warnings : tuple of str
        What makes the check worth less, one line each.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    sites: tuple[Site, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Split:
        """Make one from what `dataclasses.asdict` and JSON made of it."""
        sites = tuple(Site(**site) for site in value["sites"])
        return cls(tuple(value["train"]), tuple(value["held_out"]), sites, tuple(value["warnings"]))


def make_split(
    images: Sequence[SplitImage],
    seed: int = 0,
    held_out: Iterable[str] | None = None,
    train: Iterable[str] | None = None,
) -> Split:
    """Hold about a quarter of the images out, whole groups at a time.

    Parameters
    ----------
    images : sequence of SplitImage
        Those with objects.
    seed : int
        Same images and seed, same split, whatever the order of the images.
    held_out, train : iterable of str, optional
        Ids, where a person or an experiment has chosen; images in neither are left out where
        both are given, and teach where only `held_out` is.

    Raises
    ------
    InputError
        If there are too few images, an id is unknown, or one image or group is on both sides.
    """
    ordered = sorted(images, key=lambda image: image.image_id)
    if len(ordered) < FEWEST:
        found = "there is none" if not ordered else f"there is only {ordered[0].image_id}"
        msg = (
            f"Expected at least {FEWEST} different images with objects in the training set (one "
            f"to learn from, one to check on), but {found}: annotate more and add them"
        )
        raise InputError(msg)
    check_copies(ordered)
    chosen = _draw(ordered, seed) if held_out is None else _named(ordered, held_out)
    rest = {image.image_id for image in ordered} - chosen
    taught = rest if train is None else _named(ordered, train)
    split = Split(tuple(sorted(taught)), tuple(sorted(chosen)))
    check_leaks(ordered, split)
    known = {image.image_id: image for image in ordered}
    sites = _sites([known[name] for name in split.train], seed)
    warnings = tuple(_warnings(ordered, split))
    return Split(split.train, split.held_out, sites, warnings)


def k_folds(images: Sequence[SplitImage], k: int, seed: int = 0) -> list[Split]:
    """Split so that each image is held out once, whole groups at a time.

    Parameters
    ----------
    images : sequence of SplitImage
    k : int
        Folds, at most as many as there are groups.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or one image is there twice.
    """
    by_group = _grouped(sorted(images, key=lambda image: image.image_id))
    if not 2 <= k <= len(by_group):
        msg = (
            f"Expected between 2 and {len(by_group)} folds, since the images are of "
            f"{len(by_group)} groups (wafer, site, tool, layout), but got {k}"
        )
        raise InputError(msg)
    order = np.random.default_rng([seed, k]).permutation(len(by_group))
    groups = [list(by_group.values())[i] for i in order]
    folds: list[list[str]] = [[] for _ in range(k)]
    # The largest first, each to the smallest fold: folds of about one size.
    for members in sorted(groups, key=len, reverse=True):
        smallest = min(range(k), key=lambda i: len(folds[i]))
        folds[smallest] += [image.image_id for image in members]
    return [make_split(images, seed, held_out=fold) for fold in folds]


def check_copies(images: Sequence[SplitImage]) -> None:
    """Make sure that no picture is there twice: its copies could come to lie on both sides.

    Raises
    ------
    InputError
        Naming two images that show the same.
    """
    for kind in ("sha256", "fingerprint"):
        seen: dict[str, str] = {}
        for image in images:
            key = str(getattr(image, kind))
            if key in seen:
                msg = (
                    f"{image.image_id} and {seen[key]} show the same picture, which would then "
                    "both teach and check: take one of them out of the training set"
                )
                raise InputError(msg)
            seen[key] = image.image_id


def check_leaks(images: Sequence[SplitImage], split: Split) -> None:
    """Make sure that no image, by id, hash or content, is on both sides of a split.

    Raises
    ------
    InputError
        Naming an image that is.
    """
    if not split.train or not split.held_out:
        side = "to learn from" if not split.train else "to check on"
        msg = f"Expected images on both sides of the split, but none is left {side}"
        raise InputError(msg)
    known = {image.image_id: image for image in images}
    taught: dict[str, str] = {}
    for name in split.train:
        image = known[name]
        taught |= dict.fromkeys((name, image.sha256, image.fingerprint), name)
    for name in split.held_out:
        image = known[name]
        for key in (name, image.sha256, image.fingerprint):
            if key in taught:
                msg = (
                    f"{name} is held out to check on, but the same image teaches as "
                    f"{taught[key]}: put it on one side of the split only"
                )
                raise InputError(msg)


def _draw(images: Sequence[SplitImage], seed: int) -> set[str]:
    by_group = _grouped(images)
    groups = list(by_group.values())
    if len(groups) == 1:
        # All are alike: better to check on another image of the same site than on none.
        groups = [[image] for image in images]
    wanted = max(round(HELD_OUT_SHARE * len(images)), 1)
    chosen: list[SplitImage] = []
    order = np.random.default_rng([seed, len(images)]).permutation(len(groups))
    drawn = [groups[i] for i in order]
    for members in drawn:
        if len(chosen) + len(members) <= wanted:
            chosen += members
    if not chosen:
        # Every group is larger than a quarter.
        chosen += drawn[int(np.argmin([len(members) for members in drawn]))]
    return {image.image_id for image in chosen}


def _named(images: Sequence[SplitImage], ids: Iterable[str]) -> set[str]:
    wanted, known = set(ids), {image.image_id for image in images}
    unknown = sorted(wanted - known)
    if unknown:
        msg = (
            f"Expected images of the training set with objects, but {unknown[0]} is none of them; "
            f"known: {', '.join(sorted(known)[:8])}{', ...' if len(known) > 8 else ''}"
        )
        raise InputError(msg)
    return wanted


def _grouped(images: Sequence[SplitImage]) -> dict[tuple[str, ...], list[SplitImage]]:
    groups: dict[tuple[str, ...], list[SplitImage]] = defaultdict(list)
    for image in images:
        groups[image.group].append(image)
    return dict(groups)


def _sites(images: Sequence[SplitImage], seed: int) -> tuple[Site, ...]:
    """Draw a corner of some training images."""
    rng = np.random.default_rng([seed, len(images), 1])
    chosen = sorted(rng.permutation(len(images))[:MOST_SITES].tolist())
    sites = []
    for index in chosen:
        image = images[index]
        height, width = (max(round(SITE_SIDE * side), 1) for side in image.shape)
        row = int(rng.integers(2)) * (image.shape[0] - height)
        col = int(rng.integers(2)) * (image.shape[1] - width)
        sites.append(Site(image.image_id, row, col, row + height, col + width))
    return tuple(sites)


def _warnings(images: Sequence[SplitImage], split: Split) -> Iterable[str]:
    by_id = {image.image_id: image for image in images}
    used = [by_id[name] for name in (*split.train, *split.held_out)]
    if not any(image.has_group for image in used):
        yield (
            "No image names its wafer, site, tool or layout: images of one site may be on both "
            "sides of the split, which makes a gain look larger than it is elsewhere"
        )
    elif len({image.group for image in used}) == 1:
        yield (
            f"All images are of one site ({', '.join(used[0].group)}): what is gained on others "
            "is not known"
        )
    else:
        taught = {by_id[name].group for name in split.train if by_id[name].has_group}
        both = sorted({by_id[name].group for name in split.held_out} & taught)
        if both:
            yield f"Images of one group are on both sides of the split: {', '.join(both[0])}"
    if len(split.held_out) < 3:
        count = len(split.held_out)
        images_are = "image is" if count == 1 else "images are"
        yield f"Only {count} {images_are} held out: the check is a coarse one"
