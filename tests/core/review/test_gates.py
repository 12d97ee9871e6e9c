from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from segsem.core.contour import ReviewStatus, Source
from segsem.review.beside import Beside
from segsem.review.gates import (
    GateReport,
    ImageFigures,
    Verdict,
    check_image,
    check_lot,
    image_outliers,
)
from segsem.review.item import ItemFlag, ItemKey, ReviewItem
from segsem.review.limits import QALimits
from segsem.review.outliers import robust_z

GOOD = ImageFigures(
    "a", snr=9.0, blur_px=1.2, saturated_fraction=0.0, pixel_size_nm=(2.0, 2.0),
    pixel_size_source="manifest",
)  # fmt: skip
ACCEPTED, PENDING, REJECTED = (
    ReviewStatus.ACCEPTED, ReviewStatus.PENDING, ReviewStatus.REJECTED
)  # fmt: skip


def item(region_id: int, area_px: int = 100, confidence: float = 0.95, *flags: ItemFlag,
         source: Source = Source.SAM2) -> ReviewItem:  # fmt: skip
    key = ItemKey("a", region_id)
    return ReviewItem(key, (0, 0, 9, 9), area_px, source, confidence, flags=frozenset(flags))


def checked(
    figures: ImageFigures = GOOD,
    items: list[ReviewItem] | None = None,
    status: ReviewStatus = ACCEPTED,
    limits: QALimits | None = None,
) -> GateReport:
    items = [item(n) for n in range(1, 11)] if items is None else items
    statuses = {one.key: status for one in items}
    return check_image(figures, items, statuses, limits or QALimits())


def the(report: GateReport, name: str) -> tuple[Verdict, str]:
    (check,) = [check for check in report.checks if check.name == name]
    return check.verdict, check.reason


def test_a_good_image_passes_without_a_word() -> None:
    report = checked()
    assert report.verdict is Verdict.PASS
    assert report.reasons == []


@pytest.mark.parametrize(
    ("change", "name", "verdict", "words"),
    [
        ({"snr": 3.0}, "SNR", Verdict.WARN, "3 is below 4: .*more frames"),
        ({"snr": 1.9}, "SNR", Verdict.FAIL, "1.9 is below 2"),
        ({"snr": None}, "SNR", Verdict.PASS, ""),
        ({"blur_px": 3.5}, "Blur", Verdict.WARN, "3.5 px is above 3 px"),
        ({"blur_px": 6.0}, "Blur", Verdict.FAIL, "above 5 px"),
        ({"saturated_fraction": 0.01}, "Saturation", Verdict.WARN, "1 % is above 0.3 %"),
        ({"pixel_size_nm": None}, "Pixel size", Verdict.FAIL, "--pixel-size"),
        ({"registration": "good", "residual_px": 0.5}, "Registration", Verdict.PASS, ""),
        ({"registration": "good", "residual_px": 1.5}, "Registration", Verdict.WARN, "1.5 px rms"),
        ({"registration": "ambiguous", "residual_px": 0.5}, "Registration", Verdict.FAIL,
         "is ambiguous"),
        ({"topology": {}}, "Topology against design", Verdict.PASS, ""),
        ({"topology": {"missing": 1, "bridged": 2}}, "Topology against design", Verdict.FAIL,
         "1 missing, 2 bridged"),
        ({"unfamiliar": ("SNR 1.2 below 2",)}, "Calibration", Verdict.WARN, "SNR 1.2 below 2"),
        ({"gone": 2}, "Lost decisions", Verdict.WARN, "earlier results"),
    ],
)  # fmt: skip
def test_each_figure(change: dict, name: str, verdict: Verdict, words: str) -> None:
    report = checked(replace(GOOD, **change))
    found, reason = the(report, name)
    assert found is verdict
    assert report.verdict is verdict
    assert (reason == "") if not words else re.search(words, reason)


def test_share_of_fallback_counts_what_is_kept() -> None:
    items = [item(n) for n in range(1, 8)] + [
        item(n, 100, 0.95, ItemFlag.FALLBACK, source=Source.SAUVOLA) for n in (8, 9, 10)
    ]
    assert the(checked(items=items), "Fallback")[0] is Verdict.WARN
    assert "3 of 10 (30 %)" in the(checked(items=items), "Fallback")[1]
    statuses = {one.key: REJECTED if one.key.region_id > 8 else ACCEPTED for one in items}
    report = check_image(GOOD, items, statuses, QALimits())
    assert the(report, "Fallback")[0] is Verdict.PASS


def test_open_regions_warn_and_those_that_need_a_person_fail() -> None:
    items = [item(1, 100, 0.3, ItemFlag.NEEDS_HUMAN, ItemFlag.LOW_CONFIDENCE),
             *(item(n) for n in range(2, 31))]  # fmt: skip
    report = checked(items=items, status=PENDING)
    assert the(report, "Open regions")[0] is Verdict.WARN
    assert the(report, "Waiting for a person")[0] is Verdict.FAIL
    assert report.reasons[0].startswith("Waiting for a person")
    assert checked(items=items, status=ACCEPTED).verdict is Verdict.PASS


def test_doubtful_and_median_confidence() -> None:
    items = [item(n, 100, 0.6, ItemFlag.LOW_CONFIDENCE) for n in range(1, 11)]
    report = checked(items=items, status=PENDING)
    assert the(report, "Doubtful regions")[0] is Verdict.FAIL
    assert the(report, "Median confidence")[0] is Verdict.FAIL
    nothing = checked(items=[item(n, 100, float("nan")) for n in range(1, 11)])
    assert the(nothing, "Median confidence")[0] is Verdict.PASS


def test_a_bridged_pair_and_a_fragment_are_outliers() -> None:
    random = np.random.default_rng(0)
    items = [item(n, int(a)) for n, a in enumerate(random.normal(1000, 30, 40), start=1)]
    items += [item(50, 2050), item(51, 300), item(52, 400, 0.9, ItemFlag.CUT)]
    assert image_outliers(GOOD, items, QALimits()) == (ItemKey("a", 51), ItemKey("a", 50))
    report = checked(items=items, status=PENDING)
    assert "a region 51, a region 50" in the(report, "Outliers")[1]
    assert the(checked(items=items), "Outliers")[0] is Verdict.PASS


def test_even_sizes_are_no_outliers_and_few_say_nothing() -> None:
    assert image_outliers(GOOD, [item(n, 1000 + n) for n in range(30)], QALimits()) == ()
    assert robust_z({n: 100.0 + 900 * (n == 3) for n in range(7)}) == {}


def test_a_cd_apart_from_the_others_is_an_outlier() -> None:
    cds = {n: 50.0 + 0.1 * n for n in range(10)} | {10: 80.0}
    items = [item(n, 100, 0.9, ItemFlag.CUT) for n in range(11)]
    found = image_outliers(replace(GOOD, cd_nm=cds), items, QALimits())
    assert found == (ItemKey("a", 10),)


def test_robust_z_against_its_definition() -> None:
    sizes = {n: float(v) for n, v in enumerate([1, 2, 4, 8, 16, 32, 64, 128, 1024])}
    logs = np.log2(list(sizes.values()))
    expected = (logs - 4) / (1.4826 * np.median(np.abs(logs - 4)))
    np.testing.assert_allclose(list(robust_z(sizes).values()), expected)


def test_a_lot_is_as_good_as_its_images() -> None:
    items = [item(n) for n in range(1, 11)]
    statuses = {one.key: ACCEPTED for one in items}
    good, bad = checked(), checked(replace(GOOD, image_id="b", snr=1.0))
    lot = check_lot("lot", [good, bad], items, statuses, QALimits())
    assert lot.verdict is Verdict.FAIL
    assert lot.reasons == ["Images: 1 image failed: b"]
    assert check_lot("lot", [good], items, statuses, QALimits()).verdict is Verdict.PASS


def test_an_image_without_regions_warns() -> None:
    assert the(checked(items=[]), "Regions")[0] is Verdict.WARN


def test_what_may_be_missing_warns_until_somebody_has_looked() -> None:
    beside = Beside(gaps_rc=((10.0, 20.0),), strays_rc=((1, 1, 9, 9), (30, 30, 44, 44)))
    flags = frozenset({ItemFlag.GAP, ItemFlag.STRAY_EDGE})
    items = [item(n) for n in range(1, 10)]
    items.append(replace(item(10), beside=beside, flags=flags))
    verdict, reason = the(checked(items=items, status=PENDING), "Missing features")
    assert verdict is Verdict.WARN
    assert reason == "a feature may be missing there; look beside a region 10"
    assert "Missing features" not in {check.name for check in checked(items=items).checks}
