"""Plant errors in a lot and see where the reviewer's queue puts them.

    python tools/measure_queue.py -o runs/queue --seed 731000002      20 synthetic and 4 real images
    python tools/measure_queue.py -o runs/queue --score-only          the same results again

Synthetic images are those of `segsem synth --preset default` (14) and `--preset contacts` (6) with
the seed. Real ones are read from $SEGSEM_SHARED_DATA (or ../shared/data), and left out where they
are not there; what is right in them is what the extraction says without planted errors. Errors
are planted before routing, placement and rating (see `segsem.evaluation.planted_errors`). What
the pipeline repairs is told, and is no error.

Columns: `planted`; `stand` those that came out wrong by the truth; `gone` those of them that left
no region (a mask without an edge under it is dropped as shading), which a neighbour's entry must
tell; `early` those that stand and are among the first 20 % of the queue; `median` and `worst` of
their places in per cent of the queue. "Sauvola took over" is no error where its outline is right:
it counts as planted, as what a reviewer wants to see.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from segsem.core.files import write_json
from segsem.evaluation.planted_errors import Planted
from segsem.evaluation.planted_lot import (
    LotImage,
    PlantedError,
    rank_of,
    synthetic_lot,
    write_planted,
)
from segsem.export.reviewed import find_lot, open_review
from segsem.imaging.read import read_image
from segsem.models.load import load_predictor
from segsem.review.item import ItemFlag
from segsem.review.review import Review

EARLY = 0.2
PRESETS = {"default": 14, "contacts": 6}
REAL = (
    "uuhy_resist/Square_100nm_100kX.TIF",
    "giyorah_defect_sem/case1_inspected_image.tif",
    "prefab_soi_ebl/SEM/random_lpass_0.05_1.png",
    "emsec_ic_metal_figure_crops/ic_metal_tile0.png",
)
PLANTED = "planted.json"


def main() -> None:
    """Make the lot, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the lot")
    parser.add_argument("--seed", type=int, default=731_000_002)
    parser.add_argument("--share", type=float, default=1.0, help="of the synthetic images")
    parser.add_argument("--no-real", action="store_true")
    parser.add_argument("--model", default="segsem-nano")
    parser.add_argument("--score-only", action="store_true", help="results are there")
    parser.add_argument("--list", action="store_true", help="each error that is not early")
    args = parser.parse_args()
    if not args.score_only:
        every = chain(_synthetic(args.out, args.seed, args.share), () if args.no_real else _real())
        errors = write_planted(every, load_predictor(args.model), args.out / "results", args.seed)
        write_json(args.out / PLANTED, [error.as_json() for error in errors])
    errors = [PlantedError(**one) for one in json.loads((args.out / PLANTED).read_text())]
    review = open_review(find_lot([args.out / "results"]))
    sys.stdout.write(f"{table(errors, review)}\n")
    if args.list:
        sys.stdout.write(f"{late(errors, review)}\n")


def _synthetic(out: Path, seed: int, share: float) -> Iterator[LotImage]:
    for preset, count in PRESETS.items():
        wanted = max(round(share * count), 1)
        for given in synthetic_lot(out / "synth" / preset, preset, wanted, seed):
            _tell(given.image.name)
            yield given


def _real() -> Iterator[LotImage]:
    here = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SEGSEM_SHARED_DATA", here)) / "real_sem"
    for name in REAL:
        path = root / name
        if not path.is_file():
            _tell(f"left out: {path} is not there")
            continue
        _tell(path.stem)
        yield LotImage(read_image(path), in_array="Square" in path.name)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def table(errors: list[PlantedError], review: Review) -> str:
    """One line for each kind, and what else the queue holds."""
    total = len(review.queue)
    first = int(np.ceil(EARLY * total))
    lines = [f"{'':<24}{'planted':>8}{'stand':>7}{'gone':>6}{'early':>7}{'median':>8}{'worst':>8}"]
    early = standing = 0
    for kind in [*(kind.value for kind in Planted), "all"]:
        own = [error for error in errors if kind in (error.kind, "all")]
        stand = [error for error in own if error.state == "stands"]
        ranks = [total if (rank := rank_of(error, review)) is None else rank for error in stand]
        n_early = sum(rank < first for rank in ranks)
        if kind == "all":
            early, standing = n_early, len(stand)
        gone = sum(error.region_id is None for error in stand)
        row = f"{kind:<24}{len(own):>8}{len(stand):>7}{gone:>6}{n_early:>7}"
        if ranks:
            row += f"{100 * np.median(ranks) / total:>7.1f}%{100 * max(ranks) / total:>7.1f}%"
        lines.append(row)
    flags = {
        flag.value: sum(flag in item.flags for item in review.queue.items) for flag in ItemFlag
    }
    said = ", ".join(f"{number} {name}" for name, number in flags.items() if number)
    lines.append(f"{total} regions in {len(review.images)} images: {said}")
    lines.append(f"{early} of {standing} ({early / max(standing, 1):.1%}) in the first {first}")
    return "\n".join(lines)


def late(errors: list[PlantedError], review: Review) -> str:
    """Errors that stand and are not among the first."""
    lines, total = [], len(review.queue)
    for error in errors:
        rank = rank_of(error, review) if error.state == "stands" else 0
        if rank is not None and rank < EARLY * total:
            continue
        item = None if rank is None else review.queue.items[rank]
        what = "" if item is None else f"{item.confidence:.3f} {item.source} {sorted(item.flags)}"
        lines.append(f"{error.image_id} {error.kind} region {error.region_id}: {rank} {what}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
