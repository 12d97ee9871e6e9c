from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.contour import Contour, PointFlag, Region
from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.export.contours_csv import COLUMNS, write_contours_csv
from segsem.export.contours_csv_reader import read_contours_csv

DESIGN_COLUMNS = [
    *("image_id", "region_id", "contour_id", "point", "is_hole", "closed"),
    *("x_px", "y_px", "x_raw_px", "y_raw_px", "sigma_px"),
    *("x_nm", "y_nm", "nx", "ny", "s_nm", "sigma_nm", "offset_nm"),
    *("slope", "contrast", "weight", "confidence", "source", "flags"),
]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def written(tmp_path: Path, extraction: Extraction) -> Path:
    path = tmp_path / "contours.csv"
    write_contours_csv(path, [extraction])
    return path


def test_the_columns_are_the_specified_ones_in_that_order(written: Path) -> None:
    assert list(COLUMNS) == DESIGN_COLUMNS
    assert written.read_text(encoding="utf-8").splitlines()[0] == ",".join(DESIGN_COLUMNS)


def test_one_row_by_hand(written: Path) -> None:
    # Point 2 of the L: row 35, column 30; H = 120, pixels 1.5 nm high and 2 nm wide.
    row = rows_of(written)[2]
    assert row["image_id"] == "site 07"
    assert (row["region_id"], row["contour_id"], row["point"]) == ("1", "1", "2")
    assert (row["is_hole"], row["closed"], row["source"]) == ("0", "1", "sam2")
    assert float(row["x_px"]) == 30
    assert float(row["y_px"]) == 35
    assert float(row["x_raw_px"]) == 30.25
    assert float(row["x_nm"]) == (30 + 0.5) * 2.0
    assert float(row["y_nm"]) == (120 - 0.5 - 35) * 1.5
    # s: 20 px of 2 nm along the bottom, then 5 px of 1.5 nm up.
    assert float(row["s_nm"]) == 20 * 2.0 + 5 * 1.5
    assert row["offset_nm"] == "0.0000"
    # The normal (row 0.6, column 0.8) is perpendicular to the tangent (0.8, -0.6) in px, which
    # is (-1.2, -1.2) in (x, y) nm: the normal in the nm frame is (1, -1) / sqrt 2.
    assert float(row["nx"]) == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert float(row["ny"]) == pytest.approx(-np.sqrt(0.5), abs=1e-6)
    # Moving by 0.22 px along the px normal moves (0.352, -0.198) nm, of which along the normal:
    sigma_px = 0.1 + 2 * 0.3 / 5
    sigma_nm = sigma_px * (0.8 * 2.0 + 0.6 * 1.5) * np.sqrt(0.5)
    assert float(row["sigma_nm"]) == pytest.approx(sigma_nm, abs=1e-4)
    assert float(row["weight"]) == pytest.approx(1 / sigma_nm**2, rel=1e-5)


def test_flags_are_words(written: Path) -> None:
    flags = [row["flags"] for row in rows_of(written)]
    assert flags[:3] == ["corner", "corner|low_slope", ""]
    assert flags[-1] == "border"


def test_a_point_that_was_not_placed_has_no_sigma_and_no_weight(written: Path) -> None:
    row = rows_of(written)[1]
    assert row["sigma_px"] == row["sigma_nm"] == ""
    assert float(row["weight"]) == 0


def test_a_noise_free_point_has_a_finite_weight(tmp_path: Path, extraction: Extraction) -> None:
    extraction.regions[0].contours[0].sigma_px[0] = 0.0
    write_contours_csv(tmp_path / "c.csv", [extraction])
    assert 0 < float(rows_of(tmp_path / "c.csv")[0]["weight"]) < 1e7


def test_unknown_pixel_size_leaves_the_nm_columns_empty(
    tmp_path: Path, uncalibrated: Extraction
) -> None:
    path = tmp_path / "contours.csv"
    write_contours_csv(path, [uncalibrated])
    rows = rows_of(path)
    for name in ("x_nm", "y_nm", "s_nm", "sigma_nm", "offset_nm"):
        assert {row[name] for row in rows} == {""}
    # Directions exist all the same: y up, square pixels.
    assert float(rows[0]["nx"]) == pytest.approx(0.8)
    assert float(rows[0]["ny"]) == pytest.approx(-0.6)
    assert float(rows[0]["weight"]) == pytest.approx(100)


def test_raw_positions_are_kept_in_one_more_column(tmp_path: Path, extraction: Extraction) -> None:
    def with_raw(contour: Contour) -> Contour:
        return replace(
            contour, unsmoothed_px=np.r_[np.nan, np.linspace(-0.5, 0.5, len(contour) - 1)]
        )

    regions = tuple(
        replace(r, contours=tuple(with_raw(c) for c in r.contours)) for r in extraction.regions
    )
    bare = replace(extraction, image_id="empty", regions=())
    path = tmp_path / "contours.csv"
    write_contours_csv(path, [bare, replace(extraction, regions=regions)])
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join([*DESIGN_COLUMNS, "unsmoothed_px"])
    wanted = [c for r in regions for c in r.contours]
    for row, contour in zip(read_contours_csv(path, None), wanted, strict=True):
        np.testing.assert_allclose(row.contour.unsmoothed_px, contour.unsmoothed_px, atol=6e-6)


@pytest.mark.parametrize("pixel_size_nm", [(1.5, 2.0), (0.44, 2.69), None])
def test_round_trip(
    tmp_path: Path, extraction: Extraction, pixel_size_nm: tuple[float, float] | None
) -> None:
    rng = np.random.default_rng(3)
    regions = tuple(
        replace(r, contours=tuple(_randomised(c, rng) for c in r.contours))
        for r in extraction.regions
    )
    extraction = replace(extraction, regions=regions, pixel_size_nm=pixel_size_nm)
    write_contours_csv(tmp_path / "contours.csv", [extraction])
    rows = read_contours_csv(tmp_path / "contours.csv", pixel_size_nm)
    expected = [(r.region_id, c) for r in regions for c in r.contours]
    assert [(row.image_id, row.region_id) for row in rows] == [
        ("site 07", region_id) for region_id, _ in expected
    ]
    for row, (_, contour) in zip(rows, expected, strict=True):
        for field in fields(Contour):
            got, want = getattr(row.contour, field.name), getattr(contour, field.name)
            if want is None:
                assert got is None
                continue
            np.testing.assert_allclose(got, want, rtol=0, atol=6e-5, err_msg=field.name)
        np.testing.assert_allclose(row.contour.vertices_rc, contour.vertices_rc, atol=6e-6)


def _randomised(contour: Contour, rng: np.random.Generator) -> Contour:
    n = len(contour)
    angle = rng.uniform(0, 2 * np.pi, n)
    return replace(
        contour,
        vertices_rc=rng.uniform(-0.5, 5000, (n, 2)),
        raw_vertices_rc=rng.uniform(-0.5, 5000, (n, 2)),
        normals_rc=np.stack([np.sin(angle), np.cos(angle)], axis=-1),
        source_code=rng.integers(0, 4, n).astype(np.uint8),
        flags=rng.integers(0, 16, n).astype(np.uint8),
    )


def test_many_images_in_one_table(tmp_path: Path, extraction: Extraction) -> None:
    other = replace(extraction, image_id='odd, "name"')
    path = tmp_path / "contours.csv"
    write_contours_csv(path, iter([extraction, other]))
    rows = read_contours_csv(path, extraction.pixel_size_nm)
    assert [row.image_id for row in rows] == ["site 07"] * 5 + ['odd, "name"'] * 5


def test_some_regions_only(tmp_path: Path, extraction: Extraction) -> None:
    # A name that has to be quoted hides the region's number from a quick look.
    for name in ("plain", 'a "name", 7, quoted'):
        path = tmp_path / "some.csv"
        write_contours_csv(path, [replace(extraction, image_id=name)])
        whole = read_contours_csv(path, extraction.pixel_size_nm)
        for asked in ({1}, {2, 3}, {99}, set()):
            found = read_contours_csv(path, extraction.pixel_size_nm, asked)
            expected = [row for row in whole if row.region_id in asked]
            assert [row.contour.contour_id for row in found] == [
                row.contour.contour_id for row in expected
            ]
            for one, other in zip(found, expected, strict=True):
                assert one.image_id == name
                np.testing.assert_array_equal(one.contour.vertices_rc, other.contour.vertices_rc)


def test_no_regions(tmp_path: Path, extraction: Extraction) -> None:
    path = tmp_path / "contours.csv"
    write_contours_csv(path, [replace(extraction, regions=())])
    assert path.read_text(encoding="utf-8") == ",".join(DESIGN_COLUMNS) + "\n"
    assert read_contours_csv(path, None) == []


def test_a_hundred_thousand_points(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
) -> None:
    points = np.random.default_rng(0).uniform(0, 4096, (100_000, 2))
    big = replace(extraction, regions=(region(1, (0, 0, 9, 9), contour(1, points)),))
    write_contours_csv(tmp_path / "c.csv", [big])
    (row,) = read_contours_csv(tmp_path / "c.csv", big.pixel_size_nm)
    np.testing.assert_allclose(row.contour.vertices_rc, points, atol=6e-6)


def _edited(path: Path, line: int, column: str, text: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[line].split(",")
    cells[COLUMNS.index(column)] = text
    lines[line] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("x_px", "wide", "x_px"),
        ("y_px", "", "y_px"),
        ("x_raw_px", "inf", "x_raw_px"),
        ("source", "sam3", "sam3"),
        ("flags", "corner|odd", "odd"),
        ("point", "7", "point"),
        ("closed", "yes", "yes"),
        ("contour_id", "one", "one"),
        ("region_id", "", "contours.csv"),
    ],
)
def test_a_spoilt_cell_is_named(written: Path, column: str, text: str, said: str) -> None:
    _edited(written, 1, column, text)
    with pytest.raises(InputError, match=said):
        read_contours_csv(written, (1.5, 2.0))


def test_a_deleted_row_is_noticed(written: Path) -> None:
    lines = written.read_text(encoding="utf-8").splitlines(keepends=True)
    written.write_text("".join(lines[:3] + lines[4:]), encoding="utf-8")
    with pytest.raises(InputError, match="expected point 2 in row 4, but got '3'"):
        read_contours_csv(written, (1.5, 2.0))


def test_a_cut_off_file_is_noticed(written: Path) -> None:
    written.write_bytes(written.read_bytes()[:-30])
    with pytest.raises(InputError, match="columns in row"):
        read_contours_csv(written, (1.5, 2.0))


def test_a_missing_column_is_named(written: Path) -> None:
    text = written.read_text(encoding="utf-8").replace("x_raw_px", "x_was", 1)
    written.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="lacks x_raw_px"):
        read_contours_csv(written, None)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        read_contours_csv(tmp_path / "none.csv", None)


fuzz = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzz
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "contours.csv"
    for head in (b"", ",".join(COLUMNS).encode() + b"\n"):
        path.write_bytes(head + content)
        with suppress(InputError):
            read_contours_csv(path, None)


CELL = st.one_of(
    st.sampled_from(["", "0", "1", "nan", "-inf", "1e400", "sam2", "border", "|", "9" * 5000]),
    st.text(max_size=6),
    st.integers().map(str),
)


@fuzz
@given(st.lists(st.lists(CELL, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=4))
def test_any_cells_are_read_or_refused(tmp_path: Path, cells: list[list[str]]) -> None:
    path = tmp_path / "contours.csv"
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        writer.writerows(cells)
    try:
        rows = read_contours_csv(path, (1.0, 1.0))
    except InputError:
        return
    assert sum(len(row.contour) for row in rows) == len(cells)


def test_flags_cover_all_bits() -> None:
    assert sum(flag.value for flag in PointFlag) == 15
