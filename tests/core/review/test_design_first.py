"""What an extraction found against its design is first in the queue that is read from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segsem.core.extraction import DESIGN, NECK
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review
from segsem.review.item import ItemFlag
from tests.core.review.conftest import extraction


def fault(kind: str, place_rc: list[float], regions: list[int]) -> dict[str, object]:
    return {"fault": kind, "centre_rc": place_rc, "regions": regions, "is_part": False}


def test_bridged_extra_missing_and_necks_come_before_what_is_unsure(tmp_path: Path) -> None:
    made = extraction("a", [0.99, 0.985, 0.5, 0.97, 0.96, 0.98])
    flagged = {2: ("bridged",), 4: ("extra",)}
    necks = {5: dict(zip(NECK, (2.0, 10.0, 70.0), strict=True))}
    regions = tuple(
        replace(
            region,
            flags=flagged.get(region.region_id, ()),
            evidence=necks.get(region.region_id, {}),
        )
        for region in made.regions
    )
    faults = [
        fault("missing", [10.0, 118.0], []),
        fault("bridged", [10.0, 30.0], [2]),
        fault("extra", [10.0, 70.0], [4]),
    ]
    said = {**made.provenance, DESIGN: {"used": True, "faults": faults}}
    write_results(replace(made, regions=regions, provenance=said), tmp_path / "out")
    review = open_review(find_lot([tmp_path / "out"]))
    first = review.queue.items[:4]
    assert {item.key.region_id for item in first} == {2, 4, 5, 6}
    by_id = {item.key.region_id: item for item in first}
    assert ItemFlag.AGAINST_DESIGN in by_id[2].flags
    assert by_id[4].reason == "extra against the design"
    assert by_id[5].reason == "its parts are joined by 2 px or less at row 10, column 70"
    assert by_id[6].beside.missing_rc == ((10.0, 118.0),)
    assert [item.key.region_id for item in review.queue.items[4:]] == [3, 1]


def test_a_design_record_of_another_kind_says_nothing(tmp_path: Path) -> None:
    for number, design in enumerate(
        (None, "words", {"faults": None}, {"faults": ["x", {"fault": "missing"}]})
    ):
        made = extraction("a", [0.9, 0.8])
        said = {**made.provenance, DESIGN: design}
        out = tmp_path / str(number)
        write_results(replace(made, provenance=said), out)
        assert not any(i.beside.missing_rc for i in open_review(find_lot([out])).queue.items)
