from __future__ import annotations

import csv
from pathlib import Path

import pytest

from segsem.core.exceptions import InputError, UsageError
from segsem.core.extraction import Extraction
from segsem.export.contours_csv import COLUMNS, write_contours_csv
from segsem.export.parquet import check_parquet
from segsem.export.point_columns import ColumnTemplate, read_template, write_point_table


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_full_table_is_contours_csv(tmp_path: Path, extraction: Extraction) -> None:
    write_contours_csv(tmp_path / "a.csv", [extraction])
    n_points = write_point_table(
        tmp_path / "b.csv", [extraction], ColumnTemplate.default(), places={}
    )
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert n_points == len(rows_of(tmp_path / "b.csv"))


def test_a_template_chooses_orders_and_names(tmp_path: Path, extraction: Extraction) -> None:
    template = ColumnTemplate.parse("Y=y_nm, X=x_nm, weight, status, cell")
    write_point_table(tmp_path / "p.csv", [extraction], template, {})
    write_contours_csv(tmp_path / "full.csv", [extraction])
    rows, full = rows_of(tmp_path / "p.csv"), rows_of(tmp_path / "full.csv")
    assert list(rows[0]) == ["Y", "X", "weight", "status", "cell"]
    assert [(r["X"], r["Y"], r["weight"]) for r in rows] == [
        (r["x_nm"], r["y_nm"], r["weight"]) for r in full
    ]
    assert {r["status"] for r in rows} == {"pending", "corrected"}


def test_a_template_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "columns.txt"
    path.write_text("# for the fit\nx = x_nm\ny = y_nm  # nm\nweight\n")
    expected = (("x", "x_nm"), ("y", "y_nm"), ("weight", "weight"))
    assert read_template(f"@{path}").columns == expected
    with pytest.raises(InputError, match="Cannot read the column template"):
        read_template(f"@{tmp_path / 'nowhere'}")


@pytest.mark.parametrize(
    ("text", "words"),
    [("x_nn", "but got 'x_nn'"), ("", "but got none"), ("a=x_nm,a=y_nm", "'a' occurs twice")],
)
def test_templates_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ColumnTemplate.parse(text)


def test_parquet(tmp_path: Path, extraction: Extraction) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from segsem.export.parquet import write_parquet

    write_parquet(tmp_path / "p.parquet", [extraction], ColumnTemplate.default(), {})
    table = parquet.read_table(tmp_path / "p.parquet").to_pydict()
    assert list(table) == list(COLUMNS)
    write_contours_csv(tmp_path / "full.csv", [extraction])
    full = rows_of(tmp_path / "full.csv")
    assert table["x_nm"] == [float(row["x_nm"]) for row in full]
    assert table["source"] == [row["source"] for row in full]


def test_without_pyarrow_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install pyarrow, or export csv"):
        check_parquet()
