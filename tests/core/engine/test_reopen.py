from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import ModelError
from segsem.engine.reopen import measure_reopen
from segsem.segmentation.prompts import Prompts


@pytest.fixture
def image(tmp_path: Path, squares: np.ndarray) -> Path:
    path = tmp_path / "squares.tif"
    tifffile.imwrite(path, squares)
    return path


def test_every_kind_of_opening_is_timed(
    image: Path, fake_engine: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSEM_PREDICTOR", fake_engine[1])
    times = measure_reopen(image, Prompts([(60.0, 60.0)], [1]), "fake", repeats=2)
    counts = {name: len(values) for name, values in asdict(times).items()}
    assert counts.pop("reading") == 8
    assert set(counts.values()) == {2}
    assert all(median > 0 for median in times.medians().values())


def test_a_failing_engine_is_an_error(
    image: Path, fake_engine: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSEM_PREDICTOR", fake_engine[1])
    with pytest.raises(ModelError, match="segsem doctor"):
        measure_reopen(image, Prompts([(60.0, 60.0)], [1]), "missing", repeats=1)
