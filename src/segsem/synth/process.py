"""One process and one microscope: everything about an image but its pattern and its noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segsem.core.types import FloatArray
from segsem.synth.detector import Detector, DoseNoise
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.presets import Preset, Range
from segsem.synth.render import Beam, blurred_profile
from segsem.synth.roughness import Roughness

_BLACK, _WHITE = 25.0, 225.0


@dataclass(frozen=True, slots=True)
class Process:
    """Drawn once per image, or once per set where a set shares its process.

    Attributes
    ----------
    pixel_nm, feature_px, space_ratio, corner_px : float
        Scale of the pattern.
    response, beam, roughness, detector
        See their classes.
    edge_snr : float
        Blurred edge peak above the lowest background beside it, over the noise half-way.
    drift_rc_px : (float, float)
        Displacement at the last row against the first.
    jitter_px, gradient, texture : float
        Standard deviation of the lines' displacement; relative heights.
    texture_px : float
        Size of the texture's grain.
    """

    pixel_nm: float
    feature_px: float
    space_ratio: float
    corner_px: float
    response: EdgeResponse
    beam: Beam
    roughness: Roughness
    detector: Detector
    edge_snr: float
    drift_rc_px: tuple[float, float]
    jitter_px: float
    gradient: float
    texture: float
    texture_px: float


def draw_process(rng: np.random.Generator, preset: Preset) -> Process:
    """Draw a process from a preset's ranges."""
    pixel_nm = round(_within(rng, preset.pixel_nm), 4)
    response = _draw_response(rng, preset, pixel_nm)
    ratio = _within(rng, preset.astigmatism)
    beam = Beam(_within(rng, preset.blur_px), ratio, float(rng.uniform(0, np.pi)))
    snr = float(np.exp(rng.uniform(*np.log(preset.edge_snr))))
    heading = rng.uniform(0, 2 * np.pi)
    drift = _within(rng, preset.drift_px)
    process = Process(
        pixel_nm=pixel_nm,
        feature_px=float(np.exp(rng.uniform(*np.log(preset.feature_px)))),
        space_ratio=_within(rng, preset.space_ratio),
        corner_px=_within(rng, preset.corner_px),
        response=response,
        beam=beam,
        roughness=Roughness(
            _within(rng, preset.roughness_px), _within(rng, preset.xi_px), rng.uniform(0.5, 0.8)
        ),
        detector=_draw_detector(rng, preset, response, beam, snr),
        edge_snr=snr,
        drift_rc_px=(drift * float(np.sin(heading)), drift * float(np.cos(heading))),
        jitter_px=_within(rng, preset.jitter_px),
        gradient=_within(rng, preset.gradient),
        texture=_within(rng, preset.texture),
        texture_px=float(rng.uniform(6.0, 20.0)),
    )
    return _cleaned(process) if preset.clean else process


def edge_levels(response: EdgeResponse, beam: Beam) -> tuple[float, float]:
    """Lowest yield beside a straight blurred edge, and the highest on it."""
    sigma = beam.sigma_px * np.sqrt((1 + beam.ratio**2) / 2)
    reach = 4 * sigma + 12
    across: FloatArray = np.arange(-reach, reach, 0.1)
    profile = blurred_profile(response, float(sigma), across)
    return float(profile[across < 0].min()), float(profile.max())


def _draw_response(rng: np.random.Generator, preset: Preset, pixel_nm: float) -> EdgeResponse:
    """Mack-Bunday constants (silicon, 500 eV) with a material contrast and a scaled rim."""
    height = _within(rng, preset.rim)
    width = _within(rng, preset.rim_width)
    depth_nm = rng.uniform(20, 100)
    contrast = _within(rng, preset.contrast)
    return EdgeResponse(
        material=0.817 * (1 + contrast),
        background=0.817,
        rim=1.65 * height,
        rim_px=2.66 * width / pixel_nm,
        onset=0.64 * height,
        onset_px=0.26 / pixel_nm,
        shadow=0.245 * height,
        shadow_px=1.95 / pixel_nm,
        deep=0.22 * min(1.0, height + 0.2),
        deep_px=0.82 * depth_nm / pixel_nm / 4,
        glow=0.817 * contrast * float(rng.uniform(0, 0.3)),
        glow_px=float(rng.uniform(10, 35)),
    )


def _draw_detector(
    rng: np.random.Generator, preset: Preset, response: EdgeResponse, beam: Beam, snr: float
) -> Detector:
    """Dose and gain such that the edge has the wanted SNR and the screen is not clipped."""
    low, high = edge_levels(response, beam)
    # Both the wells and three sigma of the brightest pixels' noise have to fit on the screen.
    darkest = 0.5 * low
    noise = (high - low) / snr * np.sqrt(high / (0.5 * (high + low)))
    gain = (_WHITE - _BLACK) / (high + 2.5 * noise - darkest)
    read = float(rng.uniform(0.2, 0.6)) * gain * (high - low) / snr
    shot = np.sqrt((gain * (high - low) / snr) ** 2 - read**2)
    return Detector(
        electrons=float(gain**2 * 0.5 * (high + low) / shot**2),
        noise=DoseNoise.POISSON if rng.random() < 0.5 else DoseNoise.GAMMA,
        gain=float(gain),
        offset=float(_BLACK - gain * darkest),
        read_noise=read,
        charging=_within(rng, preset.charging) * float(rng.choice([-1.0, 1.0])),
        charging_px=float(rng.uniform(8, 50)),
        banding=_within(rng, preset.banding),
    )


def _cleaned(process: Process) -> Process:
    detector = replace(
        process.detector, noise=DoseNoise.NONE, read_noise=0.0, charging=0.0, banding=0.0
    )
    return replace(
        process,
        detector=detector,
        roughness=replace(process.roughness, sigma_px=0.0),
        edge_snr=float("inf"),
        drift_rc_px=(0.0, 0.0),
        jitter_px=0.0,
        gradient=0.0,
        texture=0.0,
    )


def _within(rng: np.random.Generator, limits: Range) -> float:
    return float(rng.uniform(*limits))
