from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segsem.cli import doctor
from segsem.cli.app import build_app
from segsem.cli.doctor_report import Check, ChildEnd, Finding, run_checks, run_child
from segsem.core.exceptions import ModelError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def fails() -> list[Finding]:
    msg = "no such luck"
    raise ValueError(msg)


def leaves() -> list[Finding]:
    sys.exit(3)


def is_well() -> list[Finding]:
    return [Finding("well", "it is")]


def has_no_display() -> list[Finding]:
    return [Finding("display", "none", "use one")]


def cannot_extract() -> list[Finding]:
    return [Finding("engine", "gone", "start it [again]", essential=True)]


def test_a_failing_check_never_prevents_the_others() -> None:
    names = ["fails", "leaves", "is_well", "is_not_there"]
    checks = [Check(f"n{i}", __name__, name) for i, name in enumerate(names)]
    checks.append(Check("gone", "segsem.not_there", "look", essential=True))

    found = {finding.name: finding for finding in run_checks(checks)}

    assert found["n0"].value == "could not be checked (ValueError: no such luck)"
    assert found["n1"].value == "could not be checked (SystemExit: 3)"
    assert found["well"].value == "it is"
    assert "AttributeError" in found["n3"].value
    assert [found[name].state for name in ("n0", "well", "gone")] == ["warning", "ok", "error"]


def report(monkeypatch: pytest.MonkeyPatch, *looks: Callable[[], list[Finding]]) -> None:
    checks = tuple(Check(look.__name__, __name__, look.__name__) for look in looks)
    monkeypatch.setattr(doctor, "CHECKS", checks)


def test_a_missing_display_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, is_well, has_no_display)

    done = CliRunner().invoke(build_app(), ["doctor"])

    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "ok  well     it is",
        "--  display  none",
        "             to fix: use one",
    ]


def test_json_holds_the_same_and_the_exit_code_is_4(monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, is_well, has_no_display, cannot_extract)

    done = CliRunner().invoke(build_app(), ["doctor", "--json"])

    assert isinstance(done.exception, ModelError)
    assert done.exception.exit_code == 4
    told = json.loads(done.stdout)
    assert told["can_extract"] is False
    assert [finding["state"] for finding in told["findings"]] == ["ok", "warning", "error"]
    assert told["findings"][2] == {
        "name": "engine",
        "value": "gone",
        "fix": "start it [again]",
        "essential": True,
        "skipped": False,
        "state": "error",
    }


@pytest.mark.parametrize(
    ("program", "output", "failure"),
    [
        ("print('fine')", "fine\n", ""),
        ("import sys; print('half'); sys.exit('why')", "half\n", "why"),
        ("import sys; sys.exit(7)", "", "exit code 7"),
        ("import no_such_module", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os; os.abort()", "", "ended by SIGABRT: no word of why"),
        (
            "import os; os.write(2, b'Could not draw\\nAvailable: none\\n'); os.abort()",
            "",
            "ended by SIGABRT: Could not draw",
        ),
    ],
)
def test_a_child_tells_how_it_ended(program: str, output: str, failure: str) -> None:
    assert run_child(["-c", program], 60) == ChildEnd(output, failure)


def test_a_child_that_hangs_is_ended() -> None:
    end = run_child(["-c", "import threading; threading.Event().wait()"], 0.2)
    assert end.failure == "no answer within 0 s"


def test_the_command_tells_everything_and_works() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "segsem", "doctor", "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )

    told = json.loads(done.stdout)
    states = {finding["name"]: finding["state"] for finding in told["findings"]}
    assert (done.returncode, done.stderr, told["can_extract"]) == (0, "", True)
    assert states["engine"] == states["model segsem-nano"] == states["libraries"] == "ok"
    assert states["display"] == "warning"
    assert states["OpenGL"] == "skipped"


def test_the_command_works_where_the_command_line_does_not(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("raise ImportError('pydantic_core is missing')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ends = [
        subprocess.run(
            [sys.executable, "-m", "segsem", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )
        for arguments in (["info", "x.png"], ["doctor"])
    ]

    assert ends[0].stderr == (
        "error: A package does not load (pydantic_core is missing): run `segsem doctor`\n"
    )
    assert ends[1].returncode == 4
    assert "pydantic does not load: ImportError: pydantic_core is missing" in ends[1].stdout
    assert "Traceback" not in ends[1].stderr
