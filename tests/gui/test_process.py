"""What the GUI process must never hold, and what must not outlive it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_segsem import _sessions


def start_engine(viewer: Any, image: Path, qtbot: Any) -> psutil.Process:
    _, panel = viewer.window.add_plugin_dock_widget("napari-segsem", "Annotate")
    session = panel.session
    session.open_files([image])
    qtbot.waitUntil(lambda: session.document is not None, timeout=60_000)
    session.annotation.add_point((65.0, 195.0), 1)
    qtbot.waitUntil(lambda: session.engine_pid is not None, timeout=60_000)
    return psutil.Process(session.engine_pid)


def test_closing_the_viewer_ends_the_engine(
    make_napari_viewer: Any, qtbot: Any, pads_file: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    engine = start_engine(viewer, pads_file, qtbot)
    viewer.close()
    qtbot.waitUntil(lambda: not engine.is_running(), timeout=60_000)
    assert not _sessions._shared


WHOLE_VISIT = """
import sys
from pathlib import Path
import napari
from qtpy.QtTest import QTest

def wait(condition):
    for _ in range(600):
        if condition():
            return
        QTest.qWait(100)
    raise SystemExit("timed out")

viewer = napari.Viewer(show=True)
_, annotate = viewer.window.add_plugin_dock_widget("napari-segsem", "Annotate")
_, review = viewer.window.add_plugin_dock_widget("napari-segsem", "Review and export")
viewer.open_sample("napari-segsem", "lines")
annotation = annotate.session.annotation
annotation.add_point((65.0, 195.0), 1)
wait(lambda: annotation.candidates is not None)
assert annotation.accept() == 1
review.extract_box.method.setCurrentText("Sauvola only")
review.extract_box.extract_button.click()
wait(lambda: review.session.review is not None)
review.export_box.override.setChecked(True)
review.export_box.export_to(Path(sys.argv[1]))
wait(lambda: review.export_box.state.text().startswith("Written"))
viewer.close()
print([name for name in ("torch", "sam2", "torchvision") if name in sys.modules])
"""


def test_a_whole_visit_loads_no_torch(display: None, samples: Path, tmp_path: Path) -> None:
    # A process of its own: other tests of this run may have loaded torch.
    run = subprocess.run(
        [sys.executable, "-c", WHOLE_VISIT, str(tmp_path / "out")],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("panel", ["annotate", "review"])
def test_importing_a_panel_loads_no_torch(panel: str) -> None:
    code = (
        f"import sys, napari_segsem.widgets.{panel};"
        "print([name for name in ('torch', 'sam2') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "[]"
