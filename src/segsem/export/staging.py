"""A group of files that appears whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from segsem.core.exceptions import ExportError

_PREFIX = ".segsem-export-"


@contextmanager
def staged(out: Path, stale: Sequence[str] = ()) -> Iterator[Path]:
    """Give a folder to write into; its files move into `out` when the block ends well.

    Parameters
    ----------
    out : Path
        Where they shall stand; made if it is not there, and removed again if nothing came.
    stale : sequence of str
        Files of an earlier export that go where they are not written anew.

    Yields
    ------
    Path
        A folder on the same disk.

    Raises
    ------
    ExportError
        If something cannot be written; the message names `out`, and what stood there stays.
    """
    made = [path for path in (out, *out.absolute().parents) if not path.exists()]
    folder: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
        yield folder
        names = sorted(path.name for path in folder.iterdir())
        for name in names:
            (folder / name).replace(out / name)
        for name in set(stale) - set(names):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        msg = (
            f"Cannot write the export into {out}: {error.strerror or error}. "
            "Choose a folder that is writable and has space."
        )
        raise ExportError(msg) from error
    except ExportError as error:
        if folder is None or str(folder) not in str(error):
            raise
        raise ExportError(str(error).replace(str(folder), str(out))) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()
