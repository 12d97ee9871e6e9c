"""What would have the window stand still in mid-work is done before."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_segsem import _layers, _proposal_layers


def test_all_layers_are_made_in_one_go(
    dock: Any, viewer: Any, pads_file: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No layer is left to be made while somebody clicks already."""
    asked: list[Callable[[], None]] = []
    monkeypatch.setattr(_proposal_layers, "soon", asked.append)
    panel = dock("Annotate")
    panel.session.open_files([pads_file])
    until(lambda: _layers.PROMPTS in viewer.layers)
    assert asked, "the layers were not asked for"
    asked.pop()()
    assert not asked, "something is left for later"
    assert set(_layers.PROPOSAL_LAYERS) <= {layer.name for layer in viewer.layers}


def test_collections_leave_out_what_a_window_consists_of(
    dock: Any, viewer: Any, pads_file: Path, until: Any
) -> None:
    """A full collection visits neither napari nor the layers while a panel is open."""
    panel = dock("Annotate")
    until(lambda: gc.get_freeze_count() > 0)
    before_image = gc.get_freeze_count()
    assert len(gc.get_objects()) < before_image, "most of what there is is still visited"
    panel.session.open_files([pads_file])
    until(lambda: gc.get_freeze_count() > before_image)
    visited = {id(known) for known in gc.get_objects()}
    assert not visited & {id(layer) for layer in viewer.layers}, "layers are still visited"
    panel.shared.close()
    assert gc.get_freeze_count() == 0
