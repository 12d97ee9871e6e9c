from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from segsem.cli import doctor_models, doctor_system
from segsem.cli.doctor_report import ChildEnd, Finding
from segsem.models import store
from segsem.models.build import build_model
from segsem.models.store import ModelDescription, file_sha256, write_description
from segsem.models.weights import save_state

FAKES = Path(__file__).parents[2] / "fakes"
GIB = 1 << 30
CPU = {
    "version": "2.9",
    "cuda_build": None,
    "threads": 4,
    "omp_num_threads": "",
    "capability": "AVX2",
    "bf16": False,
    "amx": False,
    "gpus": [],
    "cuda_problem": "",
    "mps": False,
}
GPU = {"name": "H", "problem": "", "free_bytes": 70 * GIB, "total_bytes": 80 * GIB}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def torch_says(monkeypatch: pytest.MonkeyPatch, **facts: object) -> list[Finding]:
    end = ChildEnd(json.dumps({**CPU, **facts}), "")
    monkeypatch.setattr(doctor_models, "run_child", lambda *_: end)
    return doctor_models.look_at_torch()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "4 torch threads, AVX2, no bf16 in hardware"),
        ({"capability": "AVX512", "bf16": True}, "AVX512, AVX512-bf16"),
        ({"amx": True}, "AVX2, AMX"),
        ({"omp_num_threads": "1"}, "(OMP_NUM_THREADS=1)"),
    ],
)
def test_features_of_the_processor(
    facts: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words in torch_says(monkeypatch, **facts)[0].value


@pytest.mark.parametrize(
    ("facts", "value", "fix"),
    [
        ({}, "none; the processor is used", ""),
        ({"mps": True}, "Apple (mps)", ""),
        ({"gpus": [GPU]}, "H, 70.0 of 80.0 GiB free", ""),
        ({"gpus": [{**GPU, "free_bytes": GIB}]}, "H, 1.0 of 80.0 GiB free", "nvidia-smi"),
        (
            {"gpus": [{**GPU, "problem": "no kernel"}]},
            "does not compute: no kernel",
            "--device cpu",
        ),
        ({"cuda_problem": "driver too old"}, "not usable: driver too old", "NVIDIA driver"),
    ],
)
def test_gpus(
    facts: dict[str, object], value: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_models, "_NVIDIA_DRIVER", Path("/no/such/driver"))
    finding = torch_says(monkeypatch, **facts)[1]
    assert value in finding.value
    assert fix in finding.fix
    assert finding.state == ("warning" if fix else "ok")


@pytest.mark.parametrize(
    ("build", "value", "fix"),
    [
        (None, "NVIDIA, but torch 2.9 has no CUDA", "pytorch.org"),
        ("13.0", "torch finds no GPU", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_torch_cannot_use(
    build: str | None, value: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_models, "_NVIDIA_DRIVER", tmp_path)
    finding = torch_says(monkeypatch, cuda_build=build)[1]
    assert value in finding.value
    assert fix in finding.fix


def test_torch_that_ends_its_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    finding = only(doctor_models.look_at_torch())

    assert "torch does not load: ended by SIGILL" in finding.value
    assert finding.state == "error"


def test_the_probe_of_torch_answers() -> None:
    processor, *gpus = doctor_models.look_at_torch()
    assert processor.state == "ok"
    assert f"{doctor_system.cpu_count()} CPUs" in processor.value
    assert gpus


def model(folder: Path) -> Path:
    path = folder / store.WEIGHTS_FILE
    save_state(build_model("segsem-nano"), path)
    described = ModelDescription(folder.name, "segsem-nano", 256, file_sha256(path))
    write_description(folder, described)
    return path


def test_every_model_is_verified(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "bundled")
    model(home / "models" / "mine")
    model(home / "models" / "sam2.1_hiera_tiny").write_bytes(b"half")

    mine, tiny, nano = doctor_models.look_at_models()

    assert mine.value.startswith("whole, sha256 ")
    assert (tiny.state, tiny.fix) == ("warning", "Run: segsem models download sam2.1_hiera_tiny")
    assert "is damaged" in tiny.value
    assert (nano.name, nano.state) == ("model segsem-nano", "error")


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setenv("SEGSEM_PREDICTOR", "fake_predictor:make")


@pytest.mark.usefixtures("fake_engine")
def test_an_engine_that_answers() -> None:
    finding = only(doctor_models.look_at_engine("fake"))
    assert finding.value.startswith("started, loaded fake and answered in ")
    assert finding.state == "ok"


@pytest.mark.usefixtures("fake_engine")
def test_an_engine_without_its_model() -> None:
    finding = only(doctor_models.look_at_engine("missing"))
    assert "missing" in finding.value
    assert finding.state == "error"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import threading; threading.Event().wait()", "no answer within 1 s"),
        ("import os; os._exit(3)", "keeps ending"),
    ],
)
def test_an_engine_that_hangs_or_dies(
    body: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_predictor.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SEGSEM_PREDICTOR", "broken_predictor:make")
    timeout_s = 1.0 if "answer" in why else 60.0

    finding = only(doctor_models.look_at_engine("any", timeout_s))

    assert why in finding.value
    assert "segsem doctor" not in finding.value
    assert finding.state == "error"
    assert psutil.Process().children(recursive=True) == []
