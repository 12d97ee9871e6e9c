from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdstk
import klayout.db as kdb
import numpy as np
import numpy.typing as npt
import pytest
from shapely import LineString, Polygon

from segsem.core.contour import Contour, Region, ReviewStatus
from segsem.core.extraction import Extraction
from segsem.export.batch_layout import write_layouts
from segsem.export.cells import cell_name
from segsem.export.layer_map import LayerMap
from segsem.export.layout import LayoutFormat, LayoutOptions

BOTH = pytest.mark.parametrize("suffix", ["oas", "gds"])
Points = npt.NDArray[np.float64]
Shapes = dict[tuple[int, int], list[tuple[str, Points]]]


def read_klayout(path: Path) -> dict[str, Shapes]:
    """Cells by name, in nm: an implementation that shares nothing with the writer."""
    layout = kdb.Layout()
    layout.read(str(path))
    nm = layout.dbu * 1000
    cells: dict[str, Shapes] = {}
    for cell in layout.each_cell():
        shapes: Shapes = {}
        for index in layout.layer_indexes():
            info = layout.get_info(index)
            found = [_klayout_shape(shape, nm) for shape in cell.shapes(index).each()]
            if found:
                shapes[info.layer, info.datatype] = found
        cells[cell.name] = shapes
    return cells


def _klayout_shape(shape: Any, nm: float) -> tuple[str, Points]:
    if shape.is_path():
        assert shape.path_width == 0
        points = shape.path.each_point()
        kind = "path"
    else:
        polygon = shape.polygon
        assert polygon.holes() == 0
        points = polygon.each_point_hull()
        kind = "polygon"
    return kind, np.array([[p.x * nm, p.y * nm] for p in points])


def expected_nm(vertices_rc: Points, pixel_size_nm: tuple[float, float] = (1.5, 2.0)) -> Points:
    """By hand: H = 120, pixel centres at integers, y up."""
    row, col = np.asarray(vertices_rc).T
    return np.stack([(col + 0.5) * pixel_size_nm[1], (119.5 - row) * pixel_size_nm[0]], axis=-1)


def assert_within_one_dbu(kind: str, got: Points, want: Points, dbu_nm: float = 0.1) -> None:
    # klayout drops collinear points and starts elsewhere: the boundaries are compared.
    make = Polygon if kind == "polygon" else LineString
    a, b = make(got), make(want)
    line_a, line_b = (a.exterior, b.exterior) if kind == "polygon" else (a, b)
    assert line_a.hausdorff_distance(line_b) <= dbu_nm
    assert max(line_b.distance(p) for p in _vertices(got)) <= dbu_nm
    assert max(line_a.distance(p) for p in _vertices(want)) <= dbu_nm


def _vertices(points: Points) -> Any:
    from shapely import points as shapely_points

    return shapely_points(points)


@BOTH
def test_every_shape_reads_back_with_klayout(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    write_layouts([extraction], tmp_path)
    (name, shapes), = read_klayout(tmp_path / f"contours.{suffix}").items()  # fmt: skip
    assert name == cell_name("site 07")
    contours = {c.contour_id: c for region in extraction.regions for c in region.contours}
    by_layer = {
        (1, 0): ("polygon", [contours[1]]),
        (1, 1): ("polygon", [contours[2]]),
        (2, 1): ("polygon", [contours[3]]),
        (1, 3): ("polygon", [contours[4]]),
        (3, 2): ("path", [contours[5]]),
    }
    assert set(shapes) == {*by_layer, (10, 0), (10, 2), (10, 3)}
    for layer, (kind, expected) in by_layer.items():
        assert [got_kind for got_kind, _ in shapes[layer]] == [kind] * len(expected)
        for (_, got), contour in zip(shapes[layer], expected, strict=True):
            assert_within_one_dbu(kind, got, expected_nm(contour.vertices_rc))


@BOTH
def test_field_of_view_and_valid_region(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    write_layouts([extraction], tmp_path)
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    ((_, field),) = shapes[10, 0]
    ((_, valid),) = shapes[10, 3]
    # 160 px of 2 nm and 120 px of 1.5 nm, of which the lower 20 rows are the data bar.
    np.testing.assert_allclose([field.min(0), field.max(0)], [[0, 0], [320, 180]], atol=1e-6)
    np.testing.assert_allclose([valid.min(0), valid.max(0)], [[0, 30], [320, 180]], atol=1e-6)


@BOTH
def test_a_pixel_centre_is_half_a_pixel_from_the_corner(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
    suffix: str,
) -> None:
    # A triangle whose corner is the centre of the lower-left pixel.
    triangle = contour(1, [[119, 0], [119, 4], [109, 0]])
    image = replace(extraction, regions=(region(1, (0, 0, 5, 5), triangle),))
    write_layouts([image], tmp_path, options=LayoutOptions(dbu_nm=0.01))
    ((_, points),) = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")][1, 0]
    assert {tuple(np.round(p, 6)) for p in points} == {(1.0, 0.75), (9.0, 0.75), (1.0, 15.75)}


@BOTH
def test_y_runs_up_on_an_asymmetric_shape(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    write_layouts([extraction], tmp_path)
    ((_, points),) = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")][1, 0]
    ell = Polygon(points)
    # In the image the L's foot is at its bottom (large rows), so in the layout at small y, and
    # its stem on the left.
    foot = (27.5 * 2, (119.5 - 37.5) * 1.5)
    mirrored_foot = (27.5 * 2, (119.5 - 12.5) * 1.5)
    from shapely import Point

    assert ell.contains(Point(foot))
    assert not ell.contains(Point(mirrored_foot))


@BOTH
@pytest.mark.parametrize("dbu_nm", [0.1, 0.01, 1.0])
def test_database_unit(tmp_path: Path, extraction: Extraction, suffix: str, dbu_nm: float) -> None:
    write_layouts([extraction], tmp_path, options=LayoutOptions(dbu_nm=dbu_nm))
    layout = kdb.Layout()
    layout.read(str(tmp_path / f"contours.{suffix}"))
    assert layout.dbu == pytest.approx(dbu_nm / 1000)
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    mixed = extraction.regions[2].contours[0]
    assert_within_one_dbu("polygon", shapes[1, 3][0][1], expected_nm(mixed.vertices_rc), dbu_nm)


def test_oasis_is_never_fractured(tmp_path: Path, long_contour: Extraction) -> None:
    write_layouts([long_contour], tmp_path, formats=[LayoutFormat.OASIS])
    shapes = read_klayout(tmp_path / "contours.oas")[cell_name("site 07")]
    assert len(shapes[1, 0]) == 1
    want = expected_nm(long_contour.regions[0].contours[0].vertices_rc, (50.0, 50.0))
    got = shapes[1, 0][0][1]
    assert len(got) > 19_000  # klayout leaves out collinear points
    assert Polygon(got).exterior.hausdorff_distance(Polygon(want).exterior) <= 0.1
    (polygon,) = [
        p for p in gdstk.read_oas(tmp_path / "contours.oas", unit=1e-9).cells[0].polygons
        if p.layer == 1
    ]  # fmt: skip
    np.testing.assert_allclose(polygon.points, want, atol=0.0501)


@BOTH
def test_a_polygon_at_the_gds_limit_is_whole(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
    suffix: str,
    big_contour: Callable[[int], Points],
) -> None:
    big = contour(1, big_contour(8190))
    image = replace(extraction, pixel_size_nm=(50.0, 50.0), regions=(region(1, (0, 0, 9, 9), big),))
    write_layouts([image], tmp_path)
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    assert len(shapes[1, 0]) == 1


@BOTH
def test_the_largest_coordinate_survives(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    pixel = (2**31 - 1) / 10 / 160
    write_layouts([replace(extraction, pixel_size_nm=(pixel, pixel))], tmp_path)
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    assert shapes[10, 0][0][1].max() == pytest.approx((2**31 - 1) / 10, abs=0.1)


def test_repeated_vertices_are_dropped_and_collinear_ones_kept(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
) -> None:
    # Two vertices fall together at 0.1 nm, also across the closing; three are collinear.
    points = [[40, 10], [40, 10.001], [40, 20], [40, 30], [20, 30], [20, 10], [39.999, 10]]
    image = replace(
        extraction,
        pixel_size_nm=(2.0, 2.0),
        regions=(region(1, (0, 0, 9, 9), contour(1, points)),),
    )
    write_layouts([image], tmp_path)
    for suffix, read in (("oas", gdstk.read_oas), ("gds", gdstk.read_gds)):
        cell = read(tmp_path / f"contours.{suffix}", unit=1e-9).cells[0]
        (polygon,) = [p for p in cell.polygons if p.layer == 1]
        want = expected_nm(np.array([points[i] for i in (0, 2, 3, 4, 5)]), (2.0, 2.0))
        np.testing.assert_allclose(polygon.points, want, atol=1e-6)


def test_contours_without_extent_are_left_out(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
) -> None:
    specks = (contour(1, [[5, 5], [6, 6]]), contour(2, [[7, 7]], closed=False))
    image = replace(extraction, regions=(region(1, (0, 0, 9, 9), *specks),))
    write_layouts([image], tmp_path)
    assert set(read_klayout(tmp_path / "contours.oas")[cell_name("site 07")]) == {(10, 0), (10, 3)}


@BOTH
def test_an_override_marks_undecided_regions(
    tmp_path: Path, undecided: Extraction, suffix: str
) -> None:
    write_layouts([undecided], tmp_path, options=LayoutOptions(allow_needs_human=True))
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    marked = shapes[10, 1]
    assert len(marked) == 2
    frame, hole = undecided.regions[1].contours
    assert_within_one_dbu("polygon", marked[0][1], expected_nm(frame.vertices_rc))
    assert_within_one_dbu("polygon", marked[1][1], expected_nm(hole.vertices_rc))


@pytest.mark.parametrize("status", [ReviewStatus.ACCEPTED, ReviewStatus.CORRECTED])
def test_a_decision_unblocks(tmp_path: Path, undecided: Extraction, status: ReviewStatus) -> None:
    regions = tuple(replace(r, status=status) if r.needs_human else r for r in undecided.regions)
    write_layouts([replace(undecided, regions=regions)], tmp_path)
    shapes = read_klayout(tmp_path / "contours.oas")[cell_name("site 07")]
    assert (10, 1) not in shapes
    assert (1, 1) in shapes


def test_rejected_regions_are_left_out(tmp_path: Path, undecided: Extraction) -> None:
    regions = tuple(
        replace(r, status=ReviewStatus.REJECTED) if r.needs_human else r for r in undecided.regions
    )
    write_layouts([replace(undecided, regions=regions)], tmp_path)
    shapes = read_klayout(tmp_path / "contours.oas")[cell_name("site 07")]
    assert (1, 1) not in shapes
    assert (1, 0) in shapes


def test_only_accepted(tmp_path: Path, undecided: Extraction) -> None:
    write_layouts([undecided], tmp_path, options=LayoutOptions(only_accepted=True))
    shapes = read_klayout(tmp_path / "contours.oas")[cell_name("site 07")]
    assert set(shapes) == {(3, 2), (10, 0), (10, 3)}


@BOTH
def test_sauvola_stretches_of_a_mixed_contour(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    write_layouts([extraction], tmp_path)
    ((kind, points),) = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")][10, 2]
    assert kind == "path"
    # Point 1 is Sauvola's: the segments 0-1 and 1-2.
    mixed = extraction.regions[2].contours[0]
    assert_within_one_dbu("path", points, expected_nm(mixed.vertices_rc[:3]))


@BOTH
def test_layer_map(tmp_path: Path, extraction: Extraction, suffix: str) -> None:
    layer_map = LayerMap({"outer_sam2": (101, 7), "field_of_view": (32767, 0)})
    write_layouts([extraction], tmp_path, options=LayoutOptions(layer_map=layer_map))
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    assert {(101, 7), (32767, 0), (1, 1)} <= set(shapes)
    assert not {(1, 0), (10, 0)} & set(shapes)
    assert "outer_sam2,101,7" in (tmp_path / "contours.layers.csv").read_text()


@BOTH
def test_several_kinds_may_share_a_layer(
    tmp_path: Path, extraction: Extraction, suffix: str
) -> None:
    layer_map = LayerMap(dict.fromkeys(("outer_sam2", "outer_sauvola", "open_manual"), (5, 0)))
    write_layouts([extraction], tmp_path, options=LayoutOptions(layer_map=layer_map))
    shapes = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")]
    assert sorted(kind for kind, _ in shapes[5, 0]) == ["path", "polygon", "polygon"]


@BOTH
def test_every_point_of_a_dense_path_is_kept(
    tmp_path: Path,
    extraction: Extraction,
    contour: Callable[..., Contour],
    region: Callable[..., Region],
    suffix: str,
) -> None:
    # 0.1 px apart, that is 0.15 nm, with a corner at every other point.
    points = np.array([[10 + 0.1 * i, 20 + 0.3 * (i % 2)] for i in range(50)])
    line = contour(1, points, closed=False)
    image = replace(extraction, regions=(region(1, (0, 0, 9, 9), line),))
    write_layouts([image], tmp_path)
    ((kind, got),) = read_klayout(tmp_path / f"contours.{suffix}")[cell_name("site 07")][3, 0]
    assert kind == "path"
    np.testing.assert_allclose(got, expected_nm(points), atol=0.0501)


def test_one_cell_for_each_image(tmp_path: Path, extraction: Extraction) -> None:
    images = [replace(extraction, image_id=f"site {n}") for n in range(3)]
    write_layouts(images, tmp_path)
    for suffix in ("oas", "gds"):
        cells = read_klayout(tmp_path / f"contours.{suffix}")
        assert set(cells) == {cell_name(f"site {n}") for n in range(3)}


def test_a_large_batch_goes_on_in_further_files(tmp_path: Path, extraction: Extraction) -> None:
    images = [replace(extraction, image_id=f"site {n}") for n in range(5)]
    options = LayoutOptions(vertices_per_file=120)
    written = write_layouts(images, tmp_path, options=options)
    names = [path.name for path in written if path.suffix == ".oas"]
    assert names == ["contours.oas", "contours.part2.oas", "contours.part3.oas"]
    cells = [set(read_klayout(tmp_path / name)) for name in names]
    assert [len(found) for found in cells] == [2, 2, 1]
    assert set.union(*cells) == {cell_name(f"site {n}") for n in range(5)}
    # Fewer images leave no part of the earlier run behind.
    write_layouts(images[:1], tmp_path, options=options)
    assert sorted(p.name for p in tmp_path.glob("*.oas")) == ["contours.oas"]
