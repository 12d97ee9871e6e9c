"""What keys and buttons do with the series of images and the training set."""

from __future__ import annotations

from napari_segsem._actions import Actions
from napari_segsem._session import Session


def series_actions(session: Session) -> Actions:
    """Actions of the series, by the names of the keymap."""
    series = session.series
    return {
        "next_image": lambda: session.step(1),
        "previous_image": lambda: session.step(-1),
        "next_unfinished": series.next_unfinished,
        "image_done": series.toggle_done,
        "to_training_set": series.toggle_training,
    }
