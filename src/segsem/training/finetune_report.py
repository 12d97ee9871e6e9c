"""What fine-tuning leaves in the new model's folder: history, report, description."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsem.core.files import write_text
from segsem.models.add import describe_model
from segsem.training.finetune_calibration import Recalibrated
from segsem.training.finetune_parts import FrozenProof
from segsem.training.finetune_run import Run
from segsem.training.finetune_trainer import EpochRow
from segsem.training.held_out import ENOUGH_IMAGES, Comparison, Interval

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

HISTORY, REPORT = "history.csv", "report.md"
BETTER, NOT_BETTER = "better", "not better"

LABELS = {
    "click_iou": "IoU, one click",
    "box_iou": "IoU, box",
    "click_boundary_f1": "boundary F1 at 1 px, one click",
    "box_boundary_f1": "boundary F1 at 1 px, box",
    "edge_px": "mean edge error of the raw logits, px",
}
_COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "val_iou",
    "val_boundary_f1",
    "val_edge_px",
    "learning_rate_share",
    "best",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of fine-tuning came to.

    Attributes
    ----------
    folder : Path
    name, config : str
    run : Run
    rows : tuple of EpochRow
    best_epoch : int
    proof : FrozenProof
    comparisons : tuple of Comparison
    gain : Interval
        Of the mean of IoU and boundary F1, over clicks and boxes.
    objects : int
        Of the held-out images that were asked for.
    seconds, learning_rate : float
    versions : dict of str to str
    warnings : tuple of str
    calibration : Recalibrated
    """

    folder: Path
    name: str
    run: Run
    config: str
    rows: tuple[EpochRow, ...]
    best_epoch: int
    proof: FrozenProof
    comparisons: tuple[Comparison, ...]
    gain: Interval
    objects: int
    seconds: float
    learning_rate: float
    versions: dict[str, str]
    warnings: tuple[str, ...]
    calibration: Recalibrated

    @property
    def verdict(self) -> str:
        """`better` where the interval of the gain lies above 0, else `not better`."""
        return BETTER if self.gain.low > 0 else NOT_BETTER

    def as_event(self) -> dict[str, Any]:
        """JSON values of the event that ends a run."""
        return {
            "model": str(self.folder),
            "verdict": self.verdict,
            "gain": asdict(self.gain),
            "best_epoch": self.best_epoch,
            "epochs": self.rows[-1].epoch,
            "held_out": {one.measure: asdict(one) for one in self.comparisons},
            "calibration": asdict(self.calibration),
            "seconds": round(self.seconds, 1),
        }


def write_result(model: SAM2Base, outcome: Outcome) -> None:
    """Write `history.csv`, `report.md` and, last, `model.json` beside the weights.

    Raises
    ------
    ExportError
        If the disk is full.
    """
    write_text(outcome.folder / HISTORY, history_csv(outcome.rows))
    write_text(outcome.folder / REPORT, report(outcome))
    describe_model(model, outcome.folder, outcome.name, outcome.config, provenance(outcome))


def provenance(outcome: Outcome) -> dict[str, Any]:
    """What `model.json` says of where the weights come from."""
    run, proof = outcome.run, outcome.proof
    return {
        "kind": "fine-tuned",
        "base": run.base,
        "base_sha256": run.base_sha256,
        "train": run.params.train.value,
        "params": run.params.model_dump(mode="json"),
        "learning_rate": outcome.learning_rate,
        "seed": run.params.seed,
        "split": asdict(run.split),
        "image_sha256": {image.image_id: image.sha256 for image in run.images},
        "parts": {
            part: {"sha256_before": proof.before[part], "sha256_after": proof.after[part]}
            for part in proof.before
        },
        "epochs": outcome.rows[-1].epoch,
        "best_epoch": outcome.best_epoch,
        "held_out": {one.measure: asdict(one) for one in outcome.comparisons},
        "gain": asdict(outcome.gain),
        "verdict": outcome.verdict,
        "calibration": asdict(outcome.calibration),
        "adopted": False,
        "seconds": round(outcome.seconds, 1),
        "versions": outcome.versions,
    }


def history_csv(rows: tuple[EpochRow, ...]) -> str:
    """Epochs as a table; epoch 0 is the base model."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        val = row.val
        loss = "" if row.train_loss is None else f"{row.train_loss:.5f}"
        numbers = [val.loss, val.iou, val.boundary_f1, val.edge_px, row.rate]
        writer.writerow([row.epoch, loss, *(f"{v:.5f}" for v in numbers), int(row.best)])
    return text.getvalue()


def report(outcome: Outcome) -> str:
    """Return the report as Markdown."""
    run = outcome.run
    groups = {image.image_id: ", ".join(image.group) for image in run.images}
    hashes = {image.image_id: image.sha256 for image in run.images}
    lines = [
        f"# Fine-tuned model {outcome.name}",
        "",
        f"Verdict on held-out images: **{outcome.verdict}** than {run.base}. The mean of IoU and "
        f"boundary F1 over clicks and boxes changed by {_signed(outcome.gain)}.",
        "",
        *_held_out_lines(outcome),
        *(
            ["## Warnings", "", *(f"- {line}" for line in outcome.warnings), ""]
            if outcome.warnings
            else []
        ),
        "## Confidence",
        "",
        f"{outcome.calibration.note}.",
        "",
        "## What learnt, and what stayed",
        "",
        "Sha256 of names, shapes and bytes, read back from the weights file.",
        "",
        "| part | before | after | |",
        "|---|---|---|---|",
        *_part_lines(outcome.proof),
        "",
        "## Epochs",
        "",
        "Epoch 0 is the base model. Validation sites lie in training images and their masks never "
        "teach; the epoch with the highest mean of IoU and boundary F1 there was kept: "
        f"{outcome.best_epoch}.",
        "",
        "```",
        history_csv(outcome.rows).rstrip(),
        "```",
        "",
        "## Images",
        "",
        "| image | side | group | sha256 |",
        "|---|---|---|---|",
        *(
            f"| {name} | teaches | {groups[name]} | {hashes[name][:16]} |"
            for name in run.split.train
        ),
        *(
            f"| {name} | held out | {groups[name]} | {hashes[name][:16]} |"
            for name in run.split.held_out
        ),
        "",
        f"Validation sites: {len(run.split.sites)}, a quarter of an image each.",
        "",
        "## Parameters",
        "",
        f"Base model {run.base}, sha256 {run.base_sha256}.",
        f"Highest learning rate {outcome.learning_rate:g}.",
        "",
        "```",
        *(f"{name} = {value}" for name, value in run.params.model_dump(mode="json").items()),
        "```",
        "",
        f"{outcome.seconds:.0f} s; "
        + ", ".join(f"{name} {version}" for name, version in outcome.versions.items()),
        "",
    ]
    return "\n".join(lines)


def _held_out_lines(outcome: Outcome) -> list[str]:
    count = len(outcome.run.split.held_out)
    drawn = "images" if count >= ENOUGH_IMAGES else "objects (too few images are held out)"
    return [
        "## Before and after",
        "",
        f"{outcome.objects} objects of {count} held-out images, opened for this alone. Means with "
        f"95 % intervals by bootstrap over {drawn}.",
        "",
        "| measure | before | after | gain |",
        "|---|---|---|---|",
        *(
            f"| {LABELS[one.measure]} | {one.before} | {one.after} | {_signed(one.gain)} |"
            for one in outcome.comparisons
        ),
        "",
        "A gain is positive where the new model is better. The masks are the ones in the project: "
        "where they are wrong, so is this.",
        "",
    ]


def _part_lines(proof: FrozenProof) -> list[str]:
    lines = []
    for part, before in proof.before.items():
        after = proof.after[part]
        state = "byte-identical" if after == before else "changed"
        lines.append(f"| {part} | {before[:16]} | {after[:16]} | {state} |")
    return lines


def _signed(interval: Interval) -> str:
    return f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
