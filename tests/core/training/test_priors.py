from __future__ import annotations

import numpy as np
import pytest
import torch

from segsem.training.priors import Prior, PriorSpec, draw_prior, known_part, prior_logits

SIDE = 64


def disc(row: int, col: int, radius: int) -> np.ndarray:
    rows, cols = np.ogrid[:SIDE, :SIDE]
    return np.asarray((rows - row) ** 2 + (cols - col) ** 2 <= radius**2)


MASKS = np.stack([disc(30, 30, 12), disc(10, 50, 20), disc(40, 20, 30)])


def render(spec: PriorSpec, seed: int = 0) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    logits = prior_logits(spec, torch.from_numpy(MASKS).float(), generator)
    assert logits is not None
    assert logits.shape == (3, 1, SIDE // 4, SIDE // 4)
    return logits[:, 0].numpy()


def test_nothing_known_is_no_mask_input() -> None:
    spec = draw_prior(np.random.default_rng(0), Prior.NONE, MASKS)

    assert prior_logits(spec, torch.from_numpy(MASKS).float(), torch.Generator()) is None


def test_a_coarse_view_is_right_away_from_the_edges() -> None:
    for seed in range(10):
        spec = draw_prior(np.random.default_rng(seed), Prior.COARSE, MASKS)
        spec = PriorSpec(spec.kind, spec.unknown_px, np.full(3, 2, np.float32), spec.height)
        for logits, mask, height in zip(render(spec, seed), MASKS, spec.height, strict=True):
            # 8 px are two cells of the coarse view: cells this deep see one side only.
            deep = np.array([[self_or_not(mask, r, c) for c in range(16)] for r in range(16)])
            assert np.allclose(logits[deep == 1], height, atol=1e-4)
            assert np.allclose(logits[deep == 0], -height, atol=1e-4)


def self_or_not(mask: np.ndarray, row: int, col: int) -> int:
    """1 well inside, 0 well outside, -1 near the edge."""
    around = mask[max(4 * row - 16, 0) : 4 * row + 20, max(4 * col - 16, 0) : 4 * col + 20]
    return 1 if around.all() else 0 if not around.any() else -1


def test_a_strip_knows_the_mask_there_and_nothing_elsewhere() -> None:
    for seed in range(30):
        spec = draw_prior(np.random.default_rng(seed), Prior.STRIP, MASKS)
        share = MASKS.reshape(3, 16, 4, 16, 4).mean(axis=(2, 4))
        for logits, exact, mask, rectangle, height in zip(
            render(spec), share, MASKS, spec.unknown_px, spec.height, strict=True
        ):
            row0, col0, row1, col1 = (int(v) // 4 for v in rectangle)
            unknown = np.zeros((16, 16), dtype=bool)
            unknown[row0:row1, col0:col1] = True
            assert (logits[unknown] == 0).all()
            assert np.allclose(logits[~unknown], ((2 * exact - 1) * height)[~unknown], atol=1e-4)
            assert known_part(mask, rectangle).sum() >= 12


@pytest.mark.parametrize("kind", list(Prior))
def test_an_empty_step_is_fine(kind: Prior) -> None:
    spec = draw_prior(np.random.default_rng(0), kind, MASKS[:0])

    assert len(spec.height) == len(spec.unknown_px) == 0
