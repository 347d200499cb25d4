import numpy as np

from ilrm_cli.capture.sfm.match_graph import MatchGraph, advice_on_overlap


def graph_of(count: int, *links: tuple[int, int], matches: int = 200, features: int = 3000) -> MatchGraph:
    """Return photos p0, p1, ... with matches between the given pairs."""
    table = np.zeros((count, count), dtype=np.int64)
    for i, j in links:
        table[i, j] = table[j, i] = matches
    return MatchGraph(tuple(f"p{i}" for i in range(count)), (features,) * count, table)


def chain(first: int, end: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(first, end - 1)]


# Known values


def test_photos_that_hang_together_need_no_advice():
    assert advice_on_overlap(graph_of(6, *chain(0, 6))) == ()


def test_a_gap_in_a_sequence_is_named_with_the_photos_beside_it():
    """p4 and p5 in the middle of ten stand alone; the rest goes around a table, so that p3 and p6 see each other."""
    (sentence,) = advice_on_overlap(graph_of(10, *chain(0, 4), *chain(6, 10), (4, 5), (3, 6)))
    assert sentence == (
        "the photos p4 to p5 in the middle do not overlap with the rest: "
        "take three more between p3 and p4, and between p5 and p6."
    )


def test_two_places_are_told():
    (sentence,) = advice_on_overlap(graph_of(9, *chain(0, 5), *chain(5, 9)))
    assert "show 2 places" in sentence
    assert "5 such as p0 and 4 such as p5" in sentence
    assert sentence.endswith("take photos that lead from one to the other, between p4 and p5.")


def test_photos_in_no_order_are_bridged_to_the_nearest():
    """Every photo of the first five matches with every other; p5 matches weakly with p2 alone."""
    clique = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    graph = graph_of(6, *clique)
    graph.matches[5, 2] = graph.matches[2, 5] = 20
    assert advice_on_overlap(graph) == ("p5 hardly overlaps with the rest: take three more between it and p2.",)
    graph.matches[5, 2] = graph.matches[2, 5] = 0
    assert advice_on_overlap(graph) == (
        "p5 shares nothing with the rest: take photos that lead to it, or leave it out.",
    )


def test_no_overlap_at_all_and_no_detail_at_all():
    apart = advice_on_overlap(graph_of(8, (0, 1)))[0]
    assert "no three of them share enough points" in apart
    assert "from sides too far apart" in apart, "photos around a cake show it, each another side of it"
    assert "hardly any detail" in advice_on_overlap(graph_of(8, features=50))[0]


# Invariants


def test_what_one_model_joins_is_not_asked_for_again():
    graph = graph_of(8, *chain(0, 4), *chain(4, 8))
    assert advice_on_overlap(graph.joined(set(graph.names))) == ()
    assert graph.matches[3, 4] == 0  # the graph itself stays


def test_weak_matches_do_not_tie():
    assert len(graph_of(5, *chain(0, 5), matches=20).groups()) == 5
    assert len(graph_of(5, *chain(0, 5), matches=20).groups(tied=15)) == 1
