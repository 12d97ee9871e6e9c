from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import gdstk
import pytest
from typer.testing import CliRunner, Result

from segsem.cli.app import build_app
from segsem.core.contour import ReviewStatus
from segsem.core.exceptions import (
    CalibrationError,
    ExportError,
    InputError,
    SegSemError,
    UsageError,
)
from segsem.core.extraction import Extraction
from segsem.export.cells import cell_name
from segsem.export.export_results import export_results
from segsem.export.job import ExportOptions
from segsem.export.layout import LayoutOptions
from segsem.export.outputs import write_results


def asked(*formats: str, **layout: object) -> ExportOptions:
    options = ExportOptions(layout=LayoutOptions(**layout))
    return replace(options, formats=formats) if formats else options


def region_ids(path: Path) -> set[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return {(row["image_id"], row["region_id"]) for row in csv.DictReader(handle)}


@pytest.fixture
def results(tmp_path: Path, extraction: Extraction) -> Path:
    for name in ("a", "b"):
        write_results(replace(extraction, image_id=name), tmp_path / "results")
    return tmp_path / "results"


def test_one_layout_and_one_table_for_all_images(tmp_path: Path, results: Path) -> None:
    written = export_results([results], tmp_path / "out")
    assert [path.name for path in written] == [
        "contours.csv",
        "contours.oas",
        "contours.gds",
        "contours.layers.csv",
        "contours.layout.json",
        "manifest.json",
    ]
    assert region_ids(tmp_path / "out" / "contours.csv") == {
        (image, region) for image in "ab" for region in "1274"
    }
    cells = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells
    assert {cell.name for cell in cells} == {cell_name("a"), cell_name("b")}


def test_the_table_holds_only_what_is_exported(
    tmp_path: Path, results: Path, undecided: Extraction
) -> None:
    regions = tuple(
        replace(r, status=ReviewStatus.REJECTED) if r.needs_human else r for r in undecided.regions
    )
    write_results(replace(undecided, image_id="a", regions=regions), results)
    export_results([results / "a"], tmp_path / "out", asked("csv"))
    assert region_ids(tmp_path / "out" / "contours.csv") == {("a", r) for r in "174"}
    export_results([results / "a"], tmp_path / "out", asked("csv", only_accepted=True))
    assert region_ids(tmp_path / "out" / "contours.csv") == {("a", "4")}


def test_undecided_regions_block_every_format(
    tmp_path: Path, results: Path, undecided: Extraction
) -> None:
    write_results(replace(undecided, image_id="b"), results)
    for formats in (["csv"], ["oas"]):
        with pytest.raises(ExportError, match=r"of b need.*\(2\)"):
            export_results([results], tmp_path / "out", asked(*formats))
        assert not (tmp_path / "out").exists()
    write_results(replace(undecided, image_id="a"), results)
    with pytest.raises(ExportError, match=r"2 images need a person's decision: a \(1\), b \(1\)"):
        export_results([results], tmp_path / "out")
    export_results([results], tmp_path / "out", asked(allow_needs_human=True))
    assert ("b", "2") in region_ids(tmp_path / "out" / "contours.csv")


def test_an_unknown_pixel_size_blocks_layouts_only(
    tmp_path: Path, results: Path, uncalibrated: Extraction
) -> None:
    write_results(replace(uncalibrated, image_id="b"), results)
    with pytest.raises(CalibrationError, match="of b"):
        export_results([results], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_results([results], tmp_path / "out", asked("csv"))


def test_nothing_accepted_is_no_empty_export(tmp_path: Path, uncalibrated: Extraction) -> None:
    pending = replace(uncalibrated, regions=uncalibrated.regions[:2])
    write_results(pending, tmp_path / "results")
    with pytest.raises(ExportError, match="no region of these results was accepted"):
        export_results([tmp_path / "results"], tmp_path / "out", asked("csv", only_accepted=True))
    assert not (tmp_path / "out").exists()


def test_results_are_never_overwritten(results: Path) -> None:
    before = (results / "a" / "contours.csv").read_bytes()
    with pytest.raises(UsageError, match="holds results"):
        export_results([results], results / "a")
    assert (results / "a" / "contours.csv").read_bytes() == before


def test_bad_calls(tmp_path: Path, results: Path) -> None:
    with pytest.raises(UsageError, match="png"):
        export_results([results], tmp_path / "out", asked("png"))
    with pytest.raises(UsageError, match="none"):
        export_results([results], tmp_path / "out", ExportOptions(formats=()))
    with pytest.raises(InputError, match="not a folder"):
        export_results([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(ExportError, match="a occurs twice"):
        export_results([results, results / "a"], tmp_path / "out")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["export", *map(str, arguments)])


def test_command(tmp_path: Path, results: Path) -> None:
    layer_map = tmp_path / "layers.csv"
    layer_map.write_text("name,layer,datatype\nouter_sam2,42,1\n")
    done = invoke(
        results, "-o", tmp_path / "out", "--layer-map", layer_map, "--formats", "oas, csv"
    )
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out" / "contours.oas") in done.output
    assert not (tmp_path / "out" / "contours.gds").exists()
    cell = gdstk.read_oas(tmp_path / "out" / "contours.oas").cells[0]
    assert (42, 1) in {(p.layer, p.datatype) for p in cell.polygons}


def test_command_only_accepted(tmp_path: Path, results: Path) -> None:
    done = invoke(results, "-o", tmp_path / "out", "--only", "accepted")
    assert done.exit_code == 0, done.output
    assert region_ids(tmp_path / "out" / "contours.csv") == {("a", "4"), ("b", "4")}


def test_command_errors(tmp_path: Path, results: Path, undecided: Extraction) -> None:
    write_results(replace(undecided, image_id="a"), results)
    done = invoke(results, "-o", tmp_path / "out")
    assert isinstance(done.exception, SegSemError)
    assert done.exception.exit_code == 3
    assert invoke(results, "-o", tmp_path / "out", "--allow-needs-human").exit_code == 0
    assert invoke(results).exit_code == 2
