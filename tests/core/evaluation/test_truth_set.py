from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segsem.core.exceptions import InputError
from segsem.evaluation.truth_set import read_truth, read_truth_set


def test_a_set_with_a_manifest(truth_set: Path) -> None:
    first, second = read_truth_set(truth_set)
    assert (first.image_id, second.image_id) == ("a", "b")
    assert first.groups["family"] == "discs"
    assert first.groups["tone"] == "bright"
    assert second.number("edge_snr") == 10
    assert np.isnan(first.number("nothing"))
    truth = read_truth(first)
    assert list(truth.region) == [1, 2, 3, 4, 5, 5]
    assert [line.closed for line in truth.contours] == [True] * 4 + [False] * 2
    assert truth.labels.max() == 5
    assert truth.settings == {"feature_px": 26.0}


def test_folders_do_without_a_manifest(truth_set: Path) -> None:
    (truth_set / "manifest.csv").unlink()
    (truth_set / "truth" / "a" / "settings.json").unlink()
    images = read_truth_set(truth_set)
    assert [image.image_id for image in images] == ["a", "b"]
    assert read_truth(images[0]).settings == {}


def no_folder(root: Path) -> Path:
    return root / "nowhere"


def empty(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


def no_truth(root: Path) -> Path:
    (root / "truth" / "b" / "contours.csv").unlink()
    return root


def no_image(root: Path) -> Path:
    (root / "images" / "a.png").unlink()
    return root


def same_name(root: Path) -> Path:
    (root / "other").mkdir()
    (root / "images" / "a.png").rename(root / "other" / "b.png")
    text = (root / "manifest.csv").read_text().replace("images/a.png", "other/b.png")
    (root / "manifest.csv").write_text(text)
    return root


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_folder, "is not a folder"),
        (empty, "segsem synth"),
        (no_truth, "1 of 2 images"),
        (no_image, "a.png"),
        (same_name, "more than once"),
    ],
)
def test_what_is_no_set_is_one_line(truth_set: Path, spoil, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says) as caught:
        read_truth_set(spoil(truth_set))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("contours.csv", "contour_id,x_px\n1,2\n"),
        ("contours.csv", "contour_id,x_px,y_px,region_id,closed\n1,2,x,1,1\n"),
        ("contours.csv", "contour_id,x_px,y_px,region_id,closed\n1,2,nan,1,1\n1,3,4,1,1\n"),
        ("settings.json", "{"),
        ("labels.tif", "no tiff"),
    ],
)
def test_damaged_truth_is_one_line(truth_set: Path, name: str, content: str) -> None:
    (truth_set / "truth" / "a" / name).write_text(content)
    with pytest.raises(InputError) as caught:
        read_truth(read_truth_set(truth_set)[0])
    assert "\n" not in str(caught.value)
