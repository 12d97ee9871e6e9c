"""Score `segsem extract` on a set made by `segsem synth`, against its exact truth.

    segsem synth -o DIR --count 20 --seed 1
    python tools/score_synth.py DIR                 with the bundled model
    python tools/score_synth.py DIR --fallback-only

Prints one row an image and the pooled random error (one mean per image removed).
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import tifffile

import segsem
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Routing, Tone
from segsem.metrics.epe import compare_contours
from segsem.metrics.epe_report import EPEMetric, epe_report, fraction_within
from segsem.metrics.polyline import Polyline
from segsem.metrics.topology import match_regions

LEAST_REGION_PX = 100
"""Pieces that the border cuts smaller than this are not counted as missing or extra."""


def read_truth(path: Path) -> list[Polyline]:
    """Read the exact contours of one image."""
    points: dict[str, list[tuple[float, float]]] = {}
    closed: dict[str, bool] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            points.setdefault(row["contour_id"], []).append(
                (float(row["y_px"]), float(row["x_px"]))
            )
            closed[row["contour_id"]] = row["closed"] == "1"
    return [Polyline(np.array(points[key]), closed[key]) for key in points if len(points[key]) > 1]


def border_cut(labels: np.ndarray) -> set[int]:
    """Return the labels that touch the image's border."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return {int(label) for label in np.unique(edge)} - {0}


def score(
    extraction: Extraction, truth: list[Polyline], labels: np.ndarray, metric: EPEMetric
) -> str:
    """Compare one image with its truth and return its row."""
    contours = [Polyline.from_contour(c) for r in extraction.regions for c in r.contours]
    samples = compare_contours(contours, truth, extraction.shape)
    metric.update(samples)
    report = epe_report(samples)
    found = extraction.labels()
    topology = match_regions(found, labels.astype(np.int32), min_area_px=0)
    small = {i for i in border_cut(labels) if np.count_nonzero(labels == i) < LEAST_REGION_PX}
    missing = [i for i in topology.missing if i not in small]
    extra = [
        i
        for i in topology.extra
        if not (i in border_cut(found) and np.count_nonzero(found == i) < LEAST_REGION_PX)
    ]
    sources = Counter(region.source.value for region in extraction.regions)
    sigmas = np.concatenate([c.sigma_px for r in extraction.regions for c in r.contours])
    said = float(np.sqrt(np.nanmean(sigmas**2)))
    right = fraction_within(samples, 1.5, report.median_px)
    return (
        f"bias {report.bias_px:+.2f} sigma {report.sigma_px:.3f} (said {said:.3f}) "
        f"p95 {report.p95_centred_px:.2f} "
        f"within1.5 {right:.3f} missing {len(missing)} extra {len(extra)} "
        f"split {len(topology.split)} merged {len(topology.merged)} "
        f"missing_px {report.missing_length_px:.0f} extra_px {report.extra_length_px:.0f} "
        f"regions {len(extraction.regions)} {dict(sources)} "
        f"needs_human {sum(r.needs_human for r in extraction.regions)}"
    )


def main() -> None:
    """Run over the set's manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fallback-only", action="store_true")
    parser.add_argument("--auto-tone", action="store_true", help="do not tell the tone")
    parser.add_argument("--model", default="segsem-nano")
    args = parser.parse_args()
    predictor = None if args.fallback_only else segsem.load_predictor(args.model)
    routing = Routing.SAUVOLA_ONLY if args.fallback_only else Routing.HYBRID
    metric = EPEMetric()
    rows = list(csv.DictReader((args.folder / "manifest.csv").open(encoding="utf-8")))
    for row in rows:
        image = segsem.read_image(args.folder / row["image"])
        tone = Tone.AUTO if args.auto_tone else Tone(row["tone"])
        extraction = segsem.extract(image, predictor, ExtractParams(tone=tone, routing=routing))
        truth_dir = args.folder / row["truth"]
        line = score(
            extraction,
            read_truth(truth_dir / "contours.csv"),
            tifffile.imread(truth_dir / "labels.tif"),
            metric,
        )
        told = f"{image.name} {row['family']} {row['tone']} snr {row['edge_snr']}"
        sys.stdout.write(f"{told} blur {row['blur_px']}: {line}\n")
        sys.stdout.flush()
    pooled = metric.compute()
    sys.stdout.write(
        f"pooled: sigma {pooled.sigma_px:.3f} px, p95 {pooled.p95_centred_px:.3f} px, "
        f"missing {pooled.missing_length_px:.0f} px, extra {pooled.extra_length_px:.0f} px "
        f"of {pooled.truth_length_px:.0f} px\n"
    )


if __name__ == "__main__":
    main()
