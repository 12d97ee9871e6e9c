"""Atomic writes: a file is either whole or not there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segsem.core.exceptions import ExportError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed onto it when the block ends well.

    The temporary name keeps the suffix, since several libraries choose the format by it.

    Parameters
    ----------
    path : path
        Where the file shall stand; its folder is made if it is not there.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    ExportError
        If the folder cannot be made or written to, or the disk is full.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes 0600 files; outputs get what the user's umask says, like any other file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
        temporary = None
    except OSError as error:
        msg = (
            f"Cannot write {target}: {error.strerror or error}. "
            "Choose a folder that is writable and has space."
        )
        raise ExportError(msg) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically, indented, NaN refused (it is not JSON)."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
