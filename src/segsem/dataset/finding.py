"""What is to be added: images with masks in files, folders, `segsem synth` sets and COCO files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsem.core.exceptions import InputError
from segsem.dataset.additions import Addition, NewMasks
from segsem.dataset.coco_read import CocoImage, masks_of, read_coco
from segsem.dataset.kinds import MaskKind
from segsem.dataset.mask_files import SUFFIXES, read_masks
from segsem.imaging.discover import IMAGE_SUFFIXES, ImageSource, discover
from segsem.imaging.image import SEMImage
from segsem.imaging.plane_tiff import read_plane
from segsem.project.project import Project

TRUTH_LABELS = "labels.tif"


@dataclass(frozen=True, slots=True)
class Found:
    """Images to be added, and what there is to say of how they were found."""

    additions: tuple[Addition, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask file, read once its image is known.

    Attributes
    ----------
    path : Path
    kind : MaskKind
    class_name : str
        Of all its objects.
    classes : mapping of str to str
        Class names by label, where a file tells them.
    """

    path: Path
    kind: MaskKind = MaskKind.AUTO
    class_name: str = ""

    def __call__(self, image: SEMImage) -> NewMasks:
        """Read the masks of an image."""
        labels = read_masks(self.path, image.shape, self.kind)
        classes = {label: self.class_name for label in range(1, int(labels.max()) + 1)}
        return NewMasks(
            labels, classes if self.class_name else {}, {"kind": "mask", "file": self.path.name}
        )


@dataclass(frozen=True, slots=True)
class CocoMasks:
    """Masks of one image of a COCO file."""

    image: CocoImage
    file: str

    def __call__(self, image: SEMImage) -> NewMasks:
        """Make the masks of an image.

        Raises
        ------
        InputError
            If the file speaks of another size.
        """
        if image.shape != self.image.shape:
            height, width = self.image.shape
            msg = (
                f"{self.file} says that {self.image.name} is {height} x {width} px, but "
                f"{image.path} is {image.shape[0]} x {image.shape[1]}"
            )
            raise InputError(msg)
        return masks_of(self.image, {"kind": "coco", "file": self.file})


def find_images(
    inputs: Sequence[Path],
    masks: Path | None = None,
    kind: MaskKind = MaskKind.AUTO,
    class_name: str = "",
    groups: Mapping[str, str] | None = None,
) -> Found:
    """Find images and their masks.

    Parameters
    ----------
    inputs : sequence of Path
        Images, folders, manifests; a `segsem synth` folder brings its truth.
    masks : Path, optional
        Folder of masks of the images' stems, or one file for one image.
    kind : MaskKind
    class_name : str
        Of all objects.
    groups : mapping of str to str, optional
        Wafer, site and the like of all images.

    Raises
    ------
    InputError
        If there is no image, an image has no mask, or a mask no image.
    """
    sources = discover(inputs)
    paired = None if masks is None else _paired(masks, sources)
    additions = []
    for source in sources:
        mask = _truth_of(source) if paired is None else paired[source.path]
        load = None if mask is None else MaskFile(mask, kind, class_name)
        additions.append(Addition(source.path, load, source.manifest, dict(groups or {})))
    return Found(tuple(additions))


def find_coco(path: Path, folder: Path | None, project: Project) -> Found:
    """Find the images that a COCO file names.

    Parameters
    ----------
    path : Path
        The COCO file.
    folder : Path, optional
        Where the images are; the file's own folder if not given. Images that are not there are
        looked for among the project's, by name.
    project : Project

    Raises
    ------
    InputError
        If the file is wrong, or an image is not there.
    """
    content = read_coco(path)
    additions = []
    notes = [f"{content.crowds} crowds are left out"] if content.crowds else []
    if content.without_objects:
        notes.append(f"{content.without_objects} images without objects are left out")
    for image in content.images:
        where = _image_of(image.name, folder or path.parent, project)
        if where is None:
            msg = (
                f"{path} names the image {image.name}, but it is neither in "
                f"{folder or path.parent} nor in the project: say --images FOLDER"
            )
            raise InputError(msg)
        additions.append(Addition(where, CocoMasks(image, path.name)))
    return Found(tuple(additions), tuple(notes))


def find_label_folder(folder: Path, images: Path | None, project: Project) -> Found:
    """Find the images of a folder of label TIFFs: ID.tif for the project's image of that id.

    Parameters
    ----------
    folder : Path
        As `export_labels` writes it; `classes.json` is read where there is one.
    images : Path, optional
        Folder of images of these stems; the project's own images if not given.
    project : Project

    Raises
    ------
    InputError
        If there is none, or one belongs to no image.
    """
    files = _masks_in(folder)
    classes = _classes(folder / "classes.json")
    additions = []
    for stem, path in files.items():
        row = project.images.get(stem)
        where = None if row is None else project.images.path_of(row)
        if images is not None:
            where = _beside(images / stem) or where
        if where is None or not where.is_file():
            msg = f"{path} belongs to no image: there is no {stem} in {images or 'the project'}"
            raise InputError(msg)
        load = NamedMasks(MaskFile(path), classes.get(stem, {}))
        additions.append(Addition(where, load))
    return Found(tuple(additions))


@dataclass(frozen=True, slots=True)
class NamedMasks:
    """A label image whose objects have class names, by their label in the file."""

    file: MaskFile
    classes: Mapping[str, str]

    def __call__(self, image: SEMImage) -> NewMasks:
        """Read the masks of an image."""
        masks = self.file(image)
        if not self.classes:
            return masks
        # Labels are numbered anew as they are read; in order, so that the names still fit.
        named = sorted(int(label) for label in self.classes if label.isdigit())
        return NewMasks(masks.labels, self._of(named), masks.origin)

    def _of(self, named: Sequence[int]) -> dict[int, str]:
        values = sorted({int(value) for value in read_plane(self.file.path).ravel().tolist()} - {0})
        order = {value: number for number, value in enumerate(values, start=1)}
        return {order[label]: self.classes[str(label)] for label in named if label in order}


def _truth_of(source: ImageSource) -> Path | None:
    row = None if source.manifest is None else source.manifest.row_for(source.path)
    if row is None or source.manifest is None or not row.groups.get("truth"):
        return None
    path = source.manifest.path.parent / row.groups["truth"] / TRUTH_LABELS
    if not path.is_file():
        msg = f"Expected the truth of {source.path.name} in {path}, but it is not there"
        raise InputError(msg)
    return path


def _paired(masks: Path, sources: Sequence[ImageSource]) -> dict[Path, Path]:
    if masks.is_file():
        if len(sources) != 1:
            msg = f"{masks} is one mask for {len(sources)} images: give a folder of masks"
            raise InputError(msg)
        return {sources[0].path: masks}
    files = _masks_in(masks)
    without = [source.path.name for source in sources if source.path.stem not in files]
    if without:
        msg = (
            f"{masks} has no mask for {without[0]}"
            f"{f' and {len(without) - 1} more' if len(without) > 1 else ''}: expected a file of "
            f"the same stem, ending in {', '.join(SUFFIXES)}"
        )
        raise InputError(msg)
    unknown = sorted(set(files) - {source.path.stem for source in sources})
    if unknown:
        msg = f"{files[unknown[0]]} belongs to none of the images: take it out of {masks}"
        raise InputError(msg)
    return {source.path: files[source.path.stem] for source in sources}


def _masks_in(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        msg = f"Expected a folder of masks, but {folder} is none"
        raise InputError(msg)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            msg = f"{folder} has two masks of the stem {path.stem}: keep one"
            raise InputError(msg)
        found[path.stem] = path
    if not found:
        msg = f"{folder} holds no masks: expected files ending in {', '.join(SUFFIXES)}"
        raise InputError(msg)
    return found


def _image_of(name: str, folder: Path, project: Project) -> Path | None:
    try:
        given = Path(name)
        for path in (folder / given, folder / given.name):
            if path.is_file():
                return path
    except (OSError, ValueError):
        return None
    for row in project.images:
        known = project.images.path_of(row)
        if known is not None and known.name == given.name and known.is_file():
            return known
    return None


def _beside(stem: Path) -> Path | None:
    for suffix in IMAGE_SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    return None


def _classes(path: Path) -> dict[str, dict[str, str]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): {str(label): str(value) for label, value in labels.items()}
            for name, labels in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        msg = f"{path} cannot be read: expected class names by image and label"
        raise InputError(msg) from error
