"""Scores as `metrics.csv` and `table.md`."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segsem.core.files import write_text
from segsem.evaluation.contour_groups import (
    GROUPINGS,
    LayerOffset,
    blur_spreads,
    condition,
    grouped_scores,
    layer_offsets,
)
from segsem.evaluation.contour_protocol import ImageScore, by_variant
from segsem.evaluation.contour_score import Placement
from segsem.evaluation.contour_summary import (
    PlacementFigures,
    of_sources,
    paired_difference,
    placement_figures,
)
from segsem.evaluation.statistics import Mean

METRICS_CSV = "metrics.csv"
TABLE_MD = "table.md"

_LEAST_FOR_INTERVAL = 5
"""Fewer images say nothing about how images differ."""

_IMAGE_FIELDS = (
    "variant",
    "image_id",
    "family",
    "tone",
    "edge_snr",
    "blur_px",
    "feature_px",
    "bound_px",
)
_PLACEMENT_FIELDS = (
    "bias_px",
    "sigma_px",
    "p95_px",
    "max_px",
    "p95_penalised_px",
    "feature_spread_px",
    "z_sigma",
    "completeness",
    "truth_length_px",
    "extra_length_px",
    "duplicate_length_px",
    "border_length_px",
    "reversed_length_px",
    "cd_bias_px",
    "cd_sigma_px",
    "cd_cuts",
)
_REGION_FIELDS = (
    "iou",
    "boundary_f1_1px",
    "boundary_f1_2px",
    "hausdorff_px",
    "hd95_px",
    "missing",
    "extra",
    "bridged",
    "broken",
    "rateable",
    "wrong",
    "gross_failures",
)

_LEGEND = """\
Errors are in px along the normals of the truth, positive outwards (feature too large); sigma, p95
and max are about one mean per image, which a calibration takes off. In brackets: 95 % interval by
bootstrap over images, where there are five or more. "raw": contours before the image placed them
(the level set of the segmentation). "z": RMS of the error over the sigma claimed. "p95 paid": the
mean over images of the p95 with 5 px for every px of edge that is missing or extra. A feature
counts where 32 px of its edge lie at least 4 px inside the image; it is wrong where it is not
matched one to one or less than 95 % of its edge lies within 1.5 px. SNR is that of the edge's peak,
which cannot be compared between tones; the Cramér-Rao bound per row can.
"""


def write_report(out: Path | str, scores: Sequence[ImageScore], source: str) -> list[Path]:
    """Write `metrics.csv` (one row an image and variant) and `table.md`.

    Parameters
    ----------
    out : path
        Folder; made if it is not there.
    scores : sequence of ImageScore
        Of one set.
    source : str
        What was measured, for the table's head.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ExportError
        If the folder cannot be written to.
    """
    out = Path(out)
    paths = [out / METRICS_CSV, out / TABLE_MD]
    write_text(paths[0], metrics_csv(scores))
    write_text(paths[1], table_md(scores, source))
    return paths


def metrics_csv(scores: Sequence[ImageScore]) -> str:
    """One row for each image and variant; empty where there is no figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    raw_names = [f"raw_{name}" for name in _PLACEMENT_FIELDS]
    writer.writerow([*_IMAGE_FIELDS, *_PLACEMENT_FIELDS, *raw_names, *_REGION_FIELDS])
    for score in scores:
        row = [getattr(score, name) for name in _IMAGE_FIELDS]
        row += [getattr(score.placed, name) for name in _PLACEMENT_FIELDS]
        row += [getattr(score.raw, name) for name in _PLACEMENT_FIELDS]
        row += [getattr(score.regions, name) for name in _REGION_FIELDS]
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def table_md(scores: Sequence[ImageScore], source: str) -> str:
    """All tables as Markdown."""
    variants = dict(by_variant(scores))
    parts = [f"# Contours against exact truth: {source}", _LEGEND]
    for name, own in variants.items():
        parts.append(f"## {name}: {len(own)} images")
        for title, key in GROUPINGS.items():
            groups = grouped_scores(own, key)
            if groups:
                parts += _placement_table(
                    title, {g: [s.placed for s in v] for g, v in groups.items()}
                )
        parts += _placement_table("source", of_sources(own))
        raw = {g: [s.raw for s in v] for g, v in grouped_scores(own, condition).items()}
        parts += _placement_table("raw, by condition", raw or {"all": [s.raw for s in own]})
        parts += _region_table(own)
        parts += _layer_table(layer_offsets(own))
    parts += _paired_tables(variants)
    return "\n".join(parts) + "\n"


_PLACEMENT_COLUMNS: dict[str, Callable[[PlacementFigures], str]] = {
    "images": lambda f: str(f.images),
    "bias": lambda f: _signed(f.bias),
    "bias spread": lambda f: _number(f.bias_spread),
    "sigma": lambda f: _mean(f.sigma, f.images),
    "p95": lambda f: _mean(f.p95, f.images),
    "max": lambda f: _number(f.max, 2),
    "p95 paid": lambda f: _number(f.p95_penalised, 2),
    "feature means": lambda f: _number(f.feature_spread),
    "z": lambda f: _number(f.z_sigma, 2),
    "complete": lambda f: _number(f.completeness, 4),
    "twice": lambda f: _number(f.duplicates, 4),
    "extra": lambda f: _number(f.extra, 4),
    "CD bias": lambda f: _signed(f.cd_bias),
    "CD sigma": lambda f: _number(f.cd_sigma),
}


def _placement_table(title: str, groups: Mapping[str, Sequence[Placement]]) -> list[str]:
    rows = []
    for name, placements in groups.items():
        figures = placement_figures(placements)
        rows.append([name, *(cell(figures) for cell in _PLACEMENT_COLUMNS.values())])
    return _table([title, *_PLACEMENT_COLUMNS], rows)


def _region_table(scores: Sequence[ImageScore]) -> list[str]:
    head = ["regions", "images", "IoU", "F1 1 px", "F1 2 px", "HD", "HD95", "features", "wrong"]
    head += ["missing", "extra", "bridged", "broken"]
    rows = []
    for title in ("all", "family", "SNR"):
        for name, group in grouped_scores(scores, GROUPINGS[title]).items():
            regions = [score.regions for score in group]
            means = [
                _number(sum(getattr(r, field) for r in regions) / len(regions), digits)
                for field, digits in (
                    ("iou", 4),
                    ("boundary_f1_1px", 4),
                    ("boundary_f1_2px", 4),
                    ("hausdorff_px", 2),
                    ("hd95_px", 2),
                )
            ]
            counts = [
                str(sum(getattr(r, field) for r in regions))
                for field in ("rateable", "wrong", "missing", "extra", "bridged", "broken")
            ]
            label = name if title != "SNR" else f"SNR {name}"
            rows.append([label, str(len(group)), *means, *counts])
    return _table(head, rows)


def _layer_table(offsets: Sequence[LayerOffset]) -> list[str]:
    head = ["layer", "feature px", "blur px", "images", "offset"]
    head += ["spread over SNR", "of it SNR >= 4", "left after the others' offset"]
    rows = [
        [
            o.layer,
            _number(o.feature_px, 1),
            f"{o.blur_px:g}",
            str(o.images),
            _signed(o.offset_px),
            _number(o.spread_px),
            _number(o.spread_snr4_px),
            _number(o.residual_px),
        ]
        for o in offsets
    ]
    blurs = [
        [layer, _number(feature, 1), _number(spread)]
        for layer, (feature, spread) in blur_spreads(offsets).items()
    ]
    parts = _table(head, rows) if rows else []
    if blurs:
        parts += _table(["layer", "feature px", "spread of offsets over blurs <= 2.2 px"], blurs)
    return parts


_PAIRED: dict[str, Callable[[ImageScore], float]] = {
    "gross failures per image": lambda s: float(s.regions.gross_failures),
    "topology errors per image": lambda s: float(s.regions.topology_errors),
    "p95 paid, px": lambda s: s.placed.p95_penalised_px,
    "1 - completeness": lambda s: 1 - s.placed.completeness,
}


def _paired_tables(variants: Mapping[str, Sequence[ImageScore]]) -> list[str]:
    rows = []
    for (first, a), (second, b) in itertools.combinations(variants.items(), 2):
        left, right = ({s.image_id: s for s in scores} for scores in (a, b))
        shared = [image_id for image_id in left if image_id in right]
        for name, value in _PAIRED.items():
            pairs = [(value(left[i]), value(right[i])) for i in shared]
            known = [pair for pair in pairs if not any(math.isnan(v) for v in pair)]
            if known:
                difference = paired_difference([p[0] for p in known], [p[1] for p in known])
                said = f"{first} less {second}"
                rows.append(
                    [said, name, str(len(known)), _mean(difference, len(known), signed=True)]
                )
    return _table(["variants", "of", "images", "difference"], rows) if rows else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [" | ".join(["", *cells, ""]).strip() for cells in [head, ["---"] * len(head), *rows]]
    return [*lines, ""]


def _mean(mean: Mean, images: int, *, signed: bool = False) -> str:
    show = _signed if signed else _number
    if images < _LEAST_FOR_INTERVAL:
        return show(mean.value)
    return f"{show(mean.value)} ({show(mean.low)} to {show(mean.high)})"


def _number(value: float, digits: int = 3) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3f}"


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.6g}"
