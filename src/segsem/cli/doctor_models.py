"""What computes: torch on this processor and GPU, the models, and the engine's process."""

from __future__ import annotations

import json
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

from segsem.cli.doctor_report import Finding, run_child
from segsem.cli.doctor_system import GIB, cpu_count
from segsem.core.exceptions import SegSemError
from segsem.models import store
from segsem.models.registry import NANO

DEFAULT_MODEL = NANO.name
TORCH_PROBE = "segsem.models.torch_probe"
TORCH_S, ENGINE_S = 60.0, 60.0
"""A healthy machine needs two or three seconds; a network drive on its first day, many."""

LOW_GPU_GIB = 2.0
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_NO_DISK_CACHE = ("--embedding-disk-mib", "0")


def look_at_torch() -> list[Finding]:
    """Processor and GPUs as torch sees them."""
    end = run_child(["-m", TORCH_PROBE], TORCH_S)
    if end.failure:
        fix = "install torch and sam2 as constraints.txt names them: pip install -c constraints.txt"
        words = f"{cpu_count()} CPUs; torch does not load: {end.failure}"
        return [Finding("processor", words, f"{fix} torch sam2", essential=True)]
    facts = json.loads(end.output)
    return [_processor(facts), *_gpus(facts)]


def look_at_models() -> list[Finding]:
    """Every installed model against its hash."""
    installed = store.installed_models()
    findings = [_model(name, folder) for name, folder in installed.items()]
    if DEFAULT_MODEL not in installed:
        fix = "reinstall napari-segsem"
        findings.append(Finding(f"model {DEFAULT_MODEL}", "missing", fix, essential=True))
    return findings


def look_at_engine(model: str = DEFAULT_MODEL, timeout_s: float = ENGINE_S) -> list[Finding]:
    """Start the engine, load the default model, and ask it for one mask."""
    # Here, not above: where numpy does not load, the other checks of this module still tell.
    import numpy as np

    from segsem.engine.client import EngineClient
    from segsem.segmentation.prompts import Prompts

    began = time.monotonic()
    client = EngineClient(model, arguments=_NO_DISK_CACHE)
    try:
        client.start().result(timeout_s)
        client.set_image("doctor", np.zeros((64, 64), dtype=np.uint8))
        rest_s = max(timeout_s - (time.monotonic() - began), 1.0)
        client.predict("doctor", Prompts(box_rc=(16, 16, 47, 47))).result(rest_s)
    except FutureTimeoutError:
        value = f"no answer within {timeout_s:.0f} s"
        fix = "try once more when the machine is less busy; then run: python -m segsem.engine"
        return [Finding("engine", value, fix, essential=True)]
    except SegSemError as error:
        value = str(error).removesuffix(": run `segsem doctor`")
        fix = "mend what stands above; if that is nothing, reinstall napari-segsem"
        return [Finding("engine", value, fix, essential=True)]
    finally:
        client.close()
    took_s = time.monotonic() - began
    return [Finding("engine", f"started, loaded {model} and answered in {took_s:.1f} s")]


def _processor(facts: dict[str, Any]) -> Finding:
    threads = f"{facts['threads']} torch threads"
    if facts["omp_num_threads"]:
        threads += f" (OMP_NUM_THREADS={facts['omp_num_threads']})"
    features = [facts["capability"]]
    features += [name for key, name in (("bf16", "AVX512-bf16"), ("amx", "AMX")) if facts[key]]
    if not (facts["bf16"] or facts["amx"]):
        features.append("no bf16 in hardware")
    return Finding("processor", f"{cpu_count()} CPUs, {threads}, {', '.join(features)}")


def _gpus(facts: dict[str, Any]) -> list[Finding]:
    if facts["gpus"]:
        return [_gpu(index, gpu) for index, gpu in enumerate(facts["gpus"])]
    if facts["mps"]:
        return [Finding("GPU", "Apple (mps)")]
    if facts["cuda_problem"]:
        fix = "install the NVIDIA driver that this torch asks for, or a torch for this driver"
        return [Finding("GPU", f"not usable: {facts['cuda_problem']}", fix)]
    if _NVIDIA_DRIVER.exists():
        if facts["cuda_build"] is None:
            fix = "to use it, install a torch with CUDA: https://pytorch.org/get-started/locally"
            return [Finding("GPU", f"NVIDIA, but torch {facts['version']} has no CUDA", fix)]
        fix = "see what nvidia-smi says, and CUDA_VISIBLE_DEVICES"
        return [Finding("GPU", "an NVIDIA driver is here, but torch finds no GPU", fix)]
    return [Finding("GPU", "none; the processor is used")]


def _gpu(index: int, gpu: dict[str, Any]) -> Finding:
    name = f"GPU {index}"
    if gpu["problem"]:
        fix = "use --device cpu, or install a torch that knows this GPU"
        return Finding(name, f"{gpu['name']} does not compute: {gpu['problem']}", fix)
    free, total = gpu["free_bytes"] / GIB, gpu["total_bytes"] / GIB
    fix = "nvidia-smi says who holds its memory" if free < LOW_GPU_GIB else ""
    return Finding(name, f"{gpu['name']}, {free:.1f} of {total:.1f} GiB free", fix)


def _model(name: str, folder: Path) -> Finding:
    essential = name == DEFAULT_MODEL
    try:
        description = store.verify(folder)
    except store.DamagedModelError as error:
        return Finding(f"model {name}", error.problem, error.remedy, essential=essential)
    return Finding(f"model {name}", f"whole, sha256 {description.weights_sha256[:12]}")
