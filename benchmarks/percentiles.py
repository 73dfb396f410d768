"""Times of many samples as the two figures that say most of them."""

from collections.abc import Mapping, Sequence


def milliseconds(seconds: Sequence[float]) -> Mapping[str, float]:
    """`p50` and `p99` of at least one sample in seconds, by nearest rank."""
    ordered = sorted(seconds)
    return {f"p{share}": ordered[(len(ordered) - 1) * share // 100] * 1000 for share in (50, 99)}
