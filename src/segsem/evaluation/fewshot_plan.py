"""Which runs a few-shot measurement is made of: how many images, which, what learns, how fast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segsem.core.exceptions import InputError

ENCODER = "image_encoder"
MODES = (ENCODER, "mask_decoder", "all", "lora")
COUNTS = (5, 10, 20, 42)
SEEDS = {5: 1, 10: 3, 20: 1, 42: 3}
HELD_OUT_SITES = 6
RATE_FACTORS = (1 / 3, 1.0, 3.0)
"""Tried for each mode, about its usual learning rate; the same number for each."""

_SPLIT_SEED = 6


@dataclass(frozen=True, slots=True)
class RunKey:
    """One run.

    Attributes
    ----------
    train : str
        What learns, of `MODES`; empty for the base model as it is.
    images, seed : int
    rate : float
        Factor on the usual learning rate.
    """

    train: str = ""
    images: int = 0
    seed: int = 0
    rate: float = 1.0

    @property
    def name(self) -> str:
        """Of the run's file and model."""
        if not self.train:
            return "zero-shot"
        rate = "" if self.rate == 1.0 else f"-rate{self.rate:.2g}"
        return f"{self.train}-{self.images:02d}-seed{self.seed}{rate}"


ZERO_SHOT = RunKey()


def sweep(
    counts: Iterable[int] = COUNTS, seeds: Mapping[int, int] = SEEDS, train: str = ENCODER
) -> list[RunKey]:
    """Runs of the curve, the telling ones first: it may be cut short."""
    keys = [RunKey(train, count, seed) for count in counts for seed in range(seeds.get(count, 1))]
    most = max((key.images for key in keys), default=0)
    keys.sort(key=lambda key: (key.seed, key.images not in (10, most), -key.images))
    return [ZERO_SHOT, *keys]


def rate_trials(count: int, modes: Sequence[str] = MODES) -> list[RunKey]:
    """Runs that choose a learning rate for each mode, by validation sites alone."""
    return [RunKey(mode, count, 0, rate) for mode in modes for rate in RATE_FACTORS]


def ablation(count: int, rates: Mapping[str, float], seeds: int = 3) -> list[RunKey]:
    """Runs that compare modes, each with the rate that was chosen for it."""
    return [RunKey(mode, count, seed, rates[mode]) for seed in range(seeds) for mode in rates]


def best_rates(scores: Mapping[RunKey, float]) -> dict[str, float]:
    """Rate of the best validation score for each mode; the lower of two that are as good."""
    best: dict[str, RunKey] = {}
    for key in sorted(scores, key=lambda key: key.rate):
        known = best.get(key.train)
        if known is None or scores[key] > scores[known]:
            best[key.train] = key
    return {mode: key.rate for mode, key in best.items()}


def split_by_site(sites: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Hold whole sites out.

    Parameters
    ----------
    sites : mapping of str to str
        Site of each image, by its id.

    Returns
    -------
    list of str, list of str
        Ids to learn from and ids that are held out; the same for every run.

    Raises
    ------
    InputError
        If there are too few sites.
    """
    by_site: dict[str, list[str]] = defaultdict(list)
    for image_id, site in sorted(sites.items()):
        by_site[site].append(image_id)
    if "" in by_site or len(by_site) <= HELD_OUT_SITES:
        msg = (
            f"Expected images of more than {HELD_OUT_SITES} sites, each named in the manifest, but "
            f"got {len(by_site)}: make them with `segsem synth --preset polycrystal --count 60`"
        )
        raise InputError(msg)
    names = sorted(by_site)
    order = np.random.default_rng([_SPLIT_SEED, len(names)]).permutation(len(names))
    held = {names[i] for i in order[:HELD_OUT_SITES]}
    taught = [image for site in names if site not in held for image in by_site[site]]
    return sorted(taught), sorted(image for site in held for image in by_site[site])


def subset(taught: Sequence[str], count: int, seed: int) -> list[str]:
    """Draw the images that a run learns from; the smaller sets of a seed lie in its larger ones.

    Raises
    ------
    InputError
        If there are not so many.
    """
    if count > len(taught):
        msg = f"Expected at most {len(taught)} images to learn from, but got {count}"
        raise InputError(msg)
    order = np.random.default_rng([seed, len(taught)]).permutation(len(taught))
    return sorted(sorted(taught)[i] for i in order[:count])
