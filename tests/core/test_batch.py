"""The batch runner: failures stay with their image, and a second run does no work twice."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segsem import batch
from segsem.batch import run_batch
from segsem.batch_report import (
    BatchOptions,
    BatchReport,
    ImageFinished,
    ImageStatus,
    ImageStep,
    LazyModel,
)
from segsem.core.contour import Region, ReviewStatus, Source
from segsem.core.exceptions import ExportError, InputError, ModelError
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams
from segsem.core.progress import Progress, run_to_completion
from segsem.export.outputs import write_results
from segsem.export.results import read_results
from segsem.export.reviewed import find_lot, open_review
from segsem.imaging.image import SEMImage
from segsem.review.decision import Action


@dataclass
class FakeSource:
    """An image from memory, or the error that reading it gives."""

    image_id: str
    error: Exception | None = None
    sha256: str = "aa"
    pixel_size_nm: tuple[float, float] | None = (2.0, 2.0)

    def read(self) -> SEMImage:
        if self.error is not None:
            raise self.error
        data = np.full((12, 16), 90, dtype=np.uint8)
        return SEMImage(data, self.image_id, sha256=self.sha256, pixel_size_nm=self.pixel_size_nm)


class FakePredictor:
    """Nothing: the fake extraction asks it nothing."""


def model(weights_sha256: str = "w1", load: Callable[[], Any] = FakePredictor) -> LazyModel:
    return LazyModel("fake", weights_sha256, load)


class FakeExtract:
    """Stands in for `segsem.pipeline.extract_steps` and counts its calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.needs_human = False

    def __call__(
        self, image: SEMImage, predictor: Any, params: ExtractParams, design: Any = None
    ) -> Generator[Progress, None, Extraction]:
        self.seen.append(image.name)
        yield Progress(1, 2, "half way")
        if image.name in self.errors:
            raise self.errors[image.name]
        mask = np.ones((3, 4), dtype=bool)
        region = Region(1, (2, 2), mask, (), Source.SAM2, 0.9, needs_human=self.needs_human)
        return Extraction(
            image_id=image.name,
            shape=image.shape,
            valid_rows=image.valid_rows,
            pixel_size_nm=image.pixel_size_nm,
            pixel_size_source=None if image.pixel_size_nm is None else "user",
            regions=(region,),
            confidence_map=np.ones(image.shape, dtype=np.float32),
        )


@pytest.fixture
def extract(monkeypatch: pytest.MonkeyPatch) -> FakeExtract:
    fake = FakeExtract()
    monkeypatch.setattr(batch, "extract_steps", fake)
    return fake


Run = Callable[..., BatchReport]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*sources: FakeSource, **options: Any) -> BatchReport:
        params = options.pop("params", ExtractParams())
        lazy = options.pop("model", model())
        steps = run_batch(sources, tmp_path / "out", params, lazy, BatchOptions(**options))
        return run_to_completion(steps)

    return run


def read_summary(report: BatchReport) -> list[dict[str, str]]:
    with (report.out / "summary.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_layouts_and_summary_of_all(extract: FakeExtract, run: Run) -> None:
    report = run(FakeSource("a"), FakeSource("b"))
    assert report.exit_code == 0
    assert {path.name for path in report.files} >= {"contours.oas", "contours.gds", "summary.csv"}
    assert all(path.is_file() for path in report.files)
    assert [row["image_id"] for row in read_summary(report)] == ["a", "b"]
    result = read_results(report.out / "a")
    assert result.regions[0].area_px == 12
    assert {"snr", "blur_px", "saturated_fraction"} <= set(result.provenance)
    assert (report.out / "b" / "overlay.png").is_file()


def test_steps_are_counted_and_carry_outcomes(extract: FakeExtract, tmp_path: Path) -> None:
    steps = run_batch([FakeSource("a")], tmp_path, ExtractParams(), model())
    seen: list[Progress] = []
    run_to_completion(steps, seen.append)
    within = [step for step in seen if isinstance(step, ImageStep)]
    finished = [step for step in seen if isinstance(step, ImageFinished)]
    between = [(step.done, step.total) for step in seen if step not in within]
    assert within == [ImageStep(1, 2, "half way", "a")]
    assert between == [(0, 1), (1, 1), (1, 1)]
    assert finished[0].outcome is not None
    assert finished[0].outcome.status is ImageStatus.EXTRACTED


def test_a_failure_stays_with_its_image(extract: FakeExtract, run: Run) -> None:
    extract.errors["c"] = RuntimeError("out of\nmemory")
    report = run(FakeSource("a"), FakeSource("b", InputError("truncated")), FakeSource("c"))
    assert [outcome.status.value for outcome in report.outcomes] == [
        "extracted",
        "failed",
        "failed",
    ]
    assert report.exit_code == 5
    assert not (report.out / "b").exists()
    assert not (report.out / "c").exists()
    assert [row["error"] for row in read_summary(report)] == [
        "",
        "truncated",
        "Internal error, please report it: RuntimeError: out of memory",
    ]


def test_mistakes_in_the_program_are_not_taken_for_bad_images(
    extract: FakeExtract, run: Run
) -> None:
    extract.errors["a"] = TypeError("wrong call")
    with pytest.raises(TypeError):
        run(FakeSource("a"))


def test_the_only_image_failing_gives_its_own_code_and_leaves_nothing(
    extract: FakeExtract, run: Run, tmp_path: Path
) -> None:
    report = run(FakeSource("a", InputError("truncated")))
    assert report.exit_code == 3
    assert report.files == ()
    assert not (tmp_path / "out").exists()


def test_all_failing_alike_give_their_own_code(extract: FakeExtract, run: Run) -> None:
    wrong = InputError("truncated")
    assert run(FakeSource("a", wrong), FakeSource("b", wrong)).exit_code == 3
    assert run(FakeSource("a", wrong), FakeSource("b", ModelError("x"))).exit_code == 5


def test_a_model_that_does_not_load_ends_the_batch(extract: FakeExtract, run: Run) -> None:
    def broken() -> FakePredictor:
        msg = "no weights"
        raise ModelError(msg)

    with pytest.raises(ModelError, match="no weights"):
        run(FakeSource("a"), FakeSource("b"), model=model(load=broken))


def test_the_model_is_loaded_once_and_only_when_an_image_needs_it(
    extract: FakeExtract, run: Run
) -> None:
    loads: list[int] = []

    def load() -> FakePredictor:
        loads.append(1)
        return FakePredictor()

    run(FakeSource("a", InputError("x")), model=model(load=load))
    assert loads == []
    run(FakeSource("a"), FakeSource("b"), model=model(load=load))
    assert loads == [1]
    run(FakeSource("a"), FakeSource("b"), model=model(load=load))
    assert loads == [1]


def test_second_run_keeps_what_is_complete(extract: FakeExtract, run: Run) -> None:
    run(FakeSource("a"), FakeSource("b"))
    report = run(FakeSource("a"), FakeSource("b"), FakeSource("c"))
    assert extract.seen == ["a", "b", "c"]
    assert [outcome.status.value for outcome in report.outcomes] == ["kept", "kept", "extracted"]
    assert [row["image_id"] for row in read_summary(report)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (FakeSource("a", sha256="bb"), {}),
        (FakeSource("a", pixel_size_nm=(3.0, 3.0)), {}),
        (FakeSource("a"), {"params": ExtractParams(threshold=0.5)}),
        (FakeSource("a"), {"model": model("w2")}),
        (FakeSource("a"), {"force": True}),
    ],
    ids=["image", "pixel size", "parameters", "weights", "force"],
)
def test_second_run_makes_again_what_would_differ(
    extract: FakeExtract, run: Run, source: FakeSource, options: dict[str, Any]
) -> None:
    run(FakeSource("a"))
    run(source, **options)
    assert extract.seen == ["a", "a"]


@pytest.mark.parametrize("name", ["regions.json", "contours.csv", "labels.tif"])
def test_damaged_results_are_made_again(extract: FakeExtract, run: Run, name: str) -> None:
    out = run(FakeSource("a")).out
    (out / "a" / name).write_bytes(b"{")
    report = run(FakeSource("a"))
    assert extract.seen == ["a", "a"]
    assert report.exit_code == 0


def test_reviewed_results_are_not_replaced_unasked(extract: FakeExtract, run: Run) -> None:
    out = run(FakeSource("a")).out
    before = read_results(out / "a")
    accepted = [
        Region(r.region_id, r.offset_rc, r.mask, (), r.source, r.confidence, status=status)
        for r, status in zip(before.regions, [ReviewStatus.ACCEPTED], strict=True)
    ]
    reviewed = Extraction(
        **{name: getattr(before, name) for name in Extraction.__dataclass_fields__}
        | {"regions": tuple(accepted)}
    )
    write_results(reviewed, out)

    assert run(FakeSource("a")).outcomes[0].status is ImageStatus.KEPT
    refused = run(FakeSource("a"), params=ExtractParams(threshold=0.5))
    assert refused.exit_code == 3
    assert "reviewed" in str(refused.outcomes[0].error)
    assert read_results(out / "a").regions[0].status is ReviewStatus.ACCEPTED
    assert run(FakeSource("a"), params=ExtractParams(threshold=0.5), force=True).exit_code == 0


def test_decisions_in_the_journal_count_as_a_review(extract: FakeExtract, run: Run) -> None:
    out = run(FakeSource("a")).out
    review = open_review(find_lot([out]), write=True)
    review.decide(next(iter(review.items)), Action.ACCEPT, "ann")
    review.close()
    refused = run(FakeSource("a"), params=ExtractParams(threshold=0.5))
    assert refused.exit_code == 3
    assert "reviewed" in str(refused.outcomes[0].error)


def test_layout_named_without_pixel_size_fails_before_the_work(
    extract: FakeExtract, run: Run, tmp_path: Path
) -> None:
    report = run(FakeSource("a", pixel_size_nm=None), formats=("oas",))
    assert report.exit_code == 3
    assert "--pixel-size" in str(report.outcomes[0].error)
    assert extract.seen == []
    assert not (tmp_path / "out").exists()


def test_layout_not_named_is_left_out_with_a_warning(extract: FakeExtract, run: Run) -> None:
    report = run(FakeSource("a", pixel_size_nm=None))
    assert report.exit_code == 0
    assert [path.name for path in report.files] == ["summary.csv"]
    assert any("No layout was written" in warning for warning in report.outcomes[0].warnings)
    assert read_results(report.out / "a").warnings == report.outcomes[0].warnings


def test_undecided_regions_keep_an_image_out_of_named_layouts(
    extract: FakeExtract, run: Run
) -> None:
    extract.needs_human = True
    first = run(FakeSource("a"), formats=("oas", "csv"))
    second = run(FakeSource("a"), formats=("oas", "csv"))
    for report in (first, second):
        assert report.exit_code == 3
        assert read_results(report.out / "a").regions[0].needs_human
        assert not (report.out / "contours.oas").exists()
    assert run(FakeSource("a"), formats=("oas", "csv"), allow_needs_human=True).exit_code == 0
    assert (first.out / "contours.oas").is_file()


def test_only_the_formats_asked_for_are_written(extract: FakeExtract, run: Run) -> None:
    report = run(FakeSource("a"), formats=("csv",))
    names = {path.name for path in report.out.rglob("*") if path.is_file()}
    assert not names & {"contours.oas", "contours.gds", "overlay.png"}
    assert {"contours.csv", "regions.json", "summary.csv"} <= names


def test_folder_that_cannot_be_written_stops_before_any_work(
    extract: FakeExtract, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    steps = run_batch([FakeSource("a")], tmp_path / "file" / "out", ExtractParams(), model())
    with pytest.raises(ExportError, match="Cannot write"):
        run_to_completion(steps)
    assert extract.seen == []


def test_closing_within_an_image_leaves_nothing_of_it(extract: FakeExtract, tmp_path: Path) -> None:
    steps = run_batch([FakeSource("a")], tmp_path / "out", ExtractParams(), model())
    next(step for step in steps if isinstance(step, ImageStep))
    steps.close()
    assert not (tmp_path / "out").exists()


def test_closing_the_generator_leaves_whole_results_only(
    extract: FakeExtract, tmp_path: Path
) -> None:
    steps = run_batch([FakeSource("a"), FakeSource("b")], tmp_path, ExtractParams(), model())
    for step in steps:
        if isinstance(step, ImageFinished):
            break
    steps.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(read_results(tmp_path / "a").regions) == 1
