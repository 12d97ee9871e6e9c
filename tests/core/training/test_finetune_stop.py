"""A run of fine-tuning that is stopped, in three ways, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from segsem.models.store import read_description
from segsem.training.finetune import Event, Request, finetune
from segsem.training.finetune_report import Outcome


def run(request: Request) -> tuple[list[Event], Outcome | None]:
    events, steps = [], finetune(request)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return events, stop.value


def weights_sha256(project: Path, name: str) -> str:
    return read_description(project / "models" / name).weights_sha256


@pytest.fixture(scope="module")
def whole(five_images: Path, few_shot: SimpleNamespace) -> Outcome:
    """A run of four epochs that nothing stopped."""
    params = {**few_shot.small_run, "epochs": 4, "patience": 9}
    _, outcome = run(Request(five_images, "whole", params=params))
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("how", "code"),
    [("SIGKILL", -signal.SIGKILL), ("SIGTERM", -signal.SIGTERM), ("cancel", 130)],
)
def test_a_run_that_is_stopped_goes_on_to_the_same_weights(
    five_images: Path, whole: Outcome, how: str, code: int
) -> None:
    params = whole.run.params.model_dump(mode="json", exclude_defaults=True)
    settings = [f"--set={key}={value}" for key, value in params.items()]
    command = ["finetune", str(five_images), "--name", how, "--events", "jsonl", *settings]
    with subprocess.Popen(
        [sys.executable, "-m", "segsem", *command, "--device", "cpu"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        for line in child.stdout:
            event = json.loads(line)
            if event["event"] == "step" and event["epoch"] == 3:
                break
        if how == "cancel":
            child.stdin.write("cancel\n")
            child.stdin.flush()
            said = [json.loads(line) for line in child.stdout]
            assert said[-1]["event"] == "cancelled"
        else:
            os.kill(child.pid, getattr(signal, how))
        # Whoever cannot wait for the step in hand is promised that it is gone within 2 s.
        assert child.wait(timeout=60 if how == "cancel" else 2) == code
    folder = five_images / "models" / how
    assert not (folder / "model.json").exists()
    # Annotation has gone on meanwhile: the run goes on with what it began with.
    events, resumed = run(Request(five_images, how, resume=True))

    started = next(e for e in events if e.name == "started")
    assert started.values["resumed_after_epoch"] in (2, 3)
    assert weights_sha256(five_images, how) == weights_sha256(five_images, "whole")
    assert resumed is not None
    assert resumed.rows == whole.rows
    assert resumed.comparisons == whole.comparisons
