"""A design in the viewer: chosen, laid on the image, drawn, and used on extraction."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_segsem._design import place_of
from napari_segsem._design_layers import DESIGN
from napari_segsem._sessions import known
from segsem.core.exceptions import UsageError

WAIT_MS = 60_000


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """`tests/fakes/designed.py`."""
    path = Path(__file__).parents[1] / "fakes" / "designed.py"
    spec = importlib.util.spec_from_file_location("designed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def layout(site: ModuleType, tmp_path: Path) -> Path:
    return Path(site.write_layout(tmp_path / "site.oas"))


@pytest.fixture
def panel(
    site: ModuleType, samples: Path, dock: Callable[[str], Any], viewer: Any, qtbot: Any
) -> Any:
    """Review and export with the image open; its pixel size is known."""
    tifffile.imwrite(samples / "images" / "line_space_000.tif", site.image().data)
    (samples / "manifest.csv").write_text(
        f"path,pixel_size_nm\nimages/line_space_000.tif,{site.PIXEL_NM}\n", encoding="utf-8"
    )
    shown = dock("Review and export")
    viewer.open_sample("napari-segsem", "lines")
    qtbot.waitUntil(lambda: shown.session.document is not None, timeout=WAIT_MS)
    return shown


def settled(panel: Any, qtbot: Any) -> Any:
    """Wait until the desk has nothing under way."""
    desk = panel.shared.design
    qtbot.waitUntil(lambda: not desk.is_busy, timeout=WAIT_MS)
    return desk


def test_a_design_is_chosen_found_and_drawn(
    site: ModuleType, layout: Path, panel: Any, viewer: Any, qtbot: Any
) -> None:
    box = panel.extract_box.design_box
    panel.extract_box.design_fold.expand(animate=False)
    assert box.state_label.text().startswith("No design.")
    box.choose(layout)
    desk = settled(panel, qtbot)
    assert [box.layer.itemText(i) for i in range(box.layer.count())] == ["5/0", "6/0", "7/0"]
    assert box.state_label.text() == "Choose the layer that the image shows."
    active = viewer.layers.selection.active
    box.layer.setCurrentText("5/0")
    box.layer.activated.emit(0)
    settled(panel, qtbot)
    # By the threshold's mask alone, to a tenth of a pixel.
    place = desk.located.registration.place
    assert place.position_nm == pytest.approx(site.POSITION_NM, abs=0.2)
    assert place.rotation_deg == pytest.approx(site.ROTATION_DEG, abs=0.03)
    x, y = place.position_nm
    assert box.state_label.text().startswith(f"Found: middle at {x:.1f}, {y:.1f} nm, turned by +0.")
    assert "residual 0." in box.state_label.text()
    assert "score 0." in box.state_label.text()
    layer = viewer.layers[DESIGN]
    assert viewer.layers.selection.active is active
    assert tuple(layer.scale) == (2.0, 2.0)
    starts = desk.located.registration.rc_to_design_nm(layer.data[:, 0])
    # Every dash lies on the outline of the design: on the sides of its boxes.
    sides = [
        np.min(np.abs(np.stack([x - x0, x - x0 - w, y - y0, y - y0 - h])))
        for x, y in starts
        for x0, y0, w, h in [min(site.boxes(), key=lambda b, p=(x, y): _outside(b, p))]
    ]
    assert max(sides) < 0.01
    box.remove_button.click()
    assert len(viewer.layers[DESIGN].data) == 0
    assert box.state_label.text().startswith("No design.")


def _outside(box: tuple[float, ...], point: tuple[float, float]) -> float:
    x, y, width, height = box
    dx = max(x - point[0], 0.0, point[0] - x - width)
    dy = max(y - point[1], 0.0, point[1] - y - height)
    return float(np.hypot(dx, dy))


def test_where_it_lies_is_told_by_hand(
    site: ModuleType, tmp_path: Path, panel: Any, qtbot: Any
) -> None:
    import gdstk

    library = gdstk.Library()
    cell = library.new_cell("TOP")
    # Twice the same: only the user can say which.
    for x, y, width, height in site.boxes():
        for shift in (0.0, 2000.0):
            ring = site.ring(x + shift, y, width, height) / 1000
            cell.add(gdstk.Polygon(ring, layer=5))
    path = tmp_path / "twice.gds"
    library.write_gds(str(path))
    box = panel.extract_box.design_box
    box.choose(path)
    settled(panel, qtbot)
    assert box.state_label.text().startswith("Not sure: it repeats: another place scores 0.")
    assert panel.shared.design.located.lines_rc
    box.place.setText("2400, 390")
    box.place.editingFinished.emit()
    desk = settled(panel, qtbot)
    assert box.state_label.text().startswith("Found: middle at 2403.")
    assert desk.located.registration.place.position_nm == pytest.approx((2403.7, 391.15), abs=0.2)
    told = desk.arguments(panel.session.document)
    assert told[told.index("--at") + 1] == "2400.0,390.0"
    assert told[told.index("--layer") + 1] == "5/0"
    box.place.setText("here")
    box.place.editingFinished.emit()
    assert box.state_label.text() == "Expected a place as X, Y in nm, but got 'here'"


def test_what_is_wrong_is_said_in_the_panel(
    layout: Path, tmp_path: Path, panel: Any, viewer: Any, qtbot: Any
) -> None:
    box = panel.extract_box.design_box
    damaged = tmp_path / "damaged.oas"
    damaged.write_bytes(layout.read_bytes()[:200])
    box.choose(damaged)
    settled(panel, qtbot)
    assert "damaged" in box.state_label.text()
    box.choose(layout)
    settled(panel, qtbot)
    box.cell.setText("NOWHERE")
    box.cell.editingFinished.emit()
    settled(panel, qtbot)
    assert "expected one of its cells (TOP, OTHER), but got 'NOWHERE'" in box.state_label.text()
    box.cell.setText("TOP")
    box.cell.editingFinished.emit()
    settled(panel, qtbot)
    box.layer.setCurrentText("6/0")
    box.layer.activated.emit(1)
    settled(panel, qtbot)
    assert box.state_label.text().startswith("Not ")
    assert known(viewer) is panel.shared


def test_extraction_asks_with_the_design_and_flags_what_differs(
    layout: Path, panel: Any, qtbot: Any
) -> None:
    box = panel.extract_box.design_box
    box.choose(layout)
    settled(panel, qtbot)
    box.layer.setCurrentText("5/0")
    box.layer.activated.emit(0)
    settled(panel, qtbot)
    panel.extract_box.method.setCurrentText("Sauvola only")
    panel.extract_box.start()
    qtbot.waitUntil(lambda: panel.session.review is not None, timeout=2 * WAIT_MS)
    found = panel.session.review.extraction
    flags = sorted(flag for region in found.regions for flag in region.flags)
    assert flags == ["bridged", "extra"]
    assert found.provenance["design"]["used"]
    lot = panel.desk.lot
    reasons = {item.key.region_id: item.reason for item in lot.shown}
    flagged = {region.region_id: region.flags for region in found.regions if region.flags}
    for number, (flag,) in flagged.items():
        assert reasons[number].startswith(f"{flag} against the design")
    # Laid on it again, now by the placed contours.
    desk = settled(panel, qtbot)
    assert desk.located.registration.residual_rms_px < 0.1


@pytest.mark.parametrize("text", ["1", "1,2,3", "a, b", "nan 1", "1e13, 0"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="X, Y in nm"):
        place_of(text)


def test_a_place_may_be_written_in_several_ways() -> None:
    assert place_of(" 12.5, -3") == place_of("12.5 -3") == (12.5, -3.0)
    assert place_of("  ") is None
