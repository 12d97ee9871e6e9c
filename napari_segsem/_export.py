"""Export, its preview and the report of a lot, as `segsem export` and `segsem report` do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from napari_segsem._lot import Lot
from segsem.core.contour import ReviewStatus
from segsem.core.progress import run_to_completion
from segsem.export.export_results import export_job
from segsem.export.job import ExportJob, ExportOptions
from segsem.export.layout import LayoutOptions
from segsem.export.preview import preview_export, preview_lines
from segsem.export.report import write_report

FORMATS = {
    "oas": "OASIS",
    "gds": "GDSII",
    "csv": "Points (CSV)",
    "geojson": "GeoJSON",
    **({"parquet": "Parquet"} if find_spec("pyarrow") else {}),
}
CHOSEN = ("oas", "gds", "csv")
NEEDS_NM = ("oas", "gds", "geojson")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported.

    Attributes
    ----------
    formats : tuple of str
    only_accepted : bool
        Leave out what nobody has accepted.
    override : bool
        Export regions that wait for a person; the manifest names them.
    image_frame : bool
        Leave cells in image coordinates although there are registrations.
    """

    formats: tuple[str, ...]
    only_accepted: bool = False
    override: bool = False
    image_frame: bool = False

    @property
    def options(self) -> ExportOptions:
        """The same in the words of the export."""
        layout = LayoutOptions(only_accepted=self.only_accepted, allow_needs_human=self.override)
        return ExportOptions(self.formats, layout, image_frame=self.image_frame)


def blocked_reason(lot: Lot, wish: Wish) -> str | None:
    """Say at once why the export is blocked; None where nothing is known against it."""
    if not wish.formats:
        return "Choose at least one format"
    undecided = len(lot.undecided)
    if wish.only_accepted:
        taken = (ReviewStatus.ACCEPTED, ReviewStatus.CORRECTED)
        if not any(lot.status(key) in taken for key in lot.review.items):
            return "Nothing is accepted yet: accept regions, or export all but rejected ones"
        return None
    if not undecided or wish.override:
        return None
    noun = "region needs" if undecided == 1 else "regions need"
    return f"{undecided} {noun} a decision before export: accept or reject, or override here"


def preview(folder: Path, wish: Wish) -> tuple[list[str], list[str]]:
    """Say what an export would write, and what stands against it; nothing is written.

    Raises
    ------
    SegSemError
        If results cannot be read.
    """
    found = run_to_completion(preview_export(ExportJob.open([folder], wish.options)))
    return preview_lines(found), list(found.blocked)


def export(folder: Path, out: Path, wish: Wish) -> list[Path]:
    """Export a lot; see :func:`segsem.export.export_results.export_results`."""
    return export_job(ExportJob.open([folder], wish.options), out)


def report(folder: Path, path: Path) -> Path:
    """Write the report of a lot; see :func:`segsem.export.report.write_report`."""
    return run_to_completion(write_report(ExportJob.open([folder]), path))


def names_of(paths: Sequence[Path]) -> str:
    """Name files in a line."""
    return ", ".join(path.name for path in paths)
