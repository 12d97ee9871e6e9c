from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.core.params import ExtractParams, Routing
from segsem.core.progress import run_to_completion
from segsem.evaluation.contour_protocol import (
    ImageScore,
    score_image,
    score_variants,
    variant_of_model,
    variant_of_results,
)
from segsem.evaluation.contour_tables import metrics_csv, table_md
from segsem.evaluation.truth_set import read_truth_set
from segsem.export.outputs import write_outputs


def write_results(truth_set: Path, out: Path, extraction, edges, labels, names=("a", "b")) -> Path:  # type: ignore[no-untyped-def]
    for number, name in enumerate(names):
        image = truth_set / "images" / f"{name}.png"
        sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
        bias = 0.2 + 0.2 * number
        found = extraction(edges(bias), labels(), raw=edges(0.8), image_id=name, sha256=sha256)
        write_outputs(found, out, formats=["csv"])
    return out


@pytest.fixture
def scores(truth_set: Path, tmp_path: Path, extraction, edges, labels) -> list[ImageScore]:  # type: ignore[no-untyped-def]
    out = write_results(truth_set, tmp_path / "out", extraction, edges, labels)
    return run_to_completion(
        score_variants(read_truth_set(truth_set), [variant_of_results(out)]), None
    )


def test_results_are_scored_image_by_image(scores: list[ImageScore]) -> None:
    assert [s.image_id for s in scores] == ["a", "b"]
    assert [s.placed.bias_px for s in scores] == pytest.approx([0.2, 0.4], abs=0.01)
    assert [s.raw.bias_px for s in scores] == pytest.approx([0.8, 0.8], abs=0.01)
    first = scores[0]
    assert (first.family, first.tone, first.edge_snr, first.blur_px) == ("discs", "bright", 4, 1.5)
    assert first.feature_px == 26
    assert np.isnan(first.bound_px)


def test_tables_hold_the_figures(scores: list[ImageScore]) -> None:
    rows = list(csv.DictReader(io.StringIO(metrics_csv(scores))))
    assert len(rows) == 2
    assert float(rows[1]["bias_px"]) == pytest.approx(0.4, abs=0.01)
    assert float(rows[1]["raw_bias_px"]) == pytest.approx(0.8, abs=0.01)
    assert rows[0]["bound_px"] == ""
    assert rows[0]["missing"] == "0"
    text = table_md(scores, "the set")
    assert "| bright | 2 | +0.300 |" in text
    assert "blur <= 2.2 px, SNR 4-8 | 1 | +0.200" in text
    assert "blur <= 2.2 px, SNR >= 8 | 1 | +0.400" in text
    assert "| raw, by condition |" in text
    assert "nan" not in text


def test_results_of_another_image_are_refused(
    truth_set: Path, tmp_path: Path, extraction, edges, labels
) -> None:  # type: ignore[no-untyped-def]
    found = extraction(edges(), labels(), image_id="a", sha256="0" * 64)
    write_outputs(found, tmp_path / "out", formats=["csv"])
    variant = variant_of_results(tmp_path / "out")
    with pytest.raises(InputError, match="another image"):
        run_to_completion(score_variants(read_truth_set(truth_set), [variant]), None)


def test_results_of_another_set_are_refused(
    truth_set: Path, tmp_path: Path, extraction, edges, labels
) -> None:  # type: ignore[no-untyped-def]
    write_outputs(extraction(edges(), labels(), image_id="z"), tmp_path / "out", formats=["csv"])
    variant = variant_of_results(tmp_path / "out")
    with pytest.raises(InputError, match="none of the 2 images"):
        run_to_completion(score_variants(read_truth_set(truth_set), [variant]), None)


def test_images_without_results_are_left_out(
    truth_set: Path, tmp_path: Path, extraction, edges, labels
) -> None:  # type: ignore[no-untyped-def]
    out = write_results(truth_set, tmp_path / "out", extraction, edges, labels, names=("b",))
    variant = variant_of_results(out)
    scores = run_to_completion(score_variants(read_truth_set(truth_set), [variant]), None)
    assert [s.image_id for s in scores] == ["b"]


def test_truth_of_another_shape_is_refused(truth_set: Path, extraction, edges, labels) -> None:  # type: ignore[no-untyped-def]
    found = replace(extraction(edges(), labels()), shape=(100, 240), valid_rows=(0, 100))
    with pytest.raises(InputError, match="of shape"):
        score_image("x", read_truth_set(truth_set)[0], found)


def test_extraction_now_is_told_the_tone(truth_set: Path) -> None:
    params = ExtractParams(routing=Routing.SAUVOLA_ONLY)
    variant = variant_of_model("Sauvola", None, params)
    first = read_truth_set(truth_set)[0]
    bright = variant.contours_of(first)
    dark = variant.contours_of(replace(first, groups={**first.groups, "tone": "dark"}))
    assert bright is not None
    assert dark is not None
    assert score_image("bright", first, bright).regions.iou > 0.95
    assert score_image("dark", first, dark).regions.iou < 0.2
