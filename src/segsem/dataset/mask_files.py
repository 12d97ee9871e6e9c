"""Masks in files to label images: labels, binary masks, and what is neither."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.core.types import LabelArray
from segsem.dataset.kinds import MaskKind
from segsem.imaging.decoded import one_line
from segsem.imaging.plane_tiff import plane_shape, read_described_plane

SUFFIXES = (".tif", ".tiff", ".png")
LABELS_MARK = "segsem labels"
"""ImageDescription of our own label images: they are never taken for binary ones."""

SPECK_PX = 16
_DAMAGED = (OSError, ValueError, TypeError, SyntaxError, LookupError, MemoryError)
"""Pillow answers damaged files with many exception types; a decompression bomb is a warning."""

_BINARY_VALUES = ((1,), (255,), (65535,))


def read_masks(path: Path, shape: tuple[int, int], kind: MaskKind = MaskKind.AUTO) -> LabelArray:
    """Read the objects of an image.

    Parameters
    ----------
    path : Path
        TIFF or PNG of one channel: a label image (each value an object, 0 none), or a binary mask
        (each 4-connected part an object).
    shape : (int, int)
        (H, W) of the image.
    kind : MaskKind
        `auto` takes a file with one value, which is 1 or the type's highest, for binary.

    Returns
    -------
    (H, W) int32
        1..N, no number left out, 0 where there is no object.

    Raises
    ------
    InputError
        If it cannot be read, is of another size, empty, or no mask at all.
    """
    values, is_ours = _values(path, shape)
    found = np.unique(values)
    if found[0] < 0:
        msg = f"{path} holds negative values: expected 0 and, for objects, 1, 2, ..."
        raise InputError(msg)
    found = found[found > 0]
    if len(found) == 0:
        msg = f"{path} holds no object: all of it is 0"
        raise InputError(msg)
    if kind is MaskKind.BINARY:
        return parts_of(np.asarray(values > int(found[-1]) // 2))
    if kind is MaskKind.AUTO and not is_ours and tuple(found.tolist()) in _BINARY_VALUES:
        return parts_of(np.asarray(values > 0))
    labels = np.searchsorted(np.concatenate([[0], found]), values).astype(np.int32)
    if kind is MaskKind.AUTO and not is_ours:
        _check_labels(path, labels, found)
    return labels


def parts_of(mask: npt.NDArray[np.bool_]) -> LabelArray:
    """Number the 4-connected parts of a (H, W) mask."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    return np.asarray(labels, dtype=np.int32)


def _values(path: Path, shape: tuple[int, int]) -> tuple[npt.NDArray[np.integer], bool]:
    if path.suffix.lower() in (".tif", ".tiff"):
        # Before anything is decoded: a damaged header may promise gigabytes.
        _check_size(path, plane_shape(path), shape)
        array, description = read_described_plane(path)
        is_ours = description.startswith(LABELS_MARK)
    else:
        array, is_ours = _png(path, shape), False
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "ui" or array.size == 0:
        msg = f"Expected whole numbers in the mask {path}, but got {array.dtype}"
        raise InputError(msg)
    if array.max() > np.iinfo(np.int32).max:
        msg = f"{path} holds {array.max()}: expected labels of at most {np.iinfo(np.int32).max}"
        raise InputError(msg)
    values: npt.NDArray[np.integer] = array.astype(array.dtype, copy=False)
    return values, is_ours


def _check_size(path: Path, found: tuple[int, ...], shape: tuple[int, int]) -> None:
    if found != shape:
        size = " x ".join(map(str, found))
        msg = (
            f"{path} is {size} px, but its image is {shape[0]} x {shape[1]}: expected a mask of "
            "the image's size, of one channel"
        )
        raise InputError(msg)


def _png(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.generic]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, image.size[::-1], shape)
                # A palette's colours mean nothing here: its indices are the labels.
                array = np.asarray(image)
    except (*_DAMAGED, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        msg = f"{path} cannot be read as a mask: {one_line(error)}"
        raise InputError(msg) from error
    if array.ndim == 3 and (array == array[..., :1]).all():
        array = array[..., 0]
    if array.ndim != 2:
        msg = f"Expected a mask of one channel, but {path} is in colour: save labels or grey values"
        raise InputError(msg)
    return array


def _check_labels(path: Path, labels: LabelArray, found: npt.NDArray[np.generic]) -> None:
    """Refuse a binary mask with soft edges, every grey of which would be an object."""
    sizes = np.bincount(labels.ravel())[1:]
    if found[-1] == 255 and len(found) > 16 and np.mean(sizes < SPECK_PX) > 0.5:
        msg = (
            f"{path} has {len(found)} values, most of them in a few pixels: it looks like a binary "
            "mask with soft edges; say --mask-kind binary (or labels, if it holds labels)"
        )
        raise InputError(msg)
