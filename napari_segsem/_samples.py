"""File ▸ Open sample: the synthetic images that the repository ships."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from napari_segsem._document import Document
from napari_segsem._layers import IMAGE_KEY, placement
from segsem.core.exceptions import InputError
from segsem.imaging.manifest import read_manifest
from segsem.imaging.read import read_image

LayerTuple = tuple[Any, dict[str, Any], str]

FOLDER_VARIABLE = "SEGSEM_SAMPLE_DATA"


def sample_folder() -> Path:
    """Folder of the sample images.

    Raises
    ------
    InputError
        If it is not there.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[1] / "sample_data"
    if not (folder / "images").is_dir():
        msg = (
            f"Expected the sample images in {folder}, but they are not there: clone the "
            f"repository, or set {FOLDER_VARIABLE} to its sample_data folder"
        )
        raise InputError(msg)
    return folder


def lines() -> list[LayerTuple]:
    """Lines and spaces."""
    return _sample("line_space")


def contacts() -> list[LayerTuple]:
    """Array of contact holes."""
    return _sample("contact")


def line_ends() -> list[LayerTuple]:
    """Lines that end."""
    return _sample("line_end")


def free_form() -> list[LayerTuple]:
    """Free-form shapes."""
    return _sample("free")


def _sample(family: str) -> list[LayerTuple]:
    folder = sample_folder()
    manifest = read_manifest(folder / "manifest.csv")
    for row in manifest.rows:
        if any(family in text for text in (row.path.stem, *row.groups.values())):
            document = Document(read_image(row.path, manifest=manifest))
            described = {
                "name": document.image.name,
                "colormap": "gray",
                "contrast_limits": document.display_limits,
                "metadata": {IMAGE_KEY: document.image},
                **placement(document),
            }
            return [(document.image.data, described, "image")]
    msg = f"Expected a sample of {family} in {folder / 'manifest.csv'}, but found none"
    raise InputError(msg)
