"""`write_outputs`: everything that is written for one image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segsem.core.exceptions import CalibrationError, ExportError, SegSemError, UsageError
from segsem.core.extraction import Extraction
from segsem.core.files import atomic_path
from segsem.export.batch_layout import layout_cell, write_layouts
from segsem.export.contours_csv import write_contours_csv
from segsem.export.labels import write_confidence, write_labels
from segsem.export.layer_map import LayerMap
from segsem.export.layout import LayoutFormat, LayoutOptions
from segsem.export.overlay import write_overlay
from segsem.export.regions_json import write_regions_json
from segsem.export.results import (
    CONFIDENCE_TIF,
    CONTOURS_CSV,
    LABELS_TIF,
    OVERLAY_PNG,
    REGIONS_JSON,
    find_results,
)
from segsem.export.selection import check_pixel_size

CSV = "csv"
PNG = "png"
LAYOUT_FORMATS = tuple(f.value for f in LayoutFormat)
FORMATS = (*LAYOUT_FORMATS, CSV, PNG)


def write_outputs(
    extraction: Extraction,
    out: Path | str,
    *,
    formats: Sequence[str] | None = None,
    image: npt.NDArray[np.uint8] | None = None,
    allow_needs_human: bool = False,
    allow_long_gds: bool = False,
    layer_map: LayerMap | None = None,
) -> list[Path]:
    """Write one image's results: `OUT/<image-id>/` and the layouts of all results in `OUT`.

    `OUT/<image-id>/` holds `contours.csv`, `regions.json`, `labels.tif` and `confidence.tif`
    whatever the formats are, since everything else is read from them, and `overlay.png` if the
    image is given. They appear together or not at all. `OUT/contours.oas` and `.gds` have one
    cell for each image in `OUT`; for a batch, write each image with ``formats=("csv", "png")``
    and all layouts at the end with :func:`segsem.export.batch_layout.write_layouts`.

    Parameters
    ----------
    extraction : Extraction
        The image's result.
    out : path
        Folder; made if it is not there.
    formats : sequence of str, optional
        Out of `oas`, `gds`, `csv`, `png`. A format that is named must be written, or it is an
        error; without formats all that are possible are written, and a warning in
        `regions.json` says what was left out and why.
    image : (H, W) uint8 array, optional
        Grey image for the overlay.
    allow_needs_human, allow_long_gds : bool
        See :class:`segsem.export.layout.LayoutOptions`.
    layer_map : LayerMap, optional
        Layers and datatypes.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If a format is unknown, or `png` is asked for without an image.
    CalibrationError
        If a layout is asked for and the pixel size is unknown; nothing is written then.
    ExportError
        If a file cannot be written; or a layout is asked for and regions wait for a decision or
        a contour is too long for GDSII: the result folder is complete then.
    """
    out = Path(out)
    asked = FORMATS if formats is None else _checked_formats(formats, image)
    layouts = [f for f in LayoutFormat if f.value in asked]
    options = LayoutOptions(
        allow_needs_human=allow_needs_human,
        allow_long_gds=allow_long_gds,
        layer_map=layer_map or LayerMap(),
    )
    if formats is not None and layouts:
        check_pixel_size(extraction.image_id, extraction.pixel_size_nm)
    refusals = _refusals(extraction, layouts, options)
    if formats is None:
        extraction = _with_warnings(extraction, refusals)
    written = write_results(extraction, out, image=image if PNG in asked else None)
    if formats is not None and refusals:
        raise refusals[0]
    if layouts:
        written += write_layouts(
            find_results(out), out, formats=layouts, options=options, skip_refused=True
        )
    return written


def write_results(
    extraction: Extraction, out: Path | str, *, image: npt.NDArray[np.uint8] | None = None
) -> list[Path]:
    """Write the result folder `OUT/<image-id>/`, which :func:`read_results` reads.

    All of its files get their names together, after the last of them is whole.

    Parameters
    ----------
    extraction : Extraction
        The image's result.
    out : path
        Folder of all results.
    image : (H, W) uint8 array, optional
        Grey image; without it there is no overlay, and one of an earlier run is removed.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ExportError
        If a file cannot be written; nothing is left then.
    """
    folder = Path(out) / _folder_name(extraction.image_id)
    names = [CONTOURS_CSV, LABELS_TIF, CONFIDENCE_TIF, REGIONS_JSON]
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with ExitStack() as renames:
            # They are renamed in reverse order: regions.json, which makes a folder a result,
            # is entered first and stands last.
            paths = {
                name: renames.enter_context(atomic_path(folder / name)) for name in reversed(names)
            }
            write_contours_csv(paths[CONTOURS_CSV], [extraction])
            write_labels(paths[LABELS_TIF], extraction)
            write_confidence(paths[CONFIDENCE_TIF], extraction)
            write_regions_json(paths[REGIONS_JSON], extraction)
            if image is not None:
                names.append(OVERLAY_PNG)
                overlay = renames.enter_context(atomic_path(folder / OVERLAY_PNG))
                write_overlay(overlay, extraction, image)
    except ExportError as error:
        # The inner message names a temporary file.
        reason = getattr(error.__cause__, "strerror", None) or error
        msg = (
            f"Cannot write the results of {extraction.image_id} into {folder}: {reason}. "
            "Choose a folder that is writable and has space."
        )
        raise ExportError(msg) from error
    finally:
        _remove_empty(made)
    if image is None:
        with suppress(OSError):
            (folder / OVERLAY_PNG).unlink(missing_ok=True)
    return [folder / name for name in names]


def _checked_formats(
    formats: Sequence[str], image: npt.NDArray[np.uint8] | None
) -> tuple[str, ...]:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        msg = f"Expected formats out of {', '.join(FORMATS)}, but got {unknown[0]!r}"
        raise UsageError(msg)
    if PNG in formats and image is None:
        msg = "Expected the grey image for the format png, but got none: give `image`"
        raise UsageError(msg)
    return tuple(formats)


def _refusals(
    extraction: Extraction, layouts: Sequence[LayoutFormat], options: LayoutOptions
) -> list[SegSemError]:
    refusals: list[SegSemError] = []
    for layout_format in layouts:
        try:
            layout_cell(extraction, layout_format, options)
        except (CalibrationError, ExportError) as error:
            refusals.append(error)
    return refusals


def _with_warnings(extraction: Extraction, refusals: Sequence[SegSemError]) -> Extraction:
    warnings = [f"No layout was written: {error}" for error in refusals]
    new = [w for w in dict.fromkeys(warnings) if w not in extraction.warnings]
    return replace(extraction, warnings=(*extraction.warnings, *new))


def _folder_name(image_id: str) -> str:
    if not image_id.strip(". ") or any(c in image_id for c in "/\\\0") or image_id[0] == ".":
        msg = f"Expected an image id that can name a folder, but got {image_id!r}"
        raise ExportError(msg)
    return image_id


def _remove_empty(folders: Sequence[Path]) -> None:
    # Folders that hold something refuse to go, which is what is wanted.
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
