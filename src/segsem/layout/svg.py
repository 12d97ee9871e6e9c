"""Label files in SVG: filled paths and circles, nothing that a label file does not hold."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.parsers import expat

import numpy as np

from segsem.core.coordinates import flip_y
from segsem.core.exceptions import InputError
from segsem.core.types import PointsXY
from segsem.layout.layout import Layer, Layout
from segsem.layout.svg_path import path_rings

_CIRCLE_POINTS = 64
_NOT_READ = {"rect", "polygon", "polyline", "ellipse", "line", "use", "image", "text"}
_LENGTH = re.compile(r"\s*([0-9.eE+-]+)\s*(px)?\s*")


def read_svg(path: Path) -> Layout:
    """Read an SVG; fill colours become layers 1/0, 2/0, ... with the colour's name.

    One SVG unit counts as 1 nm: the format has no other, scale the polygons as they need it.
    y is turned up about the document's height.

    Raises
    ------
    InputError
        If it is not XML, declares entities, has no size, uses a `transform`, or draws otherwise
        than by filled `<path>` (M, L, H, V, C, Z) and `<circle>`.
    """
    document = _Document(path.name)
    document.parse(path.read_bytes())
    if document.height is None:
        msg = f"{path.name}: expected an <svg> with a height or viewBox"
        raise InputError(msg)
    layers: dict[Layer, str] = {(i, 0): fill for i, fill in enumerate(document.rings, start=1)}
    polygons = {
        key: [flip_y(ring, document.height) for ring in document.rings[fill]]
        for key, fill in layers.items()
    }
    return Layout(path, polygons, path.stem, (path.stem,), 1.0, layers)


class _Document:
    """What is kept while expat walks through the elements."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.height: float | None = None
        self.rings: dict[str, list[PointsXY]] = {}

    def parse(self, content: bytes) -> None:
        # Entities are how a small XML file becomes gigabytes or reads other files: none is taken.
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.EntityDeclHandler = self._refuse_entity
        parser.StartElementHandler = self._start
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            msg = f"{self.name}: expected an SVG file, but it is not well-formed XML ({error})"
            raise InputError(msg) from error

    def _refuse_entity(self, *_: object) -> None:
        msg = f"{self.name}: expected an SVG file without entity declarations"
        raise InputError(msg)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = tag.rpartition(" ")[2]
        if element in _NOT_READ:
            msg = f"{self.name}: expected filled <path> and <circle> only, but got <{element}>"
            raise InputError(msg)
        if "transform" in attributes:
            msg = f"{self.name}: <{element} transform> is not supported: save without transforms"
            raise InputError(msg)
        if element == "svg" and self.height is None:
            self.height = self._size(attributes)
        elif element == "path":
            rings = path_rings(attributes.get("d", ""), self.name)
            self._keep(attributes, rings)
        elif element == "circle":
            self._keep(attributes, [self._circle(attributes)])

    def _size(self, attributes: dict[str, str]) -> float:
        box = attributes.get("viewBox", "").replace(",", " ").split()
        text = box[3] if len(box) == 4 else attributes.get("height", "")
        if len(box) == 4 and [self._number(word) for word in box[:2]] != [0.0, 0.0]:
            msg = f"{self.name}: expected a viewBox that begins at 0 0, but got {box[:2]}"
            raise InputError(msg)
        return self._number(text)

    def _keep(self, attributes: dict[str, str], rings: list[PointsXY]) -> None:
        fill = attributes.get("fill", "black").strip()
        if fill != "none" and rings:
            self.rings.setdefault(fill, []).extend(rings)

    def _circle(self, attributes: dict[str, str]) -> PointsXY:
        x, y, radius = (self._number(attributes.get(key, "0")) for key in ("cx", "cy", "r"))
        if radius <= 0:
            msg = f"{self.name}: expected a circle with r above 0, but got {radius}"
            raise InputError(msg)
        angle = np.arange(_CIRCLE_POINTS) * (2 * math.pi / _CIRCLE_POINTS)
        return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)

    def _number(self, text: str) -> float:
        match = _LENGTH.fullmatch(text)
        try:
            value = float(match.group(1)) if match else math.nan
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and abs(value) < 1e12):
            msg = f"{self.name}: expected a number in px, but got {text[:40]!r}"
            raise InputError(msg)
        return value
