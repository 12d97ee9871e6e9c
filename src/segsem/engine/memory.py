"""Too little memory: how it shows, and what gives some back."""

from __future__ import annotations

import gc
import sys
from typing import Any

REMEDY = (
    "Not enough memory for this prediction: close other programs, prompt a smaller object, "
    "or choose a smaller model"
)

REMEDY_FOR_MODEL = (
    "Not enough memory for this model: close other programs, or choose a smaller model"
)

_SIGNS = (
    "out of memory",
    "not enough memory",
    "insufficient memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",
    "could not create a memory object",
    "bad_alloc",
    "alloc_failed",
)
"""torch on CPU and GPU, OpenCV, oneDNN, cuBLAS, C++ and numpy, each in its own words."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that memory ran out."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(sign in text for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def release() -> None:
    """Give back what Python and torch hold without using it."""
    gc.collect()
    # Only where somebody loaded it: the engine itself never does.
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
