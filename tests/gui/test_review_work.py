"""How much is done for one image and one decision: nothing twice, and nothing for other images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_segsem import _layers
from napari_segsem._benchmark_review_lot import write_lot
from napari_segsem._lot import Lot
from segsem.export.outputs import write_results
from segsem.export.results import read_results
from segsem.review.decision import Action
from segsem.review.item import ItemFlag, ItemKey
from segsem.review.queue import QueueFilter

N_IMAGES, EACH = 3, 8


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lot(tmp_path_factory.mktemp("lot"), N_IMAGES, EACH, in_runs=True)


@pytest.fixture
def lot(written: Path) -> Iterator[Lot]:
    made = Lot.open(written)
    yield made
    while made.undo() is not None:
        pass
    made.close()


def test_counts_by_image_are_those_of_the_whole_queue(lot: Lot) -> None:
    some = QueueFilter(images=frozenset(list(lot.results)[:2]))
    steps = [Action.ACCEPT, Action.REJECT, Action.ACCEPT, None, None, Action.ACCEPT, None]
    for action in steps:
        if action is None:
            lot.undo()
        else:
            lot.decide(action)
        for wanted in (some, QueueFilter()):
            lot.show_only(wanted)
            assert lot.counts == lot.review.queue.counts(wanted)
    assert lot.counts.open == N_IMAGES * EACH - 1
    accepted = lot.n_above(0.8)
    assert len(lot.accept_above(0.8)) == accepted > 0
    assert lot.counts == lot.review.queue.counts()
    assert lot.n_above(0.8) == 0


def test_regions_that_block_an_export_are_known_by_image(lot: Lot) -> None:
    items = lot.review.items
    first = next(iter(items))
    items[first] = _needing(items[first])
    anew = Lot(lot.folder, list(lot.results.values()), lot.review)
    assert anew.undecided == anew.undecided_of(first.image_id) == [first]
    anew.select(first)
    anew.decide(Action.REJECT)
    assert anew.undecided == []
    assert anew.undecided_of("an image without regions") == []


def test_a_decision_asks_nothing_about_other_images(
    lot: Lot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lot.counts.open == N_IMAGES * EACH
    assert lot.undecided == []
    assert lot.n_above(0.8) > 0
    decided, asked = lot.current, set[str]()
    assert decided is not None
    status, standing = lot.review.status, lot.review.standing
    lot.decide(Action.ACCEPT)

    def spy(real: Any) -> Any:
        def ask(key: ItemKey) -> Any:
            asked.add(key.image_id)
            return real(key)

        return ask

    monkeypatch.setattr(lot.review, "status", spy(status))
    monkeypatch.setattr(lot.review, "standing", spy(standing))
    assert lot.counts.open == N_IMAGES * EACH - 1
    assert lot.undecided == []
    assert lot.n_above(0.8) > 0
    assert asked == {decided.image_id}


def test_each_layer_is_filled_once_when_an_image_is_opened(
    dock: Any, written: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = dock("Review and export")
    panel.open_results(written)
    until(lambda: panel.desk.lot is not None and _is_in_sight(panel))
    here = panel.desk.lot.current.image_id
    other = next(i.key for i in panel.desk.lot.shown if i.key.image_id != here)
    filled: list[str] = []
    put = _layers.put

    def spy(layer: Any, data: Any) -> None:
        if len(data) > 1:
            filled.append(layer.name)
        put(layer, data)

    monkeypatch.setattr(_layers, "put", spy)
    panel.desk.choose(other)
    until(lambda: _is_in_sight(panel))
    contours = {name for name in _layers.CONTOURS.values() if name in panel.viewer.layers}
    wanted = contours | {_layers.REGIONS, _layers.DOUBTFUL, _layers.CURRENT}
    assert sorted(filled) == sorted(wanted)
    # All of them stand where the image does.
    scales = {tuple(panel.viewer.layers[name].scale) for name in wanted}
    assert scales == {tuple(panel.session.document.scale)}


def test_two_results_of_one_image_are_both_reviewed(dock: Any, pads_lot: Path, until: Any) -> None:
    """The same picture under two names: each region is shown with the results it is of."""
    made = read_results(pads_lot / "wafer_b")
    write_results(replace(made, image_id="twin"), pads_lot)
    panel = dock("Review and export")
    panel.open_results(pads_lot)
    until(lambda: panel.desk.lot is not None and _is_in_sight(panel))
    for name in ("twin", "wafer_b", "wafer_a", "twin"):
        chosen = next(i.key for i in panel.desk.lot.shown if i.key.image_id == name)
        panel.desk.choose(chosen)
        until(lambda: _is_in_sight(panel))
        assert panel.session.review.image_id == name


def _needing(item: Any) -> Any:
    return replace(item, flags=item.flags | {ItemFlag.NEEDS_HUMAN})


def _is_in_sight(panel: Any) -> bool:
    lot, review = panel.desk.lot, panel.session.review
    return review is not None and review.lot is lot and review.image_id == lot.current.image_id
