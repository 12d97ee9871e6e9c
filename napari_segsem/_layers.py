"""Names, colours and line styles of the plugin's layers: every layer is described here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Points, Vectors
from napari.utils.colormaps import DirectLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color

from segsem.core.appearance import NEEDS_HUMAN_STYLE, SOURCE_STYLES
from segsem.core.contour import Source
from segsem.core.types import PointsRC
from segsem.segmentation.prompts import FOREGROUND

if TYPE_CHECKING:
    # A document knows of its review, which knows how its lines are drawn.
    from napari_segsem._document import Document

IMAGE_KEY = "segsem_image"
"""Where a layer's metadata holds the `SEMImage` that it was made from."""

DATA_BAR = "Data bar (ignored)"
OBJECTS = "SegSEM objects"
FILLS = "SegSEM objects, filled"
PREVIEW = "SegSEM preview"
BOX = "SegSEM box"
PROMPTS = "SegSEM prompts"
PROPOSALS = "SegSEM proposals"
SCORES = "SegSEM scores"
ASKED = "SegSEM boxes and polygons"
HOVER = "SegSEM hover"
REGIONS = "SegSEM regions"
HEAT = "SegSEM confidence"
DOUBTFUL = "SegSEM doubtful"
CURRENT = "SegSEM current region"
CONTOURS = {source: f"SegSEM contours: {SOURCE_STYLES[source].label}" for source in Source}

PREVIEW_COLOR = "#F0E442"
"""Yellow of the same Okabe-Ito palette: nothing else is drawn in it."""

PROPOSAL_COLOR = "#56B4E9"
"""Light blue: offered, not accepted."""

HOVER_OPACITY = 0.45

OBJECT_COLOR = SOURCE_STYLES[Source.SAM2].color
CURRENT_COLOR = "#FFFFFF"
KINDS = (Image, Labels, Points, Vectors)
"""Kinds of layers that the plugin makes."""

POINT_COLORS = {FOREGROUND: "#009E73", 0: "#D55E00"}
POINT_SYMBOLS = {FOREGROUND: "disc", 0: "square"}

FILL_OPACITY = 0.35
FILL_COLORS = 49
"""Colours that fills go through."""

CURRENT_WIDTH = 2.2
DOUBTFUL_WIDTH = 5.0
"""Line widths of the broad band under a doubtful contour."""


def placement(document: Document, offset_rc: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    """Scale, units and position, so that napari lines every layer up with the image."""
    scale = document.scale
    return {
        "scale": scale,
        "translate": (offset_rc[0] * scale[0], offset_rc[1] * scale[1]),
        "units": document.units,
    }


def place(layer: Any, document: Document, offset_rc: tuple[int, int] = (0, 0)) -> None:
    """Move an existing layer onto a document's image.

    napari slices and draws a layer anew for each of these, be it the same as before.
    """
    place_at(layer, **placement(document, offset_rc))


def place_at(layer: Any, scale: Any, translate: Any, units: Any) -> None:
    """Give a layer another scale, position and units, as far as they differ."""
    if not np.array_equal(layer.scale, scale):
        layer.scale = scale
    if not np.array_equal(layer.translate, translate):
        layer.translate = translate
    layer.units = units


def put(layer: Any, data: Any) -> None:
    """Give a layer other data, which lie within the image.

    At each change of data napari works out anew how far all layers reach, and builds the shader of
    a label image again: 5 to 10 ms of a click. It is told only where the image itself changes.
    """
    with layer.events.data.blocker():
        layer.data = data


def put_at(layer: Any, data: Any, document: Document, offset_rc: tuple[int, int] = (0, 0)) -> None:
    """Give a layer other data at another place within the image."""
    # The layer is drawn at its new place all the same: napari asks for it with the data.
    with layer.events.translate.blocker():
        place(layer, document, offset_rc)
        put(layer, data)


def show(layer: Any, visible: bool) -> None:
    """Show or hide a layer, unless it is so already: napari would draw it anew."""
    if layer.visible != visible:
        layer.visible = visible


def image_layer(document: Document) -> Image:
    """Grey image with the file's own values."""
    return Image(
        document.image.data,
        name=document.image.name,
        colormap="gray",
        contrast_limits=document.display_limits,
        **placement(document),
    )


def data_bar_layer() -> Image:
    """One dark pixel, stretched over the data bar."""
    return Image(
        np.zeros((1, 1), dtype=np.uint8),
        name=DATA_BAR,
        colormap="gray",
        contrast_limits=(0, 1),
        opacity=0.6,
        visible=False,
    )


def labels_layer(name: str, data: npt.NDArray[Any], color: str, contour: int) -> Labels:
    """Label image drawn as outlines of one colour."""
    layer = Labels(data, name=name, opacity=1.0)
    layer.colormap = DirectLabelColormap(color_dict={0: "transparent", None: color})
    layer.contour = contour
    return layer


def fills_layer(data: npt.NDArray[Any]) -> Labels:
    """Label image drawn as translucent areas, a colour for each object."""
    return Labels(
        data,
        name=FILLS,
        opacity=FILL_OPACITY,
        colormap=label_colormap(FILL_COLORS),
        visible=False,
    )


def prompts_layer() -> Points:
    """Clicks: a disc for what belongs to the object, a square for what does not."""
    layer = Points(
        ndim=2,
        name=PROMPTS,
        size=14,
        border_width=0.05,
        border_color="white",
        face_color=POINT_COLORS[FOREGROUND],
        symbol=POINT_SYMBOLS[FOREGROUND],
        opacity=1.0,
    )
    layer.canvas_size_limits = (12, 18)
    return layer


def show_points(
    layer: Points, points_rc: Sequence[tuple[float, float]], labels: Sequence[int]
) -> None:
    """Show clicks in a prompts layer."""
    wanted = np.asarray(points_rc, dtype=float).reshape(-1, 2)
    symbols = [POINT_SYMBOLS[label] for label in labels]
    if np.array_equal(layer.data, wanted) and [str(each) for each in layer.symbol] == symbols:
        return
    put(layer, wanted)
    # Each of these draws the layer anew; new points have the look of the foreground already.
    if [str(symbol) for symbol in layer.symbol] != symbols:
        layer.face_color = [POINT_COLORS[label] for label in labels]
        layer.symbol = symbols
    layer.selected_data = set()


def lines_layer(name: str, color: str, opacity: float = 1.0) -> Vectors:
    """Line segments of one colour, which is its thumbnail."""
    made = Vectors(
        np.zeros((0, 2, 2)),
        ndim=2,
        name=name,
        edge_color=color,
        edge_width=1.0,
        vector_style="line",
        opacity=opacity,
    )
    thumbnail = np.zeros((*made.thumbnail.shape[:2], 4), np.uint8)
    thumbnail[8:-8, 4:-4] = np.rint(255 * transform_color(color)[0])
    made.thumbnail = thumbnail
    # napari would draw a thousand lines anew, pixel by pixel, at each change of data or width:
    # 25 ms each time, half of what it takes to show an image's contours.
    made._update_thumbnail = _nothing
    return made


def _nothing() -> None:
    """Leave a thumbnail as it is."""


def contour_layer(source: Source) -> Vectors:
    """Contours that stand on one source, in its colour."""
    return lines_layer(CONTOURS[source], SOURCE_STYLES[source].color)


def doubtful_layer() -> Vectors:
    """Broad band under the contours that ask for a look."""
    return lines_layer(DOUBTFUL, NEEDS_HUMAN_STYLE.color, opacity=0.4)


def heat_layer(data: npt.NDArray[np.float32]) -> Image:
    """Confidence over the image; NaN is left clear."""
    return Image(
        data,
        name=HEAT,
        # Even in lightness, and told apart by colour-blind people.
        colormap="viridis",
        opacity=0.45,
        contrast_limits=(0.0, 1.0),
        blending="translucent_no_depth",
    )


def segments(line_rc: PointsRC, *, closed: bool = False) -> npt.NDArray[np.float64]:
    """Polyline (K, 2) as napari vectors (K - 1, 2, 2): start and step."""
    line = np.vstack([line_rc, line_rc[:1]]) if closed else np.asarray(line_rc)
    return np.stack([line[:-1], np.diff(line, axis=0)], axis=1)


def scores_layer() -> Points:
    """Scores of proposals: text without marks."""
    layer = Points(
        np.zeros((0, 2)),
        ndim=2,
        name=SCORES,
        size=0.01,
        opacity=1.0,
        features={"score": np.zeros(0, dtype=object)},
        text={"string": "{score}", "color": PROPOSAL_COLOR, "size": 9},
    )
    layer.canvas_size_limits = (0, 1)
    return layer


def _hover_layer() -> Labels:
    layer = labels_layer(HOVER, np.zeros((1, 1), np.uint8), PREVIEW_COLOR, 0)
    layer.opacity = HOVER_OPACITY
    return layer


PROPOSAL_LAYERS: Mapping[str, Callable[[], Layer]] = {
    PROPOSALS: lambda: labels_layer(PROPOSALS, np.zeros((1, 1), np.uint8), PROPOSAL_COLOR, 0),
    SCORES: scores_layer,
    ASKED: lambda: lines_layer(ASKED, PREVIEW_COLOR),
    HOVER: _hover_layer,
}
"""Layers that are made when they are first needed, by name."""
