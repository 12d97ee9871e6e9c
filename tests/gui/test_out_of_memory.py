"""An engine without memory: the window says what to do, and works on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager

from segsem.engine.answers import EngineState
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise

FAILS, KILLS = 13, 14
"""Grey values at which the fake predictor has no memory, and at which the kernel kills it."""


@pytest.fixture
def opened(
    dock: Any, tmp_path: Path, pads_file: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Open an image at which the engine gets into trouble, beside one where it does not."""

    def open_with(trouble: int) -> Any:
        path = tmp_path / "trouble.tif"
        tifffile.imwrite(path, np.full((300, 400), 5, np.uint8))

        def seen(image: SEMImage) -> Any:
            # As the model would see it: grey values of a constant image are all zero.
            troubled = np.full(image.shape, trouble, np.uint8)
            return troubled if image.name == "trouble" else normalise(image)

        monkeypatch.setattr("napari_segsem._document.normalise", seen)
        panel = dock("Annotate")
        panel.session.open_files([path, pads_file])
        until(lambda: panel.session.document is not None)
        return panel

    return open_with


@pytest.mark.parametrize("trouble", [FAILS, KILLS])
def test_the_footer_says_what_to_do_and_the_next_image_works(
    opened: Any, until: Any, trouble: int
) -> None:
    panel = opened(trouble)
    session = panel.session
    until(lambda: session.engine_state is EngineState.READY)
    session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: "memory" in panel.footer.text())
    assert "smaller model" in panel.footer.text()
    assert "\n" not in panel.footer.text()
    assert session.annotation.candidates is None
    assert panel.isVisible()
    session.step(1)
    until(lambda: session.position[0] == 2)
    session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: session.annotation.candidates is not None)
    assert session.engine_state is EngineState.READY
    assert any("memory" in str(note.message) for note in notification_manager.records)
