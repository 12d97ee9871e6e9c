"""Keys, palette and their editing: one table, real key events, napari's own keys respected."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication

from napari_segsem import _commands, _layers
from napari_segsem._key_bindings import Keys
from napari_segsem._key_names import napari_name, napari_uses, qt_name, same_key
from napari_segsem._keymap import ANNOTATE_KEYS, TABLES
from napari_segsem.widgets.keys_box import SHADOWS_TITLE
from segsem.core.exceptions import InputError

ROOT = Path(__file__).parents[2]
REVIEW_KINDS = (*_layers.KINDS[1:], Shapes)
"""The review's layers are Labels and Vectors, and while a region is edited Points and Shapes."""

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def panel(dock: Any, pads_file: Path, until: Any) -> Any:
    made = dock("Annotate")
    made.session.open_files([pads_file])
    until(lambda: made.session.document is not None and not made.resume_button.isVisible())
    return made


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("t", "T"),
        ("Ctrl+Shift+Z", "Control-Shift-Z"),
        ("Control-Shift-Z", "Control-Shift-Z"),
        ("Return", "Enter"),
        ("Esc", "Escape"),
        ("PgDown", "PageDown"),
        ("F5", "F5"),
        ("-", "-"),
        ("Ctrl+-", "Control--"),
        ("", ""),
    ],
)
def test_keys_are_understood_as_people_and_napari_name_them(typed: str, key: str) -> None:
    assert napari_name(typed) == key
    assert napari_name(qt_name(key)) == key


@pytest.mark.parametrize(
    "typed", ["Foo", "Ctrl+", "Shift", "Space", "é", "Strg+Z", "A B", "Shift+1"]
)
def test_what_is_no_key_is_refused_in_one_line(typed: str) -> None:
    with pytest.raises(InputError) as refused:
        napari_name(typed)
    assert typed in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", TABLES)
def test_no_key_stands_for_two_actions(table: str) -> None:
    keys = [key for key in TABLES[table] if key.key]
    assert len({key.action for key in TABLES[table]}) == len(TABLES[table])
    for number, key in enumerate(keys):
        assert not any(same_key(key.key, other.key) for other in keys[number + 1 :]), key.key


@pytest.mark.parametrize(
    ("table", "kinds"), [("annotate", _layers.KINDS), ("review", REVIEW_KINDS)]
)
def test_each_key_that_shadows_one_of_naparis_is_listed_with_a_reason(
    table: str, kinds: Any, viewer: Any
) -> None:
    for key in TABLES[table]:
        shadows = bool(key.key) and napari_uses(key.key, *kinds, viewer)
        assert shadows == bool(key.shadows), key
        if key.anywhere:
            assert not shadows, key


def test_no_key_is_one_of_the_windows_menus(viewer: Any) -> None:
    taken = {
        action.shortcut().toString(QKeySequence.SequenceFormat.PortableText)
        for widget in QApplication.allWidgets()
        for action in widget.actions()
        if not action.shortcut().isEmpty()
    }
    assert "Ctrl+W" in taken
    for keys in TABLES.values():
        assert not taken & {key.qt for key in keys}


def test_each_action_has_a_function_a_command_and_a_setting(panel: Any) -> None:
    shared = panel.shared
    for key in ANNOTATE_KEYS:
        assert callable(shared.prompt_actions[key.action]), key.action
    for key in TABLES["review"]:
        assert callable(shared.review_actions[key.action]), key.action
    make_manifest = runpy.run_path(str(ROOT / "tools" / "make_manifest.py"))
    manifest = (ROOT / "napari_segsem" / "napari.yaml").read_text(encoding="utf-8")
    assert make_manifest["filled"](manifest) == manifest, "run python tools/make_manifest.py"


def our_layers(panel: Any) -> list[str]:
    panel.shared.keys.run("cycle_view")
    panel.shared.keys.run("cycle_view")
    panel.shared.keys.run("cycle_view")
    return [layer.name for layer in panel.viewer.layers]


def test_keys_work_on_each_of_our_layers(panel: Any, hand: Any, until: Any, viewer: Any) -> None:
    names = our_layers(panel)
    assert {_layers.OBJECTS, _layers.FILLS, _layers.PROMPTS, "line_space_000"} <= set(names)
    hand.click(65, 195)
    until(lambda: panel.session.annotation.candidates is not None)
    for name in names:
        viewer.layers.selection.active = viewer.layers[name]
        before = panel.session.annotation.choice
        hand.key(Qt.Key.Key_T)
        assert panel.session.annotation.choice != before, name
        hand.key(Qt.Key.Key_Return)
        assert len(panel.session.annotation.objects) == 1, name
        hand.key(Qt.Key.Key_Z, CTRL)
        assert not panel.session.annotation.objects, name
        until(lambda: panel.session.annotation.candidates is not None)


def test_q_prompts_again_from_a_layer_that_is_not_ours(panel: Any, hand: Any, viewer: Any) -> None:
    viewer.add_shapes(name="mine")
    assert not panel.shared.annotate_layers.is_prompting
    hand.key(Qt.Key.Key_T)
    hand.key(Qt.Key.Key_Q)
    assert panel.shared.annotate_layers.is_prompting
    assert viewer.layers["mine"].mode == "add_path"


def test_another_key_works_at_once_is_kept_and_the_old_one_is_free(
    panel: Any, hand: Any, until: Any, own_settings: Path
) -> None:
    hand.click(65, 195)
    until(lambda: panel.session.annotation.candidates is not None)
    box = panel.keys_box
    box.choose("cycle")
    box.editor.setKeySequence(QKeySequence("Ctrl+J"))
    box.set_button.click()
    hand.key(Qt.Key.Key_T)
    assert panel.session.annotation.choice == 0
    hand.key(Qt.Key.Key_J, CTRL)
    assert panel.session.annotation.choice == 1
    assert "cycle: Control-J" in (own_settings / "napari-segsem.yaml").read_text()
    assert "(Ctrl+J)" in panel.cycle_button.toolTip()
    box.default_button.click()
    hand.key(Qt.Key.Key_T)
    assert panel.session.annotation.choice == 2


def test_a_key_of_another_action_is_refused_in_one_line(panel: Any) -> None:
    box = panel.keys_box
    box.choose("cycle")
    box.editor.setKeySequence(QKeySequence("Q"))
    box.set_button.click()
    assert "Q is the key of" in box.state.text()
    assert panel.shared.keys["cycle"].key == "T"


def test_a_bad_key_in_the_preferences_gives_one_line_and_the_default_stays(
    panel: Any, until: Any
) -> None:
    from napari.settings import get_plugin_settings

    section = get_plugin_settings("napari-segsem").annotate_keys
    section.cycle = "Strg+X"
    until(lambda: "Strg+X" in panel.footer.text())
    assert "\n" not in panel.footer.text()
    assert panel.shared.keys["cycle"].key == "T"
    section.cycle = "Shift+K"
    until(lambda: panel.shared.keys["cycle"].key == "Shift-K")


def test_two_actions_may_swap_their_keys_and_a_clash_leaves_the_defaults() -> None:
    class Kept:
        def __init__(self, keys: dict[str, str]) -> None:
            self.keys = keys

        def read(self) -> dict[str, str]:
            return self.keys

        def write(self, action: str, key: str) -> None:
            self.keys[action] = key

        def close(self) -> None:
            pass

    swapped = Keys(ANNOTATE_KEYS, {}, Kept({"cycle": "Q", "prompt": "T"}))
    assert swapped.load() == []
    assert (swapped["cycle"].key, swapped["prompt"].key) == ("Q", "T")
    clash = Keys(ANNOTATE_KEYS, {}, Kept({"cycle": "Q"}))
    (line,) = clash.load()
    assert "Q is given to two actions" in line
    assert clash["cycle"].key == "T"


def test_the_help_lists_and_finds_every_key(panel: Any, hand: Any) -> None:
    hand.key(Qt.Key.Key_F1)
    box = panel.keys_box
    assert box.isVisible()
    titles = [box.list.topLevelItem(n).text(0) for n in range(box.list.topLevelItemCount())]
    assert SHADOWS_TITLE in titles
    texts = {(item.text(0), item.text(1)) for item in box._items()}
    assert {(key.qt, key.help) for key in ANNOTATE_KEYS if key.key} <= texts
    assert {(key.qt, key.shadows) for key in ANNOTATE_KEYS if key.shadows} <= texts
    box.search.setText("three masks")
    assert [item.text(0) for item in box._items() if not item.isHidden()] == ["T"]


def test_keys_work_with_the_focus_in_the_panel(panel: Any, qtbot: Any, until: Any) -> None:
    panel.session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: panel.session.annotation.candidates is not None)
    panel.cycle_button.setFocus()
    qtbot.keyClick(panel.cycle_button, Qt.Key.Key_T)
    assert panel.session.annotation.choice == 1
    panel.keys_fold.expand(animate=False)
    panel.keys_box.search.setFocus()
    qtbot.keyClick(panel.keys_box.search, Qt.Key.Key_T)
    assert panel.session.annotation.choice == 1
    assert panel.keys_box.search.text() == "t"


def test_the_palette_runs_our_actions(panel: Any, until: Any) -> None:
    from napari._app_model import get_app_model

    commands = get_app_model().commands
    panel.session.annotation.add_point((65.0, 195.0), 1)
    until(lambda: panel.session.annotation.candidates is not None)
    commands.execute_command("napari-segsem.annotate_cycle").result()
    assert panel.session.annotation.choice == 1
    commands.execute_command("napari-segsem.annotate_accept").result()
    assert len(panel.session.annotation.objects) == 1
    commands.execute_command("napari-segsem.annotate_undo").result()
    assert not panel.session.annotation.objects


def test_a_command_without_an_image_says_so(dock: Any) -> None:
    panel = dock("Annotate")
    _commands.annotate_accept()
    assert "Open an SEM image" in panel.footer.text()


def test_the_keys_are_taken_off_when_the_last_panel_is_closed(
    panel: Any, viewer: Any, until: Any
) -> None:
    layer = viewer.layers["line_space_000"]
    assert layer.keymap
    assert viewer.keymap
    panel.shared.close()
    assert not layer.keymap
    assert not viewer.keymap
