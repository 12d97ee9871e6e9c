"""Gradient of one step of fine-tuning: each frame encoded once, its objects a few at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from segsem.segmentation.sam2_forward import Features, encode_pixels, normalise_pixels
from segsem.training.batch import Batch
from segsem.training.few_shot_frames import FewShotBatch
from segsem.training.losses import LossParts, edge_cells
from segsem.training.priors import PriorSpec, prior_logits
from segsem.training.rounds import Asked, ask_in_rounds

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

    from segsem.models.region_hints import RegionHints

KNOWN_BAND_PX = 6
"""Around annotated objects the background is known; farther off others may not be annotated."""

ROUND_DECAY = 0.7
"""Each further round of corrections is asked for so many times as often."""


class StepGradient:
    """Computes loss and gradient of the frames of a step.

    Parameters
    ----------
    model : SAM2Base
    objects_at_once : int
        Bounds memory: the decoder's part is differentiated so many objects at a time.
    corrections : int
        Rounds of correction clicks, at most.
    bf16 : bool
        Under bfloat16 autocast.
    save_memory : bool
        Recompute the encoder's blocks rather than keep what is inside them.
    """

    def __init__(
        self,
        model: SAM2Base,
        objects_at_once: int,
        corrections: int,
        bf16: bool = False,
        save_memory: bool = False,
    ) -> None:
        self._model, self._at_once, self._bf16 = model, objects_at_once, bf16
        shares = ROUND_DECAY ** np.arange(corrections + 1)
        self._round_shares = shares / shares.sum()
        self._hints: RegionHints | None = getattr(model.sam_mask_decoder, "region_hints", None)
        self._encoder_learns = any(p.requires_grad for p in model.image_encoder.parameters())
        if save_memory and self._encoder_learns:
            recompute_blocks(model)

    def __call__(self, frames: FewShotBatch, seed: tuple[int, int]) -> float:
        """Add the gradient of a step to the parameters, and return its loss.

        Parameters
        ----------
        frames : FewShotBatch
            With at least one object.
        seed : (int, int)
            Of corrections and priors.
        """
        device = self._model.device
        batch, count = frames.batch, len(frames.batch.frame_index)
        rng = np.random.default_rng(seed)
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        rounds = 1 + int(rng.choice(len(self._round_shares), p=self._round_shares))
        with (
            torch.set_grad_enabled(self._encoder_learns),
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16),
        ):
            encoded = encode_pixels(self._model, frame_pixels(batch, device))
        features = _leaves(encoded, self._encoder_learns)
        total = 0.0
        for start in range(0, count, self._at_once):
            part = slice(start, min(start + self._at_once, count))
            asked = self._asked(frames, features, part, generator)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16):
                loss = ask_in_rounds(self._model, asked, rounds, generator, _record_nothing)
            loss = loss * ((part.stop - part.start) / count)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        total += self._hints_gradient(frames, features)
        self._into_encoder(encoded, features)
        return total

    def _asked(
        self, frames: FewShotBatch, features: Features, part: slice, generator: torch.Generator
    ) -> Asked:
        batch, device = frames.batch, self._model.device
        index = to_tensor(batch.frame_index[part], device)
        labels = to_tensor(batch.labels, device)
        target = labels[index] == to_tensor(batch.object_label[part], device)[:, None, None]
        per_prompt = features.take(index)
        if self._hints is not None:
            per_prompt.high_res[0] = features.high_res[0]
        prior = _prior_of(batch.prior, part)
        return Asked(
            per_prompt,
            None if self._hints is None else index,
            to_tensor(batch.prompts.points_xy[part], device),
            to_tensor(batch.prompts.labels[part], device),
            to_tensor(batch.prompts.boxed[part], device),
            target,
            prior_logits(prior, target.float(), generator),
            to_tensor(frames.not_rated, device)[index],
        )

    def _hints_gradient(self, frames: FewShotBatch, features: Features) -> float:
        """Gradient of dividing the frames, where it is known what is feature and what is not."""
        if self._hints is None:
            return 0.0
        device = self._model.device
        labels = to_tensor(frames.batch.labels, device)
        known = known_places(labels, to_tensor(frames.not_rated, device))
        with torch.autocast(device.type, enabled=False):
            loss = hints_loss(self._hints, features.high_res[0].float(), labels, known)
        if not loss.requires_grad:
            return float(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _into_encoder(self, encoded: Features, features: Features) -> None:
        if not self._encoder_learns:
            return
        pairs = [
            (made, leaf.grad)
            for made, leaf in zip(_tensors(encoded), _tensors(features), strict=True)
            if leaf.grad is not None
        ]
        torch.autograd.backward([made for made, _ in pairs], [grad for _, grad in pairs])


def known_places(labels: Tensor, not_rated: Tensor) -> Tensor:
    """Where it is known what an image shows: annotated objects and a band around them.

    Parameters
    ----------
    labels : (B, S, S) tensor
        0 where no object is annotated.
    not_rated : (B, S, S) bool tensor

    Returns
    -------
    (B, S, S) float tensor
        1 where known.
    """
    width = 2 * KNOWN_BAND_PX + 1
    inside = (labels > 0).float().unsqueeze(1)
    near = F.max_pool2d(inside, width, stride=1, padding=KNOWN_BAND_PX)[:, 0]
    return near * (~not_rated).float()


def hints_loss(hints: RegionHints, feat_s0: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Loss of the two classes, whichever is the first, and of edges, in what is known.

    As in training from scratch, but that not all of a frame need be annotated.
    """
    logits = hints.class_logits(feat_s0)
    cells = logits.shape[-1]
    per_cell = labels.shape[-1] // cells
    weight = F.avg_pool2d(known, per_cell)
    share = F.avg_pool2d((labels > 0).float(), per_cell)
    frames = weight.sum(dim=(-2, -1)).clamp(min=1.0)
    ways = [
        (weight * F.binary_cross_entropy_with_logits(signed, share, reduction="none")).sum((-2, -1))
        / frames
        for signed in (logits, -logits)
    ]
    wanted = edge_cells(labels, cells)
    missed = F.binary_cross_entropy_with_logits(
        hints.edge_logits(feat_s0), wanted, reduction="none"
    )
    edges = (weight * missed).sum((-2, -1)) / frames
    return torch.minimum(*ways).mean() + edges.mean()


def frame_pixels(batch: Batch, device: torch.device) -> Tensor:
    """Frames (B, 3, S, S) as the encoder takes them, 0 where the image does not reach."""
    pixels = normalise_pixels(to_tensor(batch.grey, device))
    at = torch.arange(batch.grey.shape[-1], device=device)
    filled = to_tensor(batch.filled_px, device)
    rows, cols = at < filled[:, :1], at < filled[:, 1:]
    return pixels * (rows[:, :, None] & cols[:, None, :]).unsqueeze(1)


def to_tensor(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device."""
    return torch.from_numpy(np.array(array)).to(device, non_blocking=True)


def recompute_blocks(model: SAM2Base) -> None:
    """Have the encoder's blocks computed once more for the gradient instead of kept."""
    for block in model.image_encoder.trunk.blocks:
        if "forward" in vars(block):
            continue
        block.forward = _recomputed(block.forward)


def _recomputed(forward: Any) -> Any:
    def once_more(x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return forward(x)  # type: ignore[no-any-return]
        again: Tensor = checkpoint(forward, x, use_reentrant=False)
        return again

    return once_more


def _leaves(encoded: Features, learns: bool) -> Features:
    """Features cut off from the encoder, which gather their own gradient."""
    cut = [tensor.detach().requires_grad_(learns) for tensor in _tensors(encoded)]
    return Features(cut[0], cut[1:])


def _tensors(features: Features) -> list[Tensor]:
    return [features.image_embed, *features.high_res]


def _prior_of(prior: PriorSpec, part: slice) -> PriorSpec:
    return replace(
        prior,
        unknown_px=prior.unknown_px[part],
        coarseness=prior.coarseness[part],
        height=prior.height[part],
    )


def _record_nothing(_number: int, _parts: LossParts) -> None:
    pass
