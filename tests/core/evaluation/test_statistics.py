from __future__ import annotations

import numpy as np
import pytest

from segsem.evaluation.heldout import ObjectScores
from segsem.evaluation.protocol import KINDS, ORACLE, Score
from segsem.evaluation.statistics import band, bootstrap_mean, grouped, summarise
from segsem.evaluation.tables import as_json, markdown, tables_of


def item(number: int, iou: float, **changes: object) -> ObjectScores:
    score = Score(iou, min(iou + 0.1, 1.0), iou / 2)
    values: dict[str, object] = {
        "set_name": "rings",
        "group": "families",
        "family": "rings",
        "tone": "bright",
        "physics": "ordinary",
        "image": number // 2,
        "label": number,
        "edge_snr": 6.0,
        "area_px": 400,
        "width_px": 12.0,
        "extent_px": 40,
        "box_share": 0.6,
        "cut": False,
        "scores": {kind: score for kind in (*KINDS, ORACLE)},
    }
    return ObjectScores(**(values | changes))  # type: ignore[arg-type]


def test_the_interval_is_over_images_not_objects() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(0.8, 0.1, 40)
    values = np.repeat(level, 10)
    cluster = np.repeat(np.arange(40), 10)
    mean = bootstrap_mean(values, cluster)

    assert mean.value == pytest.approx(level.mean())
    # 1.96 standard errors of 40 images; 400 independent objects would give a third of it.
    half = 1.96 * level.std() / np.sqrt(40)
    assert (mean.high - mean.low) / 2 == pytest.approx(half, rel=0.15)
    assert mean == bootstrap_mean(values, cluster)


def test_a_summary_counts_and_averages() -> None:
    summary = summarise("all", "click", [item(n, iou) for n, iou in enumerate([0.9, 0.8, 1.0])])

    assert (summary.objects, summary.images) == (3, 2)
    assert summary.iou.value == pytest.approx(0.9)
    assert summary.best_iou.value == pytest.approx((1.0 + 0.9 + 1.0) / 3)
    assert summary.boundary_f1.value == pytest.approx(0.45)
    assert summary.over_85 == pytest.approx(2 / 3)


def test_groups_and_bands() -> None:
    found = [item(0, 0.9), item(1, 0.8, tone="dark"), item(2, 0.7)]
    groups = grouped(found, lambda i: i.tone)
    assert {name: len(items) for name, items in groups.items()} == {"bright": 2, "dark": 1}
    assert grouped(found, lambda i: None) == {}
    names = [band(value, (4.0, 8.0), " px") for value in (3.9, 4.0, 7.9, 8.0)]
    assert names == ["< 4 px", "4-8 px", "4-8 px", ">= 8 px"]


def test_tables_name_every_group_and_leave_physics_out_of_the_snr() -> None:
    found = [
        item(0, 0.9),
        item(1, 0.8, width_px=30.0, extent_px=300, edge_snr=15.0),
        item(2, 0.5, group="physics", set_name="crushed", physics="crushed", edge_snr=3.0),
    ]
    tables = {table.title: table for table in tables_of(found)}

    assert [row.group for row in tables["By width of the object"].rows][:: len(KINDS) + 1] == [
        "10-16 px",
        ">= 28 px",
    ]
    snr = {row.group for row in tables["By edge SNR (ordinary physics)"].rows}
    assert snr == {"4-8", ">= 14"}
    text = markdown(list(tables.values()))
    assert "| families never trained on | click | 2 | 1 | 0.850 (0.850-0.850) |" in text
    assert "| physics: crushed | 1 | 0.500 (0.500-0.500) |" in text
    assert as_json(list(tables.values()))[0]["rows"][0]["iou"]["value"] == pytest.approx(11 / 15)
