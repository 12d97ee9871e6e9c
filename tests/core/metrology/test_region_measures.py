"""The tables of `segsem measure`, read back by region and by point of the design."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.metrology.region_measures import read_design_points, read_region_measures

CD = """image_id,name,kind,axis_deg,mean_nm,min_nm,max_nm
a,region 1,feature,0,50,45,55
a,region 1,feature,90,40,39,41
a,region 1,space,0,10,9,11
a,region 2,feature,0,70,69,71
a,gauge 7,feature,0,1,1,1
b,region 1,feature,0,,,
"""
EPE = """image_id,gauge,x_px,y_px,nx,ny,epe_nm,corner,region_id
a,,10,20,1,0,2,0,1
a,,11,20,1,0,4,0,1
a,,12,20,1,0,90,1,1
a,,13,20,0,1,,0,
a,g,14,20,0,1,50,0,
b,,1,2,0,-1,-3,0,1
"""
ROUGHNESS = """image_id,kind,region_id,three_sigma_unbiased_nm
a,LER,all,9
a,LER,1,3
a,LER,1,4
a,LWR,1,5
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for name, text in (("cd", CD), ("epe", EPE), ("roughness", ROUGHNESS)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_each_region_has_what_was_measured_on_it(tables: Path) -> None:
    found = read_region_measures(tables)
    one = found["a"][1]
    # The narrower direction; neither spaces nor gauges.
    assert (one.cd_nm, one.cd_min_nm, one.cd_max_nm) == (40, 39, 41)
    assert one.epe_nm == 3
    assert one.epe_three_sigma_nm == pytest.approx(3 * math.sqrt(2))
    assert one.ler_nm == pytest.approx(math.sqrt((9 + 16) / 2))
    assert one.lwr_nm == 5
    assert found["a"][2].cd_nm == 70
    assert math.isnan(found["a"][2].epe_nm)
    assert found["b"][1].epe_nm == -3
    assert math.isnan(found["b"][1].cd_nm)


def test_points_of_the_design_without_a_contour_are_kept(tables: Path) -> None:
    points = read_design_points(tables, "a")
    assert points is not None
    np.testing.assert_array_equal(points.points_rc, [[20, 10], [20, 11], [20, 12], [20, 13]])
    np.testing.assert_array_equal(points.epe_nm, [2, 4, 90, np.nan])
    np.testing.assert_array_equal(points.corner, [False, False, True, False])
    np.testing.assert_array_equal(points.normals_xy[0], [1, 0])
    assert read_design_points(tables, "c") is None


def test_nothing_measured_is_nothing_known(tmp_path: Path) -> None:
    assert read_region_measures(tmp_path) == {}
    assert read_design_points(tmp_path, "a") is None


@pytest.mark.parametrize("text", ["image_id,name\na,b\n", f"{CD}a,b\n"])
def test_damaged_tables_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cd.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"Cannot read .*cd\.csv") as caught:
        read_region_measures(tmp_path)
    assert "\n" not in str(caught.value)
