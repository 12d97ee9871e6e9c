"""Downloads that cannot end well: one clear line, and never a half file under a final name."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from segsem.core.exceptions import ModelError, UsageError
from segsem.core.progress import run_to_completion
from segsem.models.download import download_model
from segsem.models.registry import MODELS

NAME = "sam2.1_hiera_tiny"


def test_other_bytes_are_refused_and_removed(loopback: Any) -> None:
    loopback.served.content = loopback.served.content[:-1] + b"?"
    got = hashlib.sha256(loopback.served.content).hexdigest()

    with pytest.raises(ModelError, match=f"expected sha256 {loopback.spec.sha256}, but got {got}"):
        loopback.download()

    loopback.assert_nothing_installed()
    loopback.assert_no_part()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": 404}, r"no such file \(404\): http.* --from URL"),
        ({"status": 503}, "answered 503 Service Unavailable"),
        ({"kind": "text/html; charset=utf-8"}, "a web page instead of weights"),
    ],
)
def test_a_server_that_has_it_not(change: dict[str, object], message: str, loopback: Any) -> None:
    vars(loopback.served).update(change)

    with pytest.raises(ModelError, match=message) as caught:
        loopback.download(loopback.served.url)

    assert f"segsem models add {NAME}.pt --config {loopback.spec.config}" in str(caught.value)
    loopback.assert_no_part()
    loopback.assert_nothing_installed()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://nowhere.invalid/weights/",
        "http://127.0.0.1:99999/",
        f"http://{'a' * 300}/",
        "http://.nowhere/",
        "http://no where/",
    ],
)
def test_no_network_says_how_to_do_without(url: str) -> None:
    published = re.escape(str(MODELS[NAME].url))
    by_hand = f"download {published} .*: segsem models add {NAME}.pt --config sam2.1_hiera_t$"

    with pytest.raises(ModelError, match=f"Cannot reach .*{by_hand}"):
        run_to_completion(download_model("tiny", url))


def test_a_server_that_goes_away_keeps_the_part(loopback: Any) -> None:
    kept = loopback.cut()

    with pytest.raises(ModelError, match=r"Cannot reach .* MB from before are kept"):
        loopback.download("http://127.0.0.1:1/")

    assert loopback.part.stat().st_size == kept


def test_a_server_that_sends_other_parts_than_asked_for_is_told(loopback: Any) -> None:
    loopback.served.status = 206

    with pytest.raises(ModelError, match="other bytes than those asked for"):
        loopback.download()
    loopback.assert_no_part()


def test_a_server_that_never_answers_is_told(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segsem.models.transfer.SILENCE_S", 0.2)
    answered = threading.Event()
    loopback.served.meanwhile = lambda: answered.wait(60)

    with pytest.raises(ModelError, match="does not answer"):
        loopback.download()
    answered.set()


def test_a_server_without_https_is_told(loopback: Any) -> None:
    with pytest.raises(ModelError, match=r"No trusted connection to .*: .*REQUESTS_CA_BUNDLE"):
        loopback.download(loopback.served.url.replace("http:", "https:"))


def test_a_proxy_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"proxy does not lead to models\.invalid: check HTTPS_P"):
        run_to_completion(download_model("tiny", "http://models.invalid/"))


@pytest.mark.parametrize(
    "mirror", ["weights.pt", "ftp://m/x", "file:///tmp/x.pt", "http://", "x:["]
)
def test_what_is_no_address_is_refused(mirror: str) -> None:
    with pytest.raises(UsageError, match="http:// or https://"):
        run_to_completion(download_model("tiny", mirror))


def test_a_password_in_an_address_is_not_shown(loopback: Any) -> None:
    loopback.served.status = 404
    with pytest.raises(ModelError) as caught:
        loopback.download(loopback.served.url.replace("127.0.0.1", "me:secret@127.0.0.1"))
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "file"))

    with pytest.raises(ModelError, match=r"Cannot write .*SEGSEM_HOME"):
        run_to_completion(download_model("tiny"))


def test_a_disk_without_room_is_told_before_the_first_byte(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def usage(_: Path) -> object:
        return type("Usage", (), {"free": len(loopback.served.content)})

    monkeypatch.setattr("segsem.models.part_file.shutil.disk_usage", usage)
    megabytes = len(loopback.served.content) / 1e6
    message = f"needs {2 * megabytes:.1f} MB, but only {megabytes:.1f} MB are free"
    with pytest.raises(ModelError, match=message):
        loopback.download()
    loopback.assert_no_part()


def test_a_full_disk_is_one_line_and_leaves_nothing(loopback: Any) -> None:
    process = loopback.start(limit_bytes=loopback.cut_bytes)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 4
    assert re.fullmatch(
        r"error: The disk with .* is full .* was removed\. .*SEGSEM_HOME.*\n", errors
    )
    loopback.assert_no_part()
    loopback.assert_nothing_installed()


def test_a_disk_that_fills_while_converting_keeps_the_download(loopback: Any) -> None:
    loopback.part.parent.mkdir(parents=True)
    loopback.part.write_bytes(loopback.served.content)

    process = loopback.start(limit_bytes=loopback.cut_bytes)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 4
    assert re.fullmatch(r"error: Cannot write .* whole and kept .*\n", errors)
    assert loopback.part.read_bytes() == loopback.served.content
    assert list(loopback.folder.iterdir()) == []
