"""Every parameter of fine-tuning, built by magicgui from the model that the command line reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from magicgui.widgets import create_widget
from psygnal import Signal
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_segsem._finetune import changed_params
from napari_segsem._sessions import Shared
from napari_segsem.widgets.parts import button, follow, row, text_label
from segsem.models.store import installed_models
from segsem.training.finetune_params import FinetuneParams

IN_USE = "The model in use"
DECIMALS = {"Learning rate": 6, "Layer-wise decay": 3, "Weight decay": 4}
"""By title."""

USUAL_DECIMALS = 2
AUTOMATIC = "0 = "
"""How a parameter's help says what 0 stands for."""


class ExpertForm(QWidget):
    """The parameters, checked as they are typed.

    Parameters
    ----------
    shared : Shared
    """

    changed = Signal()

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared = shared
        self.params = FinetuneParams()
        self.is_valid = True
        self.base_field = _base_field(self._bases)
        self.fields: dict[str, Any] = {
            name: _field(info) for name, info in FinetuneParams.model_fields.items()
        }
        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addRow(QLabel("Begin with"))
        rows.addRow(self.base_field.native)
        for name, info in FinetuneParams.model_fields.items():
            made = self.fields[name]
            made.changed.connect(self._edited)
            title = _title(info.title or name, info.description or "")
            if _is_choice(info):
                # Words need the whole width.
                rows.addRow(title)
                rows.addRow(made.native)
            else:
                rows.addRow(title, made.native)
        self.base_field.changed.connect(self._edited)
        self.error_label = text_label(tip="What cannot be taken")
        self.usual_button = button("As usual", "Take all parameters back", self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self.error_label)
        layout.addWidget(row(self.usual_button))
        self.error_label.setVisible(False)
        follow(self, shared.tuning.changed, self._models_changed)

    @property
    def changed_params(self) -> dict[str, str]:
        """Parameters that differ from what is usual."""
        return changed_params(self.params)

    @property
    def base(self) -> str | None:
        """Model to begin with; None: the one in use."""
        value = self.base_field.value
        return None if value in (None, IN_USE) else str(value)

    def reset(self) -> None:
        """Take all parameters back."""
        usual = FinetuneParams()
        self.base_field.value = IN_USE
        for name, field in self.fields.items():
            value = getattr(usual, name)
            field.value = value.value if isinstance(value, StrEnum) else value

    def _edited(self, _value: Any = None) -> None:
        values = {name: field.value for name, field in self.fields.items()}
        try:
            self.params = FinetuneParams(**values)
        except ValidationError as error:
            first = error.errors()[0]
            title = FinetuneParams.model_fields[str(first["loc"][0])].title
            self.error_label.setText(f"{title}: {first['msg']}")
            self.is_valid = False
        else:
            self.is_valid = True
        self.error_label.setVisible(not self.is_valid)
        self.changed.emit()

    def _bases(self, _widget: Any = None) -> list[str]:
        own = [model.name for model in self._shared.tuning.models]
        return [IN_USE, *installed_models(), *own]

    def _models_changed(self) -> None:
        if not self._shared.tuning.is_running:
            with self.base_field.changed.blocked():
                self.base_field.reset_choices()


def _base_field(choices: Any) -> Any:
    tip = "Model that the new one begins with"
    return create_widget(
        IN_USE, widget_type="ComboBox", options={"choices": choices, "tooltip": tip}
    )


def _title(text: str, tip: str) -> QLabel:
    made = QLabel(text)
    made.setToolTip(tip)
    return made


def _field(info: FieldInfo) -> Any:
    options: dict[str, Any] = {"tooltip": info.description}
    kind: Any = info.annotation
    if _is_choice(info):
        # By the words that the command line takes.
        options["choices"] = [member.value for member in kind]
        return create_widget(info.default.value, widget_type="ComboBox", options=options)
    if kind in (int, float):
        options |= _bounds(info)
    if kind is float:
        step = 10.0 ** -DECIMALS.get(info.title or "", USUAL_DECIMALS)
        options["step"] = step
        if _is_open_below(info):
            options["min"] = step
    made: Any = create_widget(info.default, annotation=kind, options=options)
    if AUTOMATIC in (info.description or ""):
        made.native.setSpecialValueText("automatic")
    return made


def _is_choice(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, StrEnum)


def _bounds(info: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rule in info.metadata:
        for end, names in (("min", ("ge", "gt")), ("max", ("le", "lt"))):
            for name in names:
                value = getattr(rule, name, None)
                if value is not None:
                    found[end] = value
    return found


def _is_open_below(info: FieldInfo) -> bool:
    return any(getattr(rule, "gt", None) is not None for rule in info.metadata)
