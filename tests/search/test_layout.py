import numpy as np
import pytest

from kgwalk.search import ANY, Layout, chain, tree


def test_a_chain_has_one_node_per_hop():
    plain = chain(ANY, 128, hops=3)
    assert plain == chain(ANY, [128, 128, 128], per="query") == chain([ANY] * 3, 128)
    assert (plain.hops, plain.parents, plain.budgets[1:]) == (3, (-1, 0, 1, 2), (128, 128, 128))
    assert plain.ends == (False, False, False, True)
    assert chain([0, 3], [25, 5], per="path").relations[1:] == (0, 3)


def test_metapaths_share_their_prefixes():
    layout = tree({(0, 5): 10, (0, 6, 1): 3, (0,): 2, (7, 1): 1})
    assert len(layout.parents) == 1 + 6
    names = {(): 0}
    for node, parent in enumerate(layout.parents[1:], 1):
        prefix = next(p for p, i in names.items() if i == parent)
        names[(*prefix, layout.relations[node])] = node
    assert set(names) == {(), (0,), (0, 5), (0, 6), (0, 6, 1), (7,), (7, 1)}
    assert {p: layout.budgets[i] for p, i in names.items() if p} == {
        **{(0,): 15, (0, 5): 10, (0, 6): 3},
        **{(0, 6, 1): 3, (7,): 1, (7, 1): 1},
    }
    assert {p for p, i in names.items() if layout.ends[i]} == {(0,), (0, 5), (0, 6, 1), (7, 1)}
    assert layout.hops == 3
    assert np.flatnonzero(layout.inner()).tolist() == sorted(names[p] for p in [(), (0,), (0, 6), (7,)])


def test_budgets_per_path_do_not_add_up():
    layout = tree({(0, 5): [4, 2], (0, 6): [3, 1]}, per="path")
    assert layout.budgets[1:] == (4, 2, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chain(ANY, 0, hops=3), "budget must be positive, got 0"),
        (lambda: chain(ANY, [4, -1]), "budget must be positive, got -1"),
        (lambda: chain(ANY, 4, hops=0), "hops must be positive, got 0"),
        (lambda: chain(ANY, []), "hops must be positive, got 0"),
        (lambda: chain(ANY, 4), "agree on one length"),
        (lambda: chain(ANY, [4, 4], hops=3), r"agree on one length, got \[2, 3\]"),
        (lambda: chain(-2, 4, hops=1), "relation or ANY, got -2"),
        (lambda: chain(ANY, 4, hops=1, per="beam"), "per must be one of query, path"),
        (lambda: chain(ANY, 4, hops=1, final="all"), "final must be one of keep, expand"),
        (lambda: tree({}), "at least one hop"),
        (lambda: tree({(): 3}), "0 hops"),
        (lambda: tree({(1, 2): 0}), "budget must be positive"),
        (lambda: tree({(1, 2): [3]}), "2 hops has budgets for 1"),
        (lambda: tree({(1, 2): 3, (ANY, 2): 3}), "ANY must be an only child"),
        (lambda: Layout((-1, 0, 0), (ANY, 1, 1), (1, 1, 1), (False, True, True)), "distinct relations"),
        (lambda: Layout((-1, 2, 0), (ANY, 1, 1), (1, 1, 1), (False, True, True)), "must come before it"),
        (lambda: Layout((-1, 0), (ANY, 1), (1, 1), (False, False)), "leaf"),
        (lambda: Layout((-1, 0), (ANY, 1), (1, 1), (True, True)), "no hops"),
        (lambda: Layout((-1, 0), (ANY, 1), (1, 1), (True,)), "expected 2 flags"),
        (lambda: Layout((-1, 0), (ANY,), (1, 1), (False, True)), "expected length 2, got 1"),
    ],
)
def test_what_is_no_layout(make, message):
    with pytest.raises(ValueError, match=message):
        make()
