"""What "Extract image" tells the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_segsem._document import Document
from napari_segsem._extraction import arguments
from segsem.core.params import Routing
from segsem.imaging.image import SEMImage


def test_what_the_manifest_says_reaches_the_child(tmp_path: Path) -> None:
    image = SEMImage(
        np.zeros((32, 32), np.uint8), "site", pixel_size_nm=(1.5, 2.0), metadata={"tone": "dark"}
    )
    told = arguments(Document(image), tmp_path, Routing.HYBRID, "segsem-nano")
    assert told[told.index("--tone") + 1] == "dark"
    assert told[told.index("--pixel-size") + 1] == "1.5,2.0"
    assert (tmp_path / "site.tif").is_file()


def test_what_nobody_said_is_left_to_the_image(tmp_path: Path) -> None:
    image = SEMImage(np.zeros((32, 32), np.uint8), "site")
    told = arguments(Document(image), tmp_path, Routing.SAUVOLA_ONLY, "segsem-nano")
    assert "--tone" not in told
    assert "--pixel-size" not in told
    assert "--fallback-only" in told
    assert "--model" not in told
