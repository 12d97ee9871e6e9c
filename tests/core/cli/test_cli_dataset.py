"""`segsem dataset`: what it prints, exit codes, one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from segsem.cli.app import build_app
from segsem.core.exceptions import InputError, UsageError
from segsem.project.project import Project


def segsem(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["dataset", *map(str, arguments)])


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Six images of three sites, with masks of eight objects each, and a manifest."""
    rows = ["image,site"]
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(6):
        grey = np.random.default_rng(number).integers(0, 255, (60, 80)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "images" / f"i{number}.tif", grey)
        mask = np.zeros((60, 80), np.uint8)
        mask.reshape(6, 10, 8, 10)[2, 2:8, :, 2:8] = 255
        tifffile.imwrite(tmp_path / "masks" / f"i{number}.tif", mask)
        rows.append(f"images/i{number}.tif,S{number // 2}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def project(pairs: Path) -> Path:
    Project.create(pairs / "p").close()
    done = segsem(
        "add", pairs / "p", pairs / "manifest.csv", "--masks", pairs / "masks", "--group", "wafer=W"
    )
    assert done.exit_code == 0, done.output
    assert "6 images (6 new) with 48 new objects are in the training set of p" in done.output
    return pairs / "p"


def test_list_tells_images_groups_and_counts(project: Path) -> None:
    shown = segsem("list", project)
    assert shown.exit_code == 0
    assert "wafer W, site S2" in shown.output
    assert "6 images, 48 objects" in shown.output
    listing = json.loads(segsem("list", project, "--json").stdout)
    assert [one["objects"] for one in listing["images"]] == [8] * 6
    assert listing["images"][0]["groups"] == {"wafer": "W", "site": "S0"}


def test_list_of_a_lost_image_is_bad_input(project: Path) -> None:
    (project.parent / "images" / "i0.tif").unlink()
    (project / "fingerprints.json").unlink(missing_ok=True)
    assert segsem("list", project).exit_code == InputError.exit_code


def test_split_keeps_sites_together_and_is_what_finetune_takes(project: Path) -> None:
    out = project.parent / "split.json"
    shown = segsem("split", project, "-o", out)
    assert shown.exit_code == 0, shown.output
    made = json.loads(out.read_text(encoding="utf-8"))
    assert len(made["held_out"]) == 2
    held = {int(name[1]) // 2 for name in made["held_out"]}
    assert not held & {int(name[1]) // 2 for name in made["train"]}
    folds = json.loads(segsem("split", project, "--folds", 3, "--json").stdout)
    assert sorted(name for one in folds for name in one["held_out"]) == [f"i{n}" for n in range(6)]


def test_export_then_import(project: Path, tmp_path: Path) -> None:
    for kind in ("coco", "labels"):
        done = segsem("export", project, "-o", tmp_path / kind, "--format", kind)
        assert "wrote 48 objects of 6 images" in done.output
        Project.create(tmp_path / f"p-{kind}").close()
        source = tmp_path / "coco" / "annotations.json" if kind == "coco" else tmp_path / "labels"
        back = segsem("import", tmp_path / f"p-{kind}", source, "--images", tmp_path / "images")
        assert back.exit_code == 0, back.output
        assert "6 images (6 new) with 48 new objects" in back.output
        # Twice is once.
        again = segsem("import", tmp_path / f"p-{kind}", source, "--images", tmp_path / "images")
        assert "6 were as they are" in again.output


def test_bad_calls_are_told_apart_from_bad_input(project: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    for arguments, error in (
        (("add", project, images, "--group", "site"), UsageError),
        (("add", project, images, "--group", "id=3"), UsageError),
        (("split", project, "--folds", 2, "--held-out", "i0"), UsageError),
        (("add", tmp_path, images), InputError),
        (("add", project, tmp_path / "masks", "--masks", tmp_path / "nowhere"), InputError),
        (("import", project, tmp_path / "nothing.json"), InputError),
        (("import", project, images / "i0.tif"), InputError),
        (("split", project, "--held-out", "i9"), InputError),
    ):
        done = segsem(*arguments)
        assert isinstance(done.exception, error), arguments
        assert "\n" not in str(done.exception)


def test_a_project_in_use_is_not_touched(project: Path, tmp_path: Path) -> None:
    holder = Project.open(project)
    done = segsem("add", project, tmp_path / "images")
    assert isinstance(done.exception, InputError)
    assert "is in use" in str(done.exception)
    holder.close()
