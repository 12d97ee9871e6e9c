"""`python -m segsem.training.example_worker JSON`: the batches of every W-th step to stdout.

A batch is drawn from (seed, step) alone, so that a run gives the same batches however many
workers it has and however it was interrupted. Crops are drawn here too; the model is never
loaded.
"""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np

from segsem.engine.messages import Message, write_message
from segsem.synth.training import random_crop
from segsem.training.augmentation import augment
from segsem.training.batch import Batch, make_batch
from segsem.training.curriculum import Stage, stage_at


def draw_batch(seed: int, step: int, stage: Stage, box_share: float) -> Batch:
    """Draw the batch of a step."""
    crops = []
    for i in range(stage.n_crops):
        rng = np.random.default_rng([seed, stage.size_px, step, i])
        crops.append(augment(rng, random_crop(rng, stage.size_px, stage.rims)))
    return make_batch(np.random.default_rng([seed, step]), crops, stage.n_objects, box_share)


def as_message(batch: Batch) -> Message:
    """Pack a batch for the pipe."""
    return Message(
        {"prior": batch.prior.kind.value},
        {
            "grey": batch.grey,
            "filled_px": batch.filled_px.astype(np.float32),
            "labels": batch.labels,
            "inverted": batch.inverted,
            "frame_index": batch.frame_index.astype(np.float32),
            "object_label": batch.object_label.astype(np.float32),
            "points_xy": batch.prompts.points_xy,
            "point_labels": batch.prompts.labels.astype(np.float32),
            "boxed": batch.prompts.boxed,
            "unknown_px": batch.prior.unknown_px,
            "coarseness": batch.prior.coarseness,
            "height": batch.prior.height,
        },
    )


def main() -> None:
    """Write batches until the reader closes the pipe, or all steps are done."""
    order = json.loads(sys.argv[1])
    curriculum = [Stage(**stage) for stage in order["curriculum"]]
    cv2.setNumThreads(1)
    try:
        for step in range(order["first"], order["steps"], order["stride"]):
            stage = stage_at(step, order["steps"], curriculum)
            batch = draw_batch(order["seed"], step, stage, order["box_share"])
            write_message(sys.stdout.buffer, as_message(batch))
    except (BrokenPipeError, KeyboardInterrupt):
        # The reader has what it wanted: closing stdout again at exit would complain.
        sys.stderr.close()


if __name__ == "__main__":
    main()
