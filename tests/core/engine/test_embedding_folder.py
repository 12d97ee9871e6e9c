"""Stored embeddings: whole or not there, never trusted, never more than allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from segsem.core.exceptions import ExportError
from segsem.engine.embedding_folder import LEFTOVER_S, EmbeddingFolder, embedding_folder

KEY, OTHER = "a" * 64, "b" * 64
LARGE = 1 << 30


def packed(seed: int = 0, size: int = 100) -> Any:
    rng = np.random.default_rng(seed)
    arrays = {
        "embed": rng.normal(size=(1, 2, size)).astype(np.float32),
        "half": rng.normal(size=3).astype(np.float16),
        "bits": rng.integers(0, 9, (2, 2)).astype(np.uint16),
    }
    return {"version": 1, "shape": [3, 4]}, arrays


def assert_same(found: Any, wanted: Any) -> None:
    assert found is not None
    assert found[0] == wanted[0]
    assert set(found[1]) == set(wanted[1])
    for name, array in wanted[1].items():
        assert found[1][name].dtype == array.dtype
        np.testing.assert_array_equal(found[1][name], array)


@pytest.fixture
def folder(tmp_path: Path) -> EmbeddingFolder:
    return EmbeddingFolder(tmp_path / "embeddings", LARGE)


def test_what_is_written_is_read(folder: EmbeddingFolder, tmp_path: Path) -> None:
    assert folder.read(KEY) is None
    folder.write(KEY, packed())
    assert_same(folder.read(KEY), packed())
    assert folder.read(OTHER) is None
    again = EmbeddingFolder(tmp_path / "embeddings", LARGE)
    assert_same(again.read(KEY), packed())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_removed_or_harmless(
    folder: EmbeddingFolder, data: st.DataObject
) -> None:
    folder.write(KEY, packed())
    path = folder._path(KEY)
    raw = bytearray(path.read_bytes())
    where = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw = raw[:where]
    else:
        raw[where] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    found = folder.read(KEY)
    if found is None:
        assert not path.exists()
        folder.write(KEY, packed())
    # Bytes that nothing depends on, such as spaces in the header, may be others.
    assert_same(folder.read(KEY), packed())


@pytest.mark.parametrize("metadata", [None, {"format": "other"}])
def test_a_foreign_file_is_removed(folder: EmbeddingFolder, metadata: Any) -> None:
    folder.write(OTHER, packed())
    save_file(packed()[1], folder._path(KEY), metadata=metadata)
    assert folder.read(KEY) is None
    assert not folder._path(KEY).exists()
    assert folder._path(OTHER).exists()


def test_a_file_under_another_name_is_not_taken_for_its_key(folder: EmbeddingFolder) -> None:
    folder.write(OTHER, packed())
    folder._path(OTHER).rename(folder._path(KEY))
    assert folder.read(KEY) is None
    assert not folder._path(KEY).exists()


def set_age(path: Path, seconds: float) -> None:
    past = path.stat().st_mtime - seconds
    os.utime(path, (past, past))


def test_the_least_recently_used_files_go(tmp_path: Path) -> None:
    keys = [f"{i:064x}" for i in range(6)]
    one = EmbeddingFolder(tmp_path, LARGE)
    one.write(keys[0], packed())
    size = one._path(keys[0]).stat().st_size
    bounded = EmbeddingFolder(tmp_path, 4 * size)
    for i, key in enumerate(keys[:4]):
        bounded.write(key, packed())
        set_age(bounded._path(key), 1000 - i)
    # Read, and so the youngest now.
    assert bounded.read(keys[0]) is not None
    bounded.write(keys[4], packed())
    there = [i for i, key in enumerate(keys) if bounded._path(key).exists()]
    # Three files are what is left below nine tenths of four.
    assert there == [0, 3, 4]


def test_files_of_other_engines_count_too(tmp_path: Path) -> None:
    keys = [f"{i:064x}" for i in range(8)]
    other = EmbeddingFolder(tmp_path, LARGE)
    for key in keys[:7]:
        other.write(key, packed())
    size = other._path(keys[0]).stat().st_size
    ours = EmbeddingFolder(tmp_path, 3 * size)
    ours.write(keys[7], packed())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3 * size
    assert ours._path(keys[7]).exists()


def test_only_our_own_files_are_dropped(tmp_path: Path) -> None:
    mine = tmp_path / "notes.txt"
    mine.write_text("x" * 1000)
    fresh = tmp_path / f".{KEY}.x1.safetensors"
    fresh.write_bytes(b"being written")
    old = tmp_path / f".{KEY}.x2.safetensors"
    old.write_bytes(b"left by a killed engine")
    set_age(old, 2 * LEFTOVER_S)
    EmbeddingFolder(tmp_path, 1).evict()
    assert mine.exists()
    assert fresh.exists()
    assert not old.exists()


def test_a_folder_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = EmbeddingFolder(tmp_path / "file", LARGE)
    with pytest.raises(ExportError, match="Cannot write"):
        folder.write(KEY, packed())
    assert folder.read(KEY) is None
    folder.remove(KEY)
    folder.evict()


def test_the_cache_is_beside_the_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path))
    assert embedding_folder() == tmp_path / "embeddings"


TWO_ENGINES = """
import sys
from pathlib import Path
import numpy as np
from segsem.engine.embedding_folder import EmbeddingFolder

folder = EmbeddingFolder(Path(sys.argv[1]), 60_000)
keys = [f"{i:064x}" for i in range(12)]
bad = 0
for turn in range(400):
    i = (turn * 7 + int(sys.argv[2])) % 12
    found = folder.read(keys[i])
    if found is None:
        folder.write(keys[i], ({"i": i}, {"x": np.full(2000, i, np.float32)}))
    elif found[0] != {"i": i} or not (found[1]["x"] == i).all():
        bad += 1
print(bad)
"""


def test_two_engines_share_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_ENGINES, str(tmp_path)]
    both = [
        subprocess.Popen([*command, str(i)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert out.strip() == b"0"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
