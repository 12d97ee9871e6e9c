"""One program at a time writes into a project; a dead program's lock is taken over."""

from __future__ import annotations

import errno
import json
import os
import socket
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from segsem.core.exceptions import InputError

FILE = ".lock"

SAME_START_S = 2.0
"""A process of the same number that started at another time is another one."""


class ProjectInUseError(InputError):
    """Another program, or another window, works in the project."""


def _flock() -> ModuleType | None:
    try:
        return import_module("fcntl")
    except ImportError:
        return None


class ProjectLock:
    """The right to write into a project, until `release` or the end of the process.

    The system's own file lock stands where there is one, since it dies with the process. On file
    systems without it, the process that is named in the file counts.

    Parameters
    ----------
    folder : Path
        Of the project.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is ours."""
        return self._file is not None

    def acquire(self) -> None:
        """Take it.

        Raises
        ------
        ProjectInUseError
            If another program has it; the message says which.
        InputError
            If the folder cannot be written to.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            msg = f"{self._path.parent} cannot be written to: {error.strerror or error}"
            raise InputError(msg) from error
        if _is_taken(file):
            holder = _holder(file)
            os.close(file)
            raise ProjectInUseError(_in_use(self._path.parent, holder))
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(_myself()).encode())
        self._file = file

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def lock_holder(folder: Path) -> str:
    """Say which program works in a project; empty where none does."""
    try:
        file = os.open(folder / FILE, os.O_RDWR)
    except OSError:
        return ""
    try:
        return _named(_holder(file)) if _is_taken(file) else ""
    finally:
        os.close(file)


def _is_taken(file: int) -> bool:
    fcntl = _flock()
    if fcntl is None:
        return _is_alive(_holder(file))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return True
        return _is_alive(_holder(file))
    return False


def _holder(file: int) -> dict[str, Any]:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        value = json.loads(os.read(file, 4096))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _myself() -> dict[str, Any]:
    started = psutil.Process().create_time()
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": started}


def _is_alive(holder: dict[str, Any]) -> bool:
    """Whether the process named in a lock is there; on another machine nobody can tell: yes."""
    try:
        pid, started = int(holder["pid"]), float(holder["started"])
    except (KeyError, TypeError, ValueError):
        return False
    if holder.get("host") != socket.gethostname():
        return True
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < SAME_START_S)
    except psutil.Error:
        return False


def _named(holder: dict[str, Any]) -> str:
    if "pid" not in holder:
        return "another program"
    host = holder.get("host")
    where = "" if host == socket.gethostname() else f" on {host}"
    return f"process {holder['pid']}{where}"


def _in_use(folder: Path, holder: dict[str, Any]) -> str:
    return (
        f"Project {folder} is in use by {_named(holder)}: close it there, or work in another "
        "project"
    )
