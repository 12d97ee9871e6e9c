"""Which session belongs to which viewer, and when it ends."""

from __future__ import annotations

import atexit
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_error
from psygnal import Signal

from napari_segsem._actions import prompt_actions, review_actions, view_actions
from napari_segsem._actions_finetune import finetune_actions
from napari_segsem._actions_review import edit_actions
from napari_segsem._actions_series import series_actions
from napari_segsem._correct import Correct
from napari_segsem._design import DesignDesk
from napari_segsem._design_layers import DesignLayers
from napari_segsem._extraction import ExtractionRun
from napari_segsem._finetune import FineTuning
from napari_segsem._finetune_layers import FinetuneLayers
from napari_segsem._garbage import SparedCollections
from napari_segsem._grounds import Grounds
from napari_segsem._hover import StatusBar
from napari_segsem._key_bindings import Keys
from napari_segsem._key_settings import user_keys
from napari_segsem._layer_adapters import AnnotateLayers
from napari_segsem._memory import WAIT_MS, Memory
from napari_segsem._model_choice import ModelChoice
from napari_segsem._object_view import LOOK_TEXTS
from napari_segsem._proposing import Proposing
from napari_segsem._restore import Restorer
from napari_segsem._review_desk import ReviewDesk
from napari_segsem._review_edit import RegionEdit
from napari_segsem._review_edit_layers import EditLayers
from napari_segsem._review_layers import ReviewLayers
from napari_segsem._review_switch import Switching
from napari_segsem._session import Session
from napari_segsem._tasks import Pause, in_gui_thread, run_in_background
from napari_segsem._thumbnails import Thumbnails
from napari_segsem._toolbox import Toolbox
from napari_segsem._training_set import TrainingSet
from napari_segsem._workplace import Workplace


class Shared:
    """What all panels of a viewer share: session, extraction, layers, actions."""

    help_wanted = Signal()
    """Somebody asks for the keys."""

    def __init__(self, viewer: Any) -> None:
        workplace = Workplace(run_in_background)
        self.session = Session(in_gui_thread, background=run_in_background, workplace=workplace)
        self.training_set = TrainingSet(workplace, self.session.series, run_in_background)
        self.thumbnails = Thumbnails(run_in_background, workplace.thumbnail_folder)
        self.desk = ReviewDesk(
            self.session, run_in_background, lambda: self.review_layers.go_to_current()
        )
        self.extraction = ExtractionRun(self.session, self.desk)
        self.design = DesignDesk(self.session, run_in_background)
        self.extraction.more_arguments = self.design.arguments
        self.model_choice = ModelChoice(self.session, workplace, run_in_background)
        self.tuning = FineTuning(self.session, workplace, self.model_choice, run_in_background)
        self.toolbox = Toolbox()
        self.prompt_actions = prompt_actions(
            self.session, lambda: self.annotate_layers.object_under_cursor(), self._prompt
        )
        self.prompt_actions |= view_actions(
            self.session, self._cycle_look, lambda: self.help_wanted.emit()
        )
        self.prompt_actions |= series_actions(self.session)
        self.grounds = Grounds()
        self.edit = RegionEdit(self.session, self.desk, run_in_background, self.grounds)
        self.switching = Switching(self.session, self.desk, run_in_background, self.grounds)
        self.review_actions = review_actions(self.desk)
        self.finetune_actions = finetune_actions(self.session, self.tuning, self.training_set)
        self.keys = user_keys("annotate", self.prompt_actions, self.session.tell)
        self.keys.bind_anywhere(viewer)
        self.review_keys = user_keys("review", self.review_actions, self.session.tell)
        self.finetune_keys = user_keys("finetune", self.finetune_actions, self.session.tell)
        self.finetune_keys.bind_anywhere(viewer)
        self._status_bar = StatusBar(self.session, lambda at: self.review_layers.region_at(at))
        self.annotate_layers = AnnotateLayers(
            viewer, self.session, partial(self._adopt, self.keys), self.toolbox
        )
        self.correct = Correct(
            viewer, self.session, self.toolbox, self.annotate_layers, run_in_background
        )
        self.prompt_actions |= self.correct.actions
        self.proposing = Proposing(
            viewer,
            self.session,
            self.toolbox,
            self.annotate_layers,
            partial(self._adopt, self.keys),
            self.prompt_actions,
        )
        self.prompt_actions |= self.proposing.actions
        self.review_layers = ReviewLayers(
            viewer,
            self.session,
            self.desk,
            partial(self._adopt, self.review_keys),
            self.annotate_layers.pause,
        )
        pen = self.correct.pen
        self.edit_layers = EditLayers(
            viewer, self.edit, self.review_layers, self.review_keys.bind, pen
        )
        self.review_actions |= edit_actions(
            self.session,
            self.desk,
            self.edit,
            self.edit_layers,
            self.switching,
            self.review_layers,
            pen,
        )
        self.design_layers = DesignLayers(
            viewer, self.session, self.design, partial(self._adopt, self.review_keys)
        )
        self.finetune_layers = FinetuneLayers(viewer, self.session, partial(self._adopt, self.keys))
        self.memory = Memory(Pause(WAIT_MS))
        self.restorer = Restorer(
            viewer, self.session, self.memory, self.annotate_layers.object_view, self._is_paused
        )
        self.panels = 0
        self._spared = SparedCollections(self.session)
        self.session.message.connect(_notify)

    def close(self) -> None:
        """End the child processes and let go of the viewer."""
        self.extraction.cancel()
        self.design.close()
        self.design_layers.close()
        self.tuning.close()
        self.restorer.close()
        self.thumbnails.close()
        self.training_set.close()
        self.desk.close()
        self.session.close()
        self.annotate_layers.close()
        self.proposing.close()
        self.edit_layers.close()
        self.edit.close()
        self.review_layers.close()
        self.finetune_layers.close()
        self.keys.close()
        self.finetune_keys.close()
        self.review_keys.close()
        self._spared.close()

    def _adopt(self, keys: Keys, layer: Any) -> None:
        """Make a layer one of ours: keys, words for the status bar, remembered."""
        keys.bind(layer)
        self._status_bar.watch(layer)
        self.restorer.watch(layer)

    def _prompt(self) -> None:
        self.toolbox.take("prompt")
        self.annotate_layers.start_prompting()

    def _is_paused(self) -> bool:
        return self.annotate_layers.is_paused

    def _cycle_look(self) -> str:
        view = self.annotate_layers.object_view
        view.cycle()
        return LOOK_TEXTS[view.look]


def _notify(text: str, is_error: bool) -> None:
    if is_error:
        show_error(text)


_shared: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


def real_viewer(viewer: Any) -> Any:
    """Give the viewer behind the proxy that napari hands to plugins.

    A proxy lives as short as the panel that holds it, and each panel has its own.
    """
    return getattr(viewer, "__wrapped__", viewer)


def enter(viewer: Any) -> Shared:
    """Give a panel the shared state of its viewer; each panel leaves when it is destroyed."""
    shared = _shared.get(viewer)
    if shared is None:
        shared = _shared[viewer] = Shared(viewer)
    shared.panels += 1
    return shared


def known(viewer: Any) -> Shared | None:
    """Give the shared state of a viewer; None while no panel is open."""
    return _shared.get(real_viewer(viewer))


def leave(shared: Shared) -> None:
    """Take a panel's leave; with the last one the child processes end."""
    shared.panels -= 1
    if shared.panels <= 0:
        shared.close()
        for viewer, known in list(_shared.items()):
            if known is shared:
                del _shared[viewer]


@atexit.register
def _end_children() -> None:
    for shared in list(_shared.values()):
        shared.extraction.cancel()
        shared.tuning.close()
        shared.session.close()
