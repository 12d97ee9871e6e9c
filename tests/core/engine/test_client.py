"""The client against the real process, with a predictor that needs no torch."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from segsem.core.exceptions import InputError, ModelError
from segsem.engine.answers import EngineState, StaleAnswerError
from segsem.engine.client import EngineClient
from segsem.segmentation.prompts import Prompts

WAIT_S = 60.0
ON_SQUARE = Prompts([(60.0, 60.0)], [1])
ON_FAR_SQUARE = Prompts([(320.0, 520.0)], [1])


def wait_for(states: queue.Queue[Any], wanted: EngineState) -> list[EngineState]:
    seen = []
    while not seen or seen[-1] is not wanted:
        seen.append(states.get(timeout=WAIT_S)[0])
    return seen


def test_predicts_in_a_window_at_native_resolution(client: EngineClient, squares: Any) -> None:
    facts = client.start().result(WAIT_S)
    assert (facts.name, facts.frame_px) == ("fake", 256)
    client.set_image("a", squares)
    answer = client.predict("a", ON_FAR_SQUARE).result(WAIT_S)
    assert len(answer) == 3
    assert answer.iou_pred == pytest.approx((0.9, 0.7, 0.5))
    assert answer.mask(0).shape == (256, 256)
    painted = np.zeros(squares.shape, bool)
    painted[answer.slices] = answer.mask(0)
    np.testing.assert_array_equal(painted[300:340, 500:540], True)
    assert painted.sum() == 40 * 40


def test_a_second_prompt_does_not_encode_again(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    client.predict("a", ON_SQUARE).result(WAIT_S)
    both = Prompts([(60.0, 60.0), (70.0, 70.0)], [1, 1])
    client.predict("a", both).result(WAIT_S)
    assert client.stats().result(WAIT_S)["encoded"] == 1
    client.predict("a", ON_FAR_SQUARE).result(WAIT_S)
    assert client.stats().result(WAIT_S)["encoded"] == 2


def test_an_object_larger_than_the_frame_gets_a_larger_window(
    client: EngineClient, squares: Any
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    answer = client.predict("a", Prompts(box_rc=(5.0, 5.0, 380.0, 580.0))).result(WAIT_S)
    assert answer.mask(0).shape == squares.shape


def test_only_the_newest_question_is_answered(
    gate: Path, client: EngineClient, squares: Any
) -> None:
    client.start()
    client.set_image("a", squares)
    asked = [client.predict("a", ON_SQUARE) for _ in range(5)]
    gate.touch()
    assert asked[-1].result(WAIT_S).mask(0).any()
    for earlier in asked[:-1]:
        assert isinstance(earlier.exception(WAIT_S), StaleAnswerError)


def test_cancelled_questions_are_stale(gate: Path, client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    asked = client.predict("a", ON_SQUARE)
    client.cancel()
    gate.touch()
    assert isinstance(asked.exception(WAIT_S), StaleAnswerError)


def test_a_killed_engine_comes_back_with_its_image(
    client: EngineClient, squares: Any, states: queue.Queue[Any]
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    before = client.predict("a", ON_SQUARE).result(WAIT_S)
    first_pid = client.pid
    assert first_pid is not None
    wait_for(states, EngineState.READY)
    psutil.Process(first_pid).kill()
    wait_for(states, EngineState.STARTING)
    after = client.predict("a", ON_SQUARE).result(WAIT_S)
    assert client.pid != first_pid
    np.testing.assert_array_equal(after.logits, before.logits)


def test_a_question_survives_the_death_of_the_engine(client: EngineClient, squares: Any) -> None:
    loading = client.start()
    client.set_image("a", squares)
    asked = client.predict("a", ON_SQUARE)
    assert client.pid is not None
    psutil.Process(client.pid).kill()
    assert asked.result(WAIT_S).mask(0).sum() == 40 * 40
    assert loading.result(WAIT_S).name == "fake"


def test_out_of_memory_says_what_to_do(
    client: EngineClient, squares: Any, states: queue.Queue[Any]
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", np.full_like(squares, 13))
    error = client.predict("a", ON_SQUARE).exception(WAIT_S)
    assert isinstance(error, ModelError)
    assert "smaller" in str(error)
    assert "\n" not in str(error)
    wait_for(states, EngineState.FAILED)
    client.set_image("b", squares)
    assert client.predict("b", ON_SQUARE).result(WAIT_S).mask(0).any()


def test_a_prompt_that_the_engine_dies_of_is_not_asked_for_ever(
    client: EngineClient, squares: Any, states: queue.Queue[Any]
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", np.full_like(squares, 14))
    error = client.predict("a", ON_SQUARE).exception(WAIT_S)
    assert isinstance(error, ModelError)
    assert "lack of memory" in str(error)
    assert "smaller model" in str(error)
    assert "\n" not in str(error)
    client.set_image("b", squares)
    assert client.predict("b", ON_SQUARE).result(WAIT_S).mask(0).any()
    assert client.pid is not None


def test_an_image_that_the_engine_dropped_is_sent_again(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    client._images = {"a": squares}
    assert client.predict("a", ON_SQUARE).result(WAIT_S).mask(0).any()
    error = client.predict("never sent", ON_SQUARE).exception(WAIT_S)
    assert isinstance(error, ModelError)
    assert "open the image again" in str(error)


def test_an_image_may_be_made_in_the_clients_own_thread(client: EngineClient, squares: Any) -> None:
    made_in = []

    def make() -> Any:
        made_in.append(threading.current_thread())
        return squares

    client.start().result(WAIT_S)
    client.set_image("a", make)
    assert client.predict("a", ON_SQUARE).result(WAIT_S).mask(0).any()
    assert made_in
    assert threading.current_thread() not in made_in


def test_an_image_that_cannot_be_made_stops_nothing_else(
    client: EngineClient, squares: Any
) -> None:
    def fail() -> Any:
        msg = "the file is gone"
        raise InputError(msg)

    client.start().result(WAIT_S)
    error = client.prefetch("b", fail).exception(WAIT_S)
    assert isinstance(error, ModelError)
    assert "the file is gone" in str(error)
    client.set_image("a", squares)
    assert client.predict("a", ON_SQUARE).result(WAIT_S).mask(0).any()


def test_what_is_warm_is_not_encoded_again(client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    assert client.warm("a", (60.0, 60.0)).result(WAIT_S)
    encoded = client.stats().result(WAIT_S)["encoded"]
    client.predict("a", ON_SQUARE).result(WAIT_S)
    assert client.stats().result(WAIT_S)["encoded"] == encoded == 1
    assert not client.warm("never sent").result(WAIT_S)


def test_a_prefetched_image_is_encoded_before_it_is_shown(
    client: EngineClient, squares: Any
) -> None:
    client.start()
    client.set_image("a", squares)
    small = np.ascontiguousarray(squares[:200, :200])
    assert client.prefetch("b", lambda: small).result(WAIT_S)
    client.set_image("b", small)
    encoded = client.stats().result(WAIT_S)["encoded"]
    assert client.predict("b", ON_SQUARE).result(WAIT_S).mask(0).any()
    assert client.stats().result(WAIT_S)["encoded"] == encoded == 1


def test_idle_requests_can_be_cancelled(client: EngineClient, squares: Any) -> None:
    client.start()
    client.set_image("a", squares)
    asked = [client.warm("a") for _ in range(3)]
    client.cancel_idle()
    outcomes = [one.exception(WAIT_S) or one.result() for one in asked]
    # Whatever was not done yet is told to be cancelled; nothing is left open.
    assert all(outcome is True or isinstance(outcome, StaleAnswerError) for outcome in outcomes)
    assert client.warm("a").result(WAIT_S)


def test_idle_requests_do_not_survive_the_engine(client: EngineClient, squares: Any) -> None:
    client.start().result(WAIT_S)
    deadly = np.full_like(squares, 14)
    assert isinstance(client.prefetch("b", deadly).exception(WAIT_S), StaleAnswerError)
    client.set_image("a", squares)
    assert client.predict("a", ON_SQUARE).result(WAIT_S).mask(0).any()
    pid = client.pid
    # It is not tried again, as often as it may be asked for; others are.
    assert not client.prefetch("b", deadly).result(WAIT_S)
    assert client.prefetch("c", squares.T).result(WAIT_S)
    assert client.pid == pid


def test_a_prefetch_that_fails_is_not_the_users_concern(
    client: EngineClient, squares: Any, states: queue.Queue[Any]
) -> None:
    client.start().result(WAIT_S)
    error = client.prefetch("c", np.full_like(squares, 13)).exception(WAIT_S)
    assert isinstance(error, ModelError)
    client.stats().result(WAIT_S)
    seen = []
    while not states.empty():
        seen.append(states.get()[0])
    assert EngineState.FAILED not in seen


def test_a_long_object_is_shown_before_it_is_whole(client: EngineClient, squares: Any) -> None:
    line = np.full_like(squares, 30)
    line[100:110, 20:580] = 220
    client.start().result(WAIT_S)
    client.set_image("a", line)
    parts: list[Any] = []
    whole = client.predict("a", Prompts([(105.0, 300.0)], [1]), parts.append).result(WAIT_S)
    (part,) = parts
    assert (part.complete, whole.complete) == (False, True)
    assert part.mask(0).sum() == 10 * 256
    assert whole.mask(0).sum() == 10 * 560
    client.predict("a", Prompts([(20.0, 20.0)], [1]), parts.append).result(WAIT_S)
    assert len(parts) == 1


def test_further_clicks_stay_in_their_window_whoever_answers(
    client: EngineClient, squares: Any
) -> None:
    client.start().result(WAIT_S)
    client.set_image("a", squares)
    client.predict("a", ON_SQUARE).result(WAIT_S)
    more = Prompts([(60.0, 60.0), (230.0, 230.0)], [1, 1])
    before = client.predict("a", more).result(WAIT_S)
    assert client.pid is not None
    psutil.Process(client.pid).kill()
    after = client.predict("a", more).result(WAIT_S)
    assert after.offset_rc == before.offset_rc
    np.testing.assert_array_equal(after.logits, before.logits)


def test_a_missing_model_is_one_clear_line(fake_engine: tuple[str, ...]) -> None:
    client = EngineClient("missing", None, fake_engine)
    error = client.start().exception(WAIT_S)
    later = client.predict("a", ON_SQUARE)
    client.set_image("a", np.zeros((50, 50), np.uint8))
    again = client.predict("a", Prompts([(5.0, 5.0)], [1])).exception(WAIT_S)
    client.close()
    assert isinstance(error, ModelError)
    assert "segsem doctor" in str(error)
    assert later.done()
    assert str(again) == str(error)


def test_an_engine_that_cannot_start_is_given_up(states: queue.Queue[Any]) -> None:
    client = EngineClient("fake", lambda *told: states.put(told), ("--no-such-option",))
    error = client.start().exception(WAIT_S)
    client.close()
    assert isinstance(error, ModelError)
    assert "no-such-option" in str(error)
    assert EngineState.FAILED in wait_for(states, EngineState.STOPPED)


def test_close_leaves_no_process(client: EngineClient) -> None:
    client.start().result(WAIT_S)
    assert client.pid is not None
    process = psutil.Process(client.pid)
    client.close()
    assert not process.is_running()
    assert isinstance(client.predict("a", ON_SQUARE).exception(WAIT_S), ModelError)


def test_the_engine_ends_with_its_requests(fake_engine: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "segsem.engine", *fake_engine]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=WAIT_S, check=False)
    assert done.returncode == 0


def test_the_client_needs_no_torch_and_no_qt() -> None:
    code = (
        "import sys, segsem.engine.client;"
        "print([m for m in ('torch', 'cv2', 'PyQt5', 'napari', 'qtpy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert shown.stdout.strip() == "[]"
