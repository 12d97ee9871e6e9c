"""What a correction says when it cannot be made."""

from __future__ import annotations

from segsem.core.exceptions import InputError


class EditError(InputError):
    """A correction cannot be made here; the label image stays as it is."""
