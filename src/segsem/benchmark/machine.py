"""What a timing depends on beside the code: processor, threads, versions, load."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("napari-segsem", "torch", "sam2", "numpy", "opencv-python-headless", "scikit-image")
VARIABLES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
_CPUINFO = Path("/proc/cpuinfo")


def machine_facts(device: str) -> dict[str, Any]:
    """Collect what somebody needs to know who compares with another machine.

    Parameters
    ----------
    device : str
        As torch names it.

    Returns
    -------
    dict
        Plain JSON values.
    """
    torch: Any = importlib.import_module("torch")
    precision: Any = importlib.import_module("segsem.segmentation.inference.precision")
    return {
        "processor": _processor(),
        "cores": {"logical": psutil.cpu_count(), "physical": psutil.cpu_count(logical=False)},
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": [round(value, 2) for value in psutil.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": _versions(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": precision.has_native_bf16(torch.device(device)),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    """Name of the processor; Linux alone tells it in a file."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
