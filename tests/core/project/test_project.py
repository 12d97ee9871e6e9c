"""The project folder: images found by content, one writer at a time, recovery after a crash."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import InputError, UsageError
from segsem.core.progress import run_to_completion
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image
from segsem.project import lock as locks
from segsem.project.check import check_project
from segsem.project.default_folder import open_default, work_folder
from segsem.project.description import read_description
from segsem.project.image_table import ImageTable
from segsem.project.lock import ProjectInUseError, lock_holder
from segsem.project.project import Project, content_hash


def image_file(folder: Path, name: str = "site07.tif", value: int = 7) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, np.full((60, 80), value, np.uint8))
    return folder / name


def accept(project: Project, image: SEMImage, work) -> None:
    edit = work.accept()
    work.image.apply(edit)
    work.done.append(edit)
    project.store(image).note("do", edit)


def test_a_new_project_says_what_it_is(tmp_path) -> None:
    made = Project.create(tmp_path / "p", 'Etch "A"\x7f')
    assert made.name == 'Etch "A"\x7f'
    made.close()
    again = Project.open(tmp_path / "p")
    assert again.name == made.name
    again.close()


def test_there_is_one_project_in_a_folder(project) -> None:
    with pytest.raises(UsageError, match="is a project already"):
        Project.create(project.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "segsem project new"),
        ("no toml", "cannot be read"),
        ('format = "other"', "not of a segsem project"),
        ('format = "segsem-project"\nversion = 9', "update napari-segsem"),
    ],
)
def test_what_is_no_project_is_told(tmp_path, content, message) -> None:
    if content is not None:
        (tmp_path / "project.toml").write_text(content)
    with pytest.raises(InputError, match=message) as told:
        Project.open(tmp_path)
    assert "\n" not in str(told.value)


def test_a_version_1_description_still_reads(tmp_path) -> None:
    (tmp_path / "project.toml").write_text(
        'format = "segsem-project"\nversion = 1\nname = "Etch"\ncreated = "2026-01-01"\n'
    )
    assert read_description(tmp_path).name == "Etch"


def test_images_come_back_from_the_table(project, tmp_path) -> None:
    inside = read_image(image_file(project.folder / "images"))
    outside = read_image(image_file(tmp_path / "other", value=8), pixel_size_nm=(1.5, 2.0))
    outside.metadata.update(tone="dark", groups={"wafer": "W1, left", "site": "7"})
    ids = [project.register(image).image_id for image in (inside, outside)]
    assert ids == ["site07", f"site07-{outside.sha256[:8]}"]
    project.save()
    rows = list(ImageTable.read(project.folder))
    assert rows == list(project.images)
    assert [row.path for row in rows] == ["images/site07.tif", str(tmp_path / "other/site07.tif")]
    assert rows[1].pixel_size_nm == (1.5, 2.0)
    assert rows[1].groups == {"wafer": "W1, left", "site": "7"}
    assert rows[0].pixel_size_nm is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,path\na,b\n", "lacks the columns sha256"),
        ("HEAD\na,p,h,60,x,,,,,0,,\n", "row 2"),
        ("HEAD\n../a,p,h,60,80,,,,,0,,\n", "names a folder"),
        ("HEAD\na,p,h,60,80,,,,,0,,,more\n", "more values"),
        ("HEAD\na,p,h,60,80,,,,,0,,\nA,q,i,60,80,,,,,0,,\n", "same id in two rows"),
    ],
)
def test_a_wrong_table_is_told_with_its_row(project, text, message) -> None:
    from segsem.project.image_table import COLUMNS

    (project.folder / "images.csv").write_text(text.replace("HEAD", ",".join(COLUMNS)))
    with pytest.raises(InputError, match=message):
        ImageTable.read(project.folder)


def test_a_moved_image_is_found_again(project, tmp_path, new_work) -> None:
    path = image_file(tmp_path / "first")
    work = new_work()
    accept(project, read_image(path), work)
    moved = tmp_path / "second" / "renamed.tif"
    moved.parent.mkdir()
    path.rename(moved)
    row = project.register(read_image(moved))
    assert row.image_id == "site07"
    assert row.path == str(moved)
    assert project.images.at(moved) == row
    stored = project.store(read_image(moved)).restore()
    assert stored.snapshot.timeline.image.objects == work.image.objects


def test_a_copy_of_an_image_is_the_same_image(project, tmp_path) -> None:
    first = project.register(read_image(image_file(tmp_path / "first")))
    copy = project.register(read_image(image_file(tmp_path / "copy")))
    assert copy == first


def test_an_image_without_a_file_is_known_by_its_values() -> None:
    one, other = (SEMImage(np.full((4, 5), value, np.uint8), "memory") for value in (1, 2))
    assert content_hash(one) == content_hash(SEMImage(one.data.copy(), "other name"))
    assert content_hash(one) != content_hash(other)


def test_the_source_image_is_never_written(project, tmp_path, new_work) -> None:
    path = image_file(tmp_path / "images")
    before = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    image = read_image(path)
    accept(project, image, new_work())
    project.mark(image, {"done": True})
    project.compact("site07")
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before
    assert [file.name for file in path.parent.iterdir()] == ["site07.tif"]


def test_marks_and_counts_are_in_the_table_after_a_crash(project, image, new_work) -> None:
    work = new_work()
    accept(project, image, work)
    accept(project, image, work)
    project.mark(image, {"done": True, "training": True, "pixel_size_nm": [2.0, 2.5]})
    # The program dies here: the table was never written.
    project.close()
    assert not (project.folder / "images.csv").exists()
    again = Project.open(project.folder)
    recovered = run_to_completion(again.recover())
    assert (recovered.image_ids, recovered.problems) == (("site07",), ())
    (row,) = again.images
    assert (row.n_objects, row.done, row.training) == (len(work.image.objects), True, True)
    assert (row.pixel_size_nm, row.pixel_size_source) == ((2.0, 2.5), "user")
    assert row.sha256 == image.sha256
    assert list(ImageTable.read(project.folder)) == [row]
    assert list((project.folder / "journal").iterdir()) == []
    again.close()


def test_a_lost_table_is_made_again_from_the_annotations(project, image, new_work) -> None:
    accept(project, image, new_work())
    project.compact("site07")
    project.close()
    (project.folder / "images.csv").unlink()
    again = Project.open(project.folder)
    assert again.images.find(image.sha256).image_id == "site07"
    again.close()


def test_recovery_removes_half_written_files_and_tells_damage(project, image, new_work) -> None:
    accept(project, image, new_work())
    project.compact("site07")
    accept(project, image, new_work())
    folder = project.annotation_folder("site07")
    for path in (folder / ".labels.x1.tif", folder / ".regions.x2.json"):
        path.write_text("half")
    (folder / "regions.json").write_text("{")
    project.close()
    again = Project.open(project.folder)
    recovered = run_to_completion(again.recover())
    assert "regions.json cannot be read" in recovered.problems[0]
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.jsonl",
        "labels.tif",
        "regions.json",
    ]
    # What cannot be taken over now is not thrown away.
    assert (project.folder / "journal" / "site07.jsonl").exists()
    again.close()


def test_a_second_program_is_told_in_one_line(project) -> None:
    with pytest.raises(ProjectInUseError, match=f"in use by process {os.getpid()}") as told:
        Project.open(project.folder)
    assert "\n" not in str(told.value)
    assert Project.open(project.folder, write=False).name == "project"
    assert lock_holder(project.folder) == f"process {os.getpid()}"
    project.close()
    assert lock_holder(project.folder) == ""


HOLD = """
import sys
from pathlib import Path
from segsem.project.project import Project
project = Project.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_program(tmp_path):
    Project.create(tmp_path / "p").close()
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "p")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_the_lock_of_a_dead_program_is_taken_over(other_program, tmp_path) -> None:
    with pytest.raises(ProjectInUseError, match=f"process {other_program.pid}"):
        Project.open(tmp_path / "p")
    other_program.kill()
    other_program.wait()
    # What the dead one wrote into the file is still there.
    assert json.loads((tmp_path / "p" / ".lock").read_text())["pid"] == other_program.pid
    Project.open(tmp_path / "p").close()


def test_without_file_locks_the_process_counts(other_program, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(locks, "_flock", lambda: None)
    with pytest.raises(ProjectInUseError, match=f"process {other_program.pid}"):
        Project.open(tmp_path / "p")
    holder = json.loads((tmp_path / "p" / ".lock").read_text())
    for other in ({**holder, "started": 0.0}, {}, {"pid": "x"}):
        assert not locks._is_alive(other)
    assert locks._is_alive({**holder, "host": "elsewhere"})
    other_program.kill()
    other_program.wait()
    Project.open(tmp_path / "p").close()


def test_each_window_has_a_default_project_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SEGSEM_WORK", str(tmp_path / "work"))
    assert work_folder() == tmp_path / "work"
    first, second = open_default(), open_default()
    assert [p.folder.name for p in (first, second)] == ["default", "default-2"]
    first.close()
    third = open_default()
    assert third.folder == first.folder
    second.close()
    third.close()


def test_the_default_folder_is_the_users_data_folder(monkeypatch) -> None:
    monkeypatch.delenv("SEGSEM_WORK", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setattr(sys, "platform", "linux")
    assert work_folder() == Path("/data/segsem")


def test_check_tells_what_is_missing_changed_and_unsaved(project, tmp_path, new_work) -> None:
    paths = [image_file(tmp_path / "images", f"{name}.tif", value) for value, name in
             enumerate(("fine", "gone", "other"))]  # fmt: skip
    for path in paths:
        accept(project, read_image(path), new_work())
        project.compact(path.stem)
    accept(project, read_image(paths[0]), new_work(seed=1))
    project.save()
    paths[1].unlink()
    tifffile.imwrite(paths[2], np.zeros((60, 80), np.uint8) + 99)
    in_use = run_to_completion(check_project(project.folder))
    assert in_use.notes == (f"in use by process {os.getpid()}",)
    project.close()
    report = run_to_completion(check_project(project.folder))
    assert (report.n_images, report.n_annotated) == (3, 3)
    assert [error.split(":")[0] for error in report.errors] == ["gone", "other"]
    assert "another image than the one" in report.errors[1]
    assert report.notes[0].startswith("fine: 1 steps are in the journal only")


def test_check_finds_labels_that_do_not_fit_their_objects(project, image, new_work) -> None:
    accept(project, image, new_work())
    project.compact("site07")
    path = project.annotation_folder("site07") / "regions.json"
    content = json.loads(path.read_text())
    content["objects"][0]["id"] = 5
    path.write_text(json.dumps(content))
    report = run_to_completion(check_project(project.folder))
    assert report.errors == ("site07: labels.tif and regions.json name different objects",)
