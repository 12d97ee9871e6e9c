from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import CalibrationError, InputError
from segsem.layout.design import Design
from segsem.metrology.deming import deming
from segsem.metrology.feature_cd import measure_features
from segsem.metrology.measured import MeasuredImage
from segsem.metrology.offset import CdPairs, apply_offset, calibrate_offset
from segsem.metrology.offset_files import read_cd_pairs, read_offset, write_offset


def test_points_on_a_line_give_it_back() -> None:
    x = np.array([20.0, 30.0, 45.0, 80.0])
    line = deming(x, 1.02 * x - 1.5, 2.0)
    assert (line.slope, line.intercept) == (pytest.approx(1.02), pytest.approx(-1.5))
    assert line.slope_interval == pytest.approx((1.02, 1.02))
    assert line.residual == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
def test_an_independent_formula_agrees(ratio: float) -> None:
    """With y scaled by 1/sqrt(ratio) it is the first principal axis."""
    rng = np.random.default_rng(4)
    x = rng.uniform(20, 100, 30)
    y = 0.98 * x + 2 + rng.normal(0, 1.0, 30)
    x = x + rng.normal(0, 0.5, 30)
    line = deming(x, y, ratio)
    table = np.column_stack([x, y / np.sqrt(ratio)])
    axis = np.linalg.svd(table - table.mean(axis=0))[2][0]
    slope = axis[1] / axis[0] * np.sqrt(ratio)
    assert line.slope == pytest.approx(slope)
    assert line.intercept == pytest.approx(y.mean() - slope * x.mean())


def test_both_noisy_sides_bias_nothing_and_intervals_hold_the_truth() -> None:
    """Ordinary least squares would be 3 % too flat here."""
    slopes, inside = [], 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = rng.uniform(30, 60, 40)
        x, y = true + rng.normal(0, 1.5, 40), 1.05 * true - 1 + rng.normal(0, 1.5, 40)
        line = deming(x, y, 1.0)
        slopes.append(line.slope)
        inside += line.slope_interval[0] <= 1.05 <= line.slope_interval[1]
    assert np.mean(slopes) == pytest.approx(1.05, abs=4 * np.std(slopes) / np.sqrt(200))
    # 190 of 200 expected; 180 is more than three standard deviations below.
    assert 180 <= inside <= 200


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "at least 3"),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], "do not vary"),
        ([1.0, 2.0, np.nan], [1.0, 2.0, 3.0], "finite"),
    ],
)
def test_what_allows_no_line_is_refused(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        deming(np.array(x), np.array(y))


def test_layers_are_calibrated_stored_and_read(tmp_path: Path) -> None:
    table = "layer,measured_nm,reference_nm\nM1,50,53\nM1,60,63.1\nM1,80,82.9\nV1,40,41\n"
    (tmp_path / "cds.csv").write_text(table)
    edge = {"edge_method": "half", "edge_side": "outer"}
    offset = calibrate_offset(read_cd_pairs(tmp_path / "cds.csv"), edge=edge, table="cds.csv")
    assert offset.layer("M1").offset_nm == pytest.approx(1.5)
    assert not offset.layer("M1").tells_slope
    assert offset.layer("V1").slope_interval is None
    assert offset.layer("V1").offset_nm == pytest.approx(0.5)
    write_offset(tmp_path / "offset.json", offset)
    assert read_offset(tmp_path / "offset.json") == offset
    with pytest.raises(InputError, match="M1, V1"):
        offset.layer("M2")
    with pytest.raises(InputError, match="M1, V1"):
        offset.layer(None)


@pytest.fixture
def printed(fakes: ModuleType) -> object:
    design = Design.from_polygons(
        [fakes.rectangle(100, 60, 40, 180), fakes.rectangle(200, 60, 60, 180)]
    )
    truth = fakes.placed((200, 240), (1.5, 2.0), (240.0, 150.0), 12.0)
    return fakes.printed(design, truth)


def widths(extraction: object) -> list[float]:
    features = measure_features(MeasuredImage.of(extraction))  # type: ignore[arg-type]
    found = [cd for cd in features if cd.of == "feature" and round(cd.axis_deg) == -12]
    return sorted(cd.stats.median for cd in found)


def test_a_constant_offset_moves_all_edges_and_is_recorded(printed: object) -> None:
    pairs = {"M1": CdPairs(np.array([50.0, 60.0]), np.array([53.0, 63.0]))}
    moved = apply_offset(printed, calibrate_offset(pairs))  # type: ignore[arg-type]
    assert widths(moved) == pytest.approx([43.0, 63.0], abs=0.01)
    assert moved.regions[0].contours[0].offset_nm == pytest.approx(1.5)
    assert moved.provenance["offset"]["layers"]["M1"]["offset_nm"] == 1.5
    with pytest.raises(InputError, match="applied before"):
        apply_offset(moved, calibrate_offset(pairs))


def test_a_slope_moves_each_feature_by_what_its_own_cd_lacks(printed: object) -> None:
    x = np.array([40.0, 50.0, 60.0, 45.0])
    moved = apply_offset(printed, calibrate_offset({"M1": CdPairs(x, 1.1 * x - 3)}))  # type: ignore[arg-type]
    assert widths(moved) == pytest.approx([41.0, 63.0], abs=0.01)
    # No farther than the CDs of the table reach.
    short = np.array([38.0, 39.0, 40.0, 41.0])
    held = apply_offset(printed, calibrate_offset({"M1": CdPairs(short, 1.1 * short - 3)}))  # type: ignore[arg-type]
    assert widths(held)[1] == pytest.approx(60 + 0.1 * 41 - 3, abs=0.01)


def test_another_definition_or_no_pixel_size_is_refused(printed: object) -> None:
    pairs = {"M1": CdPairs(np.array([50.0]), np.array([53.0]))}
    with pytest.raises(InputError, match="calibrated for edge_method slope"):
        apply_offset(printed, calibrate_offset(pairs, edge={"edge_method": "slope"}))  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match="--pixel-size"):
        apply_offset(replace(printed, pixel_size_nm=None), calibrate_offset(pairs))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks measured_nm"),
        ("measured_nm,reference_nm\n", "no pair"),
        ("measured_nm,reference_nm\n5,x\n", "row 2"),
        ("measured_nm,reference_nm\n5,-1\n", "above 0"),
        ("measured_nm,reference_nm\n5\n", "2 columns"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cds.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_cd_pairs(tmp_path / "cds.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(cut=st.integers(0, 600), put=st.binary(max_size=8))
def test_damaged_files_are_read_or_refused(tmp_path: Path, cut: int, put: bytes) -> None:
    pairs = {"M1": CdPairs(np.array([50.0, 60.0, 70.0]), np.array([53.0, 63.5, 72.0]))}
    path = tmp_path / "offset.json"
    write_offset(path, calibrate_offset(pairs))
    content = path.read_bytes()
    path.write_bytes(content[:cut] + put + content[cut + len(put) :])
    with contextlib.suppress(InputError):
        read_offset(path)
    path.write_bytes(put)
    with contextlib.suppress(InputError):
        read_cd_pairs(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "offset.json"
    path.write_text(json.dumps({"format": "segsem-offset", "version": 2}))
    with pytest.raises(InputError, match="version 1"):
        read_offset(path)
