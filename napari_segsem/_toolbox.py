"""What the mouse does in the image: one tool at a time, chosen by key or button."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from psygnal import Signal

LEFT = 1


class Tool(Protocol):
    """Something that the mouse does on the prompts layer.

    Attributes
    ----------
    name : str
        As actions and buttons name it.
    """

    name: str

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release, as napari's drag callbacks do."""
        ...


class Toolbox:
    """The tools, and the one in hand. The first one added is there at the start."""

    changed = Signal(str)
    """Name of the tool that is in hand now."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._name = ""
        self.is_laid_aside = False
        """Whether the mouse does something else for now, such as moving the image."""

    @property
    def name(self) -> str:
        """Name of the tool in hand; empty where there is none."""
        return self._name

    @property
    def names(self) -> list[str]:
        """Names of all tools, in the order in which they were put in."""
        return list(self._tools)

    @property
    def tool(self) -> Tool | None:
        """The tool in hand."""
        return self._tools.get(self._name)

    def add(self, tool: Tool) -> None:
        """Put a tool in; one of the same name gives way."""
        self._tools[tool.name] = tool
        self._name = self._name or tool.name

    def take(self, name: str) -> None:
        """Take a tool in hand."""
        if name not in self._tools:
            msg = f"Expected one of {sorted(self._tools)}, but got {name!r}"
            raise ValueError(msg)
        if name != self._name:
            self._name = name
            self.changed.emit(name)

    def lay_aside(self, aside: bool) -> None:
        """Let the mouse do something else, or go on with the tool in hand."""
        self.is_laid_aside = aside

    def on_press(self, layer: Any, event: Any) -> Iterator[None]:
        """Hand a press of the left button to the tool in hand."""
        if self.is_laid_aside or self.tool is None:
            return
        if event.button == LEFT and layer.mode == "pan_zoom":
            yield from self.tool.on_press(layer, event)
