"""The report as one HTML file that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from segsem import __version__
from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.export.batch_layout import edge_definition
from segsem.export.manifest import reviewers
from segsem.export.report_data import ReportData
from segsem.export.report_pictures import Picture
from segsem.export.report_plots import histogram, line_sample, share_bar
from segsem.export.report_style import STYLE
from segsem.review.gates import Check, GateReport

MOST_DIFFERENCES = 50


def report_html(data: ReportData) -> str:
    """Build the whole document."""
    title = f"Contour review report: {data.job.quality.lot.name}"
    body = "\n".join(
        [
            _first_page(data),
            _images(data),
            _distributions(data),
            _pictures("Least sure regions", _WORST_NOTE, data.worst),
            _pictures(
                "Random regions",
                f"Drawn with seed {data.seed} from all others, so that the usual is seen too.",
                data.random,
            ),
            _reviewers(data),
            _provenance(data),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


_WORST_NOTE = "First in the queue: what needs a person, then by confidence."


def _first_page(data: ReportData) -> str:
    report, counts = data.job.quality.lot, data.counts
    named = reviewers(data.job)
    facts = [
        ("Images", str(len(data.job.lot))),
        ("Regions", str(counts.total)),
        ("Accepted", str(counts.accepted)),
        ("Corrected", str(counts.corrected)),
        ("Rejected", str(counts.rejected)),
        ("Open", str(counts.open)),
        ("Waiting for a person", str(counts.blocking)),
        ("Reviewed by", ", ".join(named) or "nobody"),
        ("Last decision", _time(data.last_decision) or "none"),
    ]
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts)
    return (
        '<section class="first">'
        '<p class="kind">Contour review report</p>'
        f"<h1>{escape(report.name)}</h1>"
        f'<p class="verdict {report.verdict.value}">Verdict: '
        f"<strong>{report.verdict.value.upper()}</strong></p>"
        f"{_reasons(report)}"
        f'<div class="columns"><table class="facts">{rows}</table>'
        f"<div><h3>Checks of the lot</h3>{_checks(report.checks)}</div></div>"
        f"{_lost(data)}"
        '<table class="sign"><tr><th>Name</th><th>Decision</th><th>Date</th><th>Signature</th></tr>'
        f"{'<tr><td></td><td></td><td></td><td></td></tr>' * 2}</table>"
        "</section>"
    )


def _reasons(report: GateReport) -> str:
    if not report.reasons:
        return "<p>All checks pass.</p>"
    return f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in report.reasons)}</ul>"


def _checks(checks: Sequence[Check]) -> str:
    rows = ([check.name, _Mark(check.verdict.value), check.value, check.limits] for check in checks)
    return _table(["Check", "", "Found", "Asked for"], rows)


def _lost(data: ReportData) -> str:
    lost = [
        f"{image_id}: {line}"
        for review in {id(r): r for r in data.job.reviews.values()}.values()
        for image_id, lines in sorted(review.gone.items())
        for line in lines
    ]
    if not lost:
        return ""
    listed = "".join(f"<li>{escape(line)}</li>" for line in lost[:MOST_DIFFERENCES])
    return f"<h3>Decisions that could not be carried over</h3><ul>{listed}</ul>"


def _images(data: ReportData) -> str:
    rows = []
    for result in data.job.lot:
        report = data.job.quality.images[result.image_id]
        by_name = {check.name: check.value for check in report.checks}
        stands = data.job.stands(result).values()
        rows.append(
            [
                result.image_id,
                _Mark(report.verdict.value),
                len(result.record.regions),
                sum(s.status == "pending" for s in stands),
                by_name["Pixel size"],
                by_name["SNR"],
                by_name["Blur"],
                by_name["Saturation"],
                "; ".join(report.reasons) or "none",
            ]
        )
    heads = ["Image", "", "Regions", "Open", "Pixel size", "SNR", "Blur", "Saturation", "Reasons"]
    return f"<section><h2>Images</h2>{_table(heads, rows, 'wide')}</section>"


def _distributions(data: ReportData) -> str:
    labels = {source: SOURCE_STYLES[source].label for source in data.confidences}
    colors = {labels[source]: SOURCE_STYLES[source].color for source in data.confidences}
    thresholds = {result.review_image().threshold for result in data.job.lot}
    confidence = histogram(
        {labels[source]: values for source, values in data.confidences.items()},
        colors,
        label="confidence (0 to 1)",
        low=0.0,
        high=1.0,
        mark=thresholds.pop() if len(thresholds) == 1 else None,
    )
    cd = histogram({"features": data.cds_nm}, {"features": "#6b7b8c"}, label="CD (nm)", bins=30)
    rows = [
        [
            _Raw(f"{line_sample(one.source)} {escape(SOURCE_STYLES[one.source].label)}"),
            one.regions,
            f"{100 * one.share:.1f} %",
            one.accepted,
            one.corrected,
            one.rejected,
            one.open,
            _number(one.confidence, "{:.2f}"),
            _number(one.sigma_px, "{:.3f}"),
            _number(one.sigma_nm, "{:.3f}"),
        ]
        for one in data.sources
    ]
    heads = ["Source", "Regions", "Share", "Accepted", "Corrected", "Rejected", "Open",
             "Median confidence", "Median sigma (px)", "Median sigma (nm)"]  # fmt: skip
    shares = share_bar({one.source: one.regions for one in data.sources})
    uncalibrated = [
        r.image_id for r in data.job.lot if not r.record.provenance.get("confidence_calibrated")
    ]
    note = ""
    if uncalibrated:
        note = (
            f"<p class='note'>Confidence of {len(uncalibrated)} of {len(data.job.lot)} images is "
            "not calibrated: it ranks regions, but is no probability.</p>"
        )
    return (
        f"<section><h2>Sources and their quality</h2>{shares}{_table(heads, rows, 'wide')}{note}"
        '<div class="columns"><figure>'
        f"{confidence}<figcaption>Confidence of regions by source. The dashed line is the "
        "threshold below which a region is doubtful.</figcaption></figure>"
        f"<figure>{cd}<figcaption>Mean CD of each feature in its narrower direction."
        "</figcaption></figure></div></section>"
    )


def _pictures(title: str, note: str, pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    figures = "".join(_picture(picture) for picture in pictures)
    return (
        f"<section><h2>{escape(title)}</h2><p>{escape(note)}</p>{_legend()}"
        f'<div class="pictures">{figures}</div></section>'
    )


def _picture(picture: Picture) -> str:
    part = ", part" if picture.is_part else ""
    confidence = _number(picture.confidence, "{:.2f}") or "not rateable"
    reason = f"<br>{escape(picture.reason)}" if picture.reason else ""
    return (
        f"<figure>{picture.svg}<figcaption><strong>{escape(picture.image_id)}</strong> region "
        f"{picture.region_id}{part}<br>{escape(picture.source)}, confidence {confidence}, "
        f"{escape(picture.status)}{reason}</figcaption></figure>"
    )


def _legend() -> str:
    entries = "".join(
        f"<span>{line_sample(source)} {escape(style.label)}</span>"
        for source, style in SOURCE_STYLES.items()
    )
    band = f'<i style="background:{NEEDS_HUMAN_STYLE.color}"></i>'
    return f'<p class="legend">{entries}<span>{band} {NEEDS_HUMAN_STYLE.label}</span></p>'


def _reviewers(data: ReportData) -> str:
    if not data.agreements:
        return ""
    rows = [
        [f"{a.first} and {a.second}", a.both, f"{100 * a.agreed:.1f} %",
         _number(a.kappa, "{:.2f}") or "not defined", len(a.differences)]
        for a in data.agreements
    ]  # fmt: skip
    differences = [
        [d.key.image_id, d.key.region_id, f"{a.first}: {d.first}", f"{a.second}: {d.second}"]
        for a in data.agreements
        for d in a.differences
    ]
    shown = _table(["Image", "Region", "", ""], differences[:MOST_DIFFERENCES])
    if len(differences) > MOST_DIFFERENCES:
        shown += f"<p>{len(differences) - MOST_DIFFERENCES} more are not listed.</p>"
    heads = ["Reviewers", "Regions in common", "Agreed", "Cohen's kappa", "Differences"]
    return (
        f"<section><h2>Reviewers compared</h2>{_table(heads, rows)}"
        f"{shown if differences else ''}</section>"
    )


def _provenance(data: ReportData) -> str:
    rows = []
    for result in data.job.lot:
        said = result.record.provenance
        edge = edge_definition(said)
        edge = edge if isinstance(edge, dict) else {}
        rows.append(
            [
                result.image_id,
                _short(said.get("image_sha256")),
                said.get("model") if isinstance(said.get("model"), str) else "",
                _short(said.get("weights_sha256")),
                f"{edge.get('edge_method', 'unknown')}, {edge.get('edge_side', 'unknown')}",
                said.get("version") or "",
                _short(result.digest),
            ]
        )
    heads = ["Image", "Image sha256", "Model", "Weights sha256", "Edge definition",
             "Extracted with", "Results"]  # fmt: skip
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in data.notes)
    limits = _table(
        ["QA limit", "Warns", "Fails"],
        (
            [name.replace("_", " "), *(value if isinstance(value, tuple) else (value, ""))]
            for name, value in data.job.limits.model_dump().items()
        ),
    )
    return (
        f"<section><h2>Provenance</h2>{_table(heads, rows, 'wide')}{notes}"
        "<p>Hashes are cut to 12 signs; <code>segsem export</code> writes them whole into "
        f"manifest.json. Report by segsem {escape(__version__)}.</p>{limits}</section>"
    )


class _Raw(str):
    """Markup that is already safe."""

    __slots__ = ()


class _Mark(str):
    """A verdict, shown as a coloured word."""

    __slots__ = ()


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "") -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f'<table class="data {kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(value: Any) -> str:
    if isinstance(value, _Raw):
        return f"<td>{value}</td>"
    if isinstance(value, _Mark):
        return f'<td><span class="mark {value}">{escape(value)}</span></td>'
    if isinstance(value, int | float):
        return f'<td class="number">{value:g}</td>'
    return f"<td>{escape(str(value))}</td>"


def _number(value: float, text: str) -> str:
    return text.format(value) if math.isfinite(value) else ""


def _time(iso: str) -> str:
    return iso.replace("T", " ").replace("Z", " UTC")


def _short(value: Any) -> str:
    return str(value)[:12] if value else ""
