"""Manifests: what they give, and errors that name the row and the column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segsem.core.exceptions import InputError
from segsem.core.params import Tone
from segsem.imaging.manifest import Manifest, read_manifest


def _read(folder: Path, text: str, name: str = "m.csv", encoding: str = "utf-8") -> Manifest:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return read_manifest(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = [
        "image,pixel_size_nm,tone,wafer,dose",
        "a.tif,1.25,bright,W3,18.5",
        "sub/b.tif,,,W4,",
        "",
        '"c.tif", 2 ,Dark,,',
    ]
    text = "\r\n".join(lines).replace(",", separator)
    manifest = _read(tmp_path, text, encoding=encoding)
    first, second, third = manifest.rows
    assert first.path == tmp_path / "a.tif"
    assert first.pixel_size_nm == (1.25, 1.25)
    assert first.tone is Tone.BRIGHT
    assert first.groups == {"wafer": "W3", "dose": "18.5"}
    assert second.path == tmp_path / "sub" / "b.tif"
    assert (second.pixel_size_nm, second.tone) == (None, None)
    assert (third.pixel_size_nm, third.tone, third.groups) == ((2.0, 2.0), Tone.DARK, {})
    assert manifest.row_for(tmp_path / "sub" / ".." / "a.tif") is first
    assert manifest.row_for(tmp_path / "nosuch.tif") is None


def test_sizes_by_axis(tmp_path: Path) -> None:
    manifest = _read(tmp_path, "path,px_x_nm,px_y_nm\na.tif,0.44,2.69\n")
    assert manifest.rows[0].pixel_size_nm == (2.69, 0.44)


@pytest.mark.parametrize("wrapped", [False, True])
def test_json(tmp_path: Path, wrapped: bool) -> None:
    rows = [
        {"image": "a.tif", "pixel_size_nm": [2.0, 1.0], "site": 7},
        {"image": "b.tif", "pixel_size_nm": 3, "tone": "auto"},
        {"image": "c.tif"},
    ]
    text = json.dumps({"images": rows} if wrapped else rows)
    first, second, third = _read(tmp_path, text, "m.json").rows
    assert first.pixel_size_nm == (2.0, 1.0)
    assert first.groups == {"site": "7"}
    assert second.pixel_size_nm == (3.0, 3.0)
    assert second.tone is Tone.AUTO
    assert third.pixel_size_nm is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column `image`"),
        ("name,pixel_size_nm\na.tif,1\n", "no column `image`"),
        ("image,pixel_size_nm\n", "lists no images"),
        ("image,pixel_size_nm\na.tif,1.2\nb.tif,abc\n", "row 3, column pixel_size_nm.*'abc'"),
        ("image,pixel_size_nm\na.tif,-1\n", "row 2, column pixel_size_nm"),
        ("image,pixel_size_nm\na.tif,nan\n", "row 2, column pixel_size_nm"),
        ("image;pixel_size_nm\na.tif;1,5\n", "row 2, column pixel_size_nm.*1.25"),
        ("image,px_x_nm,px_y_nm\na.tif,1,\n", "row 2, column px_y_nm"),
        ("image,px_x_nm\na.tif,1\n", "row 2, column px_y_nm"),
        ("image,pixel_size_nm,px_x_nm\na.tif,1,1\n", "row 2.*keep one"),
        ("image,tone\na.tif,grey\n", "row 2, column tone.*bright"),
        ("image,tone\n,dark\n", "row 2.*names no image"),
        ("image\na.tif\n./a.tif\n", "row 3.*again"),
        ("image,tone\na.tif,dark,extra\n", "row 2.*more values"),
        ("image,tone,tone\na.tif,dark,dark\n", "repeated column"),
    ],
)
def test_csv_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "m.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "no list of images"),
        ('{"pictures": []}', "no list of images"),
        ("[]", "lists no images"),
        ("[1]", "entry 1 is not an object|entry 1: is not an object"),
        ('[{"image": "a.tif"}, {"pixel_size_nm": 2}]', "entry 2.*names no image"),
        ('[{"image": "a.tif", "pixel_size_nm": "x"}]', "entry 1, column pixel_size_nm"),
        ('[{"image": "a.tif", "pixel_size_nm": [1, 2, 3]}]', "entry 1, column pixel_size_nm"),
        ('[{"image": "a.tif", "px_x_nm": [1, 2], "px_y_nm": 1}]', "entry 1, column px_x_nm"),
        ('[{"image": "a\\u0000.tif"}]', "null character"),
    ],
)
def test_json_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text, "m.json")
    assert "\n" not in str(caught.value)


def test_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a manifest"):
        read_manifest(tmp_path / "nosuch.csv")
    with pytest.raises(InputError, match="cannot be read as a manifest"):
        read_manifest(tmp_path)
