"""Few-shot measurement: plans, splits by site, runs that resume, falls of error and intervals."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import InputError
from segsem.core.files import write_text
from segsem.core.progress import Progress, run_to_completion
from segsem.evaluation.fewshot import (
    HELD_OUT,
    FewShotMeasurement,
    FewShotSet,
    RunResult,
    Trained,
    read_result,
)
from segsem.evaluation.fewshot_plan import (
    MODES,
    RATE_FACTORS,
    ZERO_SHOT,
    RunKey,
    ablation,
    best_rates,
    rate_trials,
    split_by_site,
    subset,
    sweep,
)
from segsem.evaluation.fewshot_score import (
    MEASURES,
    REACH_PX,
    KnownImage,
    ObjectResult,
    score_image,
)
from segsem.evaluation.fewshot_tables import (
    ablation_table,
    curve_table,
    encoder_runs,
    fall_of,
    forgetting_table,
    rates_table,
    runs_csv,
)
from segsem.metrics.polyline import Polyline
from segsem.segmentation.predictor import ImageEmbedding, MaskPrediction, Predictor
from segsem.segmentation.prompts import Prompts

SIDE = 64
FIRST, LAST = 19.5, 43.5


class SquarePredictor:
    """Answers any prompt with the square of the image, its edges `too_large_px` too far out."""

    name, weights_sha256, frame_px, device = "square", "0", SIDE, "cpu"

    def __init__(self, too_large_px: float) -> None:
        self.too_large_px = too_large_px

    def encode(self, image: np.ndarray) -> ImageEmbedding:
        return ImageEmbedding((SIDE, SIDE), (SIDE, SIDE), None, "square")

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        at = np.arange(SIDE, dtype=np.float32)
        along = (LAST - FIRST) / 2 + self.too_large_px - np.abs(at - (FIRST + LAST) / 2)
        logits = np.minimum(along[:, None], along[None, :])[None].astype(np.float32)
        return MaskPrediction(logits, logits, np.array([0.9], np.float32))


def square_image(name: str = "a", group: str = HELD_OUT, site: str = "S00") -> KnownImage:
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[20:44, 20:44] = 1
    grey = np.where(labels > 0, 180, 60).astype(np.uint8)
    corners = np.array([[FIRST, FIRST], [LAST, FIRST], [LAST, LAST], [FIRST, LAST]])
    return KnownImage(name, group, site, grey, labels, (Polyline(corners, True),), (1,), True)


@pytest.mark.parametrize("too_large_px", [0.0, 1.5, -2.0])
def test_raw_errors_are_those_of_the_logits_and_placed_ones_are_not(too_large_px: float) -> None:
    (found,) = score_image(SquarePredictor(too_large_px), square_image())  # type: ignore[arg-type]
    for kind in ("click", "box"):
        assert found.values[f"{kind}_epe_px"] == pytest.approx(abs(too_large_px), abs=0.15)
    wide = 24 + 2 * round(too_large_px)
    if too_large_px != 1.5:
        overlap = min(wide, 24) ** 2 / max(wide, 24) ** 2
        assert found.values["click_iou"] == pytest.approx(overlap)
    # The image says where the edge is, wherever the logits had it.
    (right,) = score_image(SquarePredictor(0.0), square_image())  # type: ignore[arg-type]
    assert found.values["placed_epe_px"] == pytest.approx(right.values["placed_epe_px"], abs=0.15)


def test_what_is_not_found_counts_with_the_whole_reach() -> None:
    (found,) = score_image(SquarePredictor(-100.0), square_image())  # type: ignore[arg-type]
    assert found.values["click_epe_px"] == REACH_PX
    assert found.values["placed_epe_px"] == REACH_PX
    assert found.values["click_iou"] == 0.0


def test_the_sweep_has_the_seeds_that_were_asked_for() -> None:
    keys = sweep()
    assert keys[0] == ZERO_SHOT
    assert len(set(keys)) == len(keys) == 1 + 1 + 3 + 1 + 3
    # One seed of the telling ones comes first.
    assert [(key.images, key.seed) for key in keys[1:3]] == [(42, 0), (10, 0)]
    assert len({key.name for key in keys}) == len(keys)


def test_every_mode_has_the_same_budget_of_rates() -> None:
    keys = rate_trials(42)
    assert {(key.train, key.rate) for key in keys} == {(m, r) for m in MODES for r in RATE_FACTORS}
    scores = {key: 0.5 + (key.rate == 3.0) - (key.train == "lora") * key.rate for key in keys}
    rates = best_rates(scores)
    assert (rates["all"], rates["lora"]) == (3.0, pytest.approx(1 / 3))
    assert best_rates(dict.fromkeys(keys, 0.5))["all"] == pytest.approx(1 / 3)
    compared = ablation(42, rates)
    assert len(compared) == 3 * len(MODES)
    assert {key.rate for key in compared if key.train == "all"} == {3.0}


def test_sites_are_held_out_as_a_whole() -> None:
    sites = {f"{site}-{number}": site for site in map(str, range(20)) for number in range(3)}
    taught, held = split_by_site(sites)
    assert (len(taught), len(held)) == (42, 18)
    assert not {sites[name] for name in taught} & {sites[name] for name in held}
    assert split_by_site(dict(reversed(sites.items()))) == (taught, held)
    with pytest.raises(InputError, match="more than 6 sites"):
        split_by_site({"a": "x", "b": "y"})
    with pytest.raises(InputError, match="each named in the manifest"):
        split_by_site({**sites, "a": ""})


def test_smaller_sets_lie_in_larger_ones_of_a_seed() -> None:
    taught = [f"{number:02d}" for number in range(42)]
    for seed in range(3):
        sets = [set(subset(taught, count, seed)) for count in (5, 10, 20, 42)]
        assert [len(one) for one in sets] == [5, 10, 20, 42]
        assert sets[0] < sets[1] < sets[2] < sets[3]
    assert subset(taught, 10, 0) != subset(taught, 10, 1)
    with pytest.raises(InputError, match="at most 42"):
        subset(taught, 43, 0)


class FakeTrainer:
    """Makes a predictor that errs the less, the more images there are."""

    def __init__(self) -> None:
        self.asked: list[tuple[RunKey, tuple[str, ...], tuple[str, ...]]] = []

    def base(self) -> Predictor:
        return SquarePredictor(4.0)  # type: ignore[return-value]

    def train(
        self, key: RunKey, taught: Sequence[str], held_out: Sequence[str]
    ) -> Generator[Progress, None, Trained]:
        yield Progress(0, 1, "epoch")
        self.asked.append((key, tuple(taught), tuple(held_out)))
        error = {10: 2.0, 42: 1.0}.get(key.images, 3.0)
        predictor: Predictor = SquarePredictor(error)  # type: ignore[assignment]
        return Trained(predictor, 1 - error / 10, 4, 3, 12.34)


@pytest.fixture
def data(tmp_path: Path) -> FewShotSet:
    """Eight sites of one image each, with exact truth."""
    image = square_image()
    rows = ["image,site,tone,truth"]
    for number in range(8):
        name = f"i{number}"
        truth = tmp_path / "set" / "truth" / name
        truth.mkdir(parents=True)
        (tmp_path / "set" / "images").mkdir(exist_ok=True)
        grey = image.grey.copy()
        grey[0, number] = 90
        tifffile.imwrite(tmp_path / "set" / "images" / f"{name}.tif", grey)
        tifffile.imwrite(truth / "labels.tif", image.labels)
        points = "".join(f"1,{x},{y},1,0,1\n" for y, x in image.contours[0].vertices_rc)
        write_text(
            truth / "contours.csv", f"contour_id,x_px,y_px,region_id,is_hole,closed\n{points}"
        )
        rows.append(f"images/{name}.tif,S{number},bright,truth/{name}")
    write_text(tmp_path / "set" / "manifest.csv", "\n".join(rows) + "\n")
    return FewShotSet.read(tmp_path / "set")


def known() -> list[KnownImage]:
    return [square_image("k", "line_space", "k")]


def test_runs_are_made_once_and_kept(data: FewShotSet, tmp_path: Path) -> None:
    trainer = FakeTrainer()
    folder = tmp_path / "runs"
    keys = [ZERO_SHOT, RunKey("image_encoder", 1, 0), RunKey("image_encoder", 2, 0)]
    found = run_to_completion(FewShotMeasurement(data, folder, trainer, known).run(keys))
    assert [one.key for one in found] == keys
    assert [len(taught) for _, taught, _ in trainer.asked] == [1, 2]
    # Nothing that is held out is given to learn from.
    assert all(held == data.held_out for _, _, held in trainer.asked)
    assert not {name for _, taught, _ in trainer.asked for name in taught} & set(data.held_out)
    groups = [one.group for one in found[0].objects]
    assert (groups.count(HELD_OUT), groups.count("line_space")) == (6, 1)
    again = FakeTrainer()
    repeated = run_to_completion(FewShotMeasurement(data, folder, again, known).run(keys))
    assert again.asked == []
    assert [replace(one, val_score=0.0) for one in repeated] == [
        replace(one, val_score=0.0) for one in found
    ]
    assert sorted(path.name for path in folder.iterdir()) == [
        "image_encoder-01-seed0.json",
        "image_encoder-02-seed0.json",
        "zero-shot.json",
    ]


def test_results_of_another_set_are_refused(data: FewShotSet, tmp_path: Path) -> None:
    runs = FewShotMeasurement(data, tmp_path / "runs", FakeTrainer(), known)
    run_to_completion(runs.run([ZERO_SHOT]))
    path = tmp_path / "runs" / "zero-shot.json"
    with pytest.raises(InputError, match="of another set or version"):
        read_result(path, "another")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="delete it, and it is made again"):
        read_result(path, data.digest)


def test_rates_are_chosen_by_validation_sites(data: FewShotSet, tmp_path: Path) -> None:
    runs = FewShotMeasurement(data, tmp_path / "runs", FakeTrainer(), known)
    rates = run_to_completion(runs.rates(rate_trials(2, ("all",))))
    assert rates == {"all": pytest.approx(1 / 3)}
    there = runs.known([ZERO_SHOT, *rate_trials(2, ("all", "lora"))])
    assert [run.key for run in there] == rate_trials(2, ("all",))


def result(key: RunKey, errors: dict[str, float]) -> RunResult:
    """A run whose objects, one of each site, have a raw error each."""
    objects = [
        ObjectResult(f"{site}-image", HELD_OUT, site, 1, _values(error))
        for site, error in errors.items()
    ]
    objects.append(ObjectResult("k", "contacts", "k", 1, _values(max(errors.values()))))
    return RunResult(key, ("x",), 0.5, 60.0, 12, 9, tuple(objects))


def _values(error: float) -> dict[str, float]:
    values = dict.fromkeys(MEASURES, 1 - error / 10)
    return values | {"click_epe_px": error, "box_epe_px": error, "placed_epe_px": error}


BASE = result(ZERO_SHOT, {"a": 2.0, "b": 4.0})


def test_a_fall_is_the_share_of_the_error_that_is_gone() -> None:
    run = result(RunKey("image_encoder", 42, 0), {"a": 1.0, "b": 2.0})
    fall = fall_of(BASE, [run], "raw EPE (px)")
    assert (fall.before, fall.after, fall.share) == (3.0, 1.5, 0.5)
    # The same at every site: no doubt.
    assert (fall.low, fall.high) == (pytest.approx(0.5), pytest.approx(0.5))
    assert np.isnan(fall.spread)


def test_sites_that_differ_widen_the_interval_and_seeds_are_averaged() -> None:
    runs = [
        result(RunKey("image_encoder", 42, 0), {"a": 2.0, "b": 1.0}),
        result(RunKey("image_encoder", 42, 1), {"a": 2.0, "b": 3.0}),
    ]
    fall = fall_of(BASE, runs, "raw EPE (px)")
    assert fall.share == pytest.approx(1 / 3)
    # Drawn with replacement, both sites may be the first, where nothing is gained.
    assert fall.low == pytest.approx(0.0)
    assert fall.high == pytest.approx(0.5)
    assert fall.spread == pytest.approx(np.std([0.5, 1 / 6], ddof=1))


def test_a_loss_is_a_negative_fall() -> None:
    run = result(RunKey("image_encoder", 42, 0), {"a": 4.0, "b": 8.0})
    assert fall_of(BASE, [run], "raw EPE (px)").share == pytest.approx(-1.0)
    assert "-100 %" in str(fall_of(BASE, [run], "raw EPE (px)"))


def test_tables_name_counts_modes_and_families() -> None:
    runs = [
        BASE,
        result(RunKey("image_encoder", 10, 0), {"a": 1.0, "b": 2.0}),
        result(RunKey("image_encoder", 10, 1), {"a": 1.0, "b": 2.0}),
        result(RunKey("lora", 10, 0, 3.0), {"a": 2.0, "b": 4.0}),
    ]
    curve = curve_table(encoder_runs(runs))
    assert "| 10 | 2 | 1.500, +50 % (+50 to +50)" in curve
    assert curve.count("\n") == 3
    assert "| 10 | 2.000, +50 %" in forgetting_table(encoder_runs(runs))
    modes = ablation_table(runs)
    assert "| lora | x 3 | 1 | 3.000, +0 % (+0 to +0)" in modes
    tried = rates_table(runs[1:])
    assert "| image_encoder | x 1 | 0.5000 (9) | 0.5000 (9) |" in tried
    assert "| lora | x 3 | 0.5000 (9) | - |" in tried
    rows = runs_csv(runs).splitlines()
    assert len(rows) == 1 + 2 * len(runs)
    assert rows[1].split(",")[9:12] == ["held out", "2", "3.0000"]
