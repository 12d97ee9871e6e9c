"""Many objects at once, and further prompt tools: tools, layers and actions, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_segsem._annotation import Annotation
from napari_segsem._layer_adapters import AnnotateLayers
from napari_segsem._prompt_mouse import is_on_sample
from napari_segsem._prompt_state import RepeatSeed
from napari_segsem._prompt_tools import Boxes, Polygon, Scribble
from napari_segsem._proposal_layers import ProposalLayers
from napari_segsem._session import Session
from napari_segsem._toolbox import Toolbox
from segsem.core.mask_patch import MaskPatch

Actions = dict[str, Callable[[], None]]

TOOL_HINTS = {
    "boxes": "Boxes: drag one around each object; they are answered together",
    "scribble": "Scribble: draw along the object; with Ctrl over what does not belong to it",
    "polygon": "Polygon: click around the object; Return or a double-click closes it",
}


class Proposing:
    """Boxes, scribbles, polygons, masks as prompts, repeat, proposals, preview under the mouse.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session
    toolbox : Toolbox
        The tools are put into it.
    layers : AnnotateLayers
    adopt : callable
        Called with each layer: gives it keys and words for the status bar.
    base : dict of str to callable
        The actions `accept` and `clear` and `cycle` for the object in work.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        toolbox: Toolbox,
        layers: AnnotateLayers,
        adopt: Callable[[Any], None],
        base: Actions,
    ) -> None:
        self._viewer, self._session, self._toolbox = viewer, session, toolbox
        self._annotate_layers, self._base = layers, dict(base)
        self.layers = ProposalLayers(viewer, session, adopt, layers.screen_px)
        self.turned = False
        """Whether others may be turned by quarters, or mirrored."""
        self._camera: tuple[float, Any] | None = None
        show = self.layers.show_lines
        toolbox.add(Boxes(session, layers.screen_px, show))
        toolbox.add(Scribble(session, layers.screen_px, show))
        toolbox.add(Polygon(session, layers.screen_px, show, self._remember_camera))
        layers.watch_mouse(self._on_move, self._on_double_click)
        self.actions: Actions = {
            **{name: self._taking(name) for name in TOOL_HINTS},
            "accept": self.accept,
            "accept_all": self.accept_all,
            "cycle": self.cycle,
            "refine": self.refine,
            "repeat": self.repeat,
            "preview": self.toggle_preview,
        }

    def close(self) -> None:
        """Let go of the session."""
        self.layers.close()

    def accept(self) -> None:
        """Close a polygon, accept the object in work, or else all proposals."""
        annotation = self._session.annotation
        if annotation is None or annotation.close_polygon():
            return
        if annotation.state.polygon_rc and not annotation.state.is_closed:
            self._session.tell("A polygon needs three corners: click around the object")
        elif annotation.candidates is None and annotation.proposals.shown:
            self.accept_all()
        else:
            self._base["accept"]()

    def accept_all(self) -> None:
        """Make all proposals that are shown objects."""
        annotation = self._session.annotation
        if annotation is None:
            return
        if not annotation.proposals.shown:
            self._session.tell("No proposals yet: press R on an object, or drag boxes around some")
            return
        made = annotation.accept_proposals()
        noun = "object" if len(made) == 1 else "objects"
        self._session.tell(f"{len(made)} {noun} accepted")

    def cycle(self) -> None:
        """Show the next mask of the object in work, or of the proposal under the mouse."""
        annotation, at = self._session.annotation, self.pixel_under_cursor()
        if annotation is not None and annotation.candidates is None and at is not None:
            found = annotation.proposals.at(*at)
            if found is not None and annotation.proposals.cycle(found.key):
                return
        self._base["cycle"]()

    def refine(self) -> None:
        """Have the model improve the accepted object under the mouse."""
        annotation = self._session.annotation
        if annotation is None:
            return
        if not annotation.refine(self._annotate_layers.object_under_cursor()):
            self._session.tell("No accepted object is under the mouse: point at one")
            return
        self._annotate_layers.start_prompting()

    def repeat(self) -> None:
        """Look for the others of the object in work, or of the accepted one under the mouse."""
        annotation = self._session.annotation
        if annotation is None:
            return
        seed = self._seed(annotation)
        if seed is None:
            self._session.tell("Point at an object, or outline one first: its others are found")
            return
        self._session.tell("Looking for others like it…")
        annotation.repeat(seed)

    def toggle_preview(self) -> None:
        """Switch the preview under the mouse on or off."""
        asking = self._session.asking
        asking.hover_wanted = not asking.hover_wanted
        asking.stop_hovering()
        if not asking.hover_wanted:
            self._session.tell("Preview under the mouse: off")
        elif asking.can_hover:
            self._session.tell("Preview under the mouse: on")
        else:
            self._session.tell("Preview under the mouse: on, once the model is fast enough for it")

    def pixel_under_cursor(self) -> tuple[int, int] | None:
        """Pixel of the image under the mouse; None outside it."""
        document = self._session.document
        if document is None:
            return None
        position = np.asarray(self._viewer.cursor.position, dtype=float)[-2:]
        row, col = position / np.asarray(document.scale)
        return (round(row), round(col)) if is_on_sample(document, (row, col)) else None

    def _seed(self, annotation: Annotation) -> RepeatSeed | None:
        """Choose the object that is repeated: in work, under the mouse, or accepted last."""
        if annotation.candidates is not None and not annotation.candidates.partial:
            mask = MaskPatch.of(
                annotation.candidates.mask(annotation.choice), annotation.candidates.offset_rc
            )
            if not mask.is_empty:
                return RepeatSeed(mask, "outline", self.turned)
        object_id = self._annotate_layers.object_under_cursor()
        if not object_id:
            object_id = max(annotation.objects, default=0)
        patch = annotation.patch_of(object_id)
        return None if patch is None else RepeatSeed(patch, f"object {object_id}", self.turned)

    def _taking(self, name: str) -> Callable[[], None]:
        def take() -> None:
            self._toolbox.take(name)
            self._annotate_layers.start_prompting()
            self._session.tell(TOOL_HINTS[name])

        return take

    def _on_move(self, at: tuple[float, float]) -> None:
        document = self._session.document
        if self._toolbox.name == "prompt" and document is not None and is_on_sample(document, at):
            self._session.asking.hover(at)
        else:
            self._session.asking.stop_hovering()

    def _on_double_click(self) -> None:
        annotation = self._session.annotation
        if annotation is not None and self._toolbox.name == "polygon":
            # napari zoomed already: a double-click that ends a polygon is not meant for that.
            if self._camera is not None:
                camera = self._viewer.scene.camera
                camera.zoom, camera.center = self._camera
            annotation.close_polygon()

    def _remember_camera(self) -> None:
        camera = self._viewer.scene.camera
        self._camera = camera.zoom, camera.center
