"""A region in the repeats of its image: a project whose images are shifted by known amounts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.exceptions import InputError
from segsem.core.extraction import DESIGN, Extraction
from segsem.export.outputs import write_results
from segsem.export.project_groups import ProjectGroups, read_project_groups
from segsem.export.quality import Measured
from segsem.export.results import read_results
from segsem.export.reviewed import ResultFolder, find_lot, open_review
from segsem.export.reviewed_repeats import compare_repeats, outlines_within
from segsem.layout.registration import Place, Registration, Verdict
from segsem.layout.registration_json import registration_record
from segsem.metrology.region_measures import RegionMeasures
from segsem.project.image_table import ImageRow, ImageTable
from segsem.project.project import Project
from segsem.review.decision import Action
from segsem.review.item import ItemKey
from segsem.review.repeat_figures import RepeatComparison, RepeatRegion
from segsem.review.repeat_places import Presence, Way
from segsem.review.review import Review

SHAPE, VALID = (120, 160), (0, 100)
PIXEL_NM = (1.5, 2.0)
PIXEL_NM2 = 3.0
CENTRE_NM = (160.0, 90.0)
HERE_NM = (5000.0, 7000.0)
DESIGN_RECORD = {"file": "clip.oas", "sha256": "0123", "cell": "TOP", "layer": "1/0"}
SITE = {"wafer": "W7", "site": "A3"}

SHOWN = ItemKey("a", 1)
BOX = (30, 40, 50, 70)
SHIFTED = (33, 42, 54, 72)
"""3 rows and 2 columns further, and a row higher."""

FAR = (54, 20, 74, 50)
"""24 rows down and 20 columns left: by the row and column of `BOX` it is another region."""


def registration(position_nm: tuple[float, float], verdict: Verdict = Verdict.GOOD) -> Registration:
    return Registration(
        shape=SHAPE, pixel_size_nm=PIXEL_NM, place=Place(CENTRE_NM, position_nm), verdict=verdict,
        score=0.9, second_score=float("nan"), second_position_nm=None, undetermined_xy=None,
        residual_rms_nm=1.0, residual_rms_px=0.5, mean_epe_nm=0.0, points=100, matched=1.0,
        scale_fitted=False, design_width_nm=50.0,
    )  # fmt: skip


def on_design(position_nm: tuple[float, float], **more: object) -> dict[str, Any]:
    """What an extraction with a design keeps of it."""
    record = {"used": True, "registration": registration_record(registration(position_nm))}
    return {DESIGN: {**DESIGN_RECORD, **record, **more}}


class Made:
    """A project, its lot, and the decisions."""

    def __init__(self, folder: Path, box_contour: Callable[..., Region]) -> None:
        self.folder, self._box = folder, box_contour
        self._table = ImageTable(folder)
        self.lot: dict[str, ResultFolder] = {}
        self.review: Review

    def add(self, name: str, *boxes: tuple[int, int, int, int], **more: Any) -> None:
        """Enter an image into the project, and write its results where it has regions."""
        groups, said = more.pop("groups", SITE), more.pop("said", {})
        size = more.pop("pixel_size_nm", PIXEL_NM)
        path = f"images/{name}.tif"
        self._table.put(ImageRow(name, path, f"hash of {name}", SHAPE, size, "user", groups=groups))
        if not boxes:
            return
        regions = [self._box(n, box) for n, box in enumerate(boxes, start=1)]
        regions = [replace(one, **more) for one in regions]
        found = Extraction(
            name, SHAPE, VALID, size, "user", tuple(regions), np.ones(SHAPE, np.float32),
            {"image_sha256": f"hash of {name}", "threshold": 0.8, **said},
        )  # fmt: skip
        write_results(found, self.folder / "results")

    def open(self) -> None:
        """Write the table; open the review."""
        self._table.write()
        results = find_lot([self.folder / "results"])
        self.lot = {result.image_id: result for result in results}
        self.review = open_review(results, write=True)

    @property
    def project(self) -> ProjectGroups:
        return read_project_groups(self.folder / "results", list(self.lot.values()))

    def compare(self, key: ItemKey = SHOWN, **more: Any) -> RepeatComparison:
        return compare_repeats(key, self.lot, self.review, project=self.project, **more)


@pytest.fixture
def made(
    tmp_path: Path, contour: Callable[..., Any], region: Callable[..., Region]
) -> Iterator[Made]:
    """Four repeats: the shown image, one shifted, one far off on the same design, one without."""

    def box_region(number: int, box: tuple[int, int, int, int]) -> Region:
        low, high = np.array(box[:2]) - 0.5, np.array(box[2:]) - 0.5
        corners = [[high[0], low[1]], [high[0], high[1]], [low[0], high[1]], [low[0], low[1]]]
        return region(number, box, contour(number, corners))

    Project.create(tmp_path / "p").close()
    found = Made(tmp_path / "p", box_region)
    found.add("a", BOX, said=on_design(HERE_NM))
    found.add("b", SHIFTED)
    # It looks 40 nm further left and 36 nm further down than the first.
    found.add("c", BOX, FAR, said=on_design((HERE_NM[0] + 40, HERE_NM[1] + 36)))
    found.add("d", (70, 100, 90, 130), (2, 2, 12, 12))
    found.open()
    yield found
    found.review.close()


def by_image(found: RepeatComparison) -> dict[str, RepeatRegion]:
    return {one.image_id: one for one in found.regions}


def test_a_region_is_found_again_where_it_lies(made: Made) -> None:
    found = by_image(made.compare())
    assert list(found) == ["a", "b", "c", "d"]
    assert [one.is_shown for one in found.values()] == [True, False, False, False]
    assert found["b"].key == ItemKey("b", 1)
    assert found["b"].way is Way.POSITION
    common = 17 * 28
    assert found["b"].overlap == pytest.approx(common / (20 * 30 + 21 * 30 - common))
    # By the row and column region 1 of c would be taken.
    assert found["c"].key == ItemKey("c", 2)
    assert found["c"].way is Way.DESIGN
    assert found["c"].overlap == 1.0


def test_a_missing_one_tells_where_to_look(made: Made) -> None:
    missing = by_image(made.compare())["d"]
    assert (missing.presence, missing.key) == (Presence.MISSING, None)
    assert missing.source is None
    assert math.isnan(missing.confidence)
    # The middle of the box is row 39.5, column 54.5: nearer to region 2 at the upper left.
    assert missing.beside == ItemKey("d", 2)
    assert not missing.counts
    assert missing.window_rc == by_image(made.compare())["a"].window_rc


def test_windows_lie_about_the_place_in_each_image(made: Made) -> None:
    found = by_image(made.compare())
    # 30 columns of 2 nm, 1.6 times: 96 nm are 64 rows of 1.5 nm and 48 columns.
    assert found["a"].window_rc == (8, 31, 72, 79)
    assert found["b"].window_rc == found["a"].window_rc
    assert found["c"].window_rc == (32, 11, 96, 59)


def test_differences_mean_and_spread_in_nm_with_oblong_pixels(made: Made) -> None:
    measures = {
        "a": {1: RegionMeasures(cd_nm=30.0)},
        "b": {1: RegionMeasures(cd_nm=31.5)},
        "c": {1: RegionMeasures(cd_nm=99.0)},
    }
    found = made.compare(measures=measures)
    one = by_image(found)
    assert found.area_unit == "nm²"
    assert found.shown.area == 600 * PIXEL_NM2
    assert found.area_difference(one["b"]) == pytest.approx(30 * PIXEL_NM2)
    assert found.area_difference(one["c"]) == 0.0
    assert math.isnan(found.area_difference(one["d"]))
    assert found.cd_difference_nm(one["b"]) == pytest.approx(1.5)
    # Region 2 of c was not measured; region 1 of it is another feature.
    assert math.isnan(found.cd_difference_nm(one["c"]))
    assert (found.areas.n, found.areas.mean) == (3, pytest.approx(1830.0))
    assert found.areas.three_sigma == pytest.approx(3 * math.sqrt(2700.0))
    assert (found.cds_nm.n, found.cds_nm.mean) == (2, pytest.approx(30.75))


def test_rejected_and_undecided_regions_are_shown_but_not_averaged(made: Made) -> None:
    made.review.decide(ItemKey("b", 1), Action.REJECT, "r")
    found = made.compare()
    rejected = by_image(found)["b"]
    assert rejected.status is ReviewStatus.REJECTED
    assert found.area_difference(rejected) == pytest.approx(90.0)
    assert (found.areas.n, found.areas.mean) == (2, 1800.0)
    made.review.undo("r")
    assert made.compare().areas.n == 3
    made.review.decide(ItemKey("b", 1), Action.ACCEPT, "r")
    assert by_image(made.compare())["b"].status is ReviewStatus.ACCEPTED


def test_a_corrected_region_is_compared_as_it_stands(made: Made, contour: Any) -> None:
    corrected = replace(
        by_region(made, "b"),
        offset_rc=(30, 40),
        mask=np.ones((20, 32), bool),
        contours=(contour(1, [[50, 40], [50, 72], [30, 72], [30, 40]]),),
        source=Source.MANUAL,
        confidence=float("nan"),
    )
    made.review.decide(ItemKey("b", 1), Action.EDIT, "r", replacement=corrected)
    found = made.compare()
    stands = by_image(found)["b"]
    assert stands.overlap == pytest.approx(600 / 640)
    assert (stands.source, stands.status) == (Source.MANUAL, ReviewStatus.CORRECTED)
    assert found.area_difference(stands) == pytest.approx(40 * PIXEL_NM2)
    # Looked at from the corrected region, the others are found as well.
    back = made.compare(ItemKey("b", 1))
    assert by_image(back)["a"].overlap == pytest.approx(600 / 640)
    source, outline = outlines_within(made.lot["b"], made.review, stands.window_rc)[1]
    assert source is Source.MANUAL
    assert outline[0].points_rc.max(axis=0).tolist() == [50.0, 72.0]


def test_outlines_of_a_part_leave_the_rest_of_the_file_unread(made: Made) -> None:
    window = by_image(made.compare())["c"].window_rc
    # Region 2 of c lies in the window; so does the lower part of region 1.
    found = outlines_within(made.lot["c"], made.review, window)
    assert sorted(found) == [1, 2]
    assert made.review.known_outlines("c") is None
    low, high = found[2][1][0].points_rc.min(axis=0), found[2][1][0].points_rc.max(axis=0)
    assert (low.tolist(), high.tolist()) == ([53.5, 19.5], [73.5, 49.5])
    assert sorted(outlines_within(made.lot["c"], made.review, (60, 0, 70, 160))) == [2]
    assert outlines_within(made.lot["c"], made.review, (90, 0, 99, 160)) == {}
    # What is in memory already is the same.
    known = made.review.outlines("c")
    assert known[2][0].points_rc.tolist() == found[2][1][0].points_rc.tolist()


def by_region(made: Made, image_id: str) -> Region:
    return read_results(made.lot[image_id].folder).regions[0]


def test_what_waits_for_a_person_is_not_averaged(made: Made) -> None:
    made.review.close()
    made.add("b", SHIFTED, needs_human=True)
    made.open()
    found = made.compare()
    assert by_image(found)["b"].waits
    assert found.areas.n == 2
    made.review.decide(ItemKey("b", 1), Action.ACCEPT, "r")
    assert made.compare().areas.n == 3


def test_who_is_a_repeat_is_said_by_the_project(made: Made) -> None:
    made.review.close()
    made.add("e", BOX, groups={"wafer": "W7", "site": "A4"})
    made.add("f", BOX, pixel_size_nm=(1.5, 2.1))
    made.add("g")
    made.open()
    found = made.compare()
    assert list(by_image(found)) == ["a", "b", "c", "d"]
    assert found.place == "wafer W7, site A3"
    assert found.note == (
        "Left out: 1 image of another size or pixel size and 1 image without results: extract "
        "first."
    )
    alone = made.compare(ItemKey("e", 1))
    assert [one.image_id for one in alone.regions] == ["e"]
    assert alone.note == "No repeats: of wafer W7, site A4 there is no other image."


def test_without_a_project_groups_come_from_the_extraction(made: Made) -> None:
    made.review.close()
    made.add("a", BOX, said={"groups": SITE})
    made.add("b", SHIFTED, said={"groups": SITE})
    made.open()
    found = compare_repeats(SHOWN, made.lot, made.review)
    assert list(by_image(found)) == ["a", "b"]
    assert compare_repeats(ItemKey("c", 1), made.lot, made.review).note.startswith("No repeats: ")


def test_registrations_of_a_measurement_serve_as_well_but_not_bad_ones(made: Made) -> None:
    def measured(verdict: Verdict) -> Measured:
        places = {
            "a": registration(HERE_NM),
            "b": registration((HERE_NM[0], HERE_NM[1] + 6), verdict),
        }
        return Measured(registrations=places, design={**DESIGN_RECORD, "layer": "7/0"})

    good = by_image(made.compare(measured=measured(Verdict.GOOD)))["b"]
    # It looks 6 nm further up: the box is expected 4 rows lower.
    assert (good.way, good.window_rc[0]) == (Way.DESIGN, 12)
    bad = by_image(made.compare(measured=measured(Verdict.UNDETERMINED)))["b"]
    assert (bad.way, bad.window_rc[0]) == (Way.POSITION, 8)


def test_a_design_that_was_not_used_is_not_used_here(made: Made) -> None:
    made.review.close()
    made.add("c", BOX, FAR, said=on_design((HERE_NM[0] + 40, HERE_NM[1] + 36), used=False))
    made.open()
    found = by_image(made.compare())["c"]
    assert (found.way, found.key) == (Way.POSITION, ItemKey("c", 1))


def test_unknown_pixel_size_compares_in_px(made: Made) -> None:
    made.review.close()
    for name, box in (("x", BOX), ("y", SHIFTED)):
        made.add(name, box, pixel_size_nm=None)
    made.open()
    found = made.compare(ItemKey("x", 1))
    assert list(by_image(found)) == ["x", "y"]
    assert found.area_unit == "px²"
    assert found.area_difference(by_image(found)["y"]) == 30.0


def test_results_outside_of_a_project_have_no_groups(made: Made, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "results"
    moved.parent.mkdir()
    (made.folder / "results").rename(moved)
    assert read_project_groups(moved, find_lot([moved])) == ProjectGroups()


def test_a_damaged_label_image_is_one_line(made: Made) -> None:
    (made.lot["b"].folder / "labels.tif").write_bytes(b"nothing")
    with pytest.raises(InputError) as raised:
        made.compare()
    assert "\n" not in str(raised.value)
