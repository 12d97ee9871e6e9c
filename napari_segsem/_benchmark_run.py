"""One part of the GUI's benchmark in a process of its own: ours, or the control.

Started by `_benchmark`, which makes the images; prints JSON in its last line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import tifffile

from napari_segsem._benchmark_images import holes, places_in
from napari_segsem._benchmark_parts import (
    Stage,
    outline_part,
    regions_part,
    repeat_part,
    script_part,
)
from napari_segsem._benchmark_roles import ControlHands, Hand, OurHands
from napari_segsem._benchmark_training import prepare, training_part
from napari_segsem._heartbeat_gaps import Heartbeat
from napari_segsem._heartbeat_run import Driver, Wait

WINDOW_PX = (1300, 850)

PARTS: dict[str, Callable[[Stage, int], Iterator[Wait]]] = {
    "outline": outline_part,
    "script": lambda stage, _repeats: script_part(stage),
    "repeat": lambda stage, repeats: repeat_part(stage, holes()[1], repeats),
    "regions": regions_part,
    "training": lambda stage, _repeats: training_part(stage),
}


def main() -> None:
    """Play one part and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsem._benchmark_run")
    parser.add_argument("part", choices=tuple(PARTS))
    parser.add_argument("role", choices=("ours", "control"))
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--model", default="segsem-nano")
    options = parser.parse_args()
    if options.part == "training":
        prepare(options.images[0].parent / f"set-{options.role}")
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW_PX)
    grey = tifffile.imread(options.images[0])
    role: OurHands | ControlHands
    if options.role == "ours":
        role = OurHands(viewer, options.images, options.model)
    else:
        role = ControlHands(viewer, options.images)
    hand = role.hand = Hand(viewer, grey.shape)
    places = [] if options.part == "regions" else places_in(grey)
    stage = Stage(Heartbeat(), hand, role, places)

    def end() -> None:
        said: dict[str, Any] = {"role": options.role, "gaps": stage.beat.gaps, **stage.found}
        said["is_complete"] = driver.is_done
        print(json.dumps(said), flush=True)  # noqa: T201
        role.close()
        viewer.close()

    driver = Driver(PARTS[options.part](stage, options.repeats), end)
    napari.run()


if __name__ == "__main__":
    main()
