from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdstk
import numpy as np
import numpy.typing as npt
import pytest

import segsem
from segsem.core.exceptions import CalibrationError, ExportError, UsageError
from segsem.core.extraction import Extraction
from segsem.export import outputs
from segsem.export.cells import cell_name
from segsem.export.outputs import write_outputs
from segsem.export.regions_json import read_regions_json

Grey = npt.NDArray[np.uint8]
RESULT_FILES = {"contours.csv", "regions.json", "labels.tif", "confidence.tif"}
LAYOUT_FILES = {"contours.oas", "contours.gds", "contours.layers.csv", "contours.layout.json"}


def files_below(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def in_folder(names: set[str]) -> set[str]:
    return {f"site 07/{name}" for name in names}


def test_it_is_the_top_level_name() -> None:
    assert segsem.write_outputs is write_outputs


def test_all_that_is_possible(tmp_path: Path, extraction: Extraction, grey: Grey) -> None:
    written = write_outputs(extraction, tmp_path / "out", image=grey)
    expected = in_folder(RESULT_FILES | {"overlay.png"}) | LAYOUT_FILES
    assert files_below(tmp_path / "out") == expected
    assert {str(p.relative_to(tmp_path / "out")) for p in written} == expected


def test_without_an_image_there_is_no_overlay(
    tmp_path: Path, extraction: Extraction, grey: Grey
) -> None:
    write_outputs(extraction, tmp_path, image=grey)
    write_outputs(extraction, tmp_path)
    assert files_below(tmp_path) == in_folder(RESULT_FILES) | LAYOUT_FILES


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (["csv"], in_folder(RESULT_FILES)),
        (["png"], in_folder(RESULT_FILES | {"overlay.png"})),
        (["oas"], in_folder(RESULT_FILES) | LAYOUT_FILES - {"contours.gds"}),
        (["gds", "csv"], in_folder(RESULT_FILES) | LAYOUT_FILES - {"contours.oas"}),
    ],
)
def test_formats(
    tmp_path: Path, extraction: Extraction, grey: Grey, formats: list[str], expected: set[str]
) -> None:
    write_outputs(extraction, tmp_path, formats=formats, image=grey)
    assert files_below(tmp_path) == expected


def test_unknown_formats_and_a_missing_image(tmp_path: Path, extraction: Extraction) -> None:
    with pytest.raises(UsageError, match="'dxf'"):
        write_outputs(extraction, tmp_path, formats=["oas", "dxf"])
    with pytest.raises(UsageError, match="image"):
        write_outputs(extraction, tmp_path, formats=["png"])
    assert files_below(tmp_path) == set()


def test_a_layout_without_pixel_size_is_refused_before_anything_is_written(
    tmp_path: Path, uncalibrated: Extraction
) -> None:
    with pytest.raises(CalibrationError, match="--pixel-size") as caught:
        write_outputs(uncalibrated, tmp_path / "out", formats=["csv", "oas"])
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_without_formats_an_unknown_pixel_size_is_a_warning(
    tmp_path: Path, uncalibrated: Extraction
) -> None:
    write_outputs(uncalibrated, tmp_path)
    assert files_below(tmp_path) == in_folder(RESULT_FILES)
    warnings = read_regions_json(tmp_path / "site 07" / "regions.json").warnings
    assert warnings[0] == "data bar from row 100"
    assert len(warnings) == 2
    assert "--pixel-size" in warnings[1]


def test_an_undecided_region_keeps_the_results_and_refuses_the_layout(
    tmp_path: Path, undecided: Extraction
) -> None:
    with pytest.raises(ExportError, match="decision"):
        write_outputs(undecided, tmp_path, formats=["oas", "csv"])
    assert files_below(tmp_path) == in_folder(RESULT_FILES)


def test_an_override_is_recorded(tmp_path: Path, undecided: Extraction) -> None:
    write_outputs(undecided, tmp_path, allow_needs_human=True)
    record = json.loads((tmp_path / "contours.layout.json").read_text(encoding="utf-8"))
    assert record["overrides"] == {"allow_needs_human": True, "allow_long_gds": False}
    (cell,) = record["cells"]
    assert cell["exported_without_decision"] == [2]
    assert cell["cell"] == cell_name("site 07")
    assert cell["edge_definition"] == {"edge_method": "half", "edge_side": "outer"}
    assert cell["offset_nm"] == 0.0
    assert record["dbu_nm"] == 0.1


def test_the_edge_definition_may_stand_in_the_parameters(
    tmp_path: Path, extraction: Extraction
) -> None:
    edge = {"edge_method": "slope"}
    write_outputs(replace(extraction, provenance={"params": {"edge": edge}}), tmp_path)
    record = json.loads((tmp_path / "contours.layout.json").read_text(encoding="utf-8"))
    assert record["cells"][0]["edge_definition"] == edge


def test_layouts_hold_all_images_of_the_folder(tmp_path: Path, extraction: Extraction) -> None:
    for n in range(3):
        write_outputs(replace(extraction, image_id=f"site {n}"), tmp_path)
    for suffix, read in (("oas", gdstk.read_oas), ("gds", gdstk.read_gds)):
        names = {cell.name for cell in read(tmp_path / f"contours.{suffix}").cells}
        assert names == {cell_name(f"site {n}") for n in range(3)}


def test_an_image_that_is_refused_now_leaves_the_layout(
    tmp_path: Path, extraction: Extraction, undecided: Extraction
) -> None:
    other = replace(extraction, image_id="other")
    write_outputs(other, tmp_path)
    write_outputs(extraction, tmp_path)
    write_outputs(undecided, tmp_path)
    (cell,) = gdstk.read_oas(tmp_path / "contours.oas").cells
    assert cell.name == cell_name("other")
    record = json.loads((tmp_path / "contours.layout.json").read_text(encoding="utf-8"))
    assert {(e["image_id"], e["format"]) for e in record["left_out"]} == {
        ("site 07", "oas"),
        ("site 07", "gds"),
    }


def test_writing_twice_gives_the_same_bytes(
    tmp_path: Path, extraction: Extraction, grey: Grey
) -> None:
    for name in "ab":
        write_outputs(extraction, tmp_path / name, image=grey)
    for name in files_below(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_an_output_folder_under_a_file(tmp_path: Path, extraction: Extraction) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportError, match="Cannot write") as caught:
        write_outputs(extraction, tmp_path / "file" / "out")
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == {"file"}


def _full_disk(*_args: Any, **_kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


WRITERS = ["write_labels", "write_confidence", "write_regions_json", "write_overlay"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_nothing(
    tmp_path: Path,
    extraction: Extraction,
    grey: Grey,
    monkeypatch: pytest.MonkeyPatch,
    writer: str,
) -> None:
    monkeypatch.setattr(outputs, writer, _full_disk)
    with pytest.raises(ExportError, match=r"site 07.*No space left") as caught:
        write_outputs(extraction, tmp_path / "new" / "out", image=grey)
    assert "/." not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_the_earlier_result_whole(
    tmp_path: Path,
    extraction: Extraction,
    grey: Grey,
    monkeypatch: pytest.MonkeyPatch,
    writer: str,
) -> None:
    write_outputs(extraction, tmp_path, image=grey)
    before = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    changed = replace(extraction, regions=extraction.regions[:1])
    monkeypatch.setattr(outputs, writer, _full_disk)
    with pytest.raises(ExportError):
        write_outputs(changed, tmp_path, image=grey)
    assert {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)} == before


def test_a_crash_between_files_leaves_nothing(
    tmp_path: Path, extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "write_labels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_outputs(extraction, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_contours_too_long_for_gds_still_give_oasis(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Any],
    region: Callable[..., Any],
) -> None:
    angle = np.linspace(0, 2 * np.pi, 9000, endpoint=False)
    ring = contour(1, np.stack([50 - 45 * np.sin(angle), 60 + 45 * np.cos(angle)], axis=-1))
    image = replace(
        extraction, pixel_size_nm=(50.0, 50.0), regions=(region(1, (0, 0, 9, 9), ring),)
    )
    write_outputs(image, tmp_path)
    assert files_below(tmp_path) == in_folder(RESULT_FILES) | LAYOUT_FILES - {"contours.gds"}
    assert "8190" in read_regions_json(tmp_path / "site 07" / "regions.json").warnings[-1]
    with pytest.raises(ExportError, match="8190"):
        write_outputs(image, tmp_path, formats=["oas", "gds"])
    assert not (tmp_path / "contours.gds").exists()
    write_outputs(image, tmp_path, formats=["oas", "gds"], allow_long_gds=True)
    assert (tmp_path / "contours.gds").exists()
