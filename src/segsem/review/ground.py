"""`Ground`: an image made ready, so that the edge of one region is placed as all others were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segsem.contours.edges import fit_edges
from segsem.contours.inverse import ImageModel
from segsem.contours.place import PlacedLine, place_all
from segsem.contours.profiles import EdgeImage, prepare
from segsem.contours.trace import Polyline
from segsem.core.contour import Contour
from segsem.core.extraction import Extraction
from segsem.core.params import EdgeMethod, EdgeParams, ExtractParams, Tone
from segsem.imaging.image import SEMImage
from segsem.imaging.normalise import normalise_float
from segsem.segmentation.scale import FeatureScale, estimate_scale


@dataclass(frozen=True, slots=True)
class Ground:
    """What placing an edge needs to know of an image and of how it was extracted.

    Attributes
    ----------
    edges : EdgeImage
        Normalised grey values, data bar cut off.
    bright : bool
        Whether features are brighter than their surroundings.
    params : ExtractParams
        Of the extraction.
    scale : FeatureScale or None
        Tone and sizes; None where the image shows no two grey levels.
    model : ImageModel or None
        What the image's edges have in common, where the edge method asks for it.
    """

    edges: EdgeImage
    bright: bool
    params: ExtractParams
    scale: FeatureScale | None
    model: ImageModel | None

    @property
    def edge(self) -> EdgeParams:
        """The edge definition."""
        return self.params.edge

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the image in px, without the data bar."""
        height, width = self.edges.grey.shape
        return height, width

    def place(self, lines: Sequence[Polyline], within_px: float | None = None) -> list[PlacedLine]:
        """Place outlines as the extraction did; or search for their edges less far."""
        edge = self.edge
        if within_px is not None and within_px < edge.search_px:
            edge = edge.model_copy(update={"search_px": within_px})
        return place_all(self.edges, lines, self.bright, edge, self.model)


def ground_of(image: SEMImage, extraction: Extraction) -> Ground:
    """Make an image ready; takes a while.

    Parameters
    ----------
    image : SEMImage
        The image.
    extraction : Extraction
        What was found in it: its provenance says how.
    """
    params = _params(extraction.provenance.get("params"))
    grey = np.ascontiguousarray(normalise_float(image)[slice(*image.valid_rows)])
    edges = prepare(grey)
    said = extraction.provenance.get("tone")
    tone = Tone(said) if said in (Tone.BRIGHT.value, Tone.DARK.value) else params.tone
    scale = estimate_scale(grey, edges.noise, tone)
    bright = tone is not Tone.DARK if scale is None else scale.bright
    model = None
    if params.edge.edge_method is EdgeMethod.INVERSE:
        contours = [c for region in extraction.regions for c in region.contours if len(c) > 2]
        model = fit_edges(edges, [_as_traced(c) for c in contours], bright, params.edge)
    return Ground(edges, bright, params, scale, model)


def _as_traced(contour: Contour) -> Polyline:
    return Polyline(contour.raw_vertices_rc, contour.closed)


def _params(said: object) -> ExtractParams:
    """Parameters as the provenance says them; those of today where an older version said others."""
    try:
        return ExtractParams.model_validate(said)
    except ValueError:
        return ExtractParams()
