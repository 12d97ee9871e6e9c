"""Errors that a user is meant to read, each with the exit code of the command line."""

from __future__ import annotations


class SegSemError(Exception):
    """Base of all errors whose message is meant for the user.

    The message is one line: what was expected, what was got, what to do.
    """

    exit_code = 1


class UsageError(SegSemError):
    """The call itself is wrong: options that contradict each other, unknown names."""

    exit_code = 2


class InputError(SegSemError):
    """A file, folder or value given by the user cannot be used."""

    exit_code = 3


class CalibrationError(InputError):
    """A result in nm was asked for where the pixel size is unknown or implausible."""


class ExportError(InputError):
    """An output could not be written, or does not read back as it was written."""


class ModelError(SegSemError):
    """A model is missing, does not fit its weights, or failed while running."""

    exit_code = 4


class PartialBatchError(SegSemError):
    """Some images of a batch failed; the others are complete on disk."""

    exit_code = 5


class TaskError(SegSemError):
    """A RuntimeError of a background task, renamed.

    superqt's generator workers swallow RuntimeError (torch's out-of-memory is one), so tasks
    re-raise it as this type.
    """

    exit_code = 4


class InternalError(SegSemError):
    """A fault of the program that one image of a batch brought to light."""
