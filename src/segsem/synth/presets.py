"""Named sets of ranges that images are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from segsem.core.exceptions import UsageError

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Preset:
    """Ranges (low, high) that the settings of an image are drawn from, and what is fixed.

    Attributes
    ----------
    name : str
        What `segsem synth --preset` takes.
    families : tuple of str
        Taken in rotation.
    tones : tuple of str
        "bright": features are the material; "dark": features are holes or trenches in it.
    shape : (int, int)
        Image (H, W) in px.
    pixel_nm, feature_px, space_ratio, corner_px : Range
        Pixel size; feature width; smallest space over width; corner radius.
    edge_snr : Range
        Blurred edge peak above the background, over the noise half-way between the two.
    blur_px, astigmatism : Range
        Sigma of the PSF's longer axis; shorter over longer.
    contrast : Range
        Material over background plateau, minus 1; 0 is edge-only.
    rim, rim_width : Range
        Factors on the Mack-Bunday rim height and width.
    roughness_px, xi_px : Range
        1-sigma roughness per edge and correlation length.
    drift_px, jitter_px : Range
        Slow drift over the frame (in the truth) and displacement per scan line (noise).
    gradient, texture, charging, banding : Range
        Shares of the yield; banding in grey levels.
    clean : bool
        No noise of any kind, no drift, jitter or roughness.
    one_process : bool
        All images of a seed share their look; only pattern and noise differ.
    snr_levels, blur_levels_px : tuple of float
        Where given, they stand for `edge_snr` and `blur_px`, and images run through every
        combination of family, tone, SNR and blur. The images of one family and tone share
        their look but for these two: they are one layer, with one edge response.
    """

    name: str
    families: tuple[str, ...] = ("line_space", "contacts", "metal2d", "free_form", "line_end")
    tones: tuple[str, ...] = ("bright", "dark")
    shape: tuple[int, int] = (512, 512)
    pixel_nm: Range = (0.8, 2.0)
    feature_px: Range = (18.0, 60.0)
    space_ratio: Range = (0.8, 1.5)
    corner_px: Range = (3.0, 8.0)
    edge_snr: Range = (4.0, 16.0)
    blur_px: Range = (0.9, 2.2)
    astigmatism: Range = (0.8, 1.0)
    contrast: Range = (0.35, 1.6)
    rim: Range = (0.1, 0.9)
    rim_width: Range = (0.8, 2.0)
    roughness_px: Range = (0.2, 0.9)
    xi_px: Range = (6.0, 25.0)
    drift_px: Range = (0.0, 1.0)
    jitter_px: Range = (0.0, 0.12)
    gradient: Range = (0.0, 0.08)
    texture: Range = (0.0, 0.02)
    charging: Range = (0.0, 0.1)
    banding: Range = (0.0, 1.0)
    clean: bool = False
    one_process: bool = False
    snr_levels: tuple[float, ...] = ()
    blur_levels_px: tuple[float, ...] = ()
    sites: int = 0

    @property
    def combinations(self) -> int:
        """Number of combinations of family, tone, SNR level and blur level."""
        levels = max(len(self.snr_levels), 1) * max(len(self.blur_levels_px), 1)
        return len(self.families) * len(self.tones) * levels

    def of_image(self, index: int) -> tuple[Preset, int]:
        """Choose what image `index` is drawn from, where there are levels.

        Every run of images that is as long as there are families and SNR levels holds each of
        their pairs once; tones and blurs differ between the families of such a run, so that
        the first part of a set is balanced too.

        Parameters
        ----------
        index : int
            Number of the image; after all combinations they begin anew.

        Returns
        -------
        Preset
            With one family, tone, SNR and blur.
        int
            Number of the layer: of family and tone.
        """
        turn, family = divmod(index, len(self.families))
        rest, snr = divmod(turn, len(self.snr_levels))
        rest, tone = divmod(rest, len(self.tones))
        snr, tone, blur = snr + family, tone + family, rest + family
        edge_snr = self.snr_levels[snr % len(self.snr_levels)]
        blur_px = self.blur_levels_px[blur % len(self.blur_levels_px)]
        layer = family * len(self.tones) + tone % len(self.tones)
        chosen = replace(
            self,
            families=(self.families[family],),
            tones=(self.tones[tone % len(self.tones)],),
            edge_snr=(edge_snr, edge_snr),
            blur_px=(blur_px, blur_px),
        )
        return chosen, layer


_DEFAULT = Preset("default")
_EDGES = Preset(
    "edges",
    families=("line_space", "line_end", "contacts", "metal2d", "free_form", "frames"),
    shape=(384, 384),
    feature_px=(18.0, 44.0),
    snr_levels=(2.0, 4.0, 6.0, 8.0, 15.0),
    blur_levels_px=(1.0, 1.6, 2.2, 3.2),
    astigmatism=(0.9, 1.0),
    roughness_px=(0.2, 0.6),
    xi_px=(10.0, 30.0),
    jitter_px=(0.0, 0.06),
)
"""For measuring how well edges are placed; see `segsem.synth.edges_set`."""

_CALIBRATION = Preset(
    "calibration",
    families=("line_space", "contacts", "metal2d", "free_form", "line_end", "frames"),
    shape=(320, 320),
    feature_px=(16.0, 50.0),
    edge_snr=(2.0, 16.0),
    blur_px=(0.8, 3.4),
    astigmatism=(0.7, 1.0),
    contrast=(0.1, 1.6),
    rim=(0.1, 1.0),
    charging=(0.0, 0.3),
    gradient=(0.0, 0.2),
    texture=(0.0, 0.04),
    banding=(0.0, 2.0),
    jitter_px=(0.0, 0.25),
    drift_px=(0.0, 2.0),
    roughness_px=(0.2, 1.0),
)
"""For calibrating confidence: from good images to such as go wrong by themselves."""

_FEWSHOT = Preset(
    "fewshot",
    families=("metal2d", "metal2d", "line_end"),
    tones=("dark",),
    shape=(256, 256),
    pixel_nm=(1.5, 1.5),
    feature_px=(20.0, 24.0),
    contrast=(0.5, 0.7),
    rim=(0.5, 0.7),
    rim_width=(1.8, 2.2),
    edge_snr=(5.0, 8.0),
    blur_px=(1.3, 1.7),
    texture=(0.05, 0.07),
    gradient=(0.05, 0.1),
    one_process=True,
)

_POLYCRYSTAL = Preset(
    "polycrystal",
    families=("octilinear",),
    tones=("bright",),
    shape=(256, 256),
    pixel_nm=(2.0, 2.0),
    feature_px=(30.0, 34.0),
    space_ratio=(0.85, 1.0),
    corner_px=(6.0, 8.0),
    edge_snr=(4.5, 5.5),
    blur_px=(1.4, 1.7),
    roughness_px=(0.5, 0.7),
    jitter_px=(0.05, 0.1),
    gradient=(0.05, 0.1),
    drift_px=(0.0, 0.5),
    one_process=True,
    sites=20,
)
"""For measuring what few images teach; see `segsem.synth.polycrystal`."""

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _DEFAULT,
        replace(_DEFAULT, name="lines", families=("line_space", "line_end")),
        replace(_DEFAULT, name="contacts", families=("contacts",)),
        replace(_DEFAULT, name="metal", families=("metal2d",)),
        replace(_DEFAULT, name="free-form", families=("free_form",)),
        replace(_DEFAULT, name="clean", clean=True),
        replace(
            _DEFAULT,
            name="hard",
            contrast=(0.0, 0.0),
            rim=(0.3, 1.0),
            edge_snr=(2.0, 5.0),
            blur_px=(1.8, 3.2),
            astigmatism=(0.65, 1.0),
            charging=(0.1, 0.4),
            gradient=(0.05, 0.25),
            banding=(0.0, 3.0),
            jitter_px=(0.0, 0.35),
            drift_px=(0.0, 2.5),
            roughness_px=(0.4, 1.6),
        ),
        _FEWSHOT,
        _EDGES,
        _CALIBRATION,
        _POLYCRYSTAL,
        replace(
            _DEFAULT,
            name="sample",
            families=("line_space", "contacts", "free_form", "line_end", "contacts", "metal2d"),
            feature_px=(26.0, 48.0),
            edge_snr=(6.0, 14.0),
        ),
    )
}


def get_preset(name: str) -> Preset:
    """Look a preset up.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in PRESETS:
        msg = f"Expected a preset out of {', '.join(PRESETS)}, but got {name!r}"
        raise UsageError(msg)
    return PRESETS[name]
