"""Exit codes are part of the command line's contract."""

from __future__ import annotations

import pytest

from segsem.core import exceptions as ex


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ex.SegSemError, 1),
        (ex.UsageError, 2),
        (ex.InputError, 3),
        (ex.CalibrationError, 3),
        (ex.ExportError, 3),
        (ex.ModelError, 4),
        (ex.TaskError, 4),
        (ex.PartialBatchError, 5),
    ],
)
def test_exit_codes(error: type[ex.SegSemError], code: int) -> None:
    assert error("x").exit_code == code
    assert issubclass(error, ex.SegSemError)


def test_task_error_is_not_a_runtime_error() -> None:
    # A generator worker of superqt swallows RuntimeError and would leave the GUI "running".
    assert not issubclass(ex.TaskError, RuntimeError)
