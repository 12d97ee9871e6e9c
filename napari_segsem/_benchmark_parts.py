"""What is done in the window while times are taken; each part yields what to wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_segsem._benchmark_images import Place, Point, free_pads, pad_corners
from napari_segsem._benchmark_roles import ControlHands, Hand, OurHands
from napari_segsem._heartbeat_gaps import Heartbeat
from napari_segsem._heartbeat_run import SETTLE_MS, STILL_DRAWING, Wait
from segsem.core.types import LabelArray

Role = OurHands | ControlHands

REST_MS = 400.0
"""A person looks at an object for so long before a click, at least."""

HOLD_MS = 60.0
"""A button is held for so long in a quick click, and a box takes `DRAG_STEPS` events of a mouse to
draw: times are taken from the release."""

DRAG_STEPS = 16

SCRIPT_SEED = 7
N_ACTIONS = 200
ACTIONS = ("click", "box", "accept", "brush", "undo", "redo", "view", "next image")
SHARES = (0.22, 0.12, 0.24, 0.14, 0.1, 0.06, 0.06, 0.06)
STROKE_STEPS, STROKE_STEP_PX = 12, 9

N_REGIONS = 2000
MIDDLE = (2048.0, 2048.0)
PAN_STEPS, PAN_STEP_PX = 60, 9
STEP_MS = 16.0
"""Between two events of a mouse that moves."""

SAME_IOU = 0.8


@dataclass(slots=True)
class Stage:
    """Where a part is played.

    Attributes
    ----------
    beat : Heartbeat
    hand : Hand
    role : OurHands or ControlHands
    places : list of Place
        What may be clicked on.
    found : dict
        What the part says, as JSON values.
    """

    beat: Heartbeat
    hand: Hand
    role: Role
    places: list[Place]
    found: dict[str, Any] = field(default_factory=dict)


def script(places: int) -> list[tuple[str, int]]:
    """`N_ACTIONS` actions, the same in every run; each with the number of a place."""
    rng = np.random.default_rng(SCRIPT_SEED)
    names = [ACTIONS[int(i)] for i in rng.choice(len(ACTIONS), N_ACTIONS, p=SHARES)]
    # What is accepted must have been asked for.
    names = [
        "click" if name == "accept" and before not in ("click", "box") else name
        for before, name in zip(["", *names], names, strict=False)
    ]
    return [(name, int(rng.integers(places))) for name in names]


def outline_part(stage: Stage, repeats: int) -> Iterator[Wait]:
    """Click on objects: after the mouse rested on them, and at once."""
    yield from opened(stage)
    for way in ("rested", "at once", "box"):
        stage.beat.enter(f"outline, {way}")
        times: list[float] = stage.found.setdefault(way, [])
        for number in range(repeats):
            # Other places for each way: what was encoded for one is not there for the next.
            place = stage.places[(7 * number + 3 + 2 * len(stage.found)) % len(stage.places)]
            stage.role.clear()
            yield STILL_DRAWING
            if way == "rested":
                stage.hand.hover(place.at_rc)
                yield REST_MS
            yield from _asked(stage, place, box=way == "box")
            yield STILL_DRAWING
            times.append(round(stage.hand.elapsed_ms, 2))


def script_part(stage: Stage) -> Iterator[Wait]:
    """Open the images and go through the script."""
    yield from opened(stage)
    yield from play(stage)


def play(stage: Stage) -> Iterator[Wait]:
    """Go through the script; gaps are kept by the kind of action."""
    role, started = stage.role, time.perf_counter()
    for name, number in script(len(stage.places)):
        stage.beat.enter(name)
        place = stage.places[number]
        if name in ("click", "box"):
            role.clear()
            yield from _asked(stage, place, box=name == "box")
        elif name == "brush":
            yield from _stroke(stage, place.at_rc)
        elif name == "next image":
            yield role.turn()
        else:
            act: Callable[[], object] = role.cycle_view if name == "view" else getattr(role, name)
            act()
        yield STILL_DRAWING
        yield role.settled
    stage.found |= {"s": round(time.perf_counter() - started, 2), "actions": N_ACTIONS}


def repeat_part(stage: Stage, truth: LabelArray, repeats: int) -> Iterator[Wait]:
    """Click on the first of many holes, find the others, accept them all; and some by hand."""
    role, hand = stage.role, stage.hand
    if not isinstance(role, OurHands):
        return
    yield from opened(stage)
    stage.found |= {"holes": int(truth.max()), "repeat": [], "one by one": []}
    for _ in range(repeats):
        stage.beat.enter("repeat")
        annotation = role.annotation
        hand.hover(stage.places[0].at_rc)
        yield REST_MS
        started = time.perf_counter()
        hand.click(stage.places[0].at_rc)
        yield role.outlined
        role.repeat()
        yield role.has_found
        found_s = time.perf_counter() - started
        role.accept()
        role.accept_all()
        hand.time_frame(role.is_empty_handed)
        hand.draw()
        yield hand.shown
        seconds = time.perf_counter() - started
        right, extra = compared(annotation.labels, truth)
        run = {"s": seconds, "found_s": found_s, "right": right, "extra": extra}
        stage.found["repeat"].append(run)
        while annotation.history.undo_name is not None:
            role.undo()
        yield SETTLE_MS
    stage.beat.enter("one by one")
    for place in stage.places[1:21]:
        started = time.perf_counter()
        yield from _asked(stage, place)
        role.accept()
        yield role.is_empty_handed
        stage.found["one by one"].append(time.perf_counter() - started)


def regions_part(stage: Stage, repeats: int) -> Iterator[Wait]:
    """Move about in an image with thousands of objects, and ask for more."""
    beat, role, camera = stage.beat, stage.role, stage.hand.viewer.scene.camera
    corners = pad_corners(N_REGIONS)
    beat.enter("open")
    yield role.open()
    yield SETTLE_MS
    beat.enter("fill")
    role.fill(corners)
    yield SETTLE_MS
    stage.found |= {"shapes": shapes_in(stage.hand.viewer), "objects": len(corners)}
    for name, zoom in (("pan, whole image", camera.zoom), ("pan, one to one", 1.0)):
        camera.zoom, camera.center = zoom, MIDDLE
        yield SETTLE_MS
        beat.enter(name)
        yield from _pan(stage, name)
    free = free_pads(corners)
    for name in ("prompt", "accept"):
        beat.enter(f"{name} among many")
        times: list[float] = stage.found.setdefault(name, [])
        for number in range(repeats):
            point = free[(977 * number + 13) % len(free)]
            role.clear()
            camera.center = point
            stage.hand.hover(point)
            yield REST_MS
            yield from _asked(stage, Place(point, (*point, *point)))
            if name == "accept":
                yield STILL_DRAWING
                stage.hand.time_frame(role.is_empty_handed)
                role.accept()
                yield stage.hand.shown
            times.append(round(stage.hand.elapsed_ms, 2))
            yield STILL_DRAWING


def shapes_in(viewer: Any) -> int:
    """Shapes in Shapes layers: thousands of them would make any window slow."""
    return sum(len(layer.data) for layer in viewer.layers if type(layer).__name__ == "Shapes")


def compared(labels: LabelArray, truth: LabelArray) -> tuple[int, int]:
    """Objects of the truth that were found, and objects found that are none of them."""
    right: set[int] = set()
    extra = 0
    for number in np.unique(labels[labels > 0]):
        mask = labels == number
        under = np.bincount(truth[mask])
        under[0] = 0
        best = int(under.argmax()) if len(under) else 0
        union = np.count_nonzero(mask | (truth == best)) if best else 1
        is_right = best and under[best] / union >= SAME_IOU and best not in right
        right |= {best} if is_right else set()
        extra += not is_right
    return len(right), extra


def opened(stage: Stage) -> Iterator[Wait]:
    """Open the images, and click once: the model and the layers come to be there."""
    stage.beat.enter("open")
    yield stage.role.open()
    yield SETTLE_MS
    stage.beat.enter("first click")
    yield from _asked(stage, stage.places[0])
    yield SETTLE_MS
    stage.role.clear()
    yield SETTLE_MS


def _asked(stage: Stage, place: Place, *, box: bool = False) -> Iterator[Wait]:
    """Ask with a click or a box, and take the time from the release to the outline."""
    hand, role = stage.hand, stage.role
    start, end = place.at_rc, place.at_rc
    if box:
        start, end = place.box_rc[:2], place.box_rc[2:]
    hand.press(start)
    if box:
        for share in np.linspace(1 / DRAG_STEPS, 1.0, DRAG_STEPS):
            hand.drag_to((1 - share) * np.array(start) + share * np.array(end))
            yield STEP_MS
    else:
        yield HOLD_MS
    hand.time_frame(role.outlined)
    hand.release(end)
    role.asked(place, box=box)
    yield hand.shown


def _stroke(stage: Stage, start: Point) -> Iterator[Wait]:
    hand, role = stage.hand, stage.role
    role.clear()
    role.take("brush")
    # A key and a button are two events, each of which may be waited for.
    yield STILL_DRAWING
    path = [
        (start[0] + 0.4 * number * STROKE_STEP_PX, start[1] + number * STROKE_STEP_PX)
        for number in range(STROKE_STEPS)
    ]
    hand.press(path[0])
    for at in path:
        hand.drag_to(at)
        role.stroke_moved(at)
        yield STEP_MS
    hand.release(path[-1])
    role.stroke_ended()
    yield STILL_DRAWING
    role.take("prompt")


def _pan(stage: Stage, name: str) -> Iterator[Wait]:
    """Drag the image to and fro, a frame at a time."""
    times: list[float] = stage.found.setdefault(name, [])
    stage.role.hold_to_pan(True)
    stage.hand.press(MIDDLE)
    for number in range(PAN_STEPS):
        stage.hand.time_frame(_always)
        stage.hand.drag_by(PAN_STEP_PX if number // 10 % 2 else -PAN_STEP_PX)
        yield stage.hand.shown
        times.append(round(stage.hand.elapsed_ms, 2))
    stage.hand.release_here()
    stage.role.hold_to_pan(False)
    yield STILL_DRAWING


def _always() -> bool:
    return True
