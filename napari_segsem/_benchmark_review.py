"""How quick a review is: `segsem benchmark review`, or `python -m napari_segsem._benchmark_review`.

A queue is cleared by keys in a real viewer, and a long one scrolled from end to end: once with the
plugin and, right after it, once in a control run, in which napari shows the same layers and a plain
Qt table the same words, without our callbacks. Compare the two.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from napari_segsem._benchmark import ROLES, Runs, run_child
from napari_segsem._benchmark_review_lot import write_lot
from napari_segsem._benchmark_review_report import as_text, report
from segsem.core.exceptions import SegSemError
from segsem.core.files import write_json
from segsem.review.folder import review_folder

PARTS = ("decide", "scroll")
CHILD = "napari_segsem._benchmark_review_run"
DECIDE_IMAGES, DECIDE_EACH = 10, 20
SCROLL_IMAGES, SCROLL_EACH = 50, 100


def main() -> None:
    """Read the command line, play all parts, print and write what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_segsem._benchmark_review", description=__doc__
    )
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=2, help="runs of each part, ours and control")
    parser.add_argument("--share", type=float, default=1.0, help="of the images of each lot")
    options = parser.parse_args()
    try:
        found = report(measured(options))
    except SegSemError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    print(as_text(found))  # noqa: T201
    if options.json is not None:
        write_json(options.json, found)


def measured(options: argparse.Namespace) -> Runs:
    """Play parts in turns.

    Returns
    -------
    dict
        What each run said, by part and role.

    Raises
    ------
    TaskError
        If a run did not come to its end.
    """
    runs: Runs = {}
    with tempfile.TemporaryDirectory(prefix="segsem-benchmark-") as folder:
        for part in options.parts:
            results = _lot(Path(folder) / part, part, options.share)
            runs[part] = {role: [] for role in ROLES}
            for number in range(options.rounds):
                for role in ROLES:
                    # Nothing is decided yet, in any run.
                    shutil.rmtree(review_folder(results / "any"), ignore_errors=True)
                    home = Path(folder) / f"{part}-{number}-{role}"
                    runs[part][role].append(run_child(CHILD, part, role, [str(results)], home))
    return runs


def _lot(folder: Path, part: str, share: float) -> Path:
    if part == "decide":
        return write_lot(folder, max(round(share * DECIDE_IMAGES), 2), DECIDE_EACH, in_runs=True)
    return write_lot(folder, max(round(share * SCROLL_IMAGES), 2), SCROLL_EACH, in_runs=False)


if __name__ == "__main__":
    main()
