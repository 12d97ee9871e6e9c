"""From a set with truth, and results or a model, to one score for each image."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsem.core.exceptions import InputError
from segsem.core.extraction import Extraction
from segsem.core.params import ExtractParams, Tone
from segsem.core.progress import Progress
from segsem.evaluation.contour_score import Placement, placement
from segsem.evaluation.edge_bound import bound_of_settings_px
from segsem.evaluation.region_score import RegionScore, region_score
from segsem.evaluation.truth_set import TruthImage, read_truth
from segsem.export.results import find_results, read_results
from segsem.imaging.read import read_image
from segsem.pipeline import extract
from segsem.segmentation.predictor import Predictor

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Scores of one image under one variant.

    Attributes
    ----------
    variant : str
        Results folder, or model and routing.
    image_id, family, tone : str
        "unknown" where the manifest does not say.
    edge_snr, blur_px, feature_px, bound_px : float
        Of the image; NaN where not known. The bound is per row, see `segsem.metrics.bound`.
    placed, raw : Placement
        Contours placed by the image, and as segmentation left them.
    regions : RegionScore
    """

    variant: str
    image_id: str
    family: str
    tone: str
    edge_snr: float
    blur_px: float
    feature_px: float
    bound_px: float
    placed: Placement
    raw: Placement
    regions: RegionScore


@dataclass(frozen=True, slots=True)
class Variant:
    """Where the contours to be judged come from.

    Attributes
    ----------
    name : str
    contours_of : callable
        Gives the extraction of an image; None where there is none of it.
    """

    name: str
    contours_of: Callable[[TruthImage], Extraction | None]


def variant_of_results(root: Path | str) -> Variant:
    """Judge a folder of results.

    Parameters
    ----------
    root : path
        What `segsem extract` wrote.

    Raises
    ------
    InputError
        If there are no results in it; when one is read, if it is damaged or of another image.
    """
    folders = {folder.name: folder for folder in find_results(root)}

    def contours_of(image: TruthImage) -> Extraction | None:
        folder = folders.get(image.image_id)
        if folder is None:
            return None
        extraction = read_results(folder)
        said = extraction.provenance.get("image_sha256")
        if said and said != hashlib.sha256(image.path.read_bytes()).hexdigest():
            msg = (
                f"Expected the results in {folder} to be of {image.path}, but they are of another "
                "image of that name: extract this one"
            )
            raise InputError(msg)
        return extraction

    return Variant(str(root), contours_of)


def variant_of_model(name: str, predictor: Predictor | None, params: ExtractParams) -> Variant:
    """Judge what a model, or Sauvola alone, finds now; tones are told as the manifest has them."""

    def contours_of(image: TruthImage) -> Extraction:
        tone = image.groups.get("tone", "")
        known = Tone(tone) if tone in set(Tone) else params.tone
        return extract(read_image(image.path), predictor, params.model_copy(update={"tone": known}))

    return Variant(name, contours_of)


def score_variants(
    images: Sequence[TruthImage], variants: Sequence[Variant]
) -> Generator[Progress, None, list[ImageScore]]:
    """Score every image under every variant.

    Yields
    ------
    Progress

    Returns
    -------
    list of ImageScore
        Variant by variant; images without contours of a variant are left out.

    Raises
    ------
    InputError
        If a variant has contours of none of the images, or truth and image differ in shape.
    """
    scores: list[ImageScore] = []
    total = len(images) * len(variants)
    done = 0
    for variant in variants:
        before = len(scores)
        for image in images:
            yield Progress(done, total, f"{variant.name} {image.image_id}")
            extraction = variant.contours_of(image)
            if extraction is not None:
                scores.append(score_image(variant.name, image, extraction))
            done += 1
        if len(scores) == before:
            msg = (
                f"Expected results for images such as {images[0].image_id} in {variant.name}, "
                f"but it has results for none of the {len(images)} images: extract this set first"
            )
            raise InputError(msg)
    yield Progress(total, total, "")
    return scores


def score_image(variant: str, image: TruthImage, extraction: Extraction) -> ImageScore:
    """Score one image's extraction against its truth.

    Raises
    ------
    InputError
        If the truth cannot be read or is of another shape.
    """
    truth = read_truth(image)
    if truth.labels.shape != extraction.shape:
        msg = (
            f"Expected truth of shape {extraction.shape} as {image.image_id} has, "
            f"but got {truth.labels.shape} in {image.truth}"
        )
        raise InputError(msg)
    placed, errors = placement(extraction, truth)
    raw, _ = placement(extraction, truth, raw=True)
    feature = truth.settings.get("feature_px")
    return ImageScore(
        variant=variant,
        image_id=image.image_id,
        family=image.groups.get("family") or _UNKNOWN,
        tone=image.groups.get("tone") or _UNKNOWN,
        edge_snr=image.number("edge_snr"),
        blur_px=image.number("blur_px"),
        feature_px=float(feature) if isinstance(feature, int | float) else math.nan,
        bound_px=bound_of_settings_px(truth.settings),
        placed=placed,
        raw=raw,
        regions=region_score(extraction, truth, errors),
    )


def by_variant(scores: Sequence[ImageScore]) -> Iterator[tuple[str, list[ImageScore]]]:
    """Give the scores variant by variant, in the order in which they came."""
    for name in dict.fromkeys(score.variant for score in scores):
        yield name, [score for score in scores if score.variant == name]
