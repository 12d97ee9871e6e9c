"""Files and journal together give back labels, objects and undo, wherever a program died."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segsem.core.contour import Source
from segsem.core.exceptions import ExportError, InputError
from segsem.project import snapshot as snapshots
from segsem.project.annotation_store import AnnotationStore, StoredAnnotation, read_annotation
from segsem.project.journal import read_journal
from segsem.project.label_edit import LabelEdit

SHAPE = (60, 80)
IMAGE = {"image_id": "a", "sha256": "0" * 64, "shape": list(SHAPE), "path": "a.tif"}


def make_store(folder: Path) -> AnnotationStore:
    return AnnotationStore(folder / "annotations" / "a", folder / "journal" / "a.jsonl", IMAGE)


def assert_same(stored: StoredAnnotation | None, work: Any) -> None:
    assert stored is not None
    timeline = stored.snapshot.timeline
    np.testing.assert_array_equal(timeline.image.labels, work.image.labels)
    assert timeline.image.objects == work.image.objects
    for known, edits in ((timeline.done, work.done), (timeline.undone, work.undone)):
        assert [described(item.edit) for item in known] == [described(edit) for edit in edits]


def described(edit: LabelEdit) -> tuple[object, ...]:
    pixels = edit.pixels
    arrays = (pixels.bits, pixels.before, pixels.after)
    return (
        edit.name,
        pixels.box,
        *(array.tobytes() for array in arrays),
        dict(edit.before),
        dict(edit.after),
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_moment_can_be_restored(tmp_path, new_work, seed) -> None:
    work, store = new_work(seed=seed), make_store(tmp_path)
    for number, (happening, edit) in enumerate(work.steps(60)):
        store.note(happening, edit)
        if number % 7 == 3:
            store.compact()
        assert_same(make_store(tmp_path).restore(), work)
    assert work.image.objects


def test_nothing_kept_is_none(tmp_path) -> None:
    store = make_store(tmp_path)
    assert store.restore() is None
    assert store.compact() is None
    assert not (tmp_path / "annotations").exists()


def test_a_compacted_journal_is_gone_and_undo_is_not(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    for step in work.steps(30):
        store.note(*step)
    store.compact()
    assert not (tmp_path / "journal" / "a.jsonl").exists()
    assert_same(store.restore(), work)
    # Undo of what only the files know carries its edit: the journal can do without them.
    edit = work.done.pop()
    work.image.revert(edit)
    work.undone.append(edit)
    store.note("undo", edit)
    (record,) = read_journal(tmp_path / "journal" / "a.jsonl").records
    assert record["op"] == "undo"
    assert record["edit"]["name"] == edit.name
    assert_same(make_store(tmp_path).restore(), work)


def test_a_journal_begun_while_compacting_is_kept_whole(tmp_path, new_work, monkeypatch) -> None:
    work, store = new_work(), make_store(tmp_path)
    for step in work.steps(10):
        store.note(*step)
    store.compact()
    steps = work.steps(2)

    def read(*arguments: Any) -> StoredAnnotation | None:
        stored = read_annotation(*arguments)
        store.note(*next(steps))
        return stored

    with monkeypatch.context() as patch:
        patch.setattr("segsem.project.annotation_store.read_annotation", read)
        store.compact()
    store.note(*next(steps))
    assert len(read_journal(tmp_path / "journal" / "a.jsonl").records) == 2
    assert_same(make_store(tmp_path).restore(), work)


def test_lost_history_costs_undo_and_nothing_else(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    for step in work.steps(30):
        store.note(*step)
    store.compact()
    for step in work.steps(25):
        store.note(*step)
    (tmp_path / "annotations" / "a" / "history.jsonl").write_bytes(b"nonsense")
    stored = make_store(tmp_path).restore()
    assert stored is not None
    assert stored.problem == ""
    np.testing.assert_array_equal(stored.snapshot.timeline.image.labels, work.image.labels)
    assert stored.snapshot.timeline.image.objects == work.image.objects


class DiedError(Exception):
    """Stands for the end of the program."""


@pytest.mark.parametrize("written", range(4))
@pytest.mark.parametrize("earlier", [False, True])
def test_dying_while_compacting_loses_nothing(
    tmp_path, new_work, monkeypatch, written, earlier
) -> None:
    """After none, one, two or all of the files; with and without a snapshot from before."""
    work, store = new_work(seed=5), make_store(tmp_path)
    if earlier:
        for step in work.steps(20):
            store.note(*step)
        store.compact()
    for step in work.steps(20):
        store.note(*step)
    with monkeypatch.context() as patch:
        die_after(patch, written)
        with pytest.raises(DiedError):
            store.compact()
    store.close()
    again = make_store(tmp_path)
    assert_same(again.restore(), work)
    for step in work.steps(20):
        again.note(*step)
    assert_same(make_store(tmp_path).restore(), work)
    again.compact()
    assert_same(make_store(tmp_path).restore(), work)


def die_after(patch: pytest.MonkeyPatch, n_files: int) -> None:
    count = iter(range(n_files + 1))

    def counted(real):
        def call(*arguments, **named):
            if next(count) == n_files:
                raise DiedError
            return real(*arguments, **named)

        return call

    # In the order in which they are written: labels, regions, history; then the journal is cut.
    for name in ("write_plane", "write_json", "atomic_path"):
        patch.setattr(snapshots, name, counted(getattr(snapshots, name)))
    patch.setattr("segsem.project.annotation_store.sync_snapshot", counted(snapshots.sync_snapshot))


def test_a_damaged_journal_is_set_aside_and_what_it_says_is_kept(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    for step in work.steps(8):
        store.note(*step)
    good = shutil.copy(tmp_path / "journal" / "a.jsonl", tmp_path / "good")
    reference = read_journal(Path(good))
    raw = bytearray(Path(good).read_bytes())
    raw[-5] ^= 1
    raw += b"00000000 {}\n"
    (tmp_path / "journal" / "a.jsonl").write_bytes(raw)
    stored = make_store(tmp_path).restore()
    assert stored is not None
    assert "damaged behind its record 7" in stored.problem
    assert len(reference.records) == 8
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["a.jsonl.damaged-1"]
    again = make_store(tmp_path).restore()
    assert again is not None
    assert again.problem == ""
    assert again.snapshot.timeline.image.objects == stored.snapshot.timeline.image.objects


def test_a_record_that_does_not_fit_is_told_and_later_work_is_kept(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    for step in work.steps(5):
        store.note(*step)
    store._journal.append({"seq": 6, "op": "do", "at": "", "edit": {"box": [0, 0, 900, 900]}})
    store.close()
    again = make_store(tmp_path)
    stored = again.restore()
    assert stored is not None
    assert "Expected an edit of a 60 x 80 px image" in stored.problem
    for step in work.steps(5):
        again.note(*step)
    assert_same(make_store(tmp_path).restore(), work)


def test_times_tell_when_objects_were_made_and_changed(tmp_path, new_work, monkeypatch) -> None:
    clock = iter(f"2026-01-01T00:00:{second:02d}+00:00" for second in range(60))
    monkeypatch.setattr("segsem.project.annotation_store.now", lambda: next(clock))
    work, store = new_work(), make_store(tmp_path)
    edit = work.accept()
    work.image.apply(edit)
    store.note("do", edit)
    part = np.zeros((2, 2), np.int32)
    row, col = work.image.objects[1].bbox[:2]
    erase = work.image.edit("eraser", (row, col), part)
    store.note("do", erase)
    store.compact()
    regions = json.loads((tmp_path / "annotations" / "a" / "regions.json").read_text())
    assert regions["version"] == 1
    assert regions["seq"] == 2
    (known,) = regions["objects"]
    assert known["made"].endswith("00:00:00+00:00")
    assert known["changed"].endswith("00:00:01+00:00")
    assert (known["source"], known["prompts"]) == ("sam2", {"points_rc": [[1.5, 2.5]]})


def test_what_is_only_said_of_objects_is_kept_too(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    edit = work.accept()
    named = work.image.edit_objects("class", {})
    assert named is None
    work.image.apply(edit)
    store.note("do", edit)
    named = work.image.edit_objects("class", {1: replace(work.image.objects[1], class_name="hole")})
    work.image.apply(named)
    work.done += [edit, named]
    store.note("do", named)
    assert_same(make_store(tmp_path).restore(), work)
    store.compact()
    stored = make_store(tmp_path).restore()
    assert_same(stored, work)
    assert stored.snapshot.timeline.image.objects[1].class_name == "hole"


def test_marks_are_kept(tmp_path) -> None:
    store = make_store(tmp_path)
    store.mark({"done": True, "training": True})
    store.mark({"done": False})
    for _ in range(2):
        stored = make_store(tmp_path).restore()
        assert stored is not None
        assert stored.snapshot.timeline.marks == {"done": False, "training": True}
        store.compact()


def test_labels_of_another_program_are_taken_over(tmp_path, new_work) -> None:
    work, store = new_work(), make_store(tmp_path)
    edit = work.accept()
    work.image.apply(edit)
    store.note("do", edit)
    store.compact()
    labels = work.image.labels.copy()
    labels[:4, :4] = 9
    tifffile.imwrite(tmp_path / "annotations" / "a" / "labels.tif", labels.astype(np.uint8))
    stored = make_store(tmp_path).restore()
    assert stored is not None
    image = stored.snapshot.timeline.image
    np.testing.assert_array_equal(image.labels, labels)
    assert image.objects[9].source is Source.MANUAL
    assert (image.objects[9].area_px, image.objects[9].bbox) == (16, (0, 0, 4, 4))
    assert image.objects[1].prompts == work.image.objects[1].prompts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("regions.json", "{", "regions.json cannot be read"),
        ("regions.json", "[]", "not an annotation of segsem"),
        ("regions.json", '{"format": "segsem-annotation", "version": 2}', "update napari-segsem"),
        ("regions.json", '{"format": "segsem-annotation", "version": 1}', "is damaged"),
        ("labels.tif", "no tiff", "Cannot read"),
    ],
)
def test_damaged_files_are_told_in_one_line(tmp_path, name, content, message) -> None:
    store = make_store(tmp_path)
    store.mark({"done": True})
    store.compact()
    (tmp_path / "annotations" / "a" / name).write_text(content)
    with pytest.raises(InputError, match=message) as told:
        make_store(tmp_path).restore()
    assert "\n" not in str(told.value)


def test_files_of_another_image_are_refused(tmp_path) -> None:
    store = make_store(tmp_path)
    store.mark({"done": True})
    store.compact()
    with pytest.raises(InputError, match="made from another file"):
        read_annotation(tmp_path / "annotations" / "a", tmp_path / "journal" / "a.jsonl", (9, 9))


def test_a_disk_that_refuses_a_record_gets_it_with_the_next(
    tmp_path, new_work, monkeypatch
) -> None:
    work, store = new_work(), make_store(tmp_path)
    steps = work.steps(30)
    store.note(*next(steps))
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda file, data: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(ExportError, match="full"):
            store.note(*next(steps))
    store.note(*next(steps))
    assert_same(make_store(tmp_path).restore(), work)


def test_a_thousand_edits_of_2048_px_stay_under_20_mb(tmp_path, new_work) -> None:
    """Accepted objects of 20 to 300 px across with ragged outlines, and brush strokes over them."""
    image = {**IMAGE, "shape": [2048, 2048]}
    store = AnnotationStore(tmp_path / "annotations", tmp_path / "a.jsonl", image)
    work = new_work((2048, 2048))
    random = work.random
    for number in range(1000):
        edit = ragged_object(work, random) if number % 2 else brush_stroke(work, random)
        if edit is not None:
            work.image.apply(edit)
            work.done.append(edit)
            store.note("do", edit)
    assert len(work.done) > 900
    assert (tmp_path / "a.jsonl").stat().st_size < 20e6
    assert_same(
        AnnotationStore(tmp_path / "annotations", tmp_path / "a.jsonl", image).restore(), work
    )


def ragged_object(work: Any, random: np.random.Generator) -> LabelEdit | None:
    radius = int(random.integers(10, 150))
    row, col = random.integers(radius, 2048 - radius, 2)
    grid = np.mgrid[-radius:radius, -radius:radius]
    angle = np.arctan2(*grid)
    wave = sum(random.normal(0, 0.03) * np.cos(k * angle + random.random()) for k in range(1, 12))
    mask = np.hypot(*grid) < radius * (0.8 + wave)
    object_id = work.image.next_id
    part = work.image.labels[row - radius : row + radius, col - radius : col + radius]
    after = np.where(mask & (part == 0), object_id, part).astype(np.int32)
    return work.image.edit("object", (int(row - radius), int(col - radius)), after)


def brush_stroke(work: Any, random: np.random.Generator) -> LabelEdit | None:
    length, width = int(random.integers(20, 400)), int(random.integers(2, 15))
    row, col = int(random.integers(30, 2018)), int(random.integers(0, 2048 - length))
    columns = np.arange(length)
    middle = 15 + 10 * np.sin(columns / 40 + random.random())
    mask = np.abs(np.arange(30)[:, None] - middle) < width / 2
    ids = [0, *work.image.objects]
    part = work.image.labels[row - 15 : row + 15, col : col + length]
    after = np.where(mask[: len(part)], int(random.choice(ids)), part).astype(np.int32)
    return work.image.edit("brush", (row - 15, col), after)
