"""`segsem measure` and `segsem calibrate-offset` as a user starts them."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdstk
import pytest

from segsem.export.outputs import write_outputs
from segsem.export.reviewed import find_lot, open_review
from segsem.layout.design import Design
from segsem.review.decision import Action

Segsem = Callable[..., "subprocess.CompletedProcess[str]"]
GROWN_NM = 2.0


def _fakes() -> Any:
    path = Path(__file__).parents[1] / "fakes" / "printed.py"
    spec = importlib.util.spec_from_file_location("printed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design in a GDS file, and results of an image that shows it 2 nm larger all round."""
    folder, fakes = tmp_path_factory.mktemp("site"), _fakes()
    boxes = [(60, 60, 50, 480), (180, 60, 90, 200), (330, 120, 60, 60), (330, 300, 200, 70)]
    drawn = [fakes.rectangle(*box) for box in boxes]
    design = Design.from_polygons(drawn)
    truth = fakes.placed((300, 300), (2.0, 2.0), (310.0, 295.0), 0.4)
    found = fakes.printed(design, truth, grown_nm=GROWN_NM, image_id="site1")
    write_outputs(found, folder / "results", formats=["csv"])
    unknown = replace(found, pixel_size_nm=None, pixel_size_source=None)
    write_outputs(unknown, folder / "unknown", formats=["csv"])
    library = gdstk.Library()
    cell = library.new_cell("TOP")
    cell.add(*[gdstk.Polygon(ring / 1000, layer=1) for ring in drawn])
    cell.add(*[gdstk.rectangle((x, x * x), (x + 0.02, x * x + 0.02), layer=2)
               for x in (0.1, 0.25, 0.45, 0.7, 0.9)])  # fmt: skip
    library.write_gds(folder / "design.gds")
    (folder / "gauges.csv").write_text(
        "gauge,kind,frame,x,y,x2,y2,nx,ny,reference_nm\n"
        "line,cd,design_nm,40,300,130,300,,,50\n"
        "right,ep,design_nm,110,300,,,1,0,\n"
    )
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_site_is_measured_against_its_design(segsem: Segsem, site: Path, tmp_path: Path) -> None:
    done = segsem(
        "measure", site / "results", "-o", tmp_path, "--design", site / "design.gds",
        "--cell", "TOP", "--layer", "1/0", "--gauges", site / "gauges.csv", "--average",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "EPE +2.0" in done.stdout
    assert "as designed" in done.stdout
    image = json.loads((tmp_path / "registration.json").read_text())["images"]["site1"]
    assert image["verdict"] == "good"
    assert image["place"]["rotation_deg"] == pytest.approx(0.4, abs=0.01)
    assert image["mean_epe_nm"] == pytest.approx(GROWN_NM, abs=0.05)
    line, right = rows(tmp_path / "gauges.csv")
    assert float(line["mean_nm"]) == pytest.approx(54.0, abs=0.05)
    assert float(line["error_nm"]) == pytest.approx(4.0, abs=0.05)
    assert float(right["mean_nm"]) == pytest.approx(GROWN_NM, abs=0.05)
    assert (line["edge_method"], right["positive"]) == ("half", "outward")
    points = [float(row["epe_nm"]) for row in rows(tmp_path / "epe.csv") if row["corner"] == "0"]
    assert points == pytest.approx([GROWN_NM] * len(points), abs=0.1)
    assert (tmp_path / "epe_mean.csv").is_file()
    assert rows(tmp_path / "topology.csv") == []
    assert {row["kind"] for row in rows(tmp_path / "cd.csv")} == {"feature", "space"}


def test_what_a_reviewer_rejected_is_not_measured(
    segsem: Segsem, site: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(site / "results", results)
    review = open_review(find_lot([results]), write=True)
    rejected, *others = review.items
    review.decide(rejected, Action.REJECT, "ann")
    review.close()
    done = segsem("measure", results, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    measured = {r["name"] for r in rows(tmp_path / "out" / "cd.csv") if r["kind"] == "feature"}
    assert measured == {f"region {item.region_id}" for item in others}
    assert "1 region" in done.stderr


def test_an_offset_is_calibrated_and_applied(segsem: Segsem, site: Path, tmp_path: Path) -> None:
    table = tmp_path / "cds.csv"
    table.write_text("measured_nm,reference_nm\n54,50\n94,90\n64,60.1\n74,69.9\n")
    done = segsem("calibrate-offset", table, "-o", tmp_path / "offset.json")
    assert done.returncode == 0, done.stderr
    assert "offset -2.000 nm per edge" in done.stdout
    done = segsem(
        "measure", site / "results", "-o", tmp_path / "out", "--offset", tmp_path / "offset.json",
        "--gauges", site / "gauges.csv", "--design", site / "design.gds", "--layer", "1/0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line, _ = rows(tmp_path / "out" / "gauges.csv")
    assert float(line["mean_nm"]) == pytest.approx(50.0, abs=0.05)
    assert float(line["offset_nm"]) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{site}/unknown"], 3, "pixel size"),
        (["{site}/nowhere"], 3, "folder of results"),
        (["{site}/results", "--layer", "1/0"], 2, "--design FILE beside --layer"),
        (["{site}/results", "--design", "{site}/design.gds", "--layer", "9/0"], 3, "1/0, 2/0"),
        (["{site}/results", "--design", "{site}/design.gds", "--layer", "2/0"], 3, "lies on the"),
        (["{site}/results", "--gauges", "{site}/gauges.csv"], 3, "give --design FILE"),
        (["{site}/results", "--gauges", "{tmp}/empty.csv"], 3, "holds none"),
        (["{site}/results", "--gauges", "{tmp}/far.csv"], 3, "inside the field"),
        (["{site}/results", "--gauges", "{tmp}/other.csv"], 3, "the results are of other images"),
        (["{site}/results", "--offset", "{site}/gauges.csv"], 3, "as JSON"),
    ],
)
def test_bad_input_is_one_line(
    segsem: Segsem, site: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    header = "gauge,kind,frame,x,y,x2,y2,image\n"
    (tmp_path / "empty.csv").write_text(header)
    (tmp_path / "far.csv").write_text(header + "a,cd,image_px,10,10,5000,10,\n")
    (tmp_path / "other.csv").write_text(header + "a,cd,image_px,10,10,50,10,site9\n")
    words = [word.format(site=site, tmp=tmp_path) for word in arguments]
    done = segsem("measure", *words, "-o", tmp_path / "out")
    assert done.returncode == code
    assert message in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*.csv"))
