"""`manifest.json` of an export: what was written, from what, how, on whose word."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segsem import __version__
from segsem.core.files import write_json
from segsem.export.batch_layout import edge_definition
from segsem.export.cells import cell_name
from segsem.export.job import ExportJob
from segsem.export.regions_json import plain_json
from segsem.export.reviewed import ResultFolder
from segsem.export.selection import is_exported, is_undecided
from segsem.review.gates import GateReport
from segsem.review.item import ItemKey
from segsem.review.review import standing_json

MANIFEST = "manifest.json"
FORMAT = "segsem-export"
FORMAT_VERSION = 1

_VERSIONS_OF = ("gdstk", "numpy", "shapely")


def write_manifest(folder: Path, job: ExportJob, offsets_nm: Mapping[str, float]) -> None:
    """Write the manifest of the files that stand in a folder.

    It holds no time of its own, so that two exports of the same state are the same bytes; when
    was decided what is in it.

    Parameters
    ----------
    folder : Path
        Holds the export's files and nothing else.
    job : ExportJob
        What was exported.
    offsets_nm : mapping of image id to float
        Mean offset that was applied.
    """
    write_json(folder / MANIFEST, manifest(folder, job, offsets_nm))


def manifest(folder: Path, job: ExportJob, offsets_nm: Mapping[str, float]) -> dict[str, Any]:
    """Build the manifest as plain JSON values."""
    files = [path for path in sorted(folder.iterdir()) if path.name != MANIFEST]
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "segsem": __version__,
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS_OF},
        "parameters": _parameters(job),
        "overrides": overrides(job),
        "reviewers": reviewers(job),
        "lot": {"name": job.quality.lot.name, **_verdict(job.quality.lot)},
        "qa_limits": plain_json(job.limits.model_dump()),
        "images": [_image(result, job, offsets_nm) for result in job.lot],
        "files": [_file(path) for path in files],
    }


def overrides(job: ExportJob) -> list[dict[str, Any]]:
    """List what a person has overridden, and for which regions."""
    layout = job.options.layout
    said: list[dict[str, Any]] = []
    if layout.allow_needs_human:
        regions = {r.image_id: ids for r in job.lot if (ids := job.undecided_ids(r))}
        said.append({"override": "allow_needs_human", "exported_without_decision": regions})
    if layout.allow_long_gds:
        said.append({"override": "allow_long_gds"})
    return said


def reviewers(job: ExportJob) -> list[str]:
    """Who has decided about these results, by name."""
    return sorted({name for review in job.reviews.values() for name in review.reviewers})


def _parameters(job: ExportJob) -> dict[str, Any]:
    options, layout = job.options, job.options.layout
    offset = options.offset
    return {
        "formats": list(options.formats),
        "only_accepted": layout.only_accepted,
        "dbu_nm": layout.dbu_nm,
        "layers": {name: list(numbers) for name, numbers in layout.layer_map.items()},
        "columns": None if options.columns is None else dict(options.columns.columns),
        "frame": "design" if layout.places else "image",
        "design": plain_json(job.measured.design) if layout.places else None,
        "offset": None if offset is None else offset.model_dump(mode="json"),
        "offset_layer": options.offset_layer,
    }


def _image(result: ResultFolder, job: ExportJob, offsets_nm: Mapping[str, float]) -> dict[str, Any]:
    record, provenance = result.record, result.record.provenance
    review, stands = job.reviews[result.image_id], job.stands(result)
    only = job.options.layout.only_accepted
    decided = {}
    for region_id in stands:
        standing = review.standing(ItemKey(result.image_id, region_id))
        if standing.decision is not None or standing.reopened:
            decided[str(region_id)] = dict(standing_json(standing))
    exported = {i for i, region in stands.items() if is_exported(region, only_accepted=only)}
    return {
        "image_id": result.image_id,
        "cell": cell_name(result.image_id),
        "image_path": plain_json(provenance.get("image_path")),
        "image_sha256": plain_json(provenance.get("image_sha256")),
        "results_digest": result.digest,
        "pixel_size_nm": plain_json(record.pixel_size_nm),
        "pixel_size_source": record.pixel_size_source,
        "model": plain_json(provenance.get("model")),
        "weights_sha256": plain_json(provenance.get("weights_sha256")),
        "extracted_with": plain_json(provenance.get("version")),
        "parameters": plain_json(provenance.get("params")),
        "threshold": plain_json(provenance.get("threshold")),
        "confidence_calibrated": plain_json(provenance.get("confidence_calibrated")),
        "edge_definition": plain_json(edge_definition(provenance)),
        "offset_nm": offsets_nm.get(result.image_id, 0.0),
        "registration": _registration(result.image_id, job),
        **_verdict(job.quality.images[result.image_id]),
        "regions": len(stands),
        "exported": sorted(exported),
        "left_out": {
            str(i): "rejected" if region.status == "rejected" else "not accepted"
            for i, region in stands.items()
            if i not in exported
        },
        "exported_without_decision": sorted(
            i for i, region in stands.items() if i in exported and is_undecided(region)
        ),
        "decisions": decided,
    }


def _registration(image_id: str, job: ExportJob) -> dict[str, Any] | None:
    found = job.measured.registrations.get(image_id)
    if found is None:
        return None
    place = found.place
    return {
        "used": image_id in job.options.layout.places,
        "verdict": found.verdict.value,
        "residual_rms_nm": plain_json(found.residual_rms_nm),
        "shift_nm": list(found.shift_nm),
        "rotation_deg": place.rotation_deg,
        "scale": place.scale,
    }


def _verdict(report: GateReport) -> dict[str, Any]:
    return {
        "verdict": report.verdict.value,
        "reasons": report.reasons,
        "checks": [
            {"check": c.name, "verdict": c.verdict.value, "value": c.value, "limits": c.limits}
            for c in report.checks
        ],
    }


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def files_of(manifest_path: Path) -> Sequence[str]:
    """Names of the files of an earlier export; none where there is no readable manifest."""
    try:
        content = json.loads(manifest_path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            return []
        names = [str(item["name"]) for item in content["files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    # A manifest that was tampered with must not name files elsewhere.
    return [name for name in names if name == Path(name).name and name[:1] != "."]
