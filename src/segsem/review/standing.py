"""How each region stands now: decisions on these very results, and older ones known again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from segsem.core.contour import Region, ReviewStatus
from segsem.review.decision import Decision, DecisionKey
from segsem.review.folder import ReviewFolder
from segsem.review.item import ReviewImage
from segsem.review.ledger import Ledger
from segsem.review.matching import SAME_WITHIN_PX, Match, match_outlines
from segsem.review.outline import Outline

OutlineReader = Callable[[str], dict[int, Outline]]
"""Gives the outlines of an image's present results by its id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a region stands.

    Attributes
    ----------
    status : ReviewStatus
        What holds now.
    decision : Decision or None
        What made it so; None where nobody has decided, or only the results say so.
    replacement : Region or None
        What stands in place of the region that was found; accepting it later leaves it standing.
    carried_px : float or None
        How far the outline has moved since the decision, which was made on older results of the
        same image; None where it was made on these.
    reopened : str
        Why an earlier decision does not hold any more; empty where none was lost.
    differ : tuple of str
        Reviewers whose last decisions about it are not the same.
    """

    status: ReviewStatus = ReviewStatus.PENDING
    decision: Decision | None = None
    replacement: Region | None = None
    carried_px: float | None = None
    reopened: str = ""
    differ: tuple[str, ...] = ()


@dataclass(slots=True)
class OldResults:
    """Earlier results of an image that were decided about, against the present ones.

    Attributes
    ----------
    digest : str
        Of the earlier results.
    matches : dict of int to Match
        Their regions among the present ones.
    problem : str
        Why none can be known again; empty where they can.
    """

    digest: str
    matches: dict[int, Match] = field(default_factory=dict)
    problem: str = ""


def compare_old_results(
    image: ReviewImage, folder: ReviewFolder, read_outlines: OutlineReader
) -> list[OldResults]:
    """Compare all earlier results of an image that were decided about with the present ones."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for key in folder.ledger.known_keys():
        if key.image_id == image.image_id and key.digest != image.digest:
            wanted[key.digest].add(key.region_id)
    if not wanted:
        return []
    present = read_outlines(image.image_id)
    found = sorted(wanted.items())
    return [_compare(image, folder, digest, ids, present) for digest, ids in found]


def _compare(
    image: ReviewImage,
    folder: ReviewFolder,
    digest: str,
    region_ids: Iterable[int],
    present: dict[int, Outline],
) -> OldResults:
    kept = folder.outlines(image.image_id, digest)
    if kept is None:
        return _unknown(digest, region_ids, "what it looked like then is no longer known")
    outlines, image_sha256 = kept
    if image_sha256 != image.image_sha256:
        return _unknown(digest, region_ids, "the image is another one now")
    # All old regions take part: a region that was not decided about must not lend its place.
    every = match_outlines(outlines, present)
    return OldResults(digest, {i: every.get(i, Match(None)) for i in region_ids})


def _unknown(digest: str, region_ids: Iterable[int], problem: str) -> OldResults:
    return OldResults(digest, dict.fromkeys(region_ids, Match(None)), problem)


def standings_of(
    image: ReviewImage, ledger: Ledger, old_results: Iterable[OldResults]
) -> tuple[dict[int, Standing], list[str]]:
    """Say how the regions of an image stand.

    Returns
    -------
    dict of int to Standing
        By region id.
    list of str
        Decided regions of earlier results that are not there any more, one line each.
    """
    sources: dict[int, list[tuple[DecisionKey, float | None]]] = defaultdict(list)
    reopened: dict[int, str] = {}
    gone: list[str] = []
    for region in image.regions:
        sources[region.id].append((DecisionKey(image.image_id, image.digest, region.id), None))
    for old in old_results:
        _sort_out(image, ledger, old, sources, reopened, gone)
    standings = {
        region.id: _standing(region.status, sources[region.id], reopened.get(region.id, ""), ledger)
        for region in image.regions
    }
    return standings, gone


def _sort_out(
    image: ReviewImage,
    ledger: Ledger,
    old: OldResults,
    sources: dict[int, list[tuple[DecisionKey, float | None]]],
    reopened: dict[int, str],
    gone: list[str],
) -> None:
    present = {region.id for region in image.regions}
    for region_id, match in sorted(old.matches.items()):
        key = DecisionKey(image.image_id, old.digest, region_id)
        history = ledger.history(key)
        if not history or history[-1][1].status is ReviewStatus.PENDING:
            continue
        said = f"{history[-1][1].status} by {history[-1][1].reviewer}"
        if old.problem:
            # Nothing ties the old number to a region of today.
            gone.append(f"region {region_id} of earlier results, {said}: {old.problem}")
        elif match.region_id is None or match.region_id not in present:
            gone.append(f"region {region_id} of earlier results, {said}: nothing lies there now")
        elif match.distance_px <= SAME_WITHIN_PX:
            sources[match.region_id].append((key, match.distance_px))
        else:
            reopened[match.region_id] = (
                f"was {said}, but its outline has moved by up to {match.distance_px:.1f} px "
                "since the image was extracted again"
            )


def _standing(
    status: ReviewStatus,
    sources: list[tuple[DecisionKey, float | None]],
    reopened: str,
    ledger: Ledger,
) -> Standing:
    made = sorted(
        ((number, decision, moved) for key, moved in sources
         for number, decision in ledger.history(key)),
        key=lambda found: found[0],
    )  # fmt: skip
    if not made:
        return Standing(status, reopened=reopened)
    _, decision, moved = made[-1]
    changed = [d.replacement for _, d, _ in made if d.replacement is not None]
    replacement = changed[-1] if changed else None
    status = decision.status
    if status is ReviewStatus.ACCEPTED and replacement is not None:
        status = ReviewStatus.CORRECTED
    last = {d.reviewer: d.status for _, d, _ in made}
    opinions = {said for said in last.values() if said is not ReviewStatus.PENDING}
    return Standing(
        status,
        decision,
        replacement,
        moved,
        # A decision on these very results is newer than what older ones lost.
        reopened if moved is not None else "",
        tuple(sorted(last)) if len(opinions) > 1 else (),
    )
