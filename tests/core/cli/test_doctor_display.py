from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segsem.cli import doctor_display
from segsem.cli.doctor_report import ChildEnd, Finding, run_child


@pytest.fixture
def listening() -> Iterator[Callable[[str | tuple[str, int]], int]]:
    sockets = []

    def listen(address: str | tuple[str, int]) -> int:
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        server = socket.socket(family)
        sockets.append(server)
        server.bind(address)
        server.listen()
        return server.getsockname()[1] if isinstance(address, tuple) else 0

    yield listen
    for server in sockets:
        server.close()


def test_an_x_server_on_an_abstract_socket_answers(listening: Callable[..., int]) -> None:
    number = 20_000 + os.getpid() % 10_000
    screen = {"DISPLAY": f":{number}.0"}
    assert "does not answer (" in doctor_display.reachable_screen(screen).value

    listening(f"\0/tmp/.X11-unix/X{number}")

    assert doctor_display.reachable_screen(screen) == Finding(
        "display", f"DISPLAY=:{number}.0 answers"
    )


def test_an_x_server_on_a_port_answers(listening: Callable[..., int]) -> None:
    number = listening(("127.0.0.1", 0)) - 6000
    finding = doctor_display.reachable_screen({"DISPLAY": f"127.0.0.1:{number}"})
    assert finding.state == "ok"


def test_wayland_answers_first(
    listening: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's path may have a hundred letters, a test's folder has more.
    monkeypatch.chdir(tmp_path)
    listening("w-0")
    screen = {"WAYLAND_DISPLAY": "w-0", "XDG_RUNTIME_DIR": ".", "DISPLAY": ":1"}

    assert doctor_display.reachable_screen(screen).value == "WAYLAND_DISPLAY=w-0 answers"


@pytest.mark.parametrize(
    "screen",
    [
        {},
        {"DISPLAY": ""},
        {"DISPLAY": "no display"},
        {"DISPLAY": ":99999999999"},
        {"DISPLAY": "127.0.0.1:99999999999"},
        {"DISPLAY": "127.0.0.1:1"},
        {"WAYLAND_DISPLAY": "wayland-7"},
        {"WAYLAND_DISPLAY": "w" * 300, "XDG_RUNTIME_DIR": "/tmp"},
        {"WAYLAND_DISPLAY": "\0", "DISPLAY": "\0:0"},
    ],
)
def test_a_screen_that_is_not_there_is_a_warning(screen: dict[str, str]) -> None:
    finding = doctor_display.reachable_screen(screen)
    assert finding.state == "warning"
    assert "xvfb-run" in finding.fix


SCREEN = Finding("display", "answers")
DRAWN = {"platform": "xcb", "version": [4, 5], "renderer": "Mesa"}


def opengl(monkeypatch: pytest.MonkeyPatch, end: ChildEnd) -> Finding:
    ends = iter([ChildEnd("", ""), end])
    monkeypatch.delenv("QT_API", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setattr(doctor_display, "QT_BINDINGS", ("json",))
    monkeypatch.setattr(doctor_display, "reachable_screen", lambda _: SCREEN)
    monkeypatch.setattr(doctor_display, "run_child", lambda *_: next(ends))
    return doctor_display.look_at_display()[2]


@pytest.mark.parametrize(
    ("facts", "value", "fix"),
    [
        (DRAWN, "4.5, Mesa (xcb)", ""),
        ({**DRAWN, "renderer": "llvmpipe (LLVM)"}, "(xcb); drawn by the processor", ""),
        ({**DRAWN, "version": [1, 4]}, "1.4, Mesa", "2.1 or newer"),
    ],
)
def test_opengl(
    facts: dict[str, object], value: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = opengl(monkeypatch, ChildEnd(json.dumps(facts), ""))
    assert value in finding.value
    assert fix in finding.fix
    assert bool(finding.fix) is bool(fix)


@pytest.mark.parametrize(
    ("failure", "fix"),
    [
        ("ended by SIGABRT: Could not load the Qt platform plugin", "apt-get install libgl1"),
        ("no OpenGL context can be made", "apt-get install libgl1"),
        ("ended by SIGABRT: could not connect to display :9", "XAUTHORITY"),
    ],
)
def test_opengl_that_does_not_work(failure: str, fix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = opengl(monkeypatch, ChildEnd("", failure))
    assert failure in finding.value
    assert fix in finding.fix
    assert finding.state == "warning"


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [("QT_API", "pyside6", "unset QT_API"), ("QT_QPA_PLATFORM", "offscreen", "unset QT_QPA_PLA")],
)
def test_variables_that_break_qt(
    variable: str, value: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_display, "QT_BINDINGS", ("json",))
    monkeypatch.delenv("QT_API", raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(doctor_display, "reachable_screen", lambda _: SCREEN)

    _, qt, drawing = doctor_display.look_at_display()

    assert fix in qt.fix
    assert (drawing.value, drawing.state) == ("not checked: no usable Qt", "skipped")


def test_no_qt_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_display, "QT_BINDINGS", ())
    assert "napari-segsem[pyqt5]" in doctor_display.look_at_display()[1].fix


def test_a_real_context_is_made_where_there_is_a_screen() -> None:
    if doctor_display.reachable_screen(os.environ).fix:
        pytest.skip("no display that answers: run under xvfb-run")
    end = run_child(["-m", doctor_display.OPENGL_PROBE], 60)
    assert end.failure == ""
    assert tuple(json.loads(end.output)["version"]) >= (2, 1)
