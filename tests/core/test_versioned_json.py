"""Files that say their format and version: each wrong one is refused in one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from segsem.core.exceptions import InputError
from segsem.core.versioned_json import read_versioned


class Kept(BaseModel):
    format: Literal["segsem-kept"]
    version: Literal[2]
    size_px: int


GOOD = {"format": "segsem-kept", "version": 2, "size_px": 7}


def read(path: Path) -> Kept:
    return read_versioned(path, Kept, "segsem-kept", (2,), "make it again")


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_good_file_comes_back_as_its_model(tmp_path: Path) -> None:
    assert read(write(tmp_path / "kept.json", GOOD)) == Kept(**GOOD)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "as JSON"),
        ("[" * 100_000, "as JSON"),
        ([], "of the format 'segsem-kept'"),
        ({**GOOD, "format": "other"}, "of the format 'segsem-kept'"),
        ({**GOOD, "version": 3}, "of version 2, but got 3: make it again"),
        ({**GOOD, "size_px": "wide"}, "size_px: "),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, content: Any, said: str) -> None:
    path = write(tmp_path / "kept.json", content)
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        read(tmp_path / "none.json")
