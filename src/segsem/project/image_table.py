"""`images.csv`: the images of a project, found by the hash of their bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segsem.core.exceptions import InputError
from segsem.core.files import write_text
from segsem.core.params import Tone
from segsem.core.types import PixelSize
from segsem.imaging.decoded import one_line

FILE = "images.csv"

COLUMNS = (
    "id",
    "path",
    "sha256",
    "height_px",
    "width_px",
    "px_y_nm",
    "px_x_nm",
    "pixel_size_source",
    "tone",
    "objects",
    "done",
    "training",
)
"""All others are groups: wafer, site, tool, dose, focus."""

_YES = "yes"
_ID = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, slots=True)
class ImageRow:
    """What a project knows of an image.

    Attributes
    ----------
    image_id : str
        Name of its folders in the project.
    path : str
        Where it was last seen, from the project's folder on where it lies in there; empty for an
        image that comes from no file.
    sha256 : str
        Of the file's bytes, or of the array's where there is no file.
    shape : (int, int)
        (H, W) in px.
    pixel_size_nm : (float, float) or None
        (y, x); None where unknown.
    pixel_size_source : str
    tone : Tone or None
    n_objects : int
        When its annotation was last saved.
    done, training : bool
        Marked as done; in the training set.
    groups : dict
        Wafer, site and the like, as text.
    """

    image_id: str
    path: str
    sha256: str
    shape: tuple[int, int]
    pixel_size_nm: PixelSize | None = None
    pixel_size_source: str = ""
    tone: Tone | None = None
    n_objects: int = 0
    done: bool = False
    training: bool = False
    groups: dict[str, str] = field(default_factory=dict)


class ImageTable:
    """The rows of a project, in memory and in `images.csv`.

    Parameters
    ----------
    folder : Path
        Of the project.
    rows : iterable of ImageRow
    """

    def __init__(self, folder: Path, rows: Iterable[ImageRow] = ()) -> None:
        self._folder = folder
        self._rows = {row.image_id: row for row in rows}
        self._by_hash = {row.sha256: row.image_id for row in self._rows.values()}
        self._by_path = {self.path_of(row): row.image_id for row in self._rows.values()}
        self._lock = threading.RLock()
        self._writing = threading.Lock()

    @classmethod
    def read(cls, folder: Path) -> ImageTable:
        """Read `images.csv`; an empty table where there is none.

        Raises
        ------
        InputError
            If it cannot be read; the message names row and column.
        """
        path = folder / FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError) as error:
            msg = f"{path} cannot be read: {one_line(error)}"
            raise InputError(msg) from error
        return cls(folder, _checked(path, list(_rows(path, text))))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ImageRow]:
        with self._lock:
            return iter(list(self._rows.values()))

    def get(self, image_id: str) -> ImageRow | None:
        """Row of an id; None where there is none."""
        return self._rows.get(image_id)

    def find(self, sha256: str) -> ImageRow | None:
        """Row of an image by the hash of its bytes; None where there is none."""
        return self._rows.get(self._by_hash.get(sha256, ""))

    def at(self, path: Path) -> ImageRow | None:
        """Row of the image that was last seen at a path; None where there is none."""
        return self._rows.get(self._by_path.get(path, ""))

    def path_of(self, row: ImageRow) -> Path | None:
        """Absolute path of an image; None where it comes from no file."""
        return self._folder / row.path if row.path else None

    def recorded_path(self, path: Path | None) -> str:
        """Path as `images.csv` keeps it."""
        if path is None:
            return ""
        inside = path.is_relative_to(self._folder)
        return (path.relative_to(self._folder) if inside else path).as_posix()

    def put(self, row: ImageRow) -> None:
        """Add a row, or replace the one of its id; `write` puts it into the file."""
        with self._lock:
            before = self._rows.get(row.image_id)
            if before is not None and before.path != row.path:
                self._by_path.pop(self.path_of(before), None)
            self._rows[row.image_id] = row
            self._by_hash[row.sha256] = row.image_id
            self._by_path[self.path_of(row)] = row.image_id

    def change(self, image_id: str, **values: Any) -> None:
        """Change some values of a row that is there."""
        with self._lock:
            self.put(replace(self._rows[image_id], **values))

    def remove(self, image_id: str) -> None:
        """Take a row away; nothing happens where there is none."""
        with self._lock:
            row = self._rows.pop(image_id, None)
            if row is not None:
                self._by_hash.pop(row.sha256, None)
                self._by_path.pop(self.path_of(row), None)

    def new_id(self, name: str, sha256: str) -> str:
        """Give an id that no row has: the name, with a part of the hash where it is taken."""
        stem = _ID.sub("-", name).strip(".-") or "image"
        with self._lock:
            taken = {image_id.casefold() for image_id in self._rows}
        if stem.casefold() not in taken:
            return stem
        digest = sha256 or hashlib.sha256(name.encode()).hexdigest()
        return next(
            made
            for length in range(8, len(digest) + 1)
            if (made := f"{stem}-{digest[:length]}").casefold() not in taken
        )

    def write(self) -> None:
        """Write `images.csv`.

        Raises
        ------
        ExportError
            If it cannot be written.
        """
        # Rows may be changed meanwhile: who edits does not wait for the disk.
        with self._writing:
            rows = list(self)
            groups = list(dict.fromkeys(name for row in rows for name in row.groups))
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow([*COLUMNS, *groups])
            for row in rows:
                writer.writerow([*_values(row), *(row.groups.get(name, "") for name in groups)])
            write_text(self._folder / FILE, text.getvalue())


def _values(row: ImageRow) -> list[str]:
    px_y, px_x = row.pixel_size_nm or ("", "")
    return [
        row.image_id,
        row.path,
        row.sha256,
        str(row.shape[0]),
        str(row.shape[1]),
        repr(px_y) if px_y else "",
        repr(px_x) if px_x else "",
        row.pixel_size_source,
        "" if row.tone is None else row.tone.value,
        str(row.n_objects),
        _YES if row.done else "",
        _YES if row.training else "",
    ]


def _rows(path: Path, text: str) -> Iterator[ImageRow]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            msg = f"{path} lacks the columns {', '.join(missing)}"
            raise InputError(msg)
        for record in reader:
            try:
                yield _row(record)
            except (ValueError, KeyError) as error:
                msg = f"{path}, row {reader.line_num}: {one_line(error)}"
                raise InputError(msg) from error
    except csv.Error as error:
        msg = f"{path}, row {reader.line_num}: is not CSV: {one_line(error)}"
        raise InputError(msg) from error


def _row(record: dict[str, str]) -> ImageRow:
    if "" in record:
        msg = "has more values than there are columns"
        raise ValueError(msg)
    image_id = record["id"]
    if not image_id or image_id != _ID.sub("-", image_id).strip(".-"):
        msg = f"expected an id that names a folder, but got {image_id!r}"
        raise ValueError(msg)
    size = record["px_y_nm"], record["px_x_nm"]
    return ImageRow(
        image_id=image_id,
        path=record["path"],
        sha256=record["sha256"],
        shape=(int(record["height_px"]), int(record["width_px"])),
        pixel_size_nm=(float(size[0]), float(size[1])) if all(size) else None,
        pixel_size_source=record["pixel_size_source"],
        tone=Tone(record["tone"]) if record["tone"] else None,
        n_objects=int(record["objects"]),
        done=record["done"] == _YES,
        training=record["training"] == _YES,
        groups={key: value for key, value in record.items() if key not in COLUMNS and value},
    )


def _checked(path: Path, rows: list[ImageRow]) -> list[ImageRow]:
    ids = [row.image_id.casefold() for row in rows]
    hashes = [row.sha256 for row in rows]
    for values, name in ((ids, "id"), (hashes, "sha256")):
        if len(set(values)) < len(values):
            msg = f"{path} has the same {name} in two rows: an image stands in it once"
            raise InputError(msg)
    return rows
