from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from segsem.core.extraction import Extraction
from segsem.export.summary_csv import failed_row, summary_row, write_summary


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_one_row_an_image(tmp_path: Path, undecided: Extraction, uncalibrated: Extraction) -> None:
    path = tmp_path / "summary.csv"
    empty = replace(uncalibrated, image_id="black", regions=(), warnings=("a", "b"), provenance={})
    error = "Cannot read x.png:\nexpected an image"
    write_summary(path, [summary_row(undecided, 1.25), summary_row(empty), failed_row("x", error)])
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4
    full, black, failed = rows_of(path)
    counts = [full[k] for k in ("regions", "sam2", "sauvola", "manual", "mixed", "needs_human")]
    assert counts == ["4", "1", "1", "1", "1", "1"]
    assert full["contour_points"] == str(6 + 4 + 4 + 4 + 20)
    # By hand: the L, a full box of 41 x 41, one of 21 x 31, and 100 x 18 at the border.
    area = (31 * 21 - 25 * 15) + 41 * 41 + 21 * 31 + 100 * 18
    assert float(full["area_fraction"]) == pytest.approx(area / (100 * 160), rel=1e-5)
    assert float(full["mean_confidence"]) == pytest.approx((0.9 * 3 + 0.7) / 4)
    assert (full["pixel_size_y_nm"], full["pixel_size_x_nm"]) == ("1.5", "2")
    assert (full["pixel_size_source"], full["tone"]) == ("manifest", "bright")
    assert (full["seconds"], full["status"], full["error"]) == ("1.25", "ok", "")
    assert (black["regions"], black["area_fraction"]) == ("0", "0")
    assert black["mean_confidence"] == black["pixel_size_y_nm"] == black["snr"] == ""
    assert black["warnings"] == "a; b"
    assert (failed["status"], failed["regions"]) == ("failed", "")
    assert failed["error"] == "Cannot read x.png: expected an image"


def test_snr_of_any_number_type(extraction: Extraction) -> None:
    assert summary_row(extraction).snr == 7.25
