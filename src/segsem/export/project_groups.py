"""Wafer, site and the like of a lot's images, as the project around the results says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segsem.export.reviewed import ResultFolder
from segsem.project.image_table import ImageRow, ImageTable
from segsem.review.limits import project_file_near
from segsem.review.repeats import RepeatImage


@dataclass(frozen=True, slots=True)
class ProjectGroups:
    """What the project that results lie in says of images.

    Attributes
    ----------
    by_image : mapping of str to mapping
        Groups of the images that have results, by their ids in the results.
    without_results : tuple of RepeatImage
        The project's other images.
    """

    by_image: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    without_results: tuple[RepeatImage, ...] = ()


def read_project_groups(folder: Path, lot: Sequence[ResultFolder]) -> ProjectGroups:
    """Read the groups of a lot's images from `images.csv` of the project around it.

    Images are known by their content; nothing is found where the results lie in no project.

    Raises
    ------
    InputError
        If `images.csv` is damaged.
    """
    project_file = project_file_near(folder)
    if project_file is None:
        return ProjectGroups()
    table = ImageTable.read(project_file.parent)
    rows = {result.image_id: _row_of(table, result) for result in lot}
    with_results = {row.image_id for row in rows.values() if row is not None}
    return ProjectGroups(
        {image_id: row.groups for image_id, row in rows.items() if row is not None},
        tuple(
            RepeatImage(row.image_id, row.groups, row.shape, row.pixel_size_nm, has_results=False)
            for row in table
            if row.image_id not in with_results
        ),
    )


def _row_of(table: ImageTable, result: ResultFolder) -> ImageRow | None:
    provenance = result.record.provenance
    for name in ("image_sha256", "content_hash"):
        row = table.find(str(provenance.get(name) or ""))
        if row is not None:
            return row
    return None
