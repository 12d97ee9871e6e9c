"""Make a project out of a `segsem synth` folder, with its truth as corrected masks.

    segsem synth -o SET --preset fewshot --count 60 --seed 1
    python tools/make_fewshot_project.py SET PROJECT [--sites 20]

All images go into the training set. With `--sites N` they are shared among N sites of one wafer,
in their order, as if each site had been imaged several times.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from segsem.core.contour import Source
from segsem.imaging.image import SEMImage
from segsem.imaging.read import read_image
from segsem.project.label_edit import LabelObject
from segsem.project.labelled_image import LabelledImage
from segsem.project.project import Project


def add(project: Project, image: SEMImage, labels: np.ndarray, site: str) -> None:
    """Put an image with its masks into the training set."""
    labelled = LabelledImage(image.shape)
    names = [int(v) for v in np.unique(labels) if v]
    made = {name: LabelObject(name, 0, (0, 0, 0, 0), Source.MANUAL) for name in names}
    edit = labelled.edit("truth", (0, 0), labels.astype(np.int32), made)
    labelled.apply(edit)
    project.store(image).note("do", edit)
    project.mark(image, {"training": True, "done": True})
    row = project.register(image)
    if site:
        project.images.change(row.image_id, groups={"wafer": "W1", "site": site})
    project.compact(row.image_id)


def main() -> None:
    """Read the set, write the project."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--sites", type=int, default=0)
    args = parser.parse_args()
    images = sorted((args.set / "images").glob("*.png"))
    project = Project.create(args.project)
    try:
        for number, path in enumerate(images):
            labels = tifffile.imread(args.set / "truth" / path.stem / "labels.tif")
            site = f"{number * args.sites // len(images):02d}" if args.sites else ""
            add(project, read_image(path), labels, site)
        project.save()
    finally:
        project.close()


if __name__ == "__main__":
    main()
