"""Layouts: what is refused, what is left out, and that failures leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdstk
import numpy as np
import numpy.typing as npt
import pytest

from segsem.core.contour import Contour
from segsem.core.exceptions import CalibrationError, ExportError, UsageError
from segsem.core.extraction import Extraction
from segsem.export.batch_layout import write_layouts
from segsem.export.cells import cell_name, sauvola_stretches
from segsem.export.layout import LayoutFormat, LayoutOptions

BOTH = pytest.mark.parametrize("suffix", ["oas", "gds"])
Points = npt.NDArray[np.float64]


def test_gds_refuses_long_polygons_and_leaves_nothing(
    tmp_path: Path, long_contour: Extraction
) -> None:
    with pytest.raises(ExportError, match=r"8190 vertices.*20000.*OASIS"):
        write_layouts([long_contour], tmp_path, formats=[LayoutFormat.GDSII])
    assert list(tmp_path.iterdir()) == []


def test_gds_long_polygons_can_be_overridden(tmp_path: Path, long_contour: Extraction) -> None:
    options = LayoutOptions(allow_long_gds=True)
    write_layouts([long_contour], tmp_path, formats=[LayoutFormat.GDSII], options=options)
    polygons = gdstk.read_gds(tmp_path / "contours.gds", unit=1e-9).cells[0].polygons
    assert [len(p.points) for p in polygons if p.layer == 1] == [20_000]


@BOTH
def test_coordinates_beyond_32_bits_are_refused(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    # 160 px of 2e6 nm are 3.2e9 units of 0.1 nm.
    far = replace(extraction, pixel_size_nm=(2e6, 2e6))
    with pytest.raises(ExportError, match="2\\^31-1"):
        write_layouts([far], tmp_path, formats=[LayoutFormat(suffix)])
    assert list(tmp_path.iterdir()) == []


def test_nan_vertices_are_refused(tmp_path: Path, extraction: Extraction) -> None:
    extraction.regions[0].contours[0].vertices_rc[0, 0] = np.nan
    with pytest.raises(ExportError, match="not numbers"):
        write_layouts([extraction], tmp_path)


def test_a_contour_below_the_database_unit_is_refused(
    tmp_path: Path, extraction: Extraction
) -> None:
    tiny = replace(extraction, pixel_size_nm=(1e-3, 1e-3))
    with pytest.raises(ExportError, match="smaller"):
        write_layouts([tiny], tmp_path)


def test_unknown_pixel_size(tmp_path: Path, uncalibrated: Extraction) -> None:
    with pytest.raises(CalibrationError, match="--pixel-size"):
        write_layouts([uncalibrated], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_undecided_regions_block(tmp_path: Path, undecided: Extraction) -> None:
    with pytest.raises(ExportError, match=r"1 region\(s\) of site 07 need.*\(2\)"):
        write_layouts([undecided], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codes", "closed", "expected"),
    [
        ([0, 0, 0, 0, 0], True, []),
        ([0, 1, 0, 0, 0], True, [[0, 1, 2]]),
        ([1, 0, 0, 0, 1], True, [[3, 4, 0, 1]]),
        ([1, 0, 0, 0, 0], True, [[4, 0, 1]]),
        ([1, 0, 1, 0, 0], True, [[4, 0, 1, 2, 3]]),
        ([0, 1, 0, 1, 0, 0, 0], True, [[0, 1, 2, 3, 4]]),
        ([0, 1, 0, 0, 1, 0, 0], True, [[0, 1, 2], [3, 4, 5]]),
        ([1, 1, 1], True, [[0, 1, 2, 0]]),
        ([1, 0, 0, 0, 1], False, [[0, 1], [3, 4]]),
        ([1, 1], False, [[0, 1]]),
        ([1], False, []),
        ([], False, []),
    ],
)
def test_stretches(
    contour: Callable[..., Contour],
    codes: list[int],
    closed: bool,
    expected: list[list[int]],
) -> None:
    points = np.arange(2 * len(codes), dtype=np.float64).reshape(-1, 2)
    found = sauvola_stretches(contour(1, points, closed=closed, codes=codes))
    got = [[int(p[0]) // 2 for p in stretch] for stretch in found]
    assert sorted(got) == sorted(expected)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, extraction: Extraction) -> None:
    for name in "ab":
        write_layouts([extraction], tmp_path / name)
    for suffix in ("oas", "gds"):
        first, second = (tmp_path / name / f"contours.{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_gds_carries_a_fixed_time(tmp_path: Path, extraction: Extraction) -> None:
    write_layouts([extraction], tmp_path, formats=[LayoutFormat.GDSII])
    assert gdstk.gds_timestamp(tmp_path / "contours.gds").year == 2000


@pytest.mark.parametrize(
    "image_id", ["S1", "wafer 3, site/7", "ä" * 50, "x" * 200, "$_?", "\udcff"]
)
def test_cell_names_are_legal(image_id: str) -> None:
    name = cell_name(image_id)
    assert name.isascii()
    assert 0 < len(name) <= 32
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$")


def test_cell_names_of_like_ids_differ() -> None:
    assert len({cell_name(i) for i in ("a b", "a_b", "a-b", "x" * 40, "x" * 41)}) == 5


def test_the_same_image_twice_is_refused(tmp_path: Path, extraction: Extraction) -> None:
    with pytest.raises(ExportError, match="occurs twice"):
        write_layouts([extraction, extraction], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_late_failure_leaves_no_part(
    tmp_path: Path, extraction: Extraction, undecided: Extraction
) -> None:
    images = [replace(extraction, image_id=f"site {n}") for n in range(4)] + [undecided]
    with pytest.raises(ExportError, match="site 07"):
        write_layouts(images, tmp_path, options=LayoutOptions(vertices_per_file=60))
    assert list(tmp_path.iterdir()) == []


def test_a_mismatch_on_reading_back_leaves_nothing(
    tmp_path: Path, extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gdstk.read_oas

    def moved(*args: Any, **kwargs: Any) -> Any:
        library = real(*args, **kwargs)
        library.cells[0].polygons[3].translate(0.2, 0)
        return library

    monkeypatch.setattr(gdstk, "read_oas", moved)
    with pytest.raises(ExportError, match="does not read back"):
        write_layouts([extraction], tmp_path, formats=[LayoutFormat.OASIS])
    assert list(tmp_path.iterdir()) == []


def test_one_unit_of_difference_is_let_pass(
    tmp_path: Path, extraction: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gdstk.read_oas

    def moved(*args: Any, **kwargs: Any) -> Any:
        library = real(*args, **kwargs)
        library.cells[0].polygons[3].translate(0.1, 0)
        return library

    monkeypatch.setattr(gdstk, "read_oas", moved)
    write_layouts([extraction], tmp_path, formats=[LayoutFormat.OASIS])


@BOTH
@pytest.mark.parametrize("kept", [0.0, 0.25, 0.5, 0.75, 0.9, -1])
def test_a_full_disk_is_noticed(
    tmp_path: Path,
    extraction: Extraction,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    kept: float,
) -> None:
    # gdstk does not report a failed write; the file is cut off instead.
    writer = f"write_{suffix}"
    real = getattr(gdstk.Library, writer)

    class CutOff(gdstk.Library):  # type: ignore[misc]
        pass

    def cut(self: Any, path: Path, **kwargs: Any) -> None:
        real(self, path, **kwargs)
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: int(kept * len(content)) if kept >= 0 else -1])

    setattr(CutOff, writer, cut)
    monkeypatch.setattr(gdstk, "Library", CutOff)
    with pytest.raises(ExportError, match=r"disk full|read back"):
        write_layouts([extraction], tmp_path, formats=[LayoutFormat(suffix)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dbu_nm", [0.0, -1.0, float("nan"), 1e-9])
def test_senseless_database_units(dbu_nm: float) -> None:
    with pytest.raises(UsageError, match="database unit"):
        LayoutOptions(dbu_nm=dbu_nm)
