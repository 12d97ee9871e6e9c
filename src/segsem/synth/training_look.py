"""From signed distance to grey values: contrast, rims, texture, faults, blur, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from segsem.synth.training_shapes import Field, smooth_noise

RIMS_ALONE = 0.18
"""Share of images that show the same grey on both sides of a rim."""


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _rim(rng: np.random.Generator, depth: Field, step: float) -> tuple[Field, float]:
    """Edge signal by depth into the material, and its signed height."""
    kind = rng.choice(["bright", "none", "dark"], p=[0.66, 0.24, 0.10])
    if step == 0.0:
        kind = rng.choice(["bright", "dark"], p=[0.85, 0.15])
    if kind == "none":
        return np.zeros_like(depth), 0.0
    reference = step if step > 0 else rng.uniform(0.15, 0.6)
    low, high = (0.1, 2.5) if kind == "bright" else (0.1, 0.6)
    height = reference * (_log_uniform(rng, low, high) if step > 0 else 1.0)
    height *= 1.0 if kind == "bright" else -1.0
    width = _log_uniform(rng, 0.8, 12.0)
    inner = np.maximum(depth, 0.0) / width
    profile = np.exp(-inner if _chance(rng, 0.6) else -0.5 * inner**2)
    if _chance(rng, 0.3):  # backscattered electrons spread the rim into a broad glow
        profile += rng.uniform(0.1, 0.6) * np.exp(-inner / rng.uniform(3.0, 10.0))
    if _chance(rng, 0.18):  # a sloped wall shows its foot and its top: the foot is the edge
        wall, sharp = _log_uniform(rng, 2.5, 14.0), _log_uniform(rng, 0.7, 2.5)
        profile += rng.uniform(0.3, 1.3) * np.exp(-0.5 * ((depth - wall) / sharp) ** 2)
    return (height * profile * np.clip(depth + 0.5, 0, 1)).astype(np.float32), height


def _materials(rng: np.random.Generator, distance: Field, tone: str) -> tuple[Field, float]:
    """Sharp grey values, and the height of the edge signal that noise is measured against."""
    step = 0.0 if tone == "edge" else _log_uniform(rng, 0.12, 0.8)
    depth = -distance if tone == "dark" or (tone == "edge" and _chance(rng, 0.5)) else distance
    floor = rng.uniform(0.02, 0.15) if _chance(rng, 0.6) else rng.uniform(0.1, 0.5)
    image = (floor + step * np.clip(depth + 0.5, 0, 1)).astype(np.float32)
    rim, height = _rim(rng, depth, step)
    image += rim
    if _chance(rng, 0.35):  # few electrons leave from beside a wall
        shadow = rng.uniform(0.1, 0.7) * floor
        reach = _log_uniform(rng, 2.0, 15.0)
        image -= shadow * np.exp(np.minimum(depth, 0.0) / reach) * np.clip(0.5 - depth, 0, 1)
    if _chance(rng, 0.3):
        texture = smooth_noise(rng, distance.shape[0], _log_uniform(rng, 0.8, 8.0))
        where = 1.0 if _chance(rng, 0.3) else np.clip(depth + 0.5, 0, 1)
        image += rng.uniform(0.02, 0.12) * max(step, abs(height)) * texture * where
    return image, max(step, abs(height))


def _debris(rng: np.random.Generator, image: Field, signal: float) -> None:
    """Lay loose flakes and bright dots over the image, in place."""
    side = image.shape[0]
    dots, dot_radius = _chance(rng, 0.3), _log_uniform(rng, 2.0, side / 24)
    for _ in range(int(rng.integers(1, 6))):
        radius = dot_radius if dots else _log_uniform(rng, 1.5, side / 16)
        corners = 24 if dots else int(rng.integers(5, 12))
        angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        radii = radius * (1.0 if dots else rng.uniform(0.6, 1.3, corners))
        outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
        points = np.round((outline + rng.uniform(0, side, 2)) * 16).astype(np.int32)
        flake = np.zeros_like(image)
        cv2.fillPoly(flake, [points], 1.0, cv2.LINE_8, 4)
        flake = cv2.GaussianBlur(flake, (0, 0), rng.uniform(0.5, 1.5))
        image += flake * (signal * (rng.uniform(1.0, 3.0) if dots else rng.uniform(-0.4, 1.8)))


def _background(rng: np.random.Generator, image: Field, signal: float) -> Field:
    """Tilt, vignette and slow shading."""
    side = image.shape[0]
    ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    if _chance(rng, 0.45):
        tilt = rng.normal(0, 0.2 * signal, size=2)
        image = image + (tilt[0] * ramp[:, None] + tilt[1] * ramp[None, :])
    if _chance(rng, 0.2):
        image = image * (1.0 - rng.uniform(0.1, 0.8) * (ramp[:, None] ** 2 + ramp[None, :] ** 2))
    if _chance(rng, 0.15):
        image = image + 0.12 * signal * smooth_noise(rng, side, side / 5)
    return image.astype(np.float32)


def _charging(rng: np.random.Generator, image: Field, signal: float) -> Field:
    """Rows that remember what the beam has just crossed, and rows that jump."""
    if _chance(rng, 0.15):
        keep = float(np.exp(-1.0 / _log_uniform(rng, 4.0, 60.0)))
        trail = lfilter([1.0 - keep], [1.0, -keep], image - image.mean(), axis=1)
        image = image - rng.uniform(0.15, 0.6) * trail
    if _chance(rng, 0.12):
        rows = rng.normal(0, rng.uniform(0.01, 0.08) * signal, (image.shape[0], 1))
        image = (image + rows).astype(np.float32)
    return image.astype(np.float32)


def _blur(rng: np.random.Generator, image: Field) -> Field:
    sigma = _log_uniform(rng, 0.5, 3.0) if _chance(rng, 0.9) else rng.uniform(3.0, 4.5)
    uneven = rng.uniform(0.7, 1.4) if _chance(rng, 0.2) else 1.0
    out: Field = cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=max(sigma * uneven, 0.3))
    return out


def _noise(rng: np.random.Generator, image: Field, signal: float) -> Field:
    """Add shot and detector noise for an edge signal-to-noise ratio of 1.5 to 20, or hardly any."""
    if _chance(rng, 0.12):
        return _few_electrons(rng, image, signal)
    ratio = rng.uniform(40, 150) if _chance(rng, 0.15) else _log_uniform(rng, 1.5, 20.0)
    white = rng.standard_normal(image.shape, dtype=np.float32)
    if _chance(rng, 0.25):  # detector bandwidth, or an image that was resampled
        white = cv2.GaussianBlur(white, (0, 0), sigmaX=rng.uniform(0.4, 1.0), sigmaY=0.4)
        white /= white.std()
    if _chance(rng, 0.6):
        shot = np.sqrt(np.maximum(image, 0.02))
        white *= shot / shot.mean()
    return (image + signal / ratio * white).astype(np.float32)


def _few_electrons(rng: np.random.Generator, image: Field, signal: float) -> Field:
    """Count single electrons, as at low dose: discrete greys, and no noise where it is black."""
    dose = _log_uniform(rng, 3.0, 60.0) / max(signal, 0.05)
    counts = rng.poisson(np.maximum(image, 0.0) * dose).astype(np.float32) / np.float32(dose)
    return counts.astype(np.float32)


def _display(rng: np.random.Generator, image: Field) -> NDArray[np.uint8]:
    """Brightness, contrast and gamma of the screen; highlights may saturate."""
    tails = rng.uniform(0, 0.5) if _chance(rng, 0.7) else rng.uniform(0.5, 3.0)
    low, high = np.percentile(image[::2, ::2], [tails, 100 - tails])
    scaled = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    if _chance(rng, 0.4):
        scaled = scaled ** _log_uniform(rng, 0.6, 1.7)
    black, white = (0.0, 255.0) if _chance(rng, 0.4) else rng.uniform([0, 130], [70, 255])
    levels: NDArray[np.uint8] = np.round(black + (white - black) * scaled).astype(np.uint8)
    return levels


def random_look(
    rng: np.random.Generator, distance: Field, margin: int, rims: float = RIMS_ALONE
) -> NDArray[np.uint8]:
    """Render a signed distance as one random SEM image.

    Parameters
    ----------
    rng : numpy.random.Generator
    distance : (S + 2 * margin, S + 2 * margin) float32 array
        Signed distance to the edges in px, positive inside the features.
    margin : int
        Cut from each side once all that reaches over the border is done, in px.
    rims : float
        Chance that only rims are seen.

    Returns
    -------
    (S, S) uint8 array
    """
    bright = 0.56 * (1.0 - rims)
    tone = str(rng.choice(["bright", "dark", "edge"], p=[bright, 1.0 - rims - bright, rims]))
    image, signal = _materials(rng, distance, tone)
    if _chance(rng, 0.15):
        _debris(rng, image, signal)
    image = _background(rng, image, signal)
    image = _charging(rng, _blur(rng, image), signal)
    image = image[margin:-margin, margin:-margin]
    return _display(rng, _noise(rng, image, signal))
