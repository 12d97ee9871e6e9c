"""Maps over the image under review: confidence, SAM2 against Sauvola, errors against the design."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_segsem._review_map_maker import MapMaker, sauvola_arguments
from napari_segsem._review_maps import (
    MIDDLE,
    NEGATIVE,
    NOT_FOUND,
    POSITIVE,
    LineMap,
    MapKind,
    design_map,
    distance_map,
    diverging,
)
from segsem.core.contour import ReviewStatus, Source
from segsem.export.results import read_results
from segsem.metrology.region_measures import DesignPoints

MAP = "SegSEM map"


def choose(panel: Any, kind: MapKind) -> None:
    panel.maps_box.choice.setCurrentIndex(panel.maps_box.choice.findData(kind.value))


def shifted(contour: Any, px: float) -> Any:
    return replace(contour, vertices_rc=contour.vertices_rc + px * contour.normals_rc)


@pytest.fixture
def found(pads_lot: Path) -> Any:
    return read_results(pads_lot / "wafer_a")


def test_distance_is_positive_where_sam2_lies_further_out(found: Any) -> None:
    contours = [c for region in found.regions for c in region.contours]
    sauvola = [shifted(contours[0], -0.5), shifted(contours[1], 0.25), *contours[2:]]
    made = distance_map(found, sauvola, (2.5, 2.5))
    # Three of the four regions stand on SAM2, 100 points each.
    assert len(made.values) == 300
    assert made.unit == "nm"
    np.testing.assert_allclose(np.median(made.values[:100]), 1.25)
    np.testing.assert_allclose(np.median(made.values[100:200]), -0.625)
    assert "1 region stands on Sauvola or a hand" in made.note
    assert made.limit == pytest.approx(1.5)
    in_px = distance_map(found, sauvola, None)
    assert in_px.unit == "px"
    np.testing.assert_allclose(np.median(in_px.values[:100]), 0.5)


def test_rejected_regions_are_not_compared_and_lost_edges_are_told(found: Any) -> None:
    one, *others = found.regions
    rejected = replace(found, regions=(replace(one, status=ReviewStatus.REJECTED), *others))
    made = distance_map(rejected, [], None)
    assert len(made.values) == 200
    assert made.n_missing == 200
    np.testing.assert_allclose(made.colors()[0, :3], np.array(NOT_FOUND) / 255)


def test_the_design_is_drawn_edge_by_edge() -> None:
    first = np.column_stack([np.full(5, 10.0), np.arange(5.0)])
    second = first + np.array([40.0, 0.0])
    errors = np.array([1.0, 2.0, -3.0, np.nan, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    points = DesignPoints(
        np.vstack([first, second]), np.zeros((10, 2)), errors, np.zeros(10, np.bool_)
    )
    made = design_map(points, 2.0)
    # No line leads from one edge to the other.
    assert len(made.lines) == 8
    assert np.abs(made.lines[:, 1]).max() == 1
    np.testing.assert_array_equal(made.values[:4], [1, 2, -3, np.nan])
    assert made.note == "1 of 10 points have no contour"


def test_colours_end_at_the_limit() -> None:
    found = diverging([-2.0, -1.0, 0.0, 1.0, 2.0]) * 255
    np.testing.assert_allclose(found, [NEGATIVE, NEGATIVE, MIDDLE, POSITIVE, POSITIVE])


def test_sauvola_is_asked_with_tone_and_edges_of_the_results(
    lot_panel: Any, tmp_path: Path
) -> None:
    session = lot_panel.session
    session.review.found.provenance["params"] = {
        "edge": {"edge_method": "slope", "edge_side": "inner"}
    }
    command = sauvola_arguments(session.document, session.review, tmp_path)
    assert "--fallback-only" in command
    for name, value in (("tone", "bright"), ("edge-method", "slope"), ("edge-side", "inner")):
        assert command[command.index(f"--{name}") + 1] == value


def test_sam2_against_sauvola_in_the_window(
    lot_panel: Any, viewer: Any, until: Any, qtbot: Any
) -> None:
    box = lot_panel.maps_box
    active = viewer.layers.selection.active
    choose(lot_panel, MapKind.DISTANCE)
    assert "Sauvola" in box.words.text()
    until(lambda: box.maker.line_map is not None)
    layer = viewer.layers[MAP]
    assert viewer.layers.selection.active is active
    assert layer.visible
    made: LineMap = box.maker.line_map
    # The results lie on the pads' sides: Sauvola's edge is there, to a fraction of a pixel.
    assert abs(float(np.nanmedian(made.values))) < 2.5
    np.testing.assert_allclose(layer.edge_color, made.colors(), atol=1e-6)
    assert box.legend.ends[0].endswith("nm")
    box.legend.grab()
    choose(lot_panel, MapKind.NONE)
    assert not layer.visible
    assert not box.legend.isVisible()


def test_the_map_follows_image_and_decisions(lot_panel: Any, viewer: Any, until: Any) -> None:
    box = lot_panel.maps_box
    choose(lot_panel, MapKind.DISTANCE)
    until(lambda: box.maker.line_map is not None)
    before = len(box.maker.line_map.values)
    lot_panel.reject_button.click()
    # The next region is one of another image: its map is made.
    until(lambda: lot_panel.session.document.image.name == "wafer_a")
    until(lambda: box.maker.line_map is not None and len(box.maker.line_map.values) == before)
    lot_panel.undo_button.click()
    until(lambda: lot_panel.session.document.image.name == "wafer_b")
    until(lambda: box.maker.line_map is not None and len(box.maker.line_map.values) == before)


def test_what_was_not_measured_is_a_sentence(lot_panel: Any, until: Any) -> None:
    choose(lot_panel, MapKind.EPE)
    until(lambda: "not compared with a design" in lot_panel.maps_box.words.text())
    assert not lot_panel.maps_box.legend.isVisible()


EPE = """image_id,gauge,x_px,y_px,nx,ny,epe_nm,corner,region_id
wafer_b,,100,20,0,1,2,0,1
wafer_b,,101,20,0,1,-4,0,1
wafer_b,,102,20,0,1,,0,
"""


def test_errors_against_the_design_in_the_window(
    lot_panel: Any, viewer: Any, until: Any, pads_lot: Path
) -> None:
    (pads_lot / "measure").mkdir()
    table = pads_lot / "measure" / "epe.csv"
    table.write_text(EPE, encoding="utf-8")
    choose(lot_panel, MapKind.EPE)
    until(lambda: lot_panel.maps_box.maker.line_map is not None)
    layer = viewer.layers[MAP]
    np.testing.assert_array_equal(layer.data[0], [[20, 100], [0, 1]])
    np.testing.assert_array_equal(lot_panel.maps_box.maker.line_map.values, [2, -4])
    # Another image of the lot does not lie on the design.
    lot_panel.desk.open_image("wafer_c")
    until(lambda: "does not lie on the design" in lot_panel.maps_box.words.text())
    assert not layer.visible
    # Results that are younger than the table were not measured.
    os.utime(table, ns=(0, 0))
    choose(lot_panel, MapKind.NONE)
    choose(lot_panel, MapKind.EPE)
    until(lambda: "earlier results" in lot_panel.maps_box.words.text())


def test_confidence_has_a_legend(lot_panel: Any, viewer: Any) -> None:
    choose(lot_panel, MapKind.CONFIDENCE)
    assert viewer.layers["SegSEM confidence"].visible
    assert lot_panel.maps_box.legend.isVisible()
    assert lot_panel.maps_box.legend.meanings == ("unsure", "sure")


def test_nothing_on_sam2_is_a_sentence(found: Any) -> None:
    only = [r for r in found.regions if r.source is Source.SAUVOLA]
    made = distance_map(replace(found, regions=tuple(only)), [], None)
    assert len(made.values) == 0
    assert "1 region stands on Sauvola" in made.note


def test_a_closed_maker_makes_nothing(lot_panel: Any) -> None:
    asked: list[object] = []
    maker = MapMaker(lot_panel.session, lambda *work: asked.append(work))
    maker.close()
    maker.show(MapKind.EPE)
    assert not asked
