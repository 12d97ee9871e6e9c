from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from segsem.cli import doctor_system
from segsem.cli.doctor_report import Finding

GIB = 1 << 30


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_missing_packages_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"torch": "2.0", "numpy": "2.1"}
    monkeypatch.setattr(doctor_system, "version_of", lambda name: there.get(name, ""))

    found = {finding.name: finding for finding in doctor_system.look_at_versions()}

    assert found["torch"] == Finding("torch", "2.0")
    assert found["sam2"] == Finding("sam2", "missing", "pip install sam2")
    assert "numpy 2.1, scipy missing" in found["packages"].value
    assert found["packages"].fix.startswith("pip install scipy scikit-image")


def test_opencv_with_a_qt_of_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"opencv-python": "4.9"}
    monkeypatch.setattr(doctor_system, "version_of", lambda name: there.get(name, ""))
    assert "pip uninstall opencv-python;" in only(doctor_system.look_at_opencv()).fix

    there.clear()
    assert doctor_system.look_at_opencv() == []


@pytest.mark.parametrize(
    ("body", "why"),
    [("import os; os.abort()", "ended by SIGABRT"), ("raise ImportError('half')", "ImportError")],
)
def test_a_library_that_does_not_load_is_named(
    body: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tifffile.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    finding = only(doctor_system.look_at_imports())

    assert finding.value.startswith(f"tifffile does not load: {why}")
    assert finding.fix.endswith("pip install --force-reinstall tifffile")
    assert finding.state == "error"


@pytest.mark.parametrize(("free_gib", "state"), [(4.1, "ok"), (3.9, "warning")])
def test_little_memory_is_told(
    free_gib: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SimpleNamespace(total=16 * GIB, available=int(free_gib * GIB))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(doctor_system, "_CGROUPS", ())

    finding = only(doctor_system.look_at_memory())

    assert (finding.value, finding.state) == (f"{free_gib} of 16.0 GiB free", state)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        (str(6 * GIB), "1.0 of 6.0 GiB free (limit of this container)"),
        ("max", "12.0 of 16.0 GiB free"),
        (str(1 << 60), "12.0 of 16.0 GiB free"),
    ],
)
def test_a_containers_limit_counts(
    limit: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "max").write_text(f"{limit}\n")
    (tmp_path / "current").write_text(f"{5 * GIB}\n")
    files = (str(tmp_path / "max"), str(tmp_path / "current"))
    memory = SimpleNamespace(total=16 * GIB, available=12 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(doctor_system, "_CGROUPS", (("/no/such", "/files"), files))

    assert only(doctor_system.look_at_memory()).value == value


def test_the_cache_folder_is_tried_without_a_trace(home: Path) -> None:
    finding = only(doctor_system.look_at_home())
    assert finding.value.startswith(f"{home} is writable, ")
    assert not home.exists()


def test_a_cache_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("/proc/nowhere", str(tmp_path / "file" / "segsem")):
        monkeypatch.setenv("SEGSEM_HOME", folder)
        finding = only(doctor_system.look_at_home())
        assert "set SEGSEM_HOME to a folder of yours" in finding.fix
        assert finding.state == "warning"


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=GIB))
    assert only(doctor_system.look_at_home()).fix.startswith("free some space there")
