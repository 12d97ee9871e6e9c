"""From opening a file to its first outline, as the viewer goes about it.

    python -m segsem.engine.reopen IMAGE --point ROW,COL [--model NAME] [--repeats N] [--json FILE]

Reading, normalising, the engine's process and its pipes are all in the times; starting the engine
is not: it runs before an image is opened, and is told beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path

from segsem.core.exceptions import UsageError
from segsem.core.files import write_json
from segsem.engine.answers import Candidates
from segsem.engine.client import EngineClient
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.segmentation.prompts import Prompts

PATIENCE_S = 600.0


@dataclass(slots=True)
class ReopenTimes:
    """Times in ms.

    Attributes
    ----------
    start : list of float
        Starting the engine and loading the model.
    first : list of float
        Opening a file that was never opened before, and a click at once.
    in_memory : list of float
        The same file again in the same engine.
    on_disk : list of float
        The same file again in an engine started anew.
    on_disk_warm : list of float
        The same, the click coming when the engine has looked the image up.
    reading : list of float
        Part of each of them: reading the file and bringing it to grey values.
    """

    start: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    in_memory: list[float] = field(default_factory=list)
    on_disk: list[float] = field(default_factory=list)
    on_disk_warm: list[float] = field(default_factory=list)
    reading: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        """Median of each, in ms."""
        return {name: round(statistics.median(times), 1) for name, times in asdict(self).items()}


def measure_reopen(
    path: Path, prompts: Prompts, model: str = "segsem-nano", repeats: int = 5
) -> ReopenTimes:
    """Measure how long the first outline takes when a file is opened again.

    Parameters
    ----------
    path : Path
        An image file.
    prompts : Prompts
        The first click in it.
    model : str
    repeats : int

    Returns
    -------
    ReopenTimes
        One value of each for each repeat.

    Raises
    ------
    ModelError
        If the engine fails.
    """
    times = ReopenTimes()
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="segsem-reopen-") as folder:
            _once(path, prompts, model, Path(folder), times)
    return times


def _once(path: Path, prompts: Prompts, model: str, folder: Path, times: ReopenTimes) -> None:
    client = EngineClient(model, arguments=("--embedding-folder", str(folder)))
    visit = _Visit(client, path, prompts, times)
    try:
        times.start.append(_ms(visit.start))
        times.first.append(_ms(visit.open_and_click))
        visit.finish()
        times.in_memory.append(_ms(visit.open_and_click))
        visit.end()
        visit.start()
        times.on_disk.append(_ms(visit.open_and_click))
        visit.end()
        visit.start()
        opening = _ms(visit.open)
        client.warm(visit.image_id).result(PATIENCE_S)
        times.on_disk_warm.append(opening + _ms(visit.click))
        visit.finish()
    finally:
        client.close()


class _Visit:
    """What a person does with one image."""

    def __init__(
        self, client: EngineClient, path: Path, prompts: Prompts, times: ReopenTimes
    ) -> None:
        self._client, self._path, self._prompts = client, path, prompts
        self._times = times
        self._asked: Future[Candidates] = Future()
        self.image_id = ""

    def start(self) -> None:
        self._client.start().result(PATIENCE_S)

    def open(self) -> None:
        begun = time.perf_counter()
        image = read_image(self._path)
        grey = normalise(image)[: image.valid_rows[1]]
        self._times.reading.append((time.perf_counter() - begun) * 1e3)
        self.image_id = image.sha256
        self._client.set_image(self.image_id, grey)

    def click(self) -> None:
        """Wait for what is drawn first: of a long object, what its first window shows."""
        drawn = threading.Event()

        def draw(candidates: Candidates) -> None:
            candidates.outline(0)
            drawn.set()

        def answered(done: Future[Candidates]) -> None:
            if done.exception() is None:
                draw(done.result())
            drawn.set()

        self._asked = self._client.predict(self.image_id, self._prompts, draw)
        self._asked.add_done_callback(answered)
        drawn.wait(PATIENCE_S)

    def open_and_click(self) -> None:
        self.open()
        self.click()

    def finish(self) -> None:
        self._asked.result(PATIENCE_S)

    def end(self) -> None:
        self.finish()
        while self._client.stats().result(PATIENCE_S)["writes_waiting"]:
            time.sleep(0.01)
        self._client.close()


def _ms(action: Callable[[], None]) -> float:
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1e3


def main() -> None:
    """Measure and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m segsem.engine.reopen", description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--point", required=True, metavar="ROW,COL")
    parser.add_argument("--model", default="segsem-nano")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        row, col = (float(value) for value in options.point.split(","))
    except ValueError as error:
        msg = f"Expected --point ROW,COL, but got {options.point!r}"
        raise UsageError(msg) from error
    prompts = Prompts([(row, col)], [1])
    times = measure_reopen(options.image, prompts, options.model, options.repeats)
    for name, median in times.medians().items():
        print(f"{name:<14}{median:>9.1f} ms")  # noqa: T201
    if options.json is not None:
        write_json(options.json, {"medians_ms": times.medians(), "times_ms": asdict(times)})


if __name__ == "__main__":
    main()
