from __future__ import annotations

import pytest

from segsem.benchmark.timing import Ratio, Samples, alternate
from segsem.core.progress import run_to_completion


def test_actions_take_turns_and_each_goes_first_as_often() -> None:
    called: list[str] = []
    actions = {name: (lambda name=name: called.append(name)) for name in "abc"}

    times = run_to_completion(alternate(actions, repeats=3, warmup=0))

    assert called == [*"abc", *"bca", *"cab"]
    assert {name: len(samples.values_ms) for name, samples in times.items()} == dict.fromkeys(
        "abc", 3
    )


def test_warm_up_is_run_but_does_not_count() -> None:
    called: list[int] = []

    times = run_to_completion(alternate({"a": lambda: called.append(1)}, repeats=2, warmup=3))

    assert len(called) == 5
    assert len(times["a"].values_ms) == 2


def test_what_comes_before_an_action_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("segsem.benchmark.timing.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("segsem.benchmark.timing.time.process_time", lambda: 2 * clock[0])

    def spend(seconds: float) -> None:
        clock[0] += seconds

    steps = alternate(
        {"a": lambda: spend(0.25), "b": lambda: spend(0.5)},
        repeats=2,
        before={"a": lambda: spend(100.0)},
    )

    times = run_to_completion(steps)
    assert times["a"].values_ms == (250.0, 250.0)
    assert times["b"].values_ms == (500.0, 500.0)
    assert times["b"].cpu_ms == (1000.0, 1000.0)


def test_progress_counts_all_calls() -> None:
    steps = list(alternate({"a": lambda: None, "b": lambda: None}, repeats=2, warmup=1))

    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6]
    assert {step.total for step in steps} == {6}


def test_samples() -> None:
    samples = Samples((4.0, 1.0, 3.0, 2.0, 5.0), (8.0, 9.0, 7.0, 6.0, 5.0))

    assert samples.median_ms == 3.0
    assert samples.as_json() == {
        "median_ms": 3.0,
        "q1_ms": 2.0,
        "q3_ms": 4.0,
        "min_ms": 1.0,
        "max_ms": 5.0,
        "median_cpu_ms": 7.0,
        "n": 5,
        "values_ms": [4.0, 1.0, 3.0, 2.0, 5.0],
        "cpu_ms": [8.0, 9.0, 7.0, 6.0, 5.0],
    }
    assert samples.scaled(0.5) == Samples((2.0, 0.5, 1.5, 1.0, 2.5), (4.0, 4.5, 3.5, 3.0, 2.5))


def test_ratios_are_taken_within_rounds() -> None:
    # A machine that is ten times slower in the second round changes no ratio.
    cpu_ms = (8.0, 8.0, 8.0), (2.0, 2.0, 2.0)

    ratio = Ratio.between(
        Samples((20.0, 200.0, 30.0), cpu_ms[0]), Samples((10.0, 100.0, 10.0), cpu_ms[1])
    )

    assert (ratio.q1, ratio.median, ratio.q3) == (2.0, 2.0, 2.5)
    assert (ratio.of_medians, ratio.of_cpu_medians) == (3.0, 4.0)


def test_samples_of_other_rounds_have_no_ratio() -> None:
    with pytest.raises(ValueError):
        Ratio.between(Samples((1.0, 2.0, 3.0), (1.0,)), Samples((1.0, 2.0), (1.0,)))
