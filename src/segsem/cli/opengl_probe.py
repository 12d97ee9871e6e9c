"""`python -m segsem.cli.opengl_probe`: make an OpenGL context as napari will, and tell of it.

A process of its own, since Qt ends its process where its platform plugin or OpenGL does not load.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import sys
from typing import Any

_GL_RENDERER = 0x1F01


def main() -> None:
    """Write platform, version and renderer to stdout as JSON; exit code 1 with the reason."""
    _leave_no_core_file()
    # By name: nothing in segsem depends on Qt.
    gui: Any = importlib.import_module("qtpy.QtGui")
    app = gui.QGuiApplication(["segsem doctor"])
    surface = gui.QOffscreenSurface()
    surface.create()
    context = gui.QOpenGLContext()
    if not context.create():
        sys.exit("no OpenGL context can be made")
    if not context.makeCurrent(surface):
        sys.exit("the OpenGL context cannot be used")
    version = context.format().version()
    facts = {
        "platform": app.platformName(),
        "version": [int(version[0]), int(version[1])],
        "renderer": _renderer(context),
    }
    context.doneCurrent()
    sys.stdout.write(json.dumps(facts) + "\n")


def _renderer(context: Any) -> str:
    address = int(context.getProcAddress(b"glGetString") or 0)
    if not address:
        return "unknown renderer"
    get_string = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_uint)(address)
    return (get_string(_GL_RENDERER) or b"unknown renderer").decode(errors="replace")


def _leave_no_core_file() -> None:
    with contextlib.suppress(ImportError):
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
