"""Adding to a project: all or nothing, as edits, with provenance; the round trips through files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import ExportError, InputError
from segsem.core.progress import run_to_completion
from segsem.dataset import exporting
from segsem.dataset.additions import ORIGIN, Added, add_all, same_objects
from segsem.dataset.exporting import export_coco, export_labels
from segsem.dataset.finding import Found, find_coco, find_images, find_label_folder
from segsem.dataset.kinds import Shapes
from segsem.dataset.listing import SMALLEST_OBJECT_PX, list_images, split_images
from segsem.dataset.mask_files import LABELS_MARK
from segsem.imaging.plane_tiff import write_plane
from segsem.project.annotation_store import AnnotationStore
from segsem.project.lock import ProjectInUseError
from segsem.project.project import Project
from segsem.training import few_shot_images
from tests.core.dataset.conftest import labels_in, some_labels, write_image


def add(project: Project, found: Found, replacing: bool = False) -> Added:
    return run_to_completion(add_all(project, found.additions, replacing=replacing))


def files_of(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for path in sorted(project.folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "fingerprints.json")
    }


def write_pair(folder: Path, name: str, holes: bool = False) -> Path:
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    write_plane(folder / "masks" / f"{name}.tif", some_labels(holes), LABELS_MARK)
    return write_image(folder / "images", name)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Folder of two images with masks."""
    write_pair(tmp_path / "in", "a")
    write_pair(tmp_path / "in", "b", holes=True)
    return tmp_path / "in"


@pytest.fixture
def filled(project: Project, pairs: Path) -> Project:
    add(project, find_images([pairs / "images"], pairs / "masks", class_name="line"))
    return project


def test_images_come_with_objects_groups_and_provenance(project: Project, pairs: Path) -> None:
    found = find_images([pairs / "images"], pairs / "masks", groups={"site": "A3"})
    added = add(project, found)
    assert (added.new_images, added.new_objects, added.unchanged) == (2, 7, 0)
    assert np.array_equal(labels_in(project, "a"), some_labels())
    row = project.images.get("a")
    assert row is not None
    assert (row.training, row.n_objects, row.groups) == (True, 3, {"site": "A3"})
    stored = project.read("b")
    assert stored is not None
    timeline = stored.snapshot.timeline
    assert timeline.image.objects[4].prompts == {ORIGIN: {"kind": "mask", "file": "b.tif"}}
    assert timeline.times[4].made
    # What a reader of the project sees after a new start is the same.
    again = Project.open(project.folder, write=False)
    assert np.array_equal(labels_in(again, "b"), some_labels(holes=True))


def test_one_undo_takes_an_import_back(filled: Project) -> None:
    stored = filled.read("a")
    assert stored is not None
    timeline = stored.snapshot.timeline
    assert [known.edit.name for known in timeline.done] == ["import"]
    timeline.image.revert(timeline.done[0].edit)
    assert not timeline.image.labels.any()
    assert timeline.image.objects == {}


def test_the_same_again_changes_nothing(filled: Project, pairs: Path) -> None:
    before = files_of(filled)
    added = add(filled, find_images([pairs / "images"], pairs / "masks"))
    assert (added.new_images, added.new_objects, added.unchanged) == (0, 0, 2)
    after = files_of(filled)
    assert after["annotations/a/labels.tif"] == before["annotations/a/labels.tif"]
    assert after["images.csv"] == before["images.csv"]


def test_other_objects_need_a_word(filled: Project, pairs: Path) -> None:
    write_plane(pairs / "masks" / "b.tif", some_labels(), LABELS_MARK)
    found = find_images([pairs / "images"], pairs / "masks")
    before = files_of(filled)
    with pytest.raises(InputError, match=r"b\.tif has 4 objects in the project already"):
        add(filled, found)
    assert files_of(filled) == before
    assert add(filled, found, replacing=True).unchanged == 1
    assert same_objects(labels_in(filled, "b"), some_labels())
    stored = filled.read("b")
    assert stored is not None
    stored.snapshot.timeline.image.revert(stored.snapshot.timeline.done[-1].edit)
    assert same_objects(stored.snapshot.timeline.image.labels, some_labels(holes=True))


def test_bad_input_in_the_last_image_changes_nothing(project: Project, pairs: Path) -> None:
    before = files_of(project)
    tifffile.imwrite(pairs / "masks" / "b.tif", np.ones((9, 9), np.uint16))
    with pytest.raises(InputError, match="is 9 x 9 px, but its image is 40 x 50"):
        add(project, find_images([pairs / "images"], pairs / "masks"))
    assert files_of(project) == before
    assert len(project.images) == 0


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_takes_back_what_was_added(
    project: Project, pairs: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    # One image is known before, with objects of its own that are to give way.
    write_plane(pairs / "masks" / "a.tif", some_labels(holes=True), LABELS_MARK)
    add(project, find_images([pairs / "images" / "a.tif"], pairs / "masks" / "a.tif"))
    project.images.change("a", training=False)
    write_plane(pairs / "masks" / "a.tif", some_labels(), LABELS_MARK)
    note, calls = AnnotationStore.note, []

    def full(self: AnnotationStore, happening: str, edit: object) -> None:
        calls.append(happening)
        if calls.count("do") == failing and happening == "do":
            raise ExportError("disk full")
        note(self, happening, edit)  # type: ignore[arg-type]

    monkeypatch.setattr(AnnotationStore, "note", full)
    with pytest.raises(ExportError, match="disk full"):
        add(project, find_images([pairs / "images"], pairs / "masks"), replacing=True)
    assert [row.image_id for row in project.images] == ["a"]
    assert not (project.folder / "annotations" / "b").exists()
    assert not project.journal_path("b").exists()
    if failing == 2:
        assert same_objects(labels_in(project, "a"), some_labels(holes=True))
    again = Project.open(project.folder, write=False)
    assert [(row.image_id, row.training) for row in again.images] == [("a", False)]


def test_closing_half_way_takes_back_what_was_added(project: Project, pairs: Path) -> None:
    steps = add_all(project, find_images([pairs / "images"], pairs / "masks").additions)
    for step in steps:
        if step.message == "adding b.tif":
            break
    assert len(project.images) == 1
    steps.close()
    assert len(project.images) == 0
    assert len(Project.open(project.folder, write=False).images) == 0


def test_a_project_in_use_is_left_alone(filled: Project) -> None:
    with pytest.raises(ProjectInUseError):
        Project.open(filled.folder)


def test_one_picture_twice_is_refused(project: Project, pairs: Path) -> None:
    (pairs / "images" / "c.tif").write_bytes((pairs / "images" / "a.tif").read_bytes() + b"\0")
    with pytest.raises(InputError, match="shows the same picture as"):
        add(project, find_images([pairs / "images"]))


def test_masks_without_image_and_images_without_mask_are_told(pairs: Path) -> None:
    (pairs / "masks" / "b.tif").rename(pairs / "masks" / "c.tif")
    with pytest.raises(InputError, match=r"has no mask for b\.tif: expected a file of the same"):
        find_images([pairs / "images"], pairs / "masks")
    write_image(pairs / "images", "c")
    (pairs / "images" / "b.tif").unlink()
    (pairs / "images" / "a.tif").unlink()
    with pytest.raises(InputError, match=r"a\.tif belongs to none of the images"):
        find_images([pairs / "images"], pairs / "masks")
    with pytest.raises(InputError, match="is none"):
        find_images([pairs / "images"], pairs / "nowhere")


def test_a_synthetic_set_brings_its_truth_and_sites(project: Project, tmp_path: Path) -> None:
    path = write_image(tmp_path / "set" / "images", "a")
    truth = tmp_path / "set" / "truth" / "a"
    truth.mkdir(parents=True)
    tifffile.imwrite(truth / "labels.tif", some_labels())
    manifest = tmp_path / "set" / "manifest.csv"
    manifest.write_text("image,site,truth\nimages/a.tif,S03,truth/a\n", encoding="utf-8")
    add(project, find_images([manifest]))
    row = project.images.at(path.resolve())
    assert row is not None
    assert row.groups == {"site": "S03"}
    assert np.array_equal(labels_in(project, "a"), some_labels())
    (truth / "labels.tif").unlink()
    with pytest.raises(InputError, match=r"Expected the truth of a\.tif in"):
        find_images([manifest])


@pytest.mark.parametrize("shapes", list(Shapes))
def test_coco_goes_round(filled: Project, tmp_path: Path, shapes: Shapes) -> None:
    path = tmp_path / "out" / "annotations.json"
    done = run_to_completion(export_coco(filled, path, shapes))
    assert (done.images, done.objects) == (2, 7)
    content = json.loads(path.read_text(encoding="utf-8"))
    kinds = [type(one["segmentation"]) for one in content["annotations"]]
    # Only the frame has a hole, which no polygon keeps.
    assert kinds.count(list) == (6 if shapes is Shapes.POLYGON else 0)
    other = Project.create(tmp_path / "other")
    added = add(other, find_coco(path, None, other))
    assert added.new_objects == 7
    for name in ("a", "b"):
        assert same_objects(labels_in(other, name), labels_in(filled, name))
    stored = other.read("a")
    assert stored is not None
    assert {known.class_name for known in stored.snapshot.timeline.image.objects.values()} == {
        "line"
    }
    other.close()


def test_labels_go_round_with_their_classes(filled: Project, tmp_path: Path) -> None:
    done = run_to_completion(export_labels(filled, tmp_path / "out"))
    assert (done.images, done.objects) == (2, 7)
    other = Project.create(tmp_path / "other")
    images = tmp_path / "in" / "images"
    assert add(other, find_label_folder(tmp_path / "out", images, other)).new_objects == 7
    assert same_objects(labels_in(other, "b"), labels_in(filled, "b"))
    stored = other.read("b")
    assert stored is not None
    assert stored.snapshot.timeline.image.objects[1].class_name == "line"
    (tmp_path / "out" / "a.tif").rename(tmp_path / "out" / "x.tif")
    with pytest.raises(InputError, match=r"belongs to no image: there is no x"):
        find_label_folder(tmp_path / "out", images, other)
    other.close()


def test_an_image_that_is_not_there_is_named(filled: Project, tmp_path: Path) -> None:
    path = tmp_path / "out" / "annotations.json"
    run_to_completion(export_coco(filled, path))
    (tmp_path / "in" / "images" / "b.tif").unlink()
    other = Project.create(tmp_path / "other")
    with pytest.raises(InputError, match=r"b\.tif, but it is neither in .* nor in the project"):
        find_coco(path, None, other)
    other.close()


def test_a_coco_file_of_another_size_changes_nothing(filled: Project, tmp_path: Path) -> None:
    path = tmp_path / "out" / "annotations.json"
    run_to_completion(export_coco(filled, path, Shapes.POLYGON))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["images"] = content["images"][:1]
    content["images"][0]["height"] = 41
    kept = [one for one in content["annotations"] if one["image_id"] == 1]
    content["annotations"] = kept
    path.write_text(json.dumps(content), encoding="utf-8")
    before = files_of(filled)
    with pytest.raises(InputError, match=r"is 41 x 50 px, but .* is 40 x 50"):
        add(filled, find_coco(path, None, filled))
    assert files_of(filled) == before


def test_what_does_not_read_back_is_not_kept(
    filled: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "encode_counts", lambda mask: [mask.size - 1, 1])
    path = tmp_path / "out" / "annotations.json"
    with pytest.raises(ExportError, match="did not read back"):
        run_to_completion(export_coco(filled, path))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_listing_tells_objects_groups_and_what_is_wrong(filled: Project, pairs: Path) -> None:
    filled.images.change("b", groups={"site": "B", "dose": "3"})
    (pairs / "images" / "a.tif").unlink()
    listing = run_to_completion(list_images(filled))
    a, b = listing.images
    assert (a.objects, a.cut, b.objects) == (3, 1, 4)
    assert b.groups == {"site": "B"}
    # Its picture was seen when it was added only by its file's hash.
    assert "a.tif" in a.problem
    assert listing.summary.n_objects == b.objects
    assert listing.summary.missing


def test_a_split_is_made_of_what_fine_tuning_reads(filled: Project) -> None:
    mine = run_to_completion(split_images(filled))
    theirs = run_to_completion(few_shot_images.read_images(filled))
    assert mine == [image.about for image in theirs]
    assert SMALLEST_OBJECT_PX == few_shot_images.SMALLEST_OBJECT_PX


def test_the_same_objects_under_other_numbers() -> None:
    one = some_labels()
    other = np.where(one > 0, 9 - one, 0).astype(np.int32)
    assert same_objects(one, other)
    assert not same_objects(one, np.where(one == 2, 1, one).astype(np.int32))
    assert not same_objects(np.where(one == 2, 1, one).astype(np.int32), one)
    assert not same_objects(one, np.where(one == 2, 0, one).astype(np.int32))
    assert not same_objects(one, np.zeros((3, 3), np.int32))


def test_an_empty_training_set_is_not_exported(project: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no objects: add images"):
        run_to_completion(export_coco(project, tmp_path / "c.json"))
    assert not (tmp_path / "c.json").exists()
