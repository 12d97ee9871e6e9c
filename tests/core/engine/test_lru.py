from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segsem.engine.lru import ByteLRU


def test_the_least_recently_used_goes_first() -> None:
    cache: ByteLRU[str, int] = ByteLRU(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    assert cache.get("a") == 1
    cache.put("c", 3, 4)
    assert "b" not in cache
    assert (cache.get("a"), cache.get("c"), cache.get("b")) == (1, 3, None)
    assert cache.nbytes == 8


def test_the_newest_is_kept_even_if_it_does_not_fit() -> None:
    cache: ByteLRU[str, int] = ByteLRU(10)
    cache.put("small", 1, 1)
    cache.put("large", 2, 100)
    assert len(cache) == 1
    assert cache.get("large") == 2
    cache.put("small", 1, 1)
    assert len(cache) == 1
    assert cache.nbytes == 1


def test_a_value_put_again_counts_once() -> None:
    cache: ByteLRU[str, int] = ByteLRU(10)
    cache.put("a", 1, 4)
    cache.put("a", 2, 6)
    assert (cache.get("a"), cache.nbytes, len(cache)) == (2, 6, 1)
    cache.drop("a")
    cache.drop("a")
    assert (cache.nbytes, len(cache)) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=30))
def test_the_bound_holds(puts: list[tuple[int, int]]) -> None:
    cache: ByteLRU[int, int] = ByteLRU(10)
    newest: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, size, size)
        newest.pop(key, None)
        newest[key] = size
        held = [known for known in newest if known in cache]
        assert cache.nbytes == sum(newest[known] for known in held)
        assert cache.nbytes <= 10 or held == [key]
        # What is held is always the youngest end of what was put in.
        assert held == list(newest)[len(newest) - len(held) :]
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)
