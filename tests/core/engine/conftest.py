"""Fixtures of the engine's tests."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from segsem.engine.answers import EngineState
from segsem.engine.client import EngineClient


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


@pytest.fixture
def states() -> queue.Queue[tuple[EngineState, str]]:
    return queue.Queue()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that the engine's model waits for: until `touch`, nothing asked is answered."""
    path = tmp_path / "gate"
    monkeypatch.setenv("SEGSEM_FAKE_GATE", str(path))
    return path


@pytest.fixture
def client(fake_engine: tuple[str, ...], states: queue.Queue[Any]) -> Iterator[EngineClient]:
    engine = EngineClient("fake", lambda *told: states.put(told), fake_engine)
    yield engine
    engine.close()
