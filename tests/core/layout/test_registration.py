from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.coordinates import rc_to_nm
from segsem.core.exceptions import InputError
from segsem.layout.design import Design
from segsem.layout.design_prompts import design_prompts
from segsem.layout.raster import design_labels
from segsem.layout.registration_json import read_registrations, write_registrations


def test_points_and_normals_go_there_and_back(fakes: ModuleType) -> None:
    truth = fakes.placed((120, 200), (1.5, 2.5), (1000.0, -300.0), 37.0, scale=1.02)
    points = np.random.default_rng(0).uniform(0, 120, (50, 2))
    assert truth.design_nm_to_rc(truth.rc_to_design_nm(points)) == pytest.approx(points)
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert truth.normals_to_rc(truth.normals_to_design(normals)) == pytest.approx(normals)


def test_unturned_and_unmoved_is_the_image_frame(fakes: ModuleType) -> None:
    same = fakes.placed((120, 200), (1.5, 2.5), (250.0, 90.0))
    points = np.array([[0.0, 0.0], [119.5, -0.5], [60.0, 100.0]])
    assert same.rc_to_design_nm(points) == pytest.approx(rc_to_nm(points, 120, (1.5, 2.5)))
    assert same.shift_nm == (0.0, 0.0)


def test_a_quarter_turn_turns_counter_clockwise(fakes: ModuleType) -> None:
    turned = fakes.placed((100, 100), (1.0, 1.0), (0.0, 0.0), 90.0)
    right_of_middle = np.array([[49.5, 59.5]])
    assert turned.rc_to_design_nm(right_of_middle) == pytest.approx(np.array([[0.0, 10.0]]))


def test_a_design_is_drawn_where_it_lies(fakes: ModuleType) -> None:
    truth = fakes.placed((60, 80), (1.0, 1.0), (40.0, 30.0))
    frame = Design.from_area(
        Design.from_polygons([fakes.rectangle(10, 5, 40, 30)]).area
        - Design.from_polygons([fakes.rectangle(20, 15, 10, 10)]).area
    )
    expected = np.zeros((60, 80), dtype=int)
    expected[25:55, 10:50] = 1
    expected[35:45, 20:30] = 0
    assert np.array_equal(design_labels(frame, truth), expected)


def test_prompts_lie_in_their_features_and_in_the_field(fakes: ModuleType) -> None:
    truth = fakes.placed((60, 80), (1.0, 1.0), (40.0, 30.0))
    design = Design.from_polygons(
        [
            fakes.rectangle(10, 5, 10, 40),
            fakes.rectangle(60, 40, 100, 10),
            fakes.rectangle(500, 500, 10, 10),
        ]
    )
    whole, cut = design_prompts(design, truth)
    assert whole.box_rc == pytest.approx((14.5, 9.5, 54.5, 19.5))
    assert (whole.feature, whole.cut, cut.feature, cut.cut) == (1, False, 2, True)
    assert cut.box_rc == pytest.approx((9.5, 59.5, 19.5, 79.5))
    labels = design_labels(design, truth)
    for prompt in (whole, cut):
        for row, col in prompt.points_rc:
            assert labels[round(row), round(col)] == prompt.feature
    assert len(whole.points_rc) == 3


def test_the_file_keeps_everything(fakes: ModuleType, tmp_path: Path) -> None:
    truth = fakes.placed((60, 80), (1.0, 1.25), (40.0, 30.0), 0.25)
    path = tmp_path / "registration.json"
    write_registrations(path, {"a": truth}, {"file": "x.gds", "layer": "1/0"})
    again = read_registrations(path)
    assert again.design == {"file": "x.gds", "layer": "1/0"}
    back = again.registrations()["a"]
    assert back.place == truth.place
    assert (back.shape, back.pixel_size_nm) == (truth.shape, truth.pixel_size_nm)
    assert np.isnan(back.design_width_nm)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1"),
        ({"format": "other"}, "format"),
        ({"images": {"a": {"score": 1}}}, "not a valid"),
    ],
)
def test_other_files_are_refused(
    fakes: ModuleType, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "registration.json"
    write_registrations(path, {"a": fakes.placed((6, 8), (1.0, 1.0), (4.0, 3.0))}, {})
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        read_registrations(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(cut=st.integers(0, 1500), put=st.binary(max_size=8))
def test_damaged_files_are_refused_in_one_line(
    fakes: ModuleType, tmp_path: Path, cut: int, put: bytes
) -> None:
    path = tmp_path / "registration.json"
    write_registrations(path, {"a": fakes.placed((6, 8), (1.0, 1.0), (4.0, 3.0))}, {})
    content = path.read_bytes()
    path.write_bytes(content[:cut] + put + content[cut + len(put) :])
    with contextlib.suppress(InputError):
        read_registrations(path)
