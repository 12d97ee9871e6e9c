"""Files, folders and manifests to images with unique ids."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segsem.core.exceptions import InputError
from segsem.imaging.discover import discover


def _write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    return path


def test_folder_in_order_of_names_without_subfolders(tmp_path: Path) -> None:
    for name in ("b.png", "a.TIF", "c.jpg", "sub/d.png", ".hidden.png"):
        _write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    sources = discover([tmp_path])
    assert [source.image_id for source in sources] == ["a", "b", "c"]
    assert sources[0].path == tmp_path / "a.TIF"


def test_files_are_taken_whatever_their_name_and_missing_ones_fail_when_read(
    tmp_path: Path,
) -> None:
    (source,) = discover([tmp_path / "nosuch.dat"])
    assert source.image_id == "nosuch"
    with pytest.raises(InputError, match="does not exist"):
        source.read()


def test_equal_stems_get_a_hash_that_depends_on_nothing_else(tmp_path: Path) -> None:
    one, two = _write(tmp_path / "x" / "s.png"), _write(tmp_path / "y" / "S.png")
    three = _write(tmp_path / "t.png")
    ids = {source.path: source.image_id for source in discover([one, two, three])}
    assert ids[three] == "t"
    assert ids[one].startswith("s-")
    assert ids[two].startswith("S-")
    assert len({image_id.casefold() for image_id in ids.values()}) == 3
    reverse = {source.path: source.image_id for source in discover([two, one])}
    assert reverse == {path: ids[path] for path in (one, two)}


def test_ids_do_not_depend_on_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "x" / "s.png")
    _write(tmp_path / "y" / "s.png")
    absolute = [s.image_id for s in discover([tmp_path / "x", tmp_path / "y"])]
    monkeypatch.chdir(tmp_path)
    assert [s.image_id for s in discover(["x", Path("y") / "s.png"])] == absolute


def test_an_image_named_twice_is_taken_once(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.png")
    assert len(discover([path, tmp_path, str(path)])) == 1


def test_manifest_gives_pixel_size_and_id(tmp_path: Path) -> None:
    _write(tmp_path / "images" / "a.png")
    manifest = tmp_path / "list.csv"
    manifest.write_text("image,pixel_size_nm,tone\nimages/a.png,1.5,dark\n")
    (source,) = discover([manifest], pixel_size_nm=(1.5, 1.5))
    image = source.read()
    assert image.name == source.image_id == "a"
    assert image.pixel_size_nm == (1.5, 1.5)
    assert image.pixel_size_source == "manifest"
    assert image.metadata["tone"] == "dark"
    assert image.warnings == ()


def test_folder_with_a_manifest_takes_both(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "images/c.png"):
        _write(tmp_path / name)
    (tmp_path / "manifest.csv").write_text("image,pixel_size_nm\nb.png,2\nimages/c.png,3\n")
    sizes = {source.image_id: source.read().pixel_size_nm for source in discover([tmp_path])}
    assert sizes == {"b": (2.0, 2.0), "c": (3.0, 3.0), "a": None}


def test_a_file_and_its_manifest_meet(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.png")
    manifest = tmp_path / "m.json"
    manifest.write_text('[{"image": "a.png", "pixel_size_nm": 2}]')
    for inputs in ([path, manifest], [manifest, path]):
        (source,) = discover(inputs)
        assert source.read().pixel_size_nm == (2.0, 2.0)


def test_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        discover([tmp_path])
    with pytest.raises(InputError, match="No images given"):
        discover([])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_unreadable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with pytest.raises(InputError, match="cannot be listed"):
        discover([folder])
