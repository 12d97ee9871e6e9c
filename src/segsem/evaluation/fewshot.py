"""What a handful of images teach a model: runs of fine-tuning, measured on held-out sites.

Each run's result is a file of its own in a folder; runs that are there already are not made again,
so a measurement that was ended goes on where it was. Images of families that the model knew before
are measured beside the held-out ones: what was gained on one process may be lost on others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from segsem.core.exceptions import InputError
from segsem.core.files import write_json
from segsem.core.progress import Progress
from segsem.evaluation.fewshot_plan import ZERO_SHOT, RunKey, best_rates, split_by_site, subset
from segsem.evaluation.fewshot_score import KnownImage, ObjectResult, score_images
from segsem.evaluation.truth_set import TruthImage, read_truth, read_truth_set
from segsem.imaging.normalise import normalise
from segsem.imaging.read import read_image
from segsem.metrics.polyline import Polyline
from segsem.segmentation.predictor import Predictor
from segsem.synth.generate import FAMILIES, generate_image
from segsem.synth.presets import get_preset

VERSION = 1
HELD_OUT = "held out"
KNOWN_SEED = 606_606_001
KNOWN_PER_FAMILY = 2
KNOWN_SHAPE = (256, 256)
KNOWN_PRESETS = {
    "line_space": "lines",
    "line_end": "lines",
    "contacts": "contacts",
    "metal2d": "metal",
    "free_form": "free-form",
}


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trainer gives back.

    Attributes
    ----------
    predictor : Predictor
    val_score : float
        On validation sites within the training images: what learning rates are chosen by.
    epochs, best_epoch : int
    seconds : float
    """

    predictor: Predictor
    val_score: float
    epochs: int
    best_epoch: int
    seconds: float


class Trainer(Protocol):
    """Makes models out of images; tests have one that takes no time."""

    def base(self) -> Predictor:
        """Give the model that all runs begin with."""
        ...

    def train(
        self, key: RunKey, taught: Sequence[str], held_out: Sequence[str]
    ) -> Generator[Progress, None, Trained]:
        """Fine-tune on the images of some ids."""
        ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run and what it came to.

    Attributes
    ----------
    key : RunKey
    taught : tuple of str
        Ids of the images it learnt from.
    val_score, seconds : float
    epochs, best_epoch : int
    objects : tuple of ObjectResult
        Of held-out images (group `HELD_OUT`), and of families that were known before.
    """

    key: RunKey
    taught: tuple[str, ...]
    val_score: float
    seconds: float
    epochs: int
    best_epoch: int
    objects: tuple[ObjectResult, ...]


@dataclass(frozen=True, slots=True)
class FewShotSet:
    """A set with truth and sites, split once for all runs.

    Attributes
    ----------
    folder : Path
    taught, held_out : tuple of str
        Image ids; a held-out site has no image among `taught`.
    digest : str
        Of the images' bytes and the split: results of another set are refused.
    """

    folder: Path
    taught: tuple[str, ...]
    held_out: tuple[str, ...]
    digest: str

    @classmethod
    def read(cls, folder: Path) -> FewShotSet:
        """Read a folder as `segsem synth --preset polycrystal` writes it.

        Raises
        ------
        InputError
            If it has no truth, or too few sites.
        """
        images = read_truth_set(folder)
        taught, held = split_by_site({i.image_id: i.groups.get("site", "") for i in images})
        digest = hashlib.sha256(json.dumps([taught, held]).encode())
        for image in images:
            digest.update(image.path.read_bytes())
        return cls(folder, tuple(taught), tuple(held), digest.hexdigest())

    def held_out_images(self) -> list[KnownImage]:
        """Open the held-out images."""
        wanted = set(self.held_out)
        return [_known(one) for one in read_truth_set(self.folder) if one.image_id in wanted]


def known_families(per_family: int = KNOWN_PER_FAMILY) -> list[KnownImage]:
    """Draw images of the kinds of pattern that the base model was trained on."""
    found = []
    for family in FAMILIES:
        done, index = 0, 0
        preset = replace(get_preset(KNOWN_PRESETS[family]), shape=KNOWN_SHAPE)
        while done < per_family:
            made = generate_image(KNOWN_SEED, preset, index)
            index += 1
            if made.family != family:
                continue
            done += 1
            found.append(
                KnownImage(
                    image_id=f"{family}-{index}",
                    group=family,
                    site=f"{family}-{index}",
                    grey=made.image,
                    labels=made.labels,
                    contours=tuple(Polyline(c.vertices_rc, c.closed) for c in made.contours),
                    region=tuple(c.region_id for c in made.contours),
                    bright=made.tone == "bright",
                )
            )
    return found


class FewShotMeasurement:
    """Runs, their results in a folder, and what they are measured on.

    Parameters
    ----------
    data : FewShotSet
    folder : Path
        For one JSON file of each run.
    trainer : Trainer
    families : callable
        Gives the images of known families; called once, when the first run is measured.
    """

    def __init__(
        self,
        data: FewShotSet,
        folder: Path,
        trainer: Trainer,
        families: Callable[[], list[KnownImage]] = known_families,
    ) -> None:
        self._data, self._folder, self._trainer = data, folder, trainer
        self._families = families
        self._images: list[KnownImage] | None = None

    def run(self, keys: Iterable[RunKey]) -> Generator[Progress, None, list[RunResult]]:
        """Make the runs that are not there yet, and give all of them.

        Yields
        ------
        Progress

        Raises
        ------
        InputError
            If a result in the folder is damaged, or of another set.
        """
        wanted = list(keys)
        results = []
        for number, key in enumerate(wanted):
            known = read_result(self._path(key), self._data.digest)
            if known is None:
                for step in self._make(key):
                    yield Progress(number, len(wanted), f"{key.name}: {step.message}")
                known = read_result(self._path(key), self._data.digest)
            if known is not None:
                results.append(known)
        return results

    def known(self, keys: Iterable[RunKey]) -> list[RunResult]:
        """Give the runs that are there already, and make none.

        Raises
        ------
        InputError
            If a result in the folder is damaged, or of another set.
        """
        read = (read_result(self._path(key), self._data.digest) for key in keys)
        return [result for result in read if result is not None]

    def rates(self, trials: Iterable[RunKey]) -> Generator[Progress, None, dict[str, float]]:
        """Choose each mode's learning rate by the validation sites of its trials."""
        found = yield from self.run(trials)
        return best_rates({result.key: result.val_score for result in found})

    def _path(self, key: RunKey) -> Path:
        return self._folder / f"{key.name}.json"

    def _make(self, key: RunKey) -> Generator[Progress, None, None]:
        taught: list[str] = []
        if key == ZERO_SHOT:
            trained = Trained(self._trainer.base(), float("nan"), 0, 0, 0.0)
        else:
            taught = subset(self._data.taught, key.images, key.seed)
            trained = yield from self._trainer.train(key, taught, self._data.held_out)
        if self._images is None:
            self._images = [*self._data.held_out_images(), *self._families()]
        objects = yield from score_images(trained.predictor, self._images)
        result = RunResult(
            key,
            tuple(taught),
            trained.val_score,
            round(trained.seconds, 1),
            trained.epochs,
            trained.best_epoch,
            tuple(objects),
        )
        write_json(self._path(key), _as_json(result, self._data.digest))


def read_result(path: Path, digest: str) -> RunResult | None:
    """Read a run's file; None where there is none.

    Raises
    ------
    InputError
        If it is damaged, or of another set.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] == VERSION and content["digest"] == digest:
            return _from_json(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read ({type(error).__name__}): delete it, and it is made again"
        raise InputError(msg) from error
    msg = f"{path} is the result of another set or version: choose another folder, or delete it"
    raise InputError(msg)


def _as_json(result: RunResult, digest: str) -> dict[str, Any]:
    # JSON has no NaN.
    content = asdict(result)
    content["val_score"] = _finite(result.val_score)
    for one in content["objects"]:
        one["values"] = {name: _finite(value) for name, value in one["values"].items()}
    return {"version": VERSION, "digest": digest, **content}


def _from_json(content: dict[str, Any]) -> RunResult:
    objects = tuple(
        ObjectResult(**{**one, "values": {k: _number(v) for k, v in one["values"].items()}})
        for one in content["objects"]
    )
    return RunResult(
        RunKey(**content["key"]),
        tuple(content["taught"]),
        _number(content["val_score"]),
        float(content["seconds"]),
        int(content["epochs"]),
        int(content["best_epoch"]),
        objects,
    )


def _finite(value: float) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _known(image: TruthImage) -> KnownImage:
    truth = read_truth(image)
    return KnownImage(
        image_id=image.image_id,
        group=HELD_OUT,
        site=image.groups.get("site", ""),
        grey=normalise(read_image(image.path)),
        labels=truth.labels,
        contours=tuple(truth.contours),
        region=tuple(int(region) for region in truth.region),
        bright=image.groups.get("tone", "bright") == "bright",
    )
