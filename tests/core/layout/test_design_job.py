from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import gdstk
import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.layout.design_job import DesignJob, distrust
from segsem.layout.register import RegisterOptions
from segsem.layout.registration import Registration, Verdict


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    library = gdstk.Library()
    cell = library.new_cell("TOP")
    cell.add(gdstk.rectangle((0, 0), (0.1, 0.2), layer=5, datatype=2))
    path = tmp_path / "one.gds"
    library.write_gds(str(path))
    return path


def test_the_record_tells_the_design_again(layout: Path) -> None:
    job = DesignJob.read(layout, options=RegisterOptions(near_nm=(1.0, 2.0)))
    assert job.record == {
        "file": "one.gds",
        "sha256": hashlib.sha256(layout.read_bytes()).hexdigest(),
        "cell": "TOP",
        "layer": "5/2",
    }
    assert job.design.bounds_nm == pytest.approx((0, 0, 100, 200))
    other = DesignJob.read(layout)
    assert other.signature != job.signature
    assert other.signature == DesignJob.read(layout, "TOP", "5/2").signature


def test_a_layer_that_is_not_there_is_refused(layout: Path) -> None:
    with pytest.raises(InputError, match=r"Choose with --layer out of: 5/2"):
        DesignJob.read(layout, layer="5/0")


@pytest.fixture
def found(fakes: ModuleType) -> Registration:
    """A good one, with a residual of 1 nm in a design 50 nm wide."""
    placed: Registration = fakes.placed((100, 100), (2.0, 2.0), (0.0, 0.0))
    return replace(placed, score=0.9, second_score=0.88, residual_rms_nm=1.0, design_width_nm=50.0)


@pytest.mark.parametrize("near", [False, True])
def test_a_good_registration_is_trusted(found: Registration, near: bool) -> None:
    assert distrust(found, near) is None


@pytest.mark.parametrize(
    ("change", "words", "near_helps"),
    [
        ({"verdict": Verdict.POOR}, "does not lie on it", False),
        ({"verdict": Verdict.AMBIGUOUS}, "it repeats: another place scores 0.88", True),
        ({"verdict": Verdict.UNDETERMINED}, "only parallel edges", True),
        ({"residual_rms_nm": 13.0}, "fits loosely (residual 13.0 nm", False),
        ({"residual_rms_nm": np.nan}, "fits loosely", False),
    ],
)
def test_any_other_is_refused_in_one_line(
    found: Registration, change: dict[str, object], words: str, near_helps: bool
) -> None:
    doubtful = replace(found, **change)  # type: ignore[arg-type]
    reason = distrust(doubtful, False)
    assert reason is not None
    assert words in reason
    assert "score 0.90, 100 % of its edge found" in reason
    assert "\n" not in reason
    assert (distrust(doubtful, True) is None) is near_helps
