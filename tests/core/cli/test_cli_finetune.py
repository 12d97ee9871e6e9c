"""`segsem finetune`: control lines, options, events."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from segsem.cli.finetune import _params, _split
from segsem.cli.finetune_control import Cancelled, Control
from segsem.cli.finetune_output import lines_of
from segsem.core.exceptions import InputError, UsageError
from segsem.training.finetune import Event


class Lines:
    """A stdin that is written to."""

    def __init__(self) -> None:
        self._queue: queue.Queue[str | None] = queue.Queue()

    def __iter__(self) -> Iterator[str]:
        return iter(self._queue.get, None)

    def write(self, line: str | None) -> None:
        self._queue.put(line)


def test_cancel_ends_the_run() -> None:
    control = Control(["cancel\n"])
    control.thread.join()
    with pytest.raises(Cancelled):
        control.between_steps(lambda _: None)


def test_a_paused_run_waits_until_it_is_told_to_go_on() -> None:
    lines, told = Lines(), []
    control = Control(lines)

    def tell(name: str) -> None:
        told.append(name)
        if name == "paused":
            lines.write("resume\n")

    lines.write("pause\n")
    while not told:
        control.between_steps(tell)
    assert told == ["paused", "resumed"]
    control.between_steps(tell)
    assert told == ["paused", "resumed"]
    lines.write(None)


def test_a_paused_run_can_be_cancelled() -> None:
    lines = Lines()
    control = Control(lines)
    lines.write("pause\n")

    def work() -> None:
        while True:
            control.between_steps(lambda _: lines.write("cancel\n"))

    with pytest.raises(Cancelled):
        work()


def test_the_end_of_the_lines_lets_the_run_go_on() -> None:
    control = Control(["pause\n", "what\n"])
    control.thread.join()
    control.between_steps(lambda _: pytest.fail("nothing is to be told"))


def test_parameters_are_checked_and_those_not_named_stay_out() -> None:
    assert _params({"epochs": 3, "seed": None}, ["layer_decay=0.5"]) == {
        "epochs": 3,
        "layer_decay": 0.5,
    }


@pytest.mark.parametrize("text", ["nothing=1", "epochs", "layer_decay=7", "epochs=many"])
def test_parameters_that_are_wrong_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=text.partition("=")[0]):
        _params({}, [text])


def test_a_split_file_names_images(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"held_out": ["a"], "train": ["b", "c"]}')
    assert _split(path) == {"held_out": ("a",), "train": ("b", "c")}
    path.write_text('{"held_out": ["a"]}')
    assert _split(path) == {"held_out": ("a",), "train": None}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"held_out": 3}'])
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no split"):
        _split(path)


def test_a_result_that_is_not_better_is_said_plainly() -> None:
    gain = {"mean": -0.02, "low": -0.05, "high": 0.01}
    one = {"before": {"mean": 0.9}, "after": {"mean": 0.88}}
    event = Event(
        "done",
        {
            "model": "m",
            "verdict": "not better",
            "gain": gain,
            "best_epoch": 2,
            "epochs": 3,
            "held_out": {"click_iou": one},
            "seconds": 100.0,
        },
    )
    lines = lines_of(event)
    assert lines[-1].startswith("not better on held-out images: gain -0.020")
    assert "0.900 -> 0.880" in lines[1]


def test_the_command_is_registered() -> None:
    from segsem.cli.app import build_app

    command = typer.main.get_command(build_app())
    assert "finetune" in command.commands
    assert {"adopt", "back"} <= set(command.commands["models"].commands)
