"""What napari needs: a screen that answers, a Qt binding, and OpenGL that works."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from segsem.cli.doctor_report import Finding, run_child
from segsem.cli.doctor_system import version_of

QT_BINDINGS = ("PyQt5", "PyQt6")
OPENGL_PROBE = "segsem.cli.opengl_probe"
QT_S, OPENGL_S, CONNECT_S = 10.0, 10.0, 2.0
QT_PACKAGES = (
    "libgl1 libgl1-mesa-dri libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libx11-xcb1 "
    "libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 "
    "libxcb-render-util0 libxcb-shape0 libxcb-util1 libxcb-xinerama0 libxcb-xkb1"
)
"""Debian's packages with what Qt's wheels need from the system."""

_INSTALL = f"on Debian and Ubuntu, as root: apt-get install {QT_PACKAGES}"
_LET_IN = "the screen refuses this program: see XAUTHORITY, QT_QPA_PLATFORM and xhost"

_NEEDED_OPENGL = (2, 1)
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "SwiftShader")
_REFUSED = re.compile(r"authorization|connect to display", re.IGNORECASE)
_DISPLAY = re.compile(r"(?P<host>.*):(?P<number>\d+)(\.\d+)?")
_START_A_SESSION = (
    "napari needs a desktop session, ssh -X, or xvfb-run -a napari; the command line needs none"
)


def look_at_display() -> list[Finding]:
    """Screen, Qt and OpenGL, each where the one before it is there."""
    screen = reachable_screen(os.environ)
    qt = _qt()
    return [screen, qt, _opengl(screen, qt)]


def reachable_screen(environment: Mapping[str, str]) -> Finding:
    """See whether a Wayland or X11 server answers where the variables say.

    Parameters
    ----------
    environment : mapping
        With `WAYLAND_DISPLAY`, `XDG_RUNTIME_DIR` and `DISPLAY`.
    """
    silent = []
    for variable, address in _screens(environment):
        text = f"{variable}={environment[variable]}"
        problem = _connects(address) if address is not None else "not a display's name"
        if not problem:
            return Finding("display", f"{text} answers")
        silent.append(f"{text} is set, but does not answer ({problem})")
    return Finding("display", "; ".join(silent) or "none", _START_A_SESSION)


def _screens(environment: Mapping[str, str]) -> list[tuple[str, str | tuple[str, int] | None]]:
    screens: list[tuple[str, str | tuple[str, int] | None]] = []
    if name := environment.get("WAYLAND_DISPLAY"):
        folder = Path(environment.get("XDG_RUNTIME_DIR", "/nonexistent"))
        screens.append(("WAYLAND_DISPLAY", str(folder / name)))
    if name := environment.get("DISPLAY"):
        match = _DISPLAY.fullmatch(name)
        screens.append(("DISPLAY", None if match is None else _x11(match["host"], match["number"])))
    return screens


def _x11(host: str, number: str) -> str | tuple[str, int]:
    if host in ("", "unix"):
        return f"/tmp/.X11-unix/X{number}"
    return host, 6000 + int(number)


def _connects(address: str | tuple[str, int]) -> str:
    """Why nothing answers there; empty where something does."""
    try:
        if isinstance(address, tuple):
            socket.create_connection(address, CONNECT_S).close()
            return ""
        return _connects_locally(address)
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)


def _connects_locally(path: str) -> str:
    # X servers listen on a name in the file system, in Linux's abstract names, or on both.
    problems = []
    for name in (path, f"\0{path}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(CONNECT_S)
            try:
                client.connect(name)
            except OSError as error:
                problems.append(error.strerror or str(error))
            else:
                return ""
    return problems[0]


def _qt() -> Finding:
    found = [name for name in QT_BINDINGS if importlib.util.find_spec(name) is not None]
    versions = ", ".join(f"{name} {version_of(name)}" for name in found)
    wanted = os.environ.get("QT_API", "")
    if not found:
        return Finding("Qt", "none", "for napari: pip install 'napari-segsem[pyqt5]'")
    if wanted and wanted.lower() not in [name.lower() for name in found]:
        fix = f"unset QT_API, or pip install {wanted}"
        return Finding("Qt", f"{versions}, but QT_API={wanted} asks for another", fix)
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        fix = "unset QT_QPA_PLATFORM, and use xvfb-run where there is no screen"
        return Finding("Qt", f"{versions}, but on a platform without OpenGL", fix)
    binding = next((name for name in found if name.lower() == wanted.lower()), found[0])
    end = run_child(["-c", f"import {binding}.QtWidgets"], QT_S)
    if end.failure:
        return Finding("Qt", f"{versions}, but {binding} does not load: {end.failure}", _INSTALL)
    return Finding("Qt", versions)


def _opengl(screen: Finding, qt: Finding) -> Finding:
    if screen.fix or qt.fix:
        lacking = "display" if screen.fix else "usable Qt"
        return Finding("OpenGL", f"not checked: no {lacking}", skipped=True)
    end = run_child(["-m", OPENGL_PROBE], OPENGL_S)
    if end.failure:
        fix = _LET_IN if _REFUSED.search(end.failure) else _INSTALL
        return Finding("OpenGL", f"napari cannot draw here: {end.failure}", fix)
    facts = json.loads(end.output)
    version = tuple(facts["version"])
    value = f"{version[0]}.{version[1]}, {facts['renderer']} ({facts['platform']})"
    if version < _NEEDED_OPENGL:
        return Finding("OpenGL", value, "napari needs 2.1 or newer: install the graphics driver")
    if any(name in facts["renderer"] for name in _SOFTWARE):
        value += "; drawn by the processor"
    return Finding("OpenGL", value)
