"""Which images of a lot are repeats: one place of the layout, imaged several times.

Repeats have the same groups (`core/groups.py`), the same size and the same pixel size. Nothing is
read here; why there are none is said in one line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from segsem.core.groups import PLACE_GROUPS, groups_in_words, names_place, repeat_groups
from segsem.core.types import PixelSize

SAME_PIXEL_SIZE = 1e-3
"""Pixel sizes that differ by a smaller part are the same: tools write them with few digits."""


@dataclass(frozen=True, slots=True)
class RepeatImage:
    """What tells whether an image repeats another.

    Attributes
    ----------
    image_id : str
        Its id.
    groups : mapping of str to str
        Wafer, site, dose and the like.
    shape : (int, int)
        Stored (H, W) in px.
    pixel_size_nm : (float, float) or None
        (y, x); None where unknown.
    has_results : bool
        Whether its contours were extracted: others are only counted.
    """

    image_id: str
    groups: Mapping[str, str] = field(default_factory=dict)
    shape: tuple[int, int] = (0, 0)
    pixel_size_nm: PixelSize | None = None
    has_results: bool = True


@dataclass(frozen=True, slots=True)
class FoundRepeats:
    """The repeats of an image.

    Attributes
    ----------
    image_ids : tuple of str
        The other images that show the same place, in their order; the image itself is not listed.
    place : str
        What they share, in words; empty where nothing names the place.
    note : str
        Why there are none, or which others could not be taken; empty where nothing is to be said.
    """

    image_ids: tuple[str, ...]
    place: str = ""
    note: str = ""


def find_repeats(shown: RepeatImage, images: Iterable[RepeatImage]) -> FoundRepeats:
    """Find the repeats of an image.

    Parameters
    ----------
    shown : RepeatImage
        The image that is looked at.
    images : iterable of RepeatImage
        All that are known; the shown one may be among them.
    """
    if not names_place(shown.groups):
        columns = " or ".join(f"`{name}`" for name in PLACE_GROUPS)
        return FoundRepeats(
            (),
            note=(
                f"No repeats: nothing names the place that {shown.image_id} shows. Give the column "
                f"{columns} in the project's images.csv, or in the manifest before extraction."
            ),
        )
    place, own = groups_in_words(shown.groups), repeat_groups(shown.groups)
    alike = [
        image
        for image in images
        if image.image_id != shown.image_id and repeat_groups(image.groups) == own
    ]
    fitting = [image for image in alike if is_same_frame(shown, image)]
    usable = tuple(image.image_id for image in fitting if image.has_results)
    return FoundRepeats(usable, place, _note(place, alike, fitting, usable))


def is_same_frame(one: RepeatImage, other: RepeatImage) -> bool:
    """Whether two images have the same size and the same pixel size; unknown ones are alike."""
    if tuple(one.shape) != tuple(other.shape):
        return False
    first, second = one.pixel_size_nm, other.pixel_size_nm
    if first is None or second is None:
        return first is second
    pairs = zip(first, second, strict=True)
    return all(math.isclose(a, b, rel_tol=SAME_PIXEL_SIZE) for a, b in pairs)


def _note(
    place: str,
    alike: Sequence[RepeatImage],
    fitting: Sequence[RepeatImage],
    usable: Sequence[str],
) -> str:
    parts = []
    if other := len(alike) - len(fitting):
        parts.append(f"{_images(other)} of another size or pixel size")
    if missing := len(fitting) - len(usable):
        parts.append(f"{_images(missing)} without results: extract first")
    if not usable:
        why = " and ".join(parts) if parts else "no other image"
        return f"No repeats: of {place} there is {why}."
    return f"Left out: {' and '.join(parts)}." if parts else ""


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
