"""`write_report`: a lot as one HTML file to read, print and sign."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from segsem.core.exceptions import UsageError
from segsem.core.files import write_text
from segsem.core.progress import Progress
from segsem.export.job import ExportJob
from segsem.export.report_data import DEFAULT_PICTURES, collect_report
from segsem.export.report_html import report_html

SUFFIXES = (".html", ".htm")


def write_report(
    job: ExportJob,
    path: Path,
    *,
    seed: int = 0,
    pictures: int = DEFAULT_PICTURES,
    images: Path | None = None,
) -> Generator[Progress, None, Path]:
    """Write the report of a lot.

    The file is whole in itself, and the same state gives the same bytes.

    Parameters
    ----------
    job : ExportJob
        Results with decisions, measures and verdicts.
    path : Path
        The file, ending in `.html`.
    seed : int
        Draws the random regions.
    pictures : int
        How many of the least sure, and of random regions.
    images : Path, optional
        Folder of the images, where they are not where they were.

    Yields
    ------
    Progress
        One for each image.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If the file's name does not end in `.html`.
    InputError
        If results cannot be read.
    ExportError
        If the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        msg = f"Expected a file that ends in .html for the report, but got {path}"
        raise UsageError(msg)
    data = yield from collect_report(job, seed=seed, pictures=pictures, images=images)
    write_text(path, report_html(data))
    return path
