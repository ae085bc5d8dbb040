"""The pool: results do not depend on it, it lets Python run, and it survives a fork."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from kgwalk import Graph
from kgwalk._core import (
    ActionSets,
    Expand,
    Names,
    RuleMiner,
    RulePredictor,
    TripleReader,
    format_rules,
    num_threads,
    read_rules,
    set_num_threads,
)
from tests.core.oracle import ids

pytestmark = pytest.mark.usefixtures("keep_num_threads")


@pytest.fixture(scope="module")
def graph() -> Graph:
    rng = np.random.default_rng(0)
    facts = np.stack([rng.integers(0, n, 20_000, dtype=np.int32) for n in (500, 5, 500)], axis=1)
    return Graph.from_triples(facts, 500, 5)


def test_results_are_the_same_on_one_and_two_threads(graph: Graph) -> None:
    frontier = np.arange(30_000, dtype=np.int32) % 500
    queries = ids([[0, 0, 1], [3, 7, -1]])
    expand, actions = Expand(graph, None, 20), ActionSets(Expand(graph))
    results = []
    for threads in (1, 2):
        set_num_threads(threads)
        assert num_threads() == threads
        rows = frontier % 2, queries, True
        results.append(
            (
                *expand(frontier, ids([-1])),
                *actions.candidates(frontier, *rows),
                *actions.relations(frontier, *rows),
                *actions.tails(frontier, frontier % 11, *rows),
            )
        )
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture
def only_voluntary_switches() -> Iterator[None]:
    """No thread is made to give up the GIL, so another one runs during a call only if the call lets it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def long_calls(graph: Graph) -> dict[str, Callable[[], object]]:
    any_relation = ids([-1])
    frontier = np.arange(100_000, dtype=np.int32) % 500
    expand = Expand(graph)
    facts = np.tile(ids([[0, 0, 1]]), (1_000_000, 1))
    text = b"".join(b"entity %d\trelation\tentity %d\n" % (i, i + 1) for i in range(50_000))
    reader = TripleReader()
    vocabulary = Names(["a", "b"]), Names(["r"])
    rule_lines = b"5\t3\t0.6\tr(X,a) <= r(b,X)\n" * 50_000
    rules, _, _ = read_rules(rule_lines, "rules", *vocabulary)
    miner = RuleMiner(graph, max_length=2)
    joins, _, _ = read_rules(b"5\t3\t0.6\tr(X,Y) <= r(X,A), r(A,Y)\n", "rules", *vocabulary)
    predictor = RulePredictor(graph, joins, joins.confidence)
    queries = np.tile(ids([[e, 0, 0] for e in range(500)]), (20, 1))
    return {
        "pagerank": lambda: graph.pagerank(0.85, 500),
        "expand": lambda: expand(frontier, any_relation),
        "from_triples": lambda: Graph.from_triples(facts, 2, 1),
        "reader": lambda: reader.add(text, "text"),
        "read_rules": lambda: read_rules(rule_lines, "rules", *vocabulary),
        "format_rules": lambda: format_rules(rules, *vocabulary),
        "mine": miner.step,
        "answer": lambda: predictor.answer(queries),
    }


CALLS = ["pagerank", "expand", "from_triples", "reader", "read_rules", "format_rules", "mine", "answer"]


@pytest.mark.usefixtures("only_voluntary_switches")
@pytest.mark.parametrize("name", CALLS)
def test_other_threads_run_during_a_long_call(graph: Graph, name: str) -> None:
    call = long_calls(graph)[name]
    count = 0
    stop = threading.Event()

    def counter() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0)  # gives up the GIL

    thread = threading.Thread(target=counter)
    thread.start()
    try:
        for _ in range(100):  # a busy machine may have no core for the counter in one call
            before = count
            call()
            during = count - before
            if during > 0:
                break
    finally:
        stop.set()
        thread.join()
    assert during > 0


def sum_of_tails(expand: Expand, frontier: np.ndarray, send: Callable[[int], None]) -> None:
    send(int(expand(frontier.astype(np.int32), ids([-1]))[2].sum(dtype=np.int64)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own(graph: Graph) -> None:
    set_num_threads(2)
    expand = Expand(graph)
    frontier = np.arange(20_000) % 500
    expected = int(expand(frontier.astype(np.int32), ids([-1]))[2].sum(dtype=np.int64))  # wakes the parent's pool
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=sum_of_tails, args=(expand, frontier, send.send))
    child.start()
    assert receive.poll(30), "the child hangs"
    assert receive.recv() == expected
    child.join(30)
    assert child.exitcode == 0


@pytest.mark.parametrize("bad", [0, -1, 257])
def test_a_senseless_number_of_threads_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match=str(bad)):
        set_num_threads(bad)
