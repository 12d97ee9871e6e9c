"""COCO instance files: what they hold, checked entry by entry, and masks made of it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray, MaskArray
from segsem.dataset.additions import NewMasks
from segsem.dataset.coco_polygons import fill_polygons
from segsem.dataset.coco_rle import decode_counts, text_to_counts

UNNAMED = "object"
"""Category of objects that have no class name."""

MOST_PIXELS = 1 << 28
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class CocoObject:
    """One annotation.

    Attributes
    ----------
    number : int
        Its id in the file.
    category : str
        Class name; empty for `UNNAMED`.
    polygons : tuple of (K, 2) arrays
        (x, y) from the image's outer corner; empty where `counts` hold it.
    counts : tuple of int or None
        Run lengths.
    """

    number: int
    category: str
    polygons: tuple[FloatArray, ...] = ()
    counts: tuple[int, ...] | None = None

    def mask(self, shape: tuple[int, int]) -> MaskArray:
        """Rasterise it in an image of (H, W)."""
        if self.counts is None:
            return fill_polygons(self.polygons, shape)
        return decode_counts(self.counts, shape)


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a file, and its objects.

    Attributes
    ----------
    name : str
        As the file says it; may hold folders.
    shape : (int, int)
        (H, W) in px.
    objects : tuple of CocoObject
    """

    name: str
    shape: tuple[int, int]
    objects: tuple[CocoObject, ...]


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What a COCO file says.

    Attributes
    ----------
    path : Path
    images : tuple of CocoImage
        Those with objects.
    crowds, without_objects : int
        Annotations of crowds, which are left out, and images without any.
    """

    path: Path
    images: tuple[CocoImage, ...]
    crowds: int = 0
    without_objects: int = 0


def read_coco(path: Path) -> CocoFile:
    """Read a COCO instance file.

    Raises
    ------
    InputError
        If it cannot be read or anything in it is wrong; the message names the entry.
    """
    content = _content(path)
    categories = _categories(path, _list(path, content, "categories"))
    images: dict[int, tuple[str, tuple[int, int]]] = {}
    for place, record in _records(path, content, "images"):
        number = _whole(path, place, record, "id")
        if number in images:
            raise _error(path, place, f"repeats the id {number}")
        images[number] = (_name(path, place, record), _shape(path, place, record))
    objects: dict[int, list[CocoObject]] = defaultdict(list)
    crowds = 0
    for place, record in _records(path, content, "annotations"):
        image = _whole(path, place, record, "image_id")
        if image not in images:
            raise _error(path, place, f"belongs to image {image}, which the file does not list")
        if record.get("iscrowd") in (1, True):
            crowds += 1
            continue
        objects[image].append(_object(path, place, record, categories, images[image][1]))
    if not objects:
        msg = f"{path} holds no objects: expected annotations with a segmentation"
        raise InputError(msg)
    found = [
        CocoImage(name, shape, tuple(objects[number]))
        for number, (name, shape) in images.items()
        if number in objects
    ]
    return CocoFile(path, tuple(found), crowds, len(images) - len(found))


def masks_of(image: CocoImage, origin: Mapping[str, Any] | None = None) -> NewMasks:
    """Label image of an image's objects.

    Pixels of several objects go to the smallest of them.

    Raises
    ------
    InputError
        If an object has no pixel, or none of its own.
    """
    # One mask at a time, so drawn twice: hundreds of them would not fit into memory.
    areas = [int(item.mask(image.shape).sum()) for item in image.objects]
    labels = np.zeros(image.shape, dtype=np.int32)
    overlapping: set[int] = set()
    for index in sorted(range(len(areas)), key=lambda i: -areas[i]):
        mask = image.objects[index].mask(image.shape)
        overlapping |= {int(label) for label in np.unique(labels[mask]) if label}
        labels[mask] = index + 1
    own = np.bincount(labels.ravel(), minlength=len(areas) + 1)[1:]
    if (own == 0).any():
        empty = image.objects[int(np.argmin(own))]
        what = "covers no pixel" if areas[int(np.argmin(own))] == 0 else "lies under other objects"
        msg = f"Annotation {empty.number} of {image.name} {what}: take it out, or correct it"
        raise InputError(msg)
    classes = {n: item.category for n, item in enumerate(image.objects, start=1) if item.category}
    note = (
        f"{image.name}: {len(overlapping)} objects share pixels with smaller ones, which keep them"
    )
    return NewMasks(labels, classes, origin or {}, (note,) if overlapping else ())


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path} is too large for a COCO file ({path.stat().st_size} bytes)"
            raise InputError(msg)
        content = json.loads(path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON: {' '.join(str(error).split())}"
        raise InputError(msg) from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= set(content):
        msg = f"{path} is no COCO file: expected an object with images, annotations and categories"
        raise InputError(msg)
    return content


def _list(path: Path, content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name, [])
    if not isinstance(value, list):
        msg = f"{path}: expected a list of {name}, but got {type(value).__name__}"
        raise InputError(msg)
    return value


def _records(
    path: Path, content: Mapping[str, Any], name: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, record in enumerate(_list(path, content, name), start=1):
        if not isinstance(record, dict):
            raise _error(path, f"{name} {number}", "is not an object")
        yield f"{name} {number}", record


def _categories(path: Path, records: Sequence[Any]) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, record in enumerate(records, start=1):
        place = f"categories {number}"
        if not isinstance(record, dict) or not isinstance(record.get("name"), str):
            raise _error(path, place, "has no name")
        name = " ".join(record["name"].split())
        found[_whole(path, place, record, "id")] = "" if name == UNNAMED else name
    return found


def _object(
    path: Path,
    place: str,
    record: Mapping[str, Any],
    categories: Mapping[int, str],
    shape: tuple[int, int],
) -> CocoObject:
    number = _whole(path, place, {"id": record.get("id", 0)}, "id")
    category = ""
    if "category_id" in record:
        key = _whole(path, place, record, "category_id")
        if key not in categories:
            raise _error(path, place, f"has category {key}, which the file does not list")
        category = categories[key]
    value = record.get("segmentation")
    if isinstance(value, list) and value:
        return CocoObject(number, category, tuple(_polygon(path, place, part) for part in value))
    if isinstance(value, dict):
        return CocoObject(number, category, counts=_counts(path, place, value, shape))
    raise _error(path, place, "has no segmentation: expected polygons or run lengths")


def _polygon(path: Path, place: str, value: Any) -> FloatArray:
    is_long_enough = isinstance(value, list) and len(value) >= 6 and len(value) % 2 == 0
    if not is_long_enough or not all(_is_number(number) for number in value):
        raise _error(path, place, "has a polygon that is not [x1, y1, x2, y2, x3, y3, ...]")
    return np.asarray(value, dtype=np.float64).reshape(-1, 2)


def _counts(
    path: Path, place: str, value: Mapping[str, Any], shape: tuple[int, int]
) -> tuple[int, ...]:
    size, counts = value.get("size"), value.get("counts")
    if size != list(shape):
        raise _error(path, place, f"has run lengths for {size!r}, but its image is {list(shape)}")
    try:
        if isinstance(counts, str):
            counts = text_to_counts(counts)
        if not isinstance(counts, list) or not all(_is_whole(count) for count in counts):
            raise _error(path, place, "has no counts: expected a text or a list of whole numbers")
        # Checked here, where the entry can be named.
        decode_counts(counts, shape)
    except (ValueError, OverflowError) as error:
        raise _error(path, place, f"cannot be decoded: {error}") from error
    return tuple(counts)


def _name(path: Path, place: str, record: Mapping[str, Any]) -> str:
    name = record.get("file_name")
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise _error(path, place, "has no file_name")
    return name


def _shape(path: Path, place: str, record: Mapping[str, Any]) -> tuple[int, int]:
    height, width = (_whole(path, place, record, name) for name in ("height", "width"))
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise _error(path, place, f"has a size of {height} x {width} px")
    return height, width


def _whole(path: Path, place: str, record: Mapping[str, Any], name: str) -> int:
    value: Any = record.get(name)
    if not _is_whole(value):
        raise _error(path, place, f"expected a whole number for {name}, but got {value!r:.60}")
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e9 and math.isfinite(value)


def _error(path: Path, place: str, detail: str) -> InputError:
    return InputError(" ".join(f"{path}, {place}: {detail}".split()))
