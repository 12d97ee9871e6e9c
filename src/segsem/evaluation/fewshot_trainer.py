"""Runs of a few-shot measurement made by `segsem finetune`'s own function."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from segsem.core.progress import Progress
from segsem.dataset.additions import add_all
from segsem.dataset.finding import find_images
from segsem.dataset.listing import split_images
from segsem.dataset.splits import make_split
from segsem.evaluation.fewshot import Trained
from segsem.evaluation.fewshot_plan import RunKey
from segsem.models.load import load_predictor
from segsem.models.project_models import project_model_folder
from segsem.models.registry import NANO_CONFIG
from segsem.models.store import find_model, verify
from segsem.project.description import is_project
from segsem.project.project import Project
from segsem.segmentation.predictor import Predictor

FINETUNE = "segsem.training.finetune"
PARTS = "segsem.training.finetune_parts"
PARAMS = "segsem.training.finetune_params"
FEWEST_EPOCHS = 2


class FinetuneTrainer:
    """Fine-tunes on a project that is made of the set.

    Parameters
    ----------
    project : Path
        With all images of the set in its training set; `make_project` makes it.
    base : str
    seconds : float
        A run that would take longer gets fewer epochs.
    epochs : int
        Most epochs of a run.
    keep : bool
        Whether models stay in the project.
    device : str
    """

    def __init__(
        self,
        project: Path,
        base: str = NANO_CONFIG,
        *,
        seconds: float = 300.0,
        epochs: int = 12,
        keep: bool = False,
        device: str = "cpu",
    ) -> None:
        self._project, self._base, self._device = project, base, device
        self._seconds, self._epochs, self._keep = seconds, epochs, keep

    def base(self) -> Predictor:
        """Give the model that all runs begin with."""
        return load_predictor(self._base, self._device, "fp32")

    def train(
        self, key: RunKey, taught: Sequence[str], held_out: Sequence[str]
    ) -> Generator[Progress, None, Trained]:
        """Fine-tune on the images of some ids."""
        yield from self._check(taught, held_out)
        folder = project_model_folder(self._project.resolve(), key.name)
        epochs = self._epochs
        while True:
            # What an earlier run left when it was ended.
            shutil.rmtree(folder, ignore_errors=True)
            # One held-out image is enough for its own report: all are measured here.
            request = self._request(key, taught, held_out[:1], epochs)
            fewer, outcome = yield from self._drain(request, epochs)
            if outcome is not None:
                break
            epochs = fewer
        best = outcome.rows[outcome.best_epoch].val.score
        predictor = load_predictor(str(folder), self._device, "fp32")
        if not self._keep:
            shutil.rmtree(folder, ignore_errors=True)
        return Trained(predictor, best, len(outcome.rows) - 1, outcome.best_epoch, outcome.seconds)

    def _check(
        self, taught: Sequence[str], held_out: Sequence[str]
    ) -> Generator[Progress, None, None]:
        """Make sure that nothing that is held out teaches, by the hash of what images show."""
        project = Project.open(self._project, write=False)
        try:
            images = yield from split_images(project)
        finally:
            project.close()
        make_split(images, held_out=held_out, train=taught)

    def _request(
        self, key: RunKey, taught: Sequence[str], held_out: Sequence[str], epochs: int
    ) -> Any:
        params: dict[str, Any] = {"train": key.train, "seed": key.seed, "epochs": epochs}
        # Confidence is not what is measured.
        params["calibration_sites"] = 0
        if key.rate != 1.0:
            params["learning_rate"] = key.rate * self._usual_rate(params)
        finetune: Any = importlib.import_module(FINETUNE)
        return finetune.Request(
            self._project,
            key.name,
            self._base,
            params,
            held_out=tuple(held_out),
            train=tuple(taught),
            device=self._device,
        )

    def _usual_rate(self, params: dict[str, Any]) -> float:
        parts: Any = importlib.import_module(PARTS)
        made: Any = importlib.import_module(PARAMS).FinetuneParams(**params)
        config = verify(find_model(self._base)).config
        return float(parts.learning_rate(config, made))

    def _drain(self, request: Any, epochs: int) -> Generator[Progress, None, tuple[int, Any]]:
        """Run it; where it would take too long, stop and say how many epochs would do."""
        finetune: Any = importlib.import_module(FINETUNE)
        steps = finetune.finetune(request)
        began = time.monotonic()
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                return epochs, stop.value
            fewer = self._affordable(event, epochs, time.monotonic() - began)
            if fewer < epochs:
                steps.close()
                return fewer, None
            yield Progress(0, 0, event.name)

    def _affordable(self, event: Any, epochs: int, spent: float) -> int:
        """Epochs that the time allows: as was estimated from a few steps, then as the first took.

        A shorter run is a new one, since the course of the learning rate depends on its length.
        """
        expected = 0.0
        if event.name == "timing":
            expected = float(event.values["expected_s"])
        elif event.name == "epoch" and event.values["epoch"] == 1:
            expected = spent * epochs
        if expected <= self._seconds:
            return epochs
        return min(max(int(epochs * self._seconds / expected), FEWEST_EPOCHS), epochs)


def make_project(folder: Path, data: Path) -> Generator[Progress, None, Path]:
    """Make a project whose training set is a set with truth and sites, or see that it is one."""
    project = Project.open(folder) if is_project(folder) else Project.create(folder, data.name)
    try:
        found = find_images([data / "manifest.csv"])
        yield from add_all(project, found.additions, name="truth")
    finally:
        project.close()
    return folder
