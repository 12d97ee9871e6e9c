"""`python -m segsem.engine`: the process that holds the model."""

from __future__ import annotations

import os

# Set before torch loads its OpenMP: spinning threads starve every other program on few cores.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse
import importlib
import logging
import sys
from pathlib import Path
from typing import BinaryIO, cast

from segsem.core.exceptions import UsageError
from segsem.core.priority import step_aside
from segsem.engine.embedding_store import CacheLimits, EmbeddingStore
from segsem.engine.server import Server
from segsem.engine.service import PredictorFactory

DEFAULT_PREDICTOR = "segsem.models.load:load_predictor"
PREDICTOR_VARIABLE = "SEGSEM_PREDICTOR"
"""Names another factory, for tests and for models that are not in the registry."""

MEMORY_VARIABLE = "SEGSEM_EMBEDDING_MEMORY_MIB"
DISK_VARIABLE = "SEGSEM_EMBEDDING_DISK_MIB"
"""How much of the embeddings is kept in memory and on disk; a whole number of MiB each."""


def main() -> None:
    """Serve requests from stdin on stdout until stdin ends."""
    parser = argparse.ArgumentParser(prog="python -m segsem.engine", description=__doc__)
    parser.add_argument(
        "--predictor",
        default=os.environ.get(PREDICTOR_VARIABLE, DEFAULT_PREDICTOR),
        metavar="MODULE:FACTORY",
        help="callable that makes a predictor from a model's name",
    )
    limits = CacheLimits()
    parser.add_argument(
        "--embedding-memory-mib",
        type=int,
        default=_number(MEMORY_VARIABLE, limits.memory_mib),
        help="memory for embeddings (default %(default)s)",
    )
    parser.add_argument(
        "--embedding-disk-mib",
        type=int,
        default=_number(DISK_VARIABLE, limits.disk_mib),
        help="space for embeddings in the cache folder, 0 for none (default %(default)s)",
    )
    parser.add_argument("--embedding-folder", type=Path, help="another place for embeddings")
    options = parser.parse_args()
    step_aside()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    answers = _claim_stdout()
    limits = CacheLimits(options.embedding_memory_mib, options.embedding_disk_mib)
    store = EmbeddingStore(limits, options.embedding_folder)
    factory = _lazy_factory(options.predictor)
    Server(sys.stdin.buffer, answers, factory, store).run(exit_at_eof=True)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default


def _claim_stdout() -> BinaryIO:
    # Libraries that print, in C too, must not write into our messages.
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return cast("BinaryIO", private)


def _lazy_factory(spec: str) -> PredictorFactory:
    module, _, name = spec.partition(":")
    if not module or not name:
        msg = f"Expected --predictor MODULE:FACTORY, but got {spec!r}"
        raise UsageError(msg)

    def factory(model: str) -> object:
        # Imported when a model is asked for, so that the engine itself answers at once.
        return getattr(importlib.import_module(module), name)(model)

    return cast("PredictorFactory", factory)


if __name__ == "__main__":
    main()
