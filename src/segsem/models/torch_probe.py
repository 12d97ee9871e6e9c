"""`python -m segsem.models.torch_probe`: what torch makes of this machine, as JSON.

A process of its own, since a torch that was built for other processors ends its process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any

import torch

_MODEL_CODE = "sam2.modeling.sam2_base"


def main() -> None:
    """Write the facts to stdout."""
    importlib.import_module(_MODEL_CODE)
    facts = {"version": torch.__version__, "cuda_build": torch.version.cuda, **_cpu(), **_gpus()}
    sys.stdout.write(json.dumps(facts) + "\n")


def _cpu() -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "capability": torch.backends.cpu.get_cpu_capability(),
        # Not in torch's public names; where a version has them not, nothing is claimed.
        "bf16": _tells(torch.cpu, "_is_avx512_bf16_supported"),
        "amx": _tells(torch.cpu, "_is_amx_tile_supported"),
    }


def _tells(module: Any, name: str) -> bool:
    function = getattr(module, name, None)
    return bool(function()) if function is not None else False


def _gpus() -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    problem = str(caught[0].message).splitlines()[0] if caught and not count else ""
    mps = bool(torch.backends.mps.is_available())
    return {"gpus": [_gpu(index) for index in range(count)], "cuda_problem": problem, "mps": mps}


def _gpu(index: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": torch.cuda.get_device_name(index), "problem": ""}
    try:
        facts["free_bytes"], facts["total_bytes"] = torch.cuda.mem_get_info(index)
        # A GPU that this build has no code for is found out by its first kernel only.
        torch.ones(8, device=f"cuda:{index}").add(1).sum().item()
    except RuntimeError as error:
        facts["problem"] = str(error).splitlines()[0]
    return facts


if __name__ == "__main__":
    main()
