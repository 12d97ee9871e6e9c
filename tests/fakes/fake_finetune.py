"""Plays `segsem finetune --events jsonl` in a second: the documented events, and a model.

    python fake_finetune.py finetune PROJECT --name NAME --events jsonl ...

`$FAKE_FINETUNE` says how it goes: `better`, `worse`, `held` (goes on with steps until it is told
`cancel`, or ended), `fails` after an epoch, `dies` as where memory runs out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from segsem.contours.trace import Polyline
from segsem.models.store import BUNDLED, read_description, write_description
from segsem.training.outlines import ObjectOutlines, write_outlines

EPOCHS, STEPS = 3, 4
PACE_S = 0.01


def say(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def listen(going: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "pause":
            going.clear()
        elif line.strip() == "resume":
            going.set()


def rest(going: threading.Event) -> None:
    if not going.is_set():
        say("paused")
        going.wait()
        say("resumed")
    time.sleep(PACE_S)


def epoch(number: int) -> dict[str, Any]:
    return {
        "epoch": number,
        "train_loss": None if number == 0 else 0.3 / number,
        "val_loss": 0.1,
        "val_iou": 0.80 + 0.03 * number,
        "val_boundary_f1": 0.70 + 0.04 * number,
        "val_edge_px": 0.9 - 0.1 * number,
        "best": number > 0,
    }


def figures(better: bool) -> dict[str, Any]:
    gain = 0.05 if better else -0.02
    names = ("click_iou", "box_iou", "click_boundary_f1", "box_boundary_f1", "edge_px")
    held_out = {}
    for name in names:
        before, sign = (0.9, -5) if name == "edge_px" else (0.8, 1)
        after = before + sign * gain
        held_out[name] = {
            "measure": name,
            "before": {"mean": before, "low": before - 0.02, "high": before + 0.02},
            "after": {"mean": after, "low": after - 0.02, "high": after + 0.02},
            "gain": {"mean": gain, "low": gain - 0.01, "high": gain + 0.01},
        }
    return {
        "held_out": held_out,
        "gain": {"mean": gain, "low": gain - 0.01, "high": gain + 0.01},
        "verdict": "better" if better else "not better",
    }


def make_model(folder: Path, better: bool, held_out: str, base: str) -> None:
    for leftover in ("run.json", "checkpoint.pt"):
        (folder / leftover).unlink(missing_ok=True)
    source = BUNDLED / "segsem-nano"
    shutil.copy(source / "weights.safetensors", folder / "weights.safetensors")
    square = np.array([(40.0, 40.0), (40.0, 90.0), (90.0, 90.0), (90.0, 40.0)])
    before = {kind: (Polyline(square + 4, True),) for kind in ("click", "box")}
    after = {kind: (Polyline(square, True),) for kind in ("click", "box")}
    write_outlines(folder, {held_out: [ObjectOutlines(before, after)]})
    about = read_description(source)
    about.provenance.clear()
    about.provenance.update(
        {
            "kind": "fine-tuned",
            "base": base,
            "split": {"held_out": [held_out]},
            "seconds": 1.0,
            "adopted": False,
            **figures(better),
        }
    )
    write_description(folder, about)


def main() -> None:
    arguments = sys.argv[1:]
    project = Path(arguments[1])
    name = arguments[arguments.index("--name") + 1]
    base = arguments[arguments.index("--base") + 1] if "--base" in arguments else "segsem-nano"
    mode = os.environ.get("FAKE_FINETUNE", "better")
    rows = (project / "images.csv").read_text(encoding="utf-8").splitlines()[1:]
    ids = [row.split(",")[0] for row in rows]
    folder = project / "models" / name
    going = threading.Event()
    going.set()
    threading.Thread(target=listen, args=(going,), daemon=True).start()
    resumed = "--resume" in arguments
    if not resumed:
        say("reading", done=0, total=len(ids), message=f"reading {ids[0]}")
    say(
        "started",
        base=base,
        train="image_encoder",
        weights_learning=10,
        images={"train": ids[:-1], "held_out": ids[-1:]},
        objects={"train": 30, "held_out": 10},
        validation_sites=3,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        resumed_after_epoch=1 if resumed else None,
        warnings=["Only 1 image is held out: the check is a coarse one"],
    )
    say(
        "timing",
        expected_s=130.0,
        step_s=0.1,
        validation_s=0.5,
        after_s=3.0,
        steps_left=EPOCHS * STEPS,
    )
    if "--time" in arguments:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text("{}", encoding="utf-8")
    if mode == "held":
        # A grandchild: the whole tree is to go.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if not resumed:
        say("epoch", **epoch(0))
    for number in range(2 if resumed else 1, EPOCHS + 1):
        for step in range(1, STEPS + 1):
            rest(going)
            say("step", epoch=number, step=step, steps=STEPS, loss=0.3 / number + 0.01 * step)
        (folder / "checkpoint.pt").write_bytes(b"")
        say("epoch", **epoch(number))
        if number == 1 and mode == "fails":
            say("error", message="The loss is not finite: lower the learning rate", exit_code=3)
            sys.exit(3)
        if number == 1 and mode == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        while number == 2 and mode == "held":
            rest(going)
            say("step", epoch=3, step=1, steps=STEPS, loss=0.1)
    say("checking", done=0, total=2, message=f"checking on {ids[-1]}")
    say("calibrating", done=0, total=2, message=f"calibrating on {ids[0]}")
    make_model(folder, mode == "better", ids[-1], base)
    say("done", model=str(folder), **figures(mode == "better"))


if __name__ == "__main__":
    main()
