"""GDSII and OASIS, read by gdstk in a child process."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY
from segsem.layout.layout import Layer, Layout

_OASIS_MAGIC = b"%SEMI-OASIS\r\n"
_OASIS_END_BYTES = 256
_GDS_HEADER, _GDS_ENDLIB = 0x00, 0x04
_TIMEOUT_S = 900


def read_gds_oasis(path: Path, cell: str | None = None) -> Layout:
    """Read a GDSII or OASIS file and flatten one cell; paths become polygons.

    Raises
    ------
    InputError
        If the file is damaged, has no such cell, refers to itself, or explodes when flattened.
    """
    content = path.read_bytes()
    if path.suffix.lower().startswith(".oas"):
        _check_oasis(path, content)
    else:
        _check_gds(path, content)
    with tempfile.TemporaryDirectory(prefix="segsem-layout-") as folder:
        target = Path(folder) / "flat.npz"
        _run_worker(path, target, cell)
        with np.load(target, allow_pickle=False) as flat:
            points, lengths, layers = flat["points"], flat["lengths"], flat["layers"]
            meta = json.loads(str(flat["meta"]))
    found: dict[Layer, list[PointsXY]] = {}
    ends = np.cumsum(lengths)
    for polygon, (layer, datatype) in zip(np.split(points, ends[:-1]), layers, strict=False):
        found.setdefault((int(layer), int(datatype)), []).append(polygon)
    return Layout(path, found, meta["cell"], tuple(meta["cells"]), meta["unit_nm"])


def _run_worker(path: Path, target: Path, cell: str | None) -> None:
    command = [sys.executable, "-m", "segsem.layout.gds_worker", str(path), str(target)]
    try:
        done = subprocess.run(
            command + ([] if cell is None else [cell]),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{path.name}: reading it took more than {_TIMEOUT_S} s; is the layout damaged?"
        raise InputError(msg) from error
    if done.returncode == InputError.exit_code:
        raise InputError(done.stdout.decode(errors="replace"))
    if done.returncode != 0 or not target.is_file():
        msg = f"{path.name}: the layout is damaged: the reader failed on it"
        raise InputError(msg)


def _check_oasis(path: Path, content: bytes) -> None:
    if not content.startswith(_OASIS_MAGIC):
        msg = f"{path.name}: expected an OASIS file, but it does not begin like one"
        raise InputError(msg)
    # The END record fills the last 256 bytes of the file; a file cut short ends otherwise.
    if len(content) < len(_OASIS_MAGIC) + _OASIS_END_BYTES or content[-_OASIS_END_BYTES] != 2:
        msg = f"{path.name}: the OASIS file is damaged or incomplete (it has no end record)"
        raise InputError(msg)


def _check_gds(path: Path, content: bytes) -> None:
    """Walk the records: gdstk reads beyond a damaged record's end without a word."""
    position, kind = 0, -1
    while position + 4 <= len(content):
        length, kind = struct.unpack_from(">HB", content, position)
        if position == 0 and kind != _GDS_HEADER:
            msg = f"{path.name}: expected a GDSII file, but it does not begin like one"
            raise InputError(msg)
        if length < 4 or position + length > len(content):
            break
        if kind == _GDS_ENDLIB:
            return
        position += length
    msg = f"{path.name}: the GDSII file is damaged or incomplete (at byte {position})"
    raise InputError(msg)
