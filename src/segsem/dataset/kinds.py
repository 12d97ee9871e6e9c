"""Names that the command line offers; light, so that `segsem --help` waits for nothing."""

from __future__ import annotations

from enum import StrEnum


class MaskKind(StrEnum):
    """What the values of a mask mean."""

    AUTO = "auto"
    LABELS = "labels"
    BINARY = "binary"


class Shapes(StrEnum):
    """How COCO says a mask."""

    RLE = "rle"
    POLYGON = "polygon"


class ExportFormat(StrEnum):
    """What a training set is written as."""

    COCO = "coco"
    LABELS = "labels"
