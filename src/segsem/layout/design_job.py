"""`DesignJob`: which design an image is laid on, and how far the result may be trusted."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segsem.core.exceptions import InputError
from segsem.layout.design import Design
from segsem.layout.layout import Layout
from segsem.layout.read import read_layout
from segsem.layout.register import RegisterOptions
from segsem.layout.registration import Registration, Verdict

LOOSE = 0.25
"""A residual above this share of the design's typical width: prompts would miss features."""


@dataclass(frozen=True, slots=True)
class DesignJob:
    """A layer of a layout to lay images on.

    Attributes
    ----------
    design : Design
        Its merged polygons.
    record : dict
        What tells it again, as plain JSON values: file, sha256, cell, layer.
    options : RegisterOptions
        How to register.
    """

    design: Design
    record: dict[str, Any]
    options: RegisterOptions = field(default_factory=RegisterOptions)

    @property
    def signature(self) -> dict[str, Any]:
        """What a result with it depends on, as plain JSON values."""
        return {**self.record, "options": asdict(self.options)}

    @classmethod
    def read(
        cls,
        path: Path | str,
        cell: str | None = None,
        layer: str | None = None,
        options: RegisterOptions | None = None,
    ) -> DesignJob:
        """Read one layer of one cell of a layout file.

        Parameters
        ----------
        path : path
            GDSII, OASIS, GLP or SVG.
        cell, layer : str, optional
            May be left out where there is one only.
        options : RegisterOptions, optional
            How to register.

        Raises
        ------
        InputError
            If the file is not there, no layout or damaged, has no such cell or layer, or the
            layer covers no area.
        """
        return cls.of(read_layout(path, cell), layer, options)

    @classmethod
    def of(
        cls, layout: Layout, layer: str | None = None, options: RegisterOptions | None = None
    ) -> DesignJob:
        """Take one layer of a layout that was read; see `read`."""
        number, datatype = layout.find_layer(layer)
        design = Design.from_polygons(layout.polygons_by_layer[number, datatype])
        try:
            digest = hashlib.sha256(layout.path.read_bytes()).hexdigest()
        except OSError as error:
            msg = f"Cannot read {layout.path}: {error.strerror or error}"
            raise InputError(msg) from error
        record = {
            "file": layout.path.name,
            "sha256": digest,
            "cell": layout.cell,
            "layer": f"{number}/{datatype}",
        }
        return cls(design, record, options or RegisterOptions())


def distrust(found: Registration, near_given: bool) -> str | None:
    """Say in one line why a registration is not to be relied on; None where it is.

    Parameters
    ----------
    found : Registration
        From `register`.
    near_given : bool
        Whether the user said where the image lies: that settles what the image leaves open.
    """
    told = f"score {found.score:.2f}, {100 * found.matched:.0f} % of its edge found"
    if found.verdict is Verdict.POOR:
        return f"the image does not lie on it ({told})"
    width = found.design_width_nm
    if np.isfinite(width) and not found.residual_rms_nm <= LOOSE * width:
        return f"it fits loosely (residual {found.residual_rms_nm:.1f} nm, {told})"
    if near_given:
        return None
    if found.verdict is Verdict.AMBIGUOUS:
        return f"it repeats: another place scores {found.second_score:.2f} ({told})"
    if found.verdict is Verdict.UNDETERMINED:
        return f"only parallel edges are in view, which leave one direction open ({told})"
    return None
