"""Precedence of the sources of a pixel size, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from segsem.core.exceptions import CalibrationError
from segsem.imaging.manifest import Manifest, ManifestRow
from segsem.imaging.pixel_size import as_pixel_size, resolve_scale
from segsem.imaging.read import read_image
from segsem.imaging.vendor.record import VendorRecord

TAG = VendorRecord("vendor tag X", (2.0, 2.0))
SIDECAR = VendorRecord("sidecar a.txt", (3.0, 3.0))
MANIFEST = (1.0, 1.0)
USER = (4.0, 4.0)


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        ((MANIFEST, TAG, SIDECAR, USER), ("manifest", 1.0)),
        ((None, TAG, SIDECAR, USER), ("vendor tag X", 2.0)),
        ((None, None, SIDECAR, USER), ("sidecar a.txt", 3.0)),
        ((None, None, None, USER), ("user", 4.0)),
        ((None, None, None, None), (None, None)),
        ((None, VendorRecord("vendor tag X"), SIDECAR, None), ("sidecar a.txt", 3.0)),
    ],
)
def test_precedence(
    offers: tuple[
        tuple[float, float] | None,
        VendorRecord | None,
        VendorRecord | None,
        tuple[float, float] | None,
    ],
    expected: tuple[str | None, float | None],
) -> None:
    scale = resolve_scale(*offers)
    assert scale.source == expected[0]
    assert scale.pixel_size_nm == (None if expected[1] is None else (expected[1], expected[1]))
    n_offers = sum(
        offer is not None and getattr(offer, "pixel_size_nm", offer) is not None for offer in offers
    )
    assert len(scale.warnings) == max(0, n_offers - 1)


def test_agreement_within_half_a_percent_is_silent() -> None:
    assert resolve_scale(None, TAG, None, (2.0099, 2.0)).warnings == ()
    (warning,) = resolve_scale(None, TAG, None, (2.0101, 2.0)).warnings
    assert "vendor tag X stands" in warning
    assert "manifest" in warning


def test_metadata_of_the_tag_stands_before_the_sidecar() -> None:
    tag = VendorRecord("t", (1.0, 1.0), 90, {"a": 1})
    sidecar = VendorRecord("s", (1.0, 1.0), 80, {"a": 2, "b": 3})
    scale = resolve_scale(None, tag, sidecar, None)
    assert scale.metadata == {"a": 1, "b": 3}
    assert scale.scan_height_px == 90


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), 2e6, (1.0, 0.0), (1, 2, 3)])
def test_user_values_that_cannot_be(value: object) -> None:
    with pytest.raises(CalibrationError, match="pixel size"):
        as_pixel_size(value)  # type: ignore[arg-type]


def test_user_values() -> None:
    assert as_pixel_size(2) == (2.0, 2.0)
    assert as_pixel_size((2.0, 3.0)) == (2.0, 3.0)
    assert as_pixel_size(None) is None


def test_manifest_row_reaches_the_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((32, 32), np.uint8))
    row = ManifestRow(path, (1.5, 1.25), None, {"site": "7"})
    image = read_image(path, manifest=Manifest(tmp_path / "m.csv", (row,)), pixel_size_nm=1.5)
    assert image.pixel_size_nm == (1.5, 1.25)
    assert image.pixel_size_source == "manifest"
    assert image.metadata["groups"] == {"site": "7"}
    assert len(image.warnings) == 1
    other = tmp_path / "b.tif"
    tifffile.imwrite(other, np.zeros((32, 32), np.uint8))
    alone = read_image(other, manifest=Manifest(tmp_path / "m.csv", (row,)), pixel_size_nm=4)
    assert alone.pixel_size_nm == (4.0, 4.0)
    assert alone.pixel_size_source == "user"
