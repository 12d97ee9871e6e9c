"""How far two reviewers agree, and about which regions they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from segsem.core.contour import ReviewStatus
from segsem.review.item import ItemKey


@dataclass(frozen=True, slots=True)
class Difference:
    """A region about which two reviewers do not agree."""

    key: ItemKey
    first: ReviewStatus
    second: ReviewStatus


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two reviewers compared on the regions that both have decided about.

    Attributes
    ----------
    first, second : str
        Their names.
    both : int
        Regions that both have decided about.
    only_first, only_second : int
        Regions that one of them alone has decided about.
    agreed : float
        Share of equal decisions; NaN where there is no common region.
    kappa : float
        Cohen's kappa: agreement beyond what their habits alone would give, 1 at best, 0 for
        chance; NaN where both always said the same word, or there is no common region.
    differences : tuple of Difference
        By image and region.

    References
    ----------
    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20 (1960) 37.
    """

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    agreed: float
    kappa: float
    differences: tuple[Difference, ...]


def compare_reviewers(
    first: str,
    first_said: Mapping[ItemKey, ReviewStatus],
    second: str,
    second_said: Mapping[ItemKey, ReviewStatus],
) -> Agreement:
    """Compare two reviewers; regions that one of them left open are not compared.

    Parameters
    ----------
    first, second : str
        Their names.
    first_said, second_said : mapping of ItemKey to ReviewStatus
        Their last decisions.
    """
    one, two = _decided(first_said), _decided(second_said)
    common = sorted(one.keys() & two.keys())
    differences = tuple(
        Difference(key, one[key], two[key]) for key in common if one[key] is not two[key]
    )
    n = len(common)
    agreed = (n - len(differences)) / n if n else float("nan")
    habits_one, habits_two = (Counter(said[key] for key in common) for said in (one, two))
    by_chance = sum(habits_one[word] * habits_two[word] for word in ReviewStatus) / n**2 if n else 1
    kappa = (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")
    return Agreement(first, second, n, len(one) - n, len(two) - n, agreed, kappa, differences)


def _decided(said: Mapping[ItemKey, ReviewStatus]) -> dict[ItemKey, ReviewStatus]:
    return {key: status for key, status in said.items() if status is not ReviewStatus.PENDING}
