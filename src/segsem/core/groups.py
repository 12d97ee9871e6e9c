"""Groups of images (columns of a manifest or of `images.csv`) that tell repeats of one place."""

from __future__ import annotations

from collections.abc import Mapping

PLACE_GROUPS = ("site", "layout")
"""At least one of them names the place on the layout; without it nothing is a repeat."""

REPEAT_GROUPS = ("wafer", "site", "tool", "layout", "dose", "focus")
"""Repeats share all of these. Other columns, such as the number of the repeat, may differ."""


def repeat_groups(groups: Mapping[str, str]) -> dict[str, str]:
    """Keep the groups that repeats share, where they are known."""
    return {name: groups[name] for name in REPEAT_GROUPS if groups.get(name)}


def names_place(groups: Mapping[str, str]) -> bool:
    """Whether groups say which place of the layout an image shows."""
    return any(groups.get(name) for name in PLACE_GROUPS)


def groups_in_words(groups: Mapping[str, str]) -> str:
    """Say which groups repeats share: "wafer W7, site A3"."""
    return ", ".join(f"{name} {value}" for name, value in repeat_groups(groups).items())
