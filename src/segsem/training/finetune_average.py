"""Average of the weights that learn, over the steps: what is validated, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of parameters.

    Young averages forget faster, so that the base model does not weigh for long.

    Parameters
    ----------
    trained : mapping of str to Parameter
        By name; read after each step.
    decay : float
        What is kept of the average in each step; 0: the weights themselves.

    References
    ----------
    B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J.
    Control Optim. 30 (1992); the growing decay is that of training from scratch.
    """

    def __init__(self, trained: Mapping[str, nn.Parameter], decay: float) -> None:
        self._trained, self._decay = trained, decay
        self._kept = {n: p.detach().clone() for n, p in trained.items()} if decay else {}

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The average, by name; the trained weights themselves where nothing is averaged."""
        return self._kept or self._trained

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0 over all epochs."""
        if self._kept:
            decay = min(self._decay, (1 + step) / (10 + step))
            new: list[Tensor] = [self._trained[name] for name in self._kept]
            torch._foreach_lerp_(list(self._kept.values()), new, 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the model's parameters be the average within the block."""
        if not self._kept:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from an average that was kept in a checkpoint.

        Raises
        ------
        KeyError
            If it is of other parameters.
        """
        for name, kept in self._kept.items():
            kept.copy_(weights[name])

    def _swap(self) -> None:
        # The storages change places: nothing is copied, and the optimiser keeps its parameters.
        for name, parameter in self._trained.items():
            if name in self._kept:
                parameter.data, self._kept[name] = self._kept[name], parameter.data
