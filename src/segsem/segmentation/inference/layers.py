"""Linear layers and attention with what the CPU has for them."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812

if TYPE_CHECKING:
    from torch import Tensor

SCORES_BYTES = 8 << 20
"""Attention scores held at once: they stay in the cache between the two products."""

_X86 = ("x86_64", "amd64")


def has_packed_linear(device: torch.device) -> bool:
    """Whether oneDNN's linear layers with packed weights and fused GELU can be used.

    They are what `torch.compile` itself uses on x86: a tenth faster than `F.linear`, and GELU
    comes without a pass over memory.
    """
    return (
        device.type == "cpu"
        and platform.machine().lower() in _X86
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


class Linear:
    """A linear layer, with GELU behind it where asked for.

    Parameters
    ----------
    weight : (O, I) tensor
    bias : (O,) tensor
    dtype : torch.dtype
        In which it is computed; inputs must have it.
    gelu : bool
        Exact GELU, as in SAM2.
    tokens : int
        Usual number of rows, for which the weights are packed.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        dtype: torch.dtype,
        gelu: bool = False,
        tokens: int = 4096,
    ) -> None:
        self._weight = weight.detach().to(dtype).contiguous()
        self._bias = bias.detach().to(dtype).contiguous()
        self._gelu = gelu
        self._packed = has_packed_linear(weight.device)
        if self._packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, tokens)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        if self._packed:
            name, kind = ("gelu", "none") if self._gelu else ("none", "")
            packed = torch.ops.mkldnn._linear_pointwise
            y: Tensor = packed(x, self._weight, self._bias, name, [], kind)
            return y
        y = F.linear(x, self._weight, self._bias)
        return F.gelu(y) if self._gelu else y


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of queries that are scaled already.

    Parameters
    ----------
    q : (..., Q, D) tensor
    k, v : (..., K, D) tensors

    Returns
    -------
    (..., Q, D) tensor
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, scale=1.0)
    # In bfloat16 the fused kernel of the CPU is no faster than in float32; plain products are.
    batch = q.shape[:-2]
    queries, keys, values = (x.flatten(0, -3) for x in (q, k, v))
    # Contiguous, or each of the products below copies them again.
    keys = keys.transpose(1, 2).contiguous()
    rows = max(SCORES_BYTES // (keys.shape[0] * keys.shape[2] * q.element_size()), 1)
    parts = [
        torch.bmm(torch.softmax(torch.bmm(part, keys), dim=-1), values)
        for part in torch.split(queries, rows, dim=1)
    ]
    out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    return torch.unflatten(out, 0, batch)
