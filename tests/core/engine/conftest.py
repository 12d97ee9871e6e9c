"""Fixtures of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Arguments that make the real engine process use a predictor without torch."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "fakes"))
    return ("--predictor", "fake_predictor:make")


@pytest.fixture
def squares() -> npt.NDArray[np.uint8]:
    """(400, 600) image with bright squares at rows/cols 40-79 and 300-339."""
    image = np.full((400, 600), 30, dtype=np.uint8)
    image[40:80, 40:80] = 220
    image[300:340, 500:540] = 220
    return image
