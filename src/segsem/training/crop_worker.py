"""`python -m segsem.training.crop_worker SEED SIZE FIRST`: synthetic crops to stdout, for ever.

Crop number i is drawn from the seed sequence (SEED, SIZE, i) alone, so that a run gives the same
crops however it was interrupted. Torch is never imported here.
"""

from __future__ import annotations

import sys

import numpy as np

from segsem.synth.training import random_crop


def crop_rng(seed: int, size_px: int, index: int) -> np.random.Generator:
    """Random generator of one crop."""
    return np.random.default_rng([seed, size_px, index])


def main() -> None:
    """Write crops until the reader closes the pipe."""
    seed, size_px, index = (int(value) for value in sys.argv[1:4])
    try:
        while True:
            image, labels = random_crop(crop_rng(seed, size_px, index), size_px)
            sys.stdout.buffer.write(image.tobytes())
            sys.stdout.buffer.write(labels.astype(np.int32).tobytes())
            sys.stdout.buffer.flush()
            index += 1
    except (BrokenPipeError, KeyboardInterrupt):
        # The reader has what it wanted: closing stdout again at exit would complain.
        sys.stderr.close()


if __name__ == "__main__":
    main()
