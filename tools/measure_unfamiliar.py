"""What the gate for unfamiliar images is worth: regions right and wrong where nobody calibrated.

    python tools/measure_unfamiliar.py --images 8 --seed 992992001

Draws images of the preset "calibration" that are noisier, more blurred or sharper than it, or whose
grey values are clipped or bent, and counts regions of unfamiliar images, kept and wrong, by the
threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segsem.core.extraction import UNCAPPED
from segsem.core.params import ExtractParams, Tone
from segsem.imaging.image import SEMImage
from segsem.metrics.polyline import Polyline
from segsem.metrics.right_regions import RegionTruth, right_regions
from segsem.models.load import load_predictor
from segsem.pipeline import extract
from segsem.segmentation.predictor import Predictor
from segsem.synth.generate import SynthImage, generate_image
from segsem.synth.presets import Preset, get_preset

THRESHOLDS = (0.5, 0.65, 0.8, 0.85, 0.95)

Grey: TypeAlias = npt.NDArray[np.uint8]
Rated: TypeAlias = list[tuple[float, bool]]


def _clipped(grey: Grey) -> Grey:
    low, high = np.quantile(grey, [0.12, 0.88])
    return (np.clip((grey - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _bent(grey: Grey) -> Grey:
    return np.asarray(255 * (grey / 255.0) ** 2.5).astype(np.uint8)


def _same(grey: Grey) -> Grey:
    return grey


def _kinds() -> dict[str, tuple[Preset, Callable[[Grey], Grey]]]:
    usual = get_preset("calibration")
    return {
        "SNR 0.9 to 1.5": (replace(usual, edge_snr=(0.9, 1.5)), _same),
        "blur 4.6 to 7 px": (
            replace(usual, blur_px=(4.6, 7.0), feature_px=(26.0, 60.0)),
            _same,
        ),
        "an eighth clipped at either end": (usual, _clipped),
        "grey values to the power of 2.5": (usual, _bent),
        "SNR 20 to 40, blur 0.3 to 0.5 px": (
            replace(usual, edge_snr=(20.0, 40.0), blur_px=(0.3, 0.5)),
            _same,
        ),
    }


def _rated(made: SynthImage, grey: Grey, predictor: Predictor) -> Rated:
    """Confidence before it was capped, and whether right, of an unfamiliar image's regions."""
    found = extract(SEMImage(grey, "image"), predictor, ExtractParams(tone=Tone(made.tone)))
    if not found.provenance.get("ood"):
        return []
    truth = RegionTruth(
        [Polyline(c.vertices_rc, c.closed) for c in made.contours],
        np.array([c.region_id for c in made.contours], dtype=np.int64),
        made.labels,
    )
    verdict = right_regions(found.regions, found.labels(), truth)
    return [
        (region.evidence.get(UNCAPPED, region.confidence), verdict[region.region_id])
        for region in found.regions
        if region.region_id in verdict
    ]


def _row(name: str, rated: Rated) -> str:
    confidence = np.array([value for value, _ in rated])
    wrong = np.array([not right for _, right in rated], dtype=bool)
    cells = [name, str(len(rated)), str(int(wrong.sum()))]
    for threshold in THRESHOLDS:
        kept = confidence >= threshold
        cells.append(f"{int(kept.sum())} ({int((kept & wrong).sum())})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8, help="of each kind")
    parser.add_argument("--seed", type=int, default=992_992_001)
    args = parser.parse_args()
    predictor = load_predictor("segsem-nano")
    rated: dict[str, Rated] = defaultdict(list)
    for name, (preset, change) in _kinds().items():
        for index in range(args.images):
            made = generate_image(args.seed, preset, index)
            rated[name] += _rated(made, change(made.image), predictor)
    kept = " | ".join(f"kept (wrong) at {threshold:g}" for threshold in THRESHOLDS)
    lines = [
        f"| unfamiliar images | regions | wrong | {kept} |",
        "|---" * (3 + len(THRESHOLDS)) + "|",
    ]
    lines += [_row(name, own) for name, own in rated.items()]
    lines.append(_row("all", [pair for own in rated.values() for pair in own]))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
