"""The models that we know of: configuration, source, hash, licence and frame."""

from __future__ import annotations

from dataclasses import dataclass

from segsem.core.exceptions import ModelError

NANO_CONFIG = "segsem-nano"
NANO_FRAME_PX = 256
OFFICIAL_FRAME_PX = 1024

OFFICIAL_CONFIGS: dict[str, str] = {
    f"{family}_hiera_{size}": f"configs/{family}/{family}_hiera_{size}.yaml"
    for family in ("sam2.1", "sam2")
    for size in ("t", "s", "b+", "l")
}
"""Name of a SAM2 configuration to its file inside the `sam2` package."""

_LONG_SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}

META_URL = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A published model.

    Attributes
    ----------
    name : str
    config : str
        `segsem-nano` or a key of `OFFICIAL_CONFIGS`.
    frame_px : int
        Side of its square frame.
    licence : str
    url : str or None
        Where its weights are published; None for what comes with the package.
    sha256 : str or None
        Of the published file.
    """

    name: str
    config: str
    frame_px: int
    licence: str
    url: str | None = None
    sha256: str | None = None


def _official(size: str, config: str, sha256: str) -> ModelSpec:
    name = f"sam2.1_hiera_{size}"
    return ModelSpec(name, config, OFFICIAL_FRAME_PX, "Apache-2.0", f"{META_URL}{name}.pt", sha256)


NANO = ModelSpec("segsem-nano", NANO_CONFIG, NANO_FRAME_PX, "BSD-3-Clause")

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        NANO,
        _official(
            "tiny",
            "sam2.1_hiera_t",
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        ),
        _official(
            "small",
            "sam2.1_hiera_s",
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        ),
        _official(
            "base_plus",
            "sam2.1_hiera_b+",
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        ),
        _official(
            "large",
            "sam2.1_hiera_l",
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        ),
    )
}


SHORT_NAMES: dict[str, str] = {size: f"sam2.1_hiera_{size}" for size in _LONG_SIZES}
"""What the published models are called on the command line, for short."""


def full_name(name: str) -> str:
    """Name in the registry of what may be a short name; other names stay as they are."""
    return SHORT_NAMES.get(name, name)


def how_to_add(spec: ModelSpec) -> str:
    """Say how a published model is installed where there is no network."""
    return (
        f"download {spec.url} on another machine, copy it here and run: "
        f"segsem models add {spec.name}.pt --config {spec.config}"
    )


def config_named(text: str) -> str:
    """Find a configuration by its name, its file's name, or the name of a model that has it.

    Parameters
    ----------
    text : str
        `sam2.1_hiera_t`, `configs/sam2.1/sam2.1_hiera_t.yaml`, `sam2.1_hiera_tiny`, `tiny`.

    Raises
    ------
    ModelError
        If there is none; names the known ones.
    """
    name = full_name(text.rpartition("/")[2].removesuffix(".yaml"))
    family, _, size = name.partition("_hiera_")
    if size in _LONG_SIZES:
        name = f"{family}_hiera_{_LONG_SIZES[size]}"
    if name not in known_configs():
        msg = f"Unknown configuration {text!r}. Choose one of: {', '.join(known_configs())}."
        raise ModelError(msg)
    return name


def frame_px_of(config: str) -> int:
    """Side of the frame of a configuration's models."""
    return NANO_FRAME_PX if config == NANO_CONFIG else OFFICIAL_FRAME_PX


def known_configs() -> tuple[str, ...]:
    """Names of all configurations."""
    return (NANO_CONFIG, *OFFICIAL_CONFIGS)
