from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from napari._app_model.constants import MenuId
from npe2 import PluginManifest

import napari_segsem
from napari_segsem import _samples
from segsem.core.exceptions import InputError


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(Path(napari_segsem.__file__).parent / "napari.yaml")


def test_commands_exist(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands:
        module, _, name = str(command.python_name).partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_menus_exist_in_napari(manifest: PluginManifest) -> None:
    contributable = {str(menu) for menu in MenuId.contributables()}
    assert set(manifest.contributions.menus) <= contributable


def test_a_missing_sample_folder_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSEM_SAMPLE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="SEGSEM_SAMPLE_DATA"):
        _samples.lines()


def test_a_sample_opens_through_napari(viewer: Any, samples: Path, dock: Any, until: Any) -> None:
    panel = dock("Annotate")
    viewer.open_sample("napari-segsem", "lines")
    until(lambda: panel.session.document is not None)
    image = panel.session.document.image
    assert image.pixel_size_nm == (2.5, 2.5)
    assert "manifest" in image.pixel_size_source
    assert "2.5 nm/px" in panel.header.pixel_label.text()
    assert [layer.name for layer in viewer.layers].count("line_space_000") == 1


@pytest.mark.parametrize("open_sample", ["lines", "contacts", "line_ends", "free_form"])
def test_shipped_samples_open(open_sample: str, sample_data: Path) -> None:
    if not (sample_data / "manifest.csv").is_file():
        pytest.skip("sample_data is not there")
    ((data, described, kind),) = getattr(_samples, open_sample)()
    assert kind == "image"
    assert data.ndim == 2
    assert described["units"] == ("nm", "nm")
