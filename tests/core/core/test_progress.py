"""Long work as a generator."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from segsem.core.progress import Progress, run_to_completion


def count_to(total: int) -> Generator[Progress, None, str]:
    for done in range(total):
        yield Progress(done, total, f"step {done}")
    return "finished"


def test_result_and_every_step_arrive() -> None:
    steps: list[Progress] = []
    assert run_to_completion(count_to(3), steps.append) == "finished"
    assert [step.done for step in steps] == [0, 1, 2]
    assert steps[-1].message == "step 2"


def test_works_without_a_listener_and_without_steps() -> None:
    assert run_to_completion(count_to(0)) == "finished"


def test_errors_of_the_work_come_through() -> None:
    def failing() -> Generator[Progress, None, None]:
        yield Progress(0, 1)
        msg = "broken"
        raise KeyError(msg)

    with pytest.raises(KeyError):
        run_to_completion(failing())
