"""IMAGE, FOLDER and MANIFEST arguments to a list of images with unique ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsem.core.exceptions import InputError
from segsem.core.types import PixelSize
from segsem.imaging import manifest as manifests
from segsem.imaging.image import SEMImage
from segsem.imaging.manifest import Manifest, read_manifest
from segsem.imaging.read import MAX_PIXELS, read_image

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
FOLDER_MANIFESTS = ("manifest.csv", "manifest.json")


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image that is to be read.

    Attributes
    ----------
    image_id : str
        The file's stem, with a short hash of its path where two stems collide.
    path : Path
        The file, as given.
    manifest : Manifest or None
        Where it was listed.
    pixel_size_nm : (float, float) or None
        (y, x), as given by the user.
    max_pixels : int
        Largest number of pixels.
    """

    image_id: str
    path: Path
    manifest: Manifest | None = None
    pixel_size_nm: PixelSize | None = None
    max_pixels: int = MAX_PIXELS

    def read(self) -> SEMImage:
        """Read the image; its name is `image_id`."""
        image = read_image(
            self.path,
            pixel_size_nm=self.pixel_size_nm,
            manifest=self.manifest,
            max_pixels=self.max_pixels,
        )
        return replace(image, name=self.image_id)


def discover(
    inputs: Iterable[Path | str],
    *,
    pixel_size_nm: PixelSize | None = None,
    max_pixels: int = MAX_PIXELS,
) -> list[ImageSource]:
    """Expand files, folders and manifests.

    A folder stands for the images directly in it, sorted by name; if it holds a `manifest.csv`
    or `manifest.json`, that counts too. A file whose name ends in `.csv` or `.json` is a
    manifest. Any other file is taken as an image whatever its name, missing ones included:
    reading them says what is wrong. An image named twice is taken once.

    Parameters
    ----------
    inputs : iterable of path
        As given on the command line.
    pixel_size_nm : (float, float) or None
        (y, x), used where no other source has it.
    max_pixels : int
        Largest number of pixels.

    Returns
    -------
    list of ImageSource
        In the order given.

    Raises
    ------
    InputError
        If nothing is given, a folder holds no images, or a manifest is wrong.
    """
    found: dict[Path, tuple[Path, Manifest | None]] = {}
    for given in inputs:
        for path, listed_in in _expand(Path(given)):
            known = found.get(path.resolve())
            # A file may be named on its own and in a manifest, which knows more.
            if known is None or known[1] is None:
                found[path.resolve()] = (known or (path, None))[0], listed_in
    if not found:
        msg = "No images given; expected image files, folders or a manifest"
        raise InputError(msg)
    ids = _unique_ids(list(found))
    return [
        ImageSource(image_id, path, listed_in, pixel_size_nm, max_pixels)
        for image_id, (path, listed_in) in zip(ids, found.values(), strict=True)
    ]


def _expand(given: Path) -> list[tuple[Path, Manifest | None]]:
    if _is_folder(given):
        return _expand_folder(given)
    if given.suffix.lower() in manifests.SUFFIXES:
        manifest = read_manifest(given)
        return [(row.path, manifest) for row in manifest.rows]
    return [(given, None)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _expand_folder(folder: Path) -> list[tuple[Path, Manifest | None]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        msg = f"{folder} cannot be listed: {error.strerror or error}"
        raise InputError(msg) from error
    named: list[tuple[Path, Manifest | None]] = []
    for name in FOLDER_MANIFESTS:
        if (folder / name).is_file():
            manifest = read_manifest(folder / name)
            named += [(row.path, manifest) for row in manifest.rows]
            break
    images = [path for path in entries if _is_image(path)]
    if not images and not named:
        msg = (
            f"{folder} holds no images; expected files ending in {', '.join(IMAGE_SUFFIXES)} "
            "directly in it, or a manifest.csv"
        )
        raise InputError(msg)
    return [*named, *((path, None) for path in images)]


def _is_image(path: Path) -> bool:
    is_named_so = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return is_named_so and path.is_file()


def _unique_ids(paths: Sequence[Path]) -> list[str]:
    """Stems, hashed where two collide; not case-sensitive, as some file systems are not."""
    count = Counter(path.stem.casefold() for path in paths)
    ids = []
    for path in paths:
        is_alone = count[path.stem.casefold()] == 1
        # Of the whole path, so that an id depends on no order and on no other argument.
        digest = hashlib.sha256(path.as_posix().encode("utf-8", "surrogateescape")).hexdigest()
        ids.append(path.stem if is_alone else f"{path.stem}-{digest[:8]}")
    return ids
