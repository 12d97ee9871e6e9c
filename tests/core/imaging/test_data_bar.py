"""Data bars are found where they are drawn, and nowhere else."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segsem.imaging.data_bar import find_data_bar

Grey = npt.NDArray[np.float64]


def _to_uint8(grey: Grey) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _grating(
    shape: tuple[int, int], pitch: float, duty: float, phase: float, angle: float, blur: float
) -> Grey:
    """Lines (1) and spaces (0) at an angle; 0 is horizontal lines."""
    rows, cols = np.indices(shape, dtype=np.float64)
    across = (rows * np.cos(angle) + cols * np.sin(angle)) / pitch + phase
    lines = (across % 1.0 < duty).astype(np.float64)
    return cv2.GaussianBlur(lines, (0, 0), blur) if blur > 0 else lines


def _contacts(shape: tuple[int, int], pitch: int, radius: float, blur: float) -> Grey:
    rows, cols = np.indices(shape, dtype=np.float64)
    distance = np.hypot(rows % pitch - pitch / 2, cols % pitch - pitch / 2)
    discs = (distance < radius).astype(np.float64)
    return cv2.GaussianBlur(discs, (0, 0), blur) if blur > 0 else discs


def _noisy(grey: Grey, seed: int, noise: float, level: float, contrast: float) -> Grey:
    rng = np.random.default_rng(seed)
    return level + contrast * grey + noise * rng.normal(size=grey.shape)


def _draw_bar(
    image: npt.NDArray[np.uint8], top: int, paper: int, ink: int, bottom: int | None = None
) -> None:
    image[top:bottom] = paper
    for place, text in ((8, "x100k 3.0kV SE(U)"), (int(image.shape[1] * 0.6), "HFW 1.52um 500nm")):
        where = (place, top + 20)
        cv2.putText(image, text, where, cv2.FONT_HERSHEY_PLAIN, 0.9, ink, 1)
    cv2.line(image, (image.shape[1] // 2, top + 5), (image.shape[1] // 2 + 60, top + 5), ink, 2)


IMAGES = st.fixed_dictionaries(
    {
        "shape": st.tuples(st.integers(64, 220), st.integers(64, 260)),
        "pitch": st.floats(8, 120),
        "duty": st.floats(0.1, 0.9),
        "phase": st.floats(0, 1),
        "angle": st.sampled_from([0.0, 0.0, 0.02, np.pi / 4, np.pi / 2]),
        "blur": st.floats(0, 3),
    }
)


@settings(max_examples=80, deadline=None)
@given(
    IMAGES,
    st.floats(0, 30),
    st.floats(-60, 120),
    st.floats(-150, 250),
    st.integers(0, 2**32 - 1),
)
def test_no_grating_has_a_data_bar(
    geometry: dict[str, object], noise: float, level: float, contrast: float, seed: int
) -> None:
    """Horizontal lines and spaces, blurred or not, noisy or not, clipped at 0 and 255 or not."""
    grey = _noisy(_grating(**geometry), seed, noise, level, contrast)  # type: ignore[arg-type]
    assert find_data_bar(_to_uint8(grey)) is None
    assert find_data_bar(grey.astype(np.float32)) is None


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(64, 220), st.integers(64, 260)),
    st.integers(10, 60),
    st.floats(0.15, 0.45),
    st.floats(0.7, 2.5),
    st.floats(0, 30),
    st.floats(-60, 120),
    st.floats(-150, 250),
    st.integers(0, 2**32 - 1),
)
def test_no_contact_array_has_a_data_bar(
    shape: tuple[int, int],
    pitch: int,
    part: float,
    blur: float,
    noise: float,
    level: float,
    contrast: float,
    seed: int,
) -> None:
    grey = _noisy(_contacts(shape, pitch, part * pitch, blur), seed, noise, level, contrast)
    assert find_data_bar(_to_uint8(grey)) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 170), st.integers(12, 50), st.floats(5, 30), st.integers(0, 999))
def test_contacts_on_a_clipped_floor_below_a_wide_line_are_no_data_bar(
    line: int, pitch: int, noise: float, seed: int
) -> None:
    """The hardest look-alike: exact black over the full width, with small bright things in it."""
    scene = _contacts((200, 240), pitch, pitch / 4, 1.0)
    scene[:line] = 1
    grey = _noisy(cv2.GaussianBlur(scene, (0, 0), 1.0), seed, noise, -4 * noise, 220 + 4 * noise)
    assert find_data_bar(_to_uint8(grey)) is None


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_constant_images_have_none(value: int, dtype: type[np.generic]) -> None:
    assert find_data_bar(np.full((64, 64), value, dtype)) is None


def test_a_design_drawn_without_noise_has_none() -> None:
    image = np.zeros((300, 400), np.uint8)
    cv2.rectangle(image, (20, 20), (380, 200), 255, -1)
    _draw_bar(image, 250, 0, 255)
    assert find_data_bar(image) is None


@pytest.mark.parametrize(("paper", "ink"), [(0, 255), (255, 0), (44, 255)])
@pytest.mark.parametrize("angle", [0.0, np.pi / 2])
@pytest.mark.parametrize("level", [60.0, 0.0])
def test_drawn_bars_are_found_to_the_row(paper: int, ink: int, angle: float, level: float) -> None:
    grating = _grating((480, 640), 40, 0.5, 0.2, angle, 1.5)
    image = _to_uint8(_noisy(grating, 3, 8.0, level, 100.0))
    _draw_bar(image, 440, paper, ink)
    assert find_data_bar(image) == 440


def test_frame_lines_belong_to_the_bar() -> None:
    image = _to_uint8(_noisy(_grating((480, 640), 40, 0.5, 0.2, 0, 1.5), 3, 8.0, 60, 100))
    _draw_bar(image, 440, 0, 255)
    image[440] = 252
    image[-1] = 252
    assert find_data_bar(image) == 440


def test_a_bar_that_ends_above_the_last_row() -> None:
    image = _to_uint8(_noisy(_grating((480, 640), 40, 0.5, 0.2, 0, 1.5), 3, 8.0, 60, 100))
    _draw_bar(image, 440, 255, 0, bottom=479)
    assert find_data_bar(image) == 440


def test_a_bar_in_a_jpeg() -> None:
    image = _to_uint8(_noisy(_grating((480, 640), 40, 0.5, 0.2, 0, 1.5), 3, 8.0, 60, 100))
    _draw_bar(image, 440, 0, 255)
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=90)
    # The 8 px blocks of JPEG begin at the bar here, as they do in files of 768 or 960 rows.
    assert find_data_bar(np.asarray(Image.open(stored))) == 440


def test_a_bar_in_16_bit() -> None:
    image = _to_uint8(_noisy(_grating((480, 640), 40, 0.5, 0.2, 0, 1.5), 3, 8.0, 60, 100))
    _draw_bar(image, 440, 0, 255)
    assert find_data_bar(image.astype(np.uint16) * 256) == 440


def test_metadata_stands_without_a_look_at_the_pixels() -> None:
    black = np.zeros((100, 64), np.uint8)
    assert find_data_bar(black, 80) == 80
    assert find_data_bar(black, 100) is None
    image = _to_uint8(_noisy(_grating((480, 640), 40, 0.5, 0.2, 0, 1.5), 3, 8.0, 60, 100))
    _draw_bar(image, 440, 0, 255)
    assert find_data_bar(image, 480) is None
