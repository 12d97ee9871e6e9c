"""Array aliases: the shape and frame are in the name."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

ImageArray: TypeAlias = npt.NDArray[Any]
"""(H, W) grey image of any real dtype, row 0 at the top."""

FloatImage: TypeAlias = npt.NDArray[np.float32]
"""(H, W) float32."""

MaskArray: TypeAlias = npt.NDArray[np.bool_]
"""(H, W) bool, True inside the feature."""

LabelArray: TypeAlias = npt.NDArray[np.int32]
"""(H, W) int32, 0 = background, otherwise a region id."""

FloatArray: TypeAlias = npt.NDArray[np.float64]
"""Any float64 array; the name that carries it says shape and unit."""

AnyFloats: TypeAlias = npt.NDArray[np.floating[Any]]
"""Any float32 or float64 array."""

PointsRC: TypeAlias = npt.NDArray[np.float64]
"""(N, 2) float64 points as (row, column) in px, pixel centres at integers."""

PointsXY: TypeAlias = npt.NDArray[np.float64]
"""(N, 2) float64 points as (x, y); the name that carries it says px or nm."""

PixelSize: TypeAlias = tuple[float, float]
"""(y, x) pixel size in nm."""

BoxRC: TypeAlias = tuple[float, float, float, float]
"""(r0, c0, r1, c1) in px, pixel centres at integers."""
