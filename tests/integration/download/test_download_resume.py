"""Downloads that are cut off, closed or doubled, and go on."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from segsem.core.exceptions import ModelError
from segsem.core.progress import run_to_completion
from segsem.models.download import download_model

NAME = "sam2.1_hiera_tiny"


def test_a_cut_download_goes_on_where_it_ended(loopback: Any) -> None:
    total = f"{len(loopback.served.content) / 1e6:.1f}"
    kept = loopback.cut(rf"broke: \d\.\d MB of {total} MB are here .*same command goes on")
    loopback.assert_nothing_installed()

    loopback.download()

    assert loopback.ranges == [None, f"bytes={kept}-"]
    loopback.assert_installed()


def test_a_closed_download_goes_on_where_it_ended(loopback: Any) -> None:
    steps = download_model("tiny")
    for step in steps:
        if step.done >= loopback.cut_bytes:
            break
    steps.close()
    kept = loopback.part.stat().st_size
    assert kept >= loopback.cut_bytes

    loopback.download()

    assert loopback.ranges == [None, f"bytes={kept}-"]
    loopback.assert_installed()


def test_a_server_that_falls_silent_is_left(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segsem.models.transfer.SILENCE_S", 1.0)
    loopback.served.hold = threading.Event()

    kept = loopback.cut("broke: .* The same command goes on")

    loopback.served.hold.set()
    loopback.served.hold = None
    loopback.download()
    assert loopback.ranges == [None, f"bytes={kept}-"]
    loopback.assert_installed()


def test_a_server_without_ranges_sends_the_whole_again(loopback: Any) -> None:
    loopback.served.ranges = False
    loopback.cut()

    loopback.download()

    loopback.assert_installed()


def test_a_file_that_changed_on_the_server_is_begun_anew(loopback: Any) -> None:
    whole = loopback.served.content
    loopback.served.content = bytes(len(whole) + 100)
    loopback.cut()
    loopback.served.content, loopback.served.etag = whole, '"v2"'

    loopback.download()

    assert len(loopback.served.asked) == 2
    loopback.assert_installed()


def test_a_changed_size_is_noticed_where_the_server_has_no_etag(loopback: Any) -> None:
    loopback.served.etag = ""
    whole = loopback.served.content
    loopback.served.content = bytes(len(whole) + 100)
    kept = loopback.cut()
    loopback.served.content = whole

    loopback.download()

    assert loopback.ranges == [None, f"bytes={kept}-", None]
    loopback.assert_installed()


def test_a_part_goes_on_from_a_mirror(loopback: Any) -> None:
    kept = loopback.cut()
    loopback.served.etag = '"the mirror counts otherwise"'

    loopback.download(loopback.served.url.replace("/weights/", "/mirror/"))

    assert loopback.served.asked[-1] == (f"/mirror/{NAME}.pt", f"bytes={kept}-")
    loopback.assert_installed()


def test_a_part_that_is_whole_is_not_asked_for(loopback: Any) -> None:
    steps = download_model("tiny")
    for step in steps:
        if "checking" in step.message:
            break
    steps.close()

    loopback.download()

    assert len(loopback.served.asked) == 1
    loopback.assert_installed()


def test_a_whole_part_without_notes_is_recognised(loopback: Any) -> None:
    loopback.part.parent.mkdir(parents=True)
    loopback.part.write_bytes(loopback.served.content)

    loopback.download()

    assert loopback.ranges == [f"bytes={len(loopback.served.content)}-"]
    loopback.assert_installed()


def test_a_part_that_is_too_long_is_begun_anew(loopback: Any) -> None:
    loopback.part.parent.mkdir(parents=True)
    loopback.part.write_bytes(loopback.served.content + b"more")

    loopback.download()

    assert loopback.ranges[-1] is None
    loopback.assert_installed()


@pytest.mark.parametrize("notes", [b"", b"[]", b'{"url": 3}', b'{"total_bytes": "x"}', b"\xff"])
def test_notes_that_cannot_be_read_do_no_harm(notes: bytes, loopback: Any) -> None:
    loopback.cut()
    loopback.part.with_name(f"{NAME}.pt.part.json").write_bytes(notes)

    loopback.download()

    loopback.assert_installed()


def test_two_downloads_at_once_both_end_well(loopback: Any) -> None:
    first, second = download_model("tiny"), download_model("tiny")
    for steps in (first, second):
        assert next(step for step in steps if step.done >= loopback.cut_bytes)

    folders = [run_to_completion(first), run_to_completion(second)]

    assert folders == [loopback.folder] * 2
    loopback.assert_installed()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_that_another_process_lengthens_is_kept(ranges: bool, loopback: Any) -> None:
    kept = loopback.cut()
    served, inode = loopback.served, loopback.part.stat().st_ino
    more = served.content[kept : kept + 1_000_000]

    def lengthen() -> None:
        with loopback.part.open("r+b") as file:
            file.seek(kept)
            file.write(more)

    served.ranges, served.meanwhile = ranges, lengthen
    steps = download_model("tiny")
    next(steps)

    assert loopback.part.stat().st_ino == inode
    assert loopback.part.stat().st_size == kept + len(more)
    run_to_completion(steps)
    assert loopback.ranges == [None, f"bytes={kept}-"]
    loopback.assert_installed()


def test_a_part_taken_away_meanwhile_is_one_clear_error(loopback: Any) -> None:
    steps = download_model("tiny")
    next(steps)
    next(steps)
    loopback.part.unlink()

    with pytest.raises(ModelError, match="run the command again"):
        run_to_completion(steps)
    loopback.assert_nothing_installed()


def test_control_c_keeps_the_part_and_says_so(loopback: Any) -> None:
    loopback.served.cut_bytes, loopback.served.hold = loopback.cut_bytes, threading.Event()
    process = loopback.start()
    assert loopback.served.reached_hold.wait(60)
    wait_for(
        lambda: loopback.part.is_file() and loopback.part.stat().st_size > loopback.cut_bytes // 2
    )

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert re.fullmatch(r"stopped: \d\.\d MB of .* are kept .* goes on from there\n", errors)
    assert output == ""
    loopback.served.hold.set()
    loopback.served.cut_bytes = loopback.served.hold = None
    kept = loopback.part.stat().st_size
    notes = json.loads(loopback.part.with_name(f"{NAME}.pt.part.json").read_text())
    assert notes["etag"] == '"v1"'
    loopback.download()
    assert loopback.ranges == [None, f"bytes={kept}-"]
    loopback.assert_installed()


def wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(6000):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("the condition was not met within a minute")
