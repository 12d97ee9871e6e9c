"""The options of a design, which `extract` and `measure` share."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsem.core.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class DesignOptions:
    """What the command line says of a design.

    Attributes
    ----------
    design : Path or None
        The layout file.
    cell, layer : str or None
        Of the file; may be left out where there is one only.
    at : str or None
        `X,Y` in nm: where the images' centre lies.
    rotate, fit_scale : bool
        Try quarter turns; fit a scale.
    """

    design: Path | None
    cell: str | None = None
    layer: str | None = None
    at: str | None = None
    rotate: bool = False
    fit_scale: bool = False

    def read(self) -> Any:
        """Give the `DesignJob`; None where no design was given.

        Raises
        ------
        UsageError
            If there are options of a design without one, or `at` is no place.
        InputError
            If the file, its cell or its layer cannot be read.
        """
        given = {
            "--cell": self.cell,
            "--layer": self.layer,
            "--at": self.at,
            "--rotate": self.rotate or None,
            "--fit-scale": self.fit_scale or None,
        }
        named = [name for name, value in given.items() if value is not None]
        if self.design is None:
            if named:
                msg = f"Expected --design FILE beside {named[0]}, but got none"
                raise UsageError(msg)
            return None
        options = importlib.import_module("segsem.layout.register").RegisterOptions(
            quarter_turns=self.rotate, fit_scale=self.fit_scale, near_nm=self._near()
        )
        job = importlib.import_module("segsem.layout.design_job").DesignJob
        return job.read(self.design, self.cell, self.layer, options)

    def _near(self) -> tuple[float, float] | None:
        if self.at is None:
            return None
        try:
            x, y = (float(word) for word in self.at.split(","))
        except ValueError:
            x = y = math.nan
        if not (math.isfinite(x) and math.isfinite(y)):
            msg = f"Expected --at X,Y in nm, but got {self.at!r}"
            raise UsageError(msg)
        return x, y
