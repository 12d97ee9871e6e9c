"""Fine-tune on six real images and measure on the two others, in turns: a regression check.

    python tools/measure_real_finetune.py DATA -o OUT [--epochs 5] [--folds 4]

DATA is the folder with `real_sem/prefab_soi_ebl`. Its reference is an Otsu threshold, an output of
an algorithm: the table says whether fine-tuning harms or helps on real images, not how right
contours are. Two neighbouring pattern scales are held out at a time. Pieces of the reference that
the registered design knows nothing of (loose flakes), and specks, are left out of the masks that
teach and that are measured on; the data stay as they are. Every fold is a file in OUT/runs: started
again, it goes on. The table is OUT/table.md.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage as ndi
from skimage.io import imread

from segsem.cli.progress_bar import shown
from segsem.contours.trace import trace
from segsem.core.files import write_json, write_text
from segsem.core.priority import step_back
from segsem.dataset.additions import add_all
from segsem.dataset.finding import find_images
from segsem.dataset.kinds import MaskKind
from segsem.evaluation.fewshot_plan import ENCODER, RunKey
from segsem.evaluation.fewshot_score import KnownImage, score_images
from segsem.evaluation.fewshot_trainer import FinetuneTrainer
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.metrics.polyline import Polyline
from segsem.models.registry import NANO_CONFIG
from segsem.project.project import Project

PIXEL_NM = 1.655
FOLDS = (("0.03_1", "0.03_2"), ("0.05_1", "0.07_1"), ("0.08_1", "0.10_1"), ("0.12_1", "0.13_1"))
LEAST_KNOWN = 0.1
"""A piece of the reference of which less than this lies on the design is a flake."""

LEAST_PX2 = 150
VALUES = ("click_iou", "box_iou", "click_boundary_f1", "box_boundary_f1")
DRAWS, SEED = 4000, 17


def main() -> None:
    """Run what is missing, write the table."""
    args = _arguments()
    step_back()
    args.out.mkdir(parents=True, exist_ok=True)
    removed = write_masks(args.data / "real_sem/prefab_soi_ebl", args.out)
    project = make_project(args.out)
    trainer = FinetuneTrainer(project, args.base, seconds=float("inf"), epochs=args.epochs)
    images = {key: read_known(args.out, key) for pair in FOLDS for key in pair}
    rows = []
    for number, pair in enumerate(FOLDS[: args.folds]):
        path = args.out / "runs" / f"fold{number}.json"
        if not path.is_file():
            write_json(path, run_fold(trainer, images, pair, number))
        rows += json.loads(path.read_text(encoding="utf-8"))["objects"]
    write_text(args.out / "table.md", table(rows, removed) + "\n")


def write_masks(source: Path, out: Path) -> dict[str, int]:
    """Write the reference without flakes as label images, and the images' list.

    Returns
    -------
    dict of str to int
        Pieces that were left out, by image.
    """
    masks, removed = out / "masks", {}
    masks.mkdir(exist_ok=True)
    with (out / "images.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "pixel_size_nm", "site"])
        for pair in FOLDS:
            for key in pair:
                name = f"random_lpass_{key}.png"
                silicon = imread(source / "otsu_reference" / name) > 127
                design = imread(source / "design_on_sem_grid" / name) > 127
                labels, removed[key] = without_flakes(silicon, design)
                tifffile.imwrite(masks / f"random_lpass_{key}.tif", labels.astype(np.int32))
                table.writerow([(source / "SEM" / name).resolve(), PIXEL_NM, key[:4]])
    return removed


def without_flakes(silicon: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the pieces that the design knows; count those left out."""
    labels, count = ndi.label(silicon)
    numbers = np.arange(1, count + 1)
    area = ndi.sum_labels(silicon, labels, numbers)
    known = ndi.sum_labels(design, labels, numbers) / np.maximum(area, 1)
    keep = (area >= LEAST_PX2) & (known >= LEAST_KNOWN)
    new = np.zeros(count + 1, np.int32)
    new[1:][keep] = np.arange(1, keep.sum() + 1)
    return new[labels], int((~keep).sum())


def make_project(out: Path) -> Path:
    """Put images and masks into a project, where it is not there yet."""
    folder = out / "project"
    if not (folder / "project.toml").is_file():
        found = find_images([out / "images.csv"], out / "masks", MaskKind.LABELS)
        project = Project.create(folder, "prefab")
        try:
            shown(add_all(project, found.additions, name="reference"))
        finally:
            project.close()
    return folder


def read_known(out: Path, key: str) -> KnownImage:
    """Read an image and the masks that stand for its truth."""
    name = f"random_lpass_{key}"
    with (out / "images.csv").open(encoding="utf-8") as file:
        path = next(Path(row["path"]) for row in csv.DictReader(file) if name in row["path"])
    labels = tifffile.imread(out / "masks" / f"{name}.tif")
    contours, region = [], []
    for label in range(1, int(labels.max()) + 1):
        for line in trace((labels == label).astype(np.float32) - np.float32(0.5), (0, 0)):
            contours.append(Polyline(line.vertices_rc, line.closed))
            region.append(label)
    grey = normalise(read_image(path))
    return KnownImage(name, "real", key, grey, labels, tuple(contours), tuple(region), bright=True)


def run_fold(
    trainer: FinetuneTrainer, images: dict[str, KnownImage], pair: Sequence[str], number: int
) -> dict[str, object]:
    """Train on all but a pair, and measure on it before and after."""
    held = [images[key] for key in pair]
    taught = [image.image_id for key, image in images.items() if key not in pair]
    before = shown(score_images(trainer.base(), held))
    key = RunKey(ENCODER, len(taught), number)
    trained = shown(trainer.train(key, taught, [image.image_id for image in held]))
    after = shown(score_images(trained.predictor, held))
    objects = [
        {"image": a.image_id, "label": a.label, "before": a.values, "after": b.values}
        for a, b in zip(before, after, strict=True)
    ]
    return {"held_out": list(pair), "seconds": trained.seconds, "objects": objects}


def table(rows: list[dict[str, object]], removed: dict[str, int]) -> str:
    """Means over objects before and after, with intervals of the gain by bootstrap over images."""
    names = sorted({str(row["image"]) for row in rows})
    lines = [
        "| held out | objects | pieces left out | "
        + " | ".join(value.replace("_", " ") for value in VALUES)
        + " |",
        "|---" * (3 + len(VALUES)) + "|",
    ]
    for name in [*names, "all"]:
        chosen = [row for row in rows if name in (row["image"], "all")]
        cells = [_cell(chosen, value, name == "all") for value in VALUES]
        left_out = removed.get(name.removeprefix("random_lpass_"), sum(removed.values()))
        lines.append(f"| {name} | {len(chosen)} | {left_out} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows: list[dict[str, object]], value: str, interval: bool) -> str:
    before, after = (np.array([row[when][value] for row in rows]) for when in ("before", "after"))
    text = f"{before.mean():.3f} to {after.mean():.3f}"
    if not interval:
        return text
    rng = np.random.default_rng(SEED)
    images = np.array([str(row["image"]) for row in rows])
    groups = [after[images == name] - before[images == name] for name in np.unique(images)]
    drawn = rng.integers(len(groups), size=(DRAWS, len(groups)))
    gains = [np.concatenate([groups[i] for i in draw]).mean() for draw in drawn]
    low, high = np.percentile(gains, [2.5, 97.5])
    return f"{text} ({low:+.3f} to {high:+.3f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--base", default=NANO_CONFIG)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folds", type=int, default=len(FOLDS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
