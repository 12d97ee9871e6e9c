"""The journal: whole records come back, half ones are cut, damage hides nothing silently."""

from __future__ import annotations

import json
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsem.core.exceptions import ExportError, InputError
from segsem.project.journal import Journal, encode_record, read_journal

HEADER = {"image_id": "a"}


def written(path, count: int) -> None:
    journal = Journal(path, HEADER)
    for seq in range(1, count + 1):
        journal.append({"seq": seq})
    journal.close()


def test_records_come_back_with_their_header(tmp_path) -> None:
    written(tmp_path / "journal" / "a.jsonl", 3)
    content = read_journal(tmp_path / "journal" / "a.jsonl")
    assert content.header["image_id"] == "a"
    assert [record["seq"] for record in content.records] == [1, 2, 3]
    assert (content.lost_bytes, content.is_damaged) == (0, False)


def test_no_journal_is_an_empty_one(tmp_path) -> None:
    assert read_journal(tmp_path / "none").records == ()


@given(st.data())
def test_a_torn_tail_is_cut_wherever_it_is_torn(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("torn") / "a.jsonl"
    written(path, 3)
    raw = path.read_bytes()
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    before = read_journal(path)
    journal = Journal(path, HEADER)
    journal.append({"seq": 9})
    journal.close()
    after = read_journal(path)
    assert after.records == (*before.records, {"seq": 9})
    assert (after.header["image_id"], after.lost_bytes) == ("a", 0)


@given(st.data())
def test_a_changed_byte_is_noticed(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.jsonl"
    written(path, 4)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        content = read_journal(path)
    except InputError:
        pytest.fail("a damaged first line is no header, not one of another format")
    assert [record["seq"] for record in content.records] == list(range(1, len(content.records) + 1))
    assert len(content.records) < 4
    assert content.lost_bytes > 0


def test_a_damaged_journal_is_kept_beside_before_it_is_cut(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    written(path, 4)
    raw = bytearray(path.read_bytes())
    raw[len(encode_record(read_journal(path).header)) + 12] ^= 1
    path.write_bytes(raw)
    assert read_journal(path).is_damaged
    Journal(path, HEADER).append({"seq": 1})
    assert (tmp_path / "a.jsonl.damaged-1").read_bytes() == bytes(raw)
    assert read_journal(path).records == ({"seq": 1},)


def test_what_a_full_disk_refused_is_written_with_the_next_record(tmp_path, monkeypatch) -> None:
    journal = Journal(tmp_path / "a.jsonl", HEADER)
    journal.append({"seq": 1})
    real = os.write
    calls = []

    def half(file: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 1:
            return real(file, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(ExportError, match="No space left"):
        journal.append({"seq": 2})
    monkeypatch.setattr(os, "write", real)
    assert [r["seq"] for r in read_journal(journal.path).records] == [1]
    assert read_journal(journal.path).lost_bytes == 0
    journal.append({"seq": 3})
    assert [r["seq"] for r in read_journal(journal.path).records] == [1, 2, 3]


def test_a_folder_that_cannot_be_made_is_told(tmp_path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(ExportError, match="kept in memory"):
        Journal(tmp_path / "journal" / "a.jsonl", HEADER).append({"seq": 1})


def test_cutting_keeps_what_came_meanwhile(tmp_path) -> None:
    journal = Journal(tmp_path / "a.jsonl", HEADER)
    journal.append({"seq": 1})
    cut = read_journal(journal.path).good_bytes
    journal.append({"seq": 2})
    journal.sync()
    journal.cut_head(cut)
    content = read_journal(journal.path)
    assert content.records == ({"seq": 2},)
    assert content.header["image_id"] == "a"
    journal.cut_head(content.good_bytes)
    assert not journal.path.exists()
    journal.append({"seq": 3})
    assert read_journal(journal.path).records == ({"seq": 3},)


def test_a_first_line_that_stands_twice_hides_nothing(tmp_path) -> None:
    written(tmp_path / "a.jsonl", 2)
    first = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(first.split(b"\n")[0] + b"\n" + first)
    content = read_journal(tmp_path / "a.jsonl")
    assert [record["seq"] for record in content.records] == [1, 2]
    assert content.good_bytes == (tmp_path / "a.jsonl").stat().st_size
    assert not content.is_damaged


@pytest.mark.parametrize(
    "header", [{"format": "other"}, {"format": "segsem-journal", "version": 2}]
)
def test_other_formats_are_refused(tmp_path, header) -> None:
    (tmp_path / "a.jsonl").write_bytes(encode_record(header))
    with pytest.raises(InputError, match="format"):
        read_journal(tmp_path / "a.jsonl")


def test_a_version_1_journal_still_reads(tmp_path) -> None:
    header = {"format": "segsem-journal", "version": 1, "image_id": "a"}
    lines = [header, {"seq": 1, "op": "mark", "at": "", "marks": {"done": True}}]
    text = b"".join(
        b"%08x %s\n" % (zlib.crc32(json.dumps(x).encode()), json.dumps(x).encode()) for x in lines
    )
    (tmp_path / "a.jsonl").write_bytes(text)
    assert read_journal(tmp_path / "a.jsonl").records == (lines[1],)
