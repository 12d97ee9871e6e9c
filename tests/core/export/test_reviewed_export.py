"""What an OPC flow takes in, read by others: klayout and gdstk, from a reviewed lot."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gdstk
import klayout.db as kdb
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from segsem.cli.app import build_app
from segsem.core.contour import Contour, Region, Source
from segsem.core.coordinates import rc_to_nm
from segsem.core.exceptions import ExportError, SegSemError
from segsem.core.extraction import Extraction
from segsem.export.cells import cell_name
from segsem.export.export_results import export_results
from segsem.export.job import ExportJob, ExportOptions
from segsem.export.layout import LayoutOptions
from segsem.export.outputs import write_results
from segsem.export.reviewed import find_lot, open_review
from segsem.layout.registration import Place, Verdict
from segsem.review.decision import Action
from segsem.review.item import ItemKey

DBU_NM = 0.1


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["export", *map(str, arguments)])


@pytest.fixture
def results(tmp_path: Path, undecided: Extraction) -> Path:
    """L shape, frame with a hole (Sauvola, needs a person), mixed box, open line."""
    write_results(replace(undecided, image_id="a"), tmp_path / "results")
    return tmp_path / "results"


def decide(results: Path, *actions: tuple[int, Action], image: str = "a", **more: object) -> None:
    review = open_review(find_lot([results]), write=True)
    for region_id, action in actions:
        review.decide(ItemKey(image, region_id), action, "Anna", **more)
    review.close()


def exported_polygons(extraction: Extraction, ids: set[int], is_hole: bool) -> kdb.Region:
    """The contours of some regions as klayout's polygons, in database units."""
    found = kdb.Region()
    for region in extraction.regions:
        for contour in region.contours:
            if region.region_id in ids and contour.closed and contour.is_hole == is_hole:
                points = rc_to_nm(contour.vertices_rc, 120, (1.5, 2.0)) / DBU_NM
                found.insert(kdb.Polygon([kdb.Point(*map(round, p)) for p in points.tolist()]))
    return found


def klayout_region(path: Path, layer: int) -> kdb.Region:
    layout = kdb.Layout()
    layout.read(str(path))
    assert layout.dbu == pytest.approx(DBU_NM / 1000)
    found = kdb.Region()
    for datatype in range(4):
        index = layout.find_layer(layer, datatype)
        if index is not None:
            found.insert(layout.top_cell().begin_shapes_rec(index))
    return found


def gdstk_areas(cell: gdstk.Cell) -> kdb.Region:
    """Layer 1 without layer 2 as gdstk reads and cuts them; klayout only compares."""
    outer, holes = ([p for p in cell.polygons if p.layer == layer] for layer in (1, 2))
    found = kdb.Region()
    for polygon in gdstk.boolean(outer, holes, "not", precision=DBU_NM / 10):
        points = np.rint(polygon.points / DBU_NM).astype(int).tolist()
        found.insert(kdb.Polygon([kdb.Point(*point) for point in points]))
    return found


def test_accepted_regions_and_nothing_else_whole_with_their_holes(
    tmp_path: Path, results: Path, undecided: Extraction
) -> None:
    decide(results, (2, Action.ACCEPT), (7, Action.ACCEPT), (1, Action.REJECT))
    options = ExportOptions(layout=LayoutOptions(only_accepted=True))
    export_results([results], tmp_path / "out", options)
    # The line, 4, was corrected before; it is open and has no area.
    accepted = {2, 7}
    outer = exported_polygons(undecided, accepted, is_hole=False)
    expected = outer - exported_polygons(undecided, accepted, is_hole=True)
    for name in ("contours.oas", "contours.gds"):
        path = tmp_path / "out" / name
        got = klayout_region(path, 1) - klayout_region(path, 2)
        different = (got ^ expected).merged()
        # Nothing is left where what is thinner than 1 dbu on each side is taken off.
        assert different.sized(-1).is_empty()
        assert expected.area() > 0
        assert klayout_region(path, 2).count() == 1
        assert got.holes().count() == 1
        read = gdstk.read_oas if path.suffix == ".oas" else gdstk.read_gds
        assert (gdstk_areas(read(path, unit=1e-9).cells[0]) ^ expected).sized(-1).is_empty()
        cell = read(path).cells[0]
        layers = sorted((p.layer, p.datatype) for p in cell.polygons)
        assert layers == [(1, 1), (1, 3), (2, 1), (10, 0), (10, 3)]
        assert sorted((p.layers[0], p.datatypes[0]) for p in cell.paths) == [(3, 2), (10, 2)]


def test_sauvola_stretches_of_a_mixed_contour_lie_on_it(
    tmp_path: Path, results: Path, undecided: Extraction
) -> None:
    decide(results, (2, Action.ACCEPT))
    export_results([results], tmp_path / "out")
    cell = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells[0]
    (mixed,) = [p for p in cell.polygons if (p.layer, p.datatype) == (1, 3)]
    (stretch,) = [p.spine() for p in cell.paths if (p.layers[0], p.datatypes[0]) == (10, 2)]
    # Point 1 alone stands on Sauvola: its two sides are shown.
    np.testing.assert_allclose(stretch * 1000, mixed.points[[0, 1, 2]] * 1000, atol=DBU_NM)


def test_decisions_of_the_review_reach_every_format(tmp_path: Path, results: Path) -> None:
    decide(results, (1, Action.REJECT), (2, Action.REJECT))
    formats = ("oas", "csv", "geojson")
    export_results([results], tmp_path / "out", ExportOptions(formats=formats))
    with (tmp_path / "out" / "contours.csv").open(newline="") as file:
        assert {row["region_id"] for row in csv.DictReader(file)} == {"7", "4"}
    collection = json.loads((tmp_path / "out" / "contours.geojson").read_text())
    assert {f["properties"]["region_id"] for f in collection["features"]} == {7, 4}


def test_an_edited_region_is_exported_as_edited(
    tmp_path: Path, results: Path, region: Callable[..., Region], contour: Callable[..., Contour]
) -> None:
    triangle = contour(99, [[30, 30], [30, 40], [20, 30]], codes=2)
    edited = replace(region(2, (20, 30, 31, 41), triangle), source=Source.MANUAL)
    decide(results, (2, Action.EDIT), replacement=edited)
    export_results([results], tmp_path / "out")
    cell = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells[0]
    (found,) = [p for p in cell.polygons if (p.layer, p.datatype) == (1, 2)]
    expected = rc_to_nm(triangle.vertices_rc, 120, (1.5, 2.0))
    np.testing.assert_allclose(found.points * 1000, expected, atol=DBU_NM)
    assert not [p for p in cell.polygons if p.layer == 2]


def test_two_exports_are_the_same_bytes(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT), (1, Action.REJECT))
    formats = ("oas", "gds", "csv", "geojson")
    for name in ("one", "two"):
        export_results([results], tmp_path / name, ExportOptions(formats=formats))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert "manifest.json" in names
    for name in names:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two, name


def test_the_manifest_says_from_what_how_and_on_whose_word(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT), comment="looked twice")
    options = ExportOptions(layout=LayoutOptions(only_accepted=True))
    export_results([results], tmp_path / "out", options)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["reviewers"] == ["Anna"]
    assert manifest["overrides"] == []
    assert manifest["parameters"]["only_accepted"] is True
    (image,) = manifest["images"]
    assert image["edge_definition"] == {"edge_method": "half", "edge_side": "outer"}
    assert image["offset_nm"] == 0.0
    assert image["exported"] == [2, 4]
    assert image["left_out"] == {"1": "not accepted", "7": "not accepted"}
    decision = image["decisions"]["2"]
    assert (decision["reviewer"], decision["status"]) == ("Anna", "accepted")
    assert decision["comment"] == "looked twice"
    assert image["verdict"] == manifest["lot"]["verdict"]
    assert {c["check"] for c in image["checks"]} >= {"SNR", "Pixel size", "Open regions"}
    for file in manifest["files"]:
        content = (tmp_path / "out" / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)


def test_an_override_is_in_the_manifest(tmp_path: Path, results: Path) -> None:
    refused = invoke(results, "-o", tmp_path / "out")
    assert isinstance(refused.exception, ExportError)
    assert "\n" not in str(refused.exception)
    assert not (tmp_path / "out").exists()
    assert invoke(results, "-o", tmp_path / "out", "--allow-needs-human").exit_code == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["overrides"] == [
        {"override": "allow_needs_human", "exported_without_decision": {"a": [2]}}
    ]
    assert manifest["images"][0]["exported_without_decision"] == [2]


def test_a_region_whose_outline_moved_since_it_was_accepted_blocks(
    tmp_path: Path, results: Path, extraction: Extraction
) -> None:
    decide(results, (1, Action.ACCEPT), (2, Action.ACCEPT))
    first = extraction.regions[0]
    moved = replace(first.contours[0], vertices_rc=first.contours[0].vertices_rc + 3.0)
    regions = (replace(first, contours=(moved,)), *extraction.regions[1:])
    write_results(replace(extraction, image_id="a", regions=regions), results)
    with pytest.raises(ExportError, match=r"need a person's decision \(1\)"):
        export_results([results], tmp_path / "out")
    decide(results, (1, Action.ACCEPT))
    export_results([results], tmp_path / "out")


def test_20000_vertices_are_whole_in_oasis_and_refused_in_gdsii(
    tmp_path: Path, long_contour: Extraction
) -> None:
    write_results(replace(long_contour, image_id="a"), tmp_path / "results")
    refused = invoke(tmp_path / "results", "-o", tmp_path / "out")
    assert isinstance(refused.exception, ExportError)
    assert "at most 8190 vertices for GDSII" in str(refused.exception)
    assert not (tmp_path / "out").exists()
    done = invoke(tmp_path / "results", "-o", tmp_path / "out", "--formats", "oas")
    assert done.exit_code == 0, done.output
    layout = kdb.Layout()
    layout.read(str(tmp_path / "out" / "contours.oas"))
    (polygon,) = layout.top_cell().shapes(layout.find_layer(1, 0)).each()
    assert polygon.polygon.num_points_hull() == 20_000


LITTLE_SPACE = """
import resource, sys
from segsem.core.exceptions import ExportError
from segsem.export.export_results import export_results
from segsem.export.job import ExportOptions
from segsem.export.layout import LayoutOptions
# No file may grow beyond 3000 bytes: what a full disk does to a write.
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
results, out, name = sys.argv[1:]
try:
    export_results([results], out, ExportOptions((name,), LayoutOptions(allow_long_gds=True)))
except ExportError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("formats", ["csv", "oas", "gds", "geojson"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, long_contour: Extraction, formats: str) -> None:
    write_results(replace(long_contour, image_id="a"), tmp_path / "results")
    out = tmp_path / "out"
    # A child: the limit would hold for the log of the tests too.
    command = [sys.executable, "-c", LITTLE_SPACE, str(tmp_path / "results"), str(out), formats]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 3, told.stderr
    assert told.stdout.count("\n") == 1
    assert str(out) in told.stdout
    assert ".segsem-export" not in told.stdout
    assert not out.exists()


def test_what_stood_there_outlives_a_failed_export(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(results, (2, Action.ACCEPT))
    export_results([results], tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segsem.export.export_results.write_manifest", full)
    with pytest.raises(ExportError, match="No space left"):
        export_results([results], tmp_path / "out", ExportOptions(formats=("csv",)))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_further_export_leaves_no_file_of_the_one_before(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT))
    export_results([results], tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    export_results([results], tmp_path / "out", ExportOptions(formats=("csv",)))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"contours.csv", "manifest.json", "notes.txt"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT))
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ExportError, match="writable") as told:
        export_results([results], tmp_path / "locked" / "out")
    assert "\n" not in str(told.value)
    assert list((tmp_path / "locked").iterdir()) == []


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT))
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file" / "out", Path("/proc/segsem/out")):
        with pytest.raises(ExportError, match="writable"):
            export_results([results], place)


def test_an_unknown_pixel_size_is_refused_in_one_line(
    tmp_path: Path, uncalibrated: Extraction
) -> None:
    write_results(replace(uncalibrated, image_id="a"), tmp_path / "results")
    for formats in ("oas", "gds", "geojson"):
        done = invoke(tmp_path / "results", "-o", tmp_path / "out", "--formats", formats)
        assert isinstance(done.exception, SegSemError)
        assert done.exception.exit_code == 3
        assert "--pixel-size" in str(done.exception)
        assert not (tmp_path / "out").exists()


def test_a_registered_cell_lies_in_the_design(
    tmp_path: Path, results: Path, undecided: Extraction, registered: Callable[..., None]
) -> None:
    decide(results, (2, Action.ACCEPT))
    place = Place((160.0, 90.0), (2_500_000.0, -1_250_000.0), rotation_deg=90.0)
    registered(results, "a", place, Verdict.GOOD)
    export_results([results], tmp_path / "out")
    cell = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells[0]
    (polygon,) = [p for p in cell.polygons if (p.layer, p.datatype) == (1, 0)]
    x, y = rc_to_nm(undecided.regions[0].contours[0].vertices_rc, 120, (1.5, 2.0)).T
    # A quarter turn counter-clockwise about the field's centre, then the shift.
    expected = np.column_stack([2_500_000 - (y - 90), -1_250_000 + (x - 160)])
    np.testing.assert_allclose(polygon.points * 1000, expected, rtol=0, atol=DBU_NM)
    with (tmp_path / "out" / "contours.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["x_design_nm"]) == pytest.approx(expected[0, 0], abs=1e-3)
    assert float(row["y_design_nm"]) == pytest.approx(expected[0, 1], abs=1e-3)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["parameters"]["frame"] == "design"
    assert manifest["images"][0]["registration"]["rotation_deg"] == 90.0
    assert invoke(results, "-o", tmp_path / "own", "--image-frame").exit_code == 0
    cell = gdstk.read_oas(tmp_path / "own" / "contours.oas").cells[0]
    assert np.abs(cell.bounding_box()).max() < 1


def test_a_doubtful_registration_is_refused(
    tmp_path: Path, results: Path, registered: Callable[..., None]
) -> None:
    decide(results, (2, Action.ACCEPT))
    registered(results, "a", Place((0.0, 0.0), (9.0, 9.0)), Verdict.AMBIGUOUS)
    with pytest.raises(ExportError, match=r"a is registered, but ambiguous.*--image-frame"):
        export_results([results], tmp_path / "out")
    job = ExportJob.open([results])
    assert "ambiguous" in " ".join(job.quality.lot.reasons + job.quality.images["a"].reasons)


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path, results: Path) -> None:
    decide(results, (2, Action.ACCEPT))
    before = sorted(tmp_path.rglob("*"))
    done = invoke(results, "-o", tmp_path / "out", "--dry-run")
    assert done.exit_code == 0, done.output
    assert sorted(tmp_path.rglob("*")) == before
    assert f"cell {cell_name('a')}: 4 regions" in done.output
    assert "0.3200 x 0.1800 um at (0.0000, 0.0000) um in the image's frame" in done.output
    assert "layer 1/1 outer sauvola: 1 shapes" in done.output
    assert "extent 0.0000, 0.0000 to 0.3200, 0.1800 um" in done.output
    export_results([results], tmp_path / "out")
    cell = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells[0]
    said = [line for line in done.output.splitlines() if line.startswith("layer ")]
    assert sum(int(line.split(": ")[1].split()[0]) for line in said) == (
        len(cell.polygons) + len(cell.paths)
    )


def test_a_dry_run_of_what_is_blocked_says_why(tmp_path: Path, results: Path) -> None:
    done = invoke(results, "-o", tmp_path / "out", "--dry-run")
    assert isinstance(done.exception, ExportError)
    assert "need a person's decision" in str(done.exception)
    assert "layer 1/0" in done.output
