"""The match graph of photos, and plain-language advice if it falls apart."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from scipy.sparse.csgraph import connected_components

TIED = 30  # confirmed matches from which two photos overlap; unrelated pairs reach about 25
FEW_FEATURES = 200  # in a photo; blurred, blank or dark ones have fewer
IN_SEQUENCE = 1.5  # times as many matches with the next photo as on average: the names are in shooting order
MIN_GROUP = 3  # photos; smaller groups are failed single photos, not another place
MAX_SENTENCES = 3  # of advice; more would not be read


@dataclass(frozen=True)
class MatchGraph:
    """Features and matches of photos, before or after pose estimation."""

    names: tuple[str, ...]  # in shooting order, if known
    features: tuple[int | None, ...] | None  # per photo, None: skipped; None as a whole: unknown
    matches: Int64[ndarray, "photo photo"]  # confirmed per pair; symmetric, 0 on the diagonal

    def groups(self, tied: int = TIED) -> list[list[int]]:
        """Return the connected components of photos, by index, largest first."""
        _, labels = connected_components(self.matches >= tied, directed=False)
        groups = [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)]
        return sorted(groups, key=lambda group: (-len(group), group))

    def joined(self, placed: Set[str], tied: int = TIED) -> "MatchGraph":
        """Return the graph with photos placed in one model counted as tied to each other."""
        member = np.array([name in placed for name in self.names])
        both = np.outer(member, member) & ~np.eye(len(member), dtype=bool)
        return replace(self, matches=np.where(both, np.maximum(self.matches, tied), self.matches))

    def in_sequence(self) -> bool:
        """Return whether names are in shooting order: the next photo overlaps more than others do."""
        count = len(self.names)
        if count < MIN_GROUP:
            return False
        following = np.diagonal(self.matches, 1).mean()
        others = self.matches.sum() / (count * (count - 1))
        return bool(following >= IN_SEQUENCE * others)


def advice_on_overlap(graph: MatchGraph, tied: int = TIED) -> tuple[str, ...]:
    """Return which photos to take so that all are connected, most useful first; empty if they are."""
    names, groups = graph.names, graph.groups(tied)
    blank = [count for count in graph.features or () if (count or 0) < FEW_FEATURES]
    sentences = []
    if len(blank) > len(names) / 2:
        sentences.append(
            f"{len(blank)} of {len(names)} photos show hardly any detail (blurred, dark or blank): "
            "take sharp photos of something with texture."
        )
    elif len(groups[0]) < min(MIN_GROUP, len(names)):
        sentences.append(
            "no three of them share enough points (they show other things, or one thing from sides too far apart): "
            "take ten or more, moving sideways a step at a time, so that each shows most of what the last one showed."
        )
    elif len(groups) > 1:
        large = [group for group in groups if len(group) >= MIN_GROUP]
        if len(large) > 1:
            sentences.append(_two_places(graph, large))
        sentences += _gaps(graph, groups) if graph.in_sequence() else _nearest(graph, groups)
    return tuple(sentences[:MAX_SENTENCES])


def _two_places(graph: MatchGraph, groups: Sequence[Sequence[int]]) -> str:
    parts = " and ".join(f"{len(group)} such as {graph.names[group[0]]}" for group in groups)
    joint = ""
    if graph.in_sequence():
        later = max(groups[:2], key=lambda group: group[0])
        joint = f", between {graph.names[later[0] - 1]} and {graph.names[later[0]]}"
    return (
        f"the photos show {len(groups)} places, or sides of one that nothing joins ({parts}): "
        f"use one folder for each, or take photos that lead from one to the other{joint}."
    )


def _gaps(graph: MatchGraph, groups: Sequence[Sequence[int]]) -> list[str]:
    """Return, for photos in shooting order, advice on isolated runs: between which photos to take more."""
    names = graph.names
    label = {index: number for number, group in enumerate(groups) for index in group}
    starts = [i for i in range(len(names)) if i == 0 or label[i] != label[i - 1]]
    sentences = []
    for first, end in zip(starts, [*starts[1:], len(names)], strict=True):
        if len(groups[label[first]]) >= MIN_GROUP:
            continue
        edges = [f"between {names[i - 1]} and {names[i]}" for i in (first, end) if 0 < i < len(names)]
        where = "at the beginning" if first == 0 else "at the end" if end == len(names) else "in the middle"
        which = f"the photo {names[first]}" if end == first + 1 else f"the photos {names[first]} to {names[end - 1]}"
        verb = "does" if end == first + 1 else "do"
        sentences.append(f"{which} {where} {verb} not overlap with the rest: take three more {', and '.join(edges)}.")
    return sorted(sentences, key=len)


def _nearest(graph: MatchGraph, groups: Sequence[Sequence[int]]) -> list[str]:
    """Return, for unordered photos, advice on isolated ones: each with the photo of the rest closest to it."""
    main, sentences = groups[0], []
    for group in groups[1:]:
        if len(group) >= MIN_GROUP:
            continue
        between = graph.matches[np.ix_(group, main)]
        row, column = divmod(int(between.argmax()), between.shape[1])
        apart, anchor = graph.names[group[row]], graph.names[main[column]]
        if between[row, column] > 0:
            sentences.append(f"{apart} hardly overlaps with the rest: take three more between it and {anchor}.")
        else:
            sentences.append(f"{apart} shares nothing with the rest: take photos that lead to it, or leave it out.")
    return sentences
