"""The engine with the bundled model."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from scipy import ndimage

from segsem.core.exceptions import ModelError
from segsem.engine.answers import EngineState
from segsem.engine.client import EngineClient
from segsem.segmentation.prompts import Prompts

WAIT_S = 120.0
BOX = Prompts(box_rc=(290.0, 390.0, 390.0, 490.0))
CLICK = Prompts([(340.0, 440.0)], [1])
TWO_CLICKS = Prompts([(340.0, 440.0), (310.0, 410.0)], [1, 1])


@pytest.fixture(scope="module")
def pad() -> np.ndarray:
    """(600, 700) uint8 with one bright 80 px pad at rows 300-379, cols 400-479."""
    image = np.full((600, 700), 60.0)
    image[300:380, 400:480] = 190.0
    image = ndimage.gaussian_filter(image, 1.5)
    image += np.random.default_rng(3).normal(0, 6, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path))
    return tmp_path / "embeddings"


class Watched:
    """A client whose states can be waited for; kills the engine at a state if asked to."""

    def __init__(self) -> None:
        self.states: queue.Queue[EngineState] = queue.Queue()
        self.kill_at: EngineState | None = None
        self.client = EngineClient("segsem-nano", self._told)

    def _told(self, state: EngineState, message: str) -> None:
        self.states.put(state)
        if state is self.kill_at:
            self.kill_at = None
            self.kill()

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self.client.pid is not None
        psutil.Process(self.client.pid).kill()

    def wait_for(self, wanted: EngineState) -> None:
        while self.states.get(timeout=WAIT_S) is not wanted:
            pass

    def ask(self, prompts: Prompts) -> Any:
        return self.client.predict("pad", prompts).result(WAIT_S)

    def stats(self) -> dict[str, Any]:
        return self.client.stats().result(WAIT_S)


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.client.close()


def assert_same(after: Any, before: Any) -> None:
    assert after.offset_rc == before.offset_rc
    np.testing.assert_array_equal(after.logits, before.logits)
    assert after.iou_pred == before.iou_pred


def test_a_box_around_a_pad_gives_the_pad(watched: Watched, pad: np.ndarray) -> None:
    facts = watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    answer = watched.ask(BOX)
    assert facts.name == "segsem-nano"
    assert len(facts.weights_sha256) == 64
    found = np.zeros(pad.shape, bool)
    found[answer.slices] = answer.mask(0)
    truth = np.zeros(pad.shape, bool)
    truth[300:380, 400:480] = True
    overlap = np.count_nonzero(found & truth) / np.count_nonzero(found | truth)
    assert answer.logits.shape[0] == 3
    assert overlap > 0.8


def test_killed_between_two_clicks(watched: Watched, pad: np.ndarray) -> None:
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    before = [watched.ask(prompts) for prompts in (CLICK, TWO_CLICKS, BOX)]
    first = watched.client.pid
    watched.wait_for(EngineState.ENCODING)
    watched.kill()
    watched.wait_for(EngineState.STARTING)
    after = [watched.ask(prompts) for prompts in (CLICK, TWO_CLICKS, BOX)]
    assert watched.client.pid != first
    for answer, earlier in zip(after, before, strict=True):
        assert_same(answer, earlier)


def test_killed_during_a_click(watched: Watched, pad: np.ndarray, cache: Path) -> None:
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    first = watched.client.pid
    watched.kill_at = EngineState.ENCODING
    answer = watched.ask(CLICK)
    assert watched.client.pid != first
    assert_same(watched.ask(CLICK), answer)
    undisturbed = Watched()
    try:
        undisturbed.client.start().result(WAIT_S)
        undisturbed.client.set_image("pad", pad)
        assert_same(undisturbed.ask(CLICK), answer)
    finally:
        undisturbed.client.close()


def wait_until_stored(watched: Watched) -> None:
    while watched.stats()["writes_waiting"]:
        pass


def test_embeddings_outlive_the_engine(watched: Watched, pad: np.ndarray, cache: Path) -> None:
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    before = watched.ask(CLICK)
    encoded = watched.stats()["encoded"]
    assert encoded > 0
    wait_until_stored(watched)
    assert len(list(cache.iterdir())) == encoded
    watched.client.close()
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    assert_same(watched.ask(CLICK), before)
    stats = watched.stats()
    assert (stats["encoded"], stats["read_from_disk"]) == (0, encoded)


def test_damaged_embeddings_are_made_again(watched: Watched, pad: np.ndarray, cache: Path) -> None:
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    before = watched.ask(CLICK)
    wait_until_stored(watched)
    watched.client.close()
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:-1000])
    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    assert_same(watched.ask(CLICK), before)
    assert watched.stats()["read_from_disk"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process's memory")
def test_without_memory_the_engine_says_so_and_works_on(watched: Watched, pad: np.ndarray) -> None:
    import resource

    watched.client.start().result(WAIT_S)
    watched.client.set_image("pad", pad)
    before = watched.ask(CLICK)
    pid = watched.client.pid
    assert pid is not None
    # Far more than what it holds free, far less than what encoding 48 megapixels takes.
    large = np.tile(pad, (10, 11))
    watched.client.set_image("large", large)
    watched.stats()
    used = psutil.Process(pid).memory_info().vms
    unlimited = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (used + 20 * 2**20, unlimited[1]))
    height, width = large.shape
    whole = Prompts(box_rc=(5.0, 5.0, height - 5.0, width - 5.0))
    error = watched.client.predict("large", whole).exception(WAIT_S)
    resource.prlimit(pid, resource.RLIMIT_AS, unlimited)
    assert isinstance(error, ModelError)
    assert "Not enough memory" in str(error)
    assert "smaller model" in str(error)
    watched.client.set_image("pad", pad)
    assert_same(watched.ask(CLICK), before)
    assert watched.client.pid == pid
