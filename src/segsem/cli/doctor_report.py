"""Findings of `segsem doctor`, checks that cannot stop each other, and children that may crash."""

from __future__ import annotations

import importlib
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_REASON = re.compile(r"could not|cannot|failed|unable|authorization|illegal", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    name, value : str
        What was looked at, and what it is.
    fix : str
        What to do; empty where nothing needs doing.
    essential : bool
        Whether extraction cannot work while it stands so.
    skipped : bool
        Whether it could not be looked at, for lack of what it needs.
    """

    name: str
    value: str
    fix: str = ""
    essential: bool = False
    skipped: bool = False

    @property
    def state(self) -> str:
        """`ok`, `skipped`, `warning`, or `error` where extraction cannot work."""
        if not self.fix:
            return "skipped" if self.skipped else "ok"
        return "error" if self.essential else "warning"


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    Attributes
    ----------
    name : str
        Of the finding, should the check itself fail.
    module, function : str
        What gives the findings. Loaded by the check, for it may be what does not load.
    essential : bool
        Whether extraction cannot work where the check itself fails.
    """

    name: str
    module: str
    function: str
    essential: bool = False

    def look(self) -> list[Finding]:
        """Do it."""
        findings: list[Finding] = getattr(importlib.import_module(self.module), self.function)()
        return findings


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child process ended.

    Attributes
    ----------
    output : str
        What it wrote to stdout.
    failure : str
        Why it failed: a signal, its last words, or that it gave no answer; empty where it ended
        well.
    """

    output: str
    failure: str


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Run all checks side by side; one that fails becomes a finding of its own."""
    with ThreadPoolExecutor(max_workers=max(len(checks), 1)) as pool:
        looks = [pool.submit(check.look) for check in checks]
    findings: list[Finding] = []
    for check, look in zip(checks, looks, strict=True):
        error = look.exception()
        if error is None:
            findings.extend(look.result())
            continue
        value = f"could not be checked ({type(error).__name__}: {error})"
        fix = "see the other lines; if they are well, reinstall napari-segsem"
        findings.append(Finding(check.name, value, fix, check.essential))
    return findings


def run_child(arguments: Sequence[str], timeout_s: float) -> ChildEnd:
    """Run Python in a process of its own, since what is looked at may end its process.

    Parameters
    ----------
    arguments : sequence of str
        Of the interpreter, such as `-m MODULE`.
    timeout_s : float
        After which it is killed.
    """
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ChildEnd("", f"no answer within {timeout_s:.0f} s")
    except OSError as error:
        return ChildEnd("", f"cannot start {sys.executable}: {error.strerror}")
    return ChildEnd(done.stdout, _failure(done.returncode, done.stderr))


def _failure(code: int, errors: str) -> str:
    if code == 0:
        return ""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code > 0:
        return lines[-1] if lines else f"exit code {code}"
    try:
        ended_by = signal.Signals(-code).name
    except ValueError:
        ended_by = f"signal {-code}"
    # A library that ends its process tells why first, and then gives advice.
    telling = [line for line in lines if _REASON.search(line)]
    words = [*telling, *reversed(lines), "no word of why"][0]
    return f"ended by {ended_by}: {words}"
