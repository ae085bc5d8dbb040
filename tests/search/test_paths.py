import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgwalk.search import ANY, Paths, chain, merge_waits, rank, search

STAY = 6


def paths_of(*rows):
    """(query, entities, relations, probability) each."""
    query, entities, relations, probability = zip(*rows, strict=True)
    as_ids = [np.array(x, np.int32) for x in (query, entities, relations)]
    return Paths(*as_ids, np.log(probability), STAY)


FAMILY = paths_of(
    (0, [1, 2, 5], [0, 1], 0.3),
    (0, [1, 1, 4], [STAY, 3], 0.25),
    (0, [1, 3, 5], [0, 2], 0.2),
    (0, [1, 7, 9], [2, 2], 0.05),
    (2, [4, 4, 4], [STAY, STAY], 1.0),
)


def test_probabilities_of_paths_to_an_entity_add_up():
    ranked = rank(FAMILY, 3)
    assert ranked.offsets.tolist() == [0, 3, 3, 4]
    assert ranked.entities.tolist() == [5, 4, 9, 4]
    assert np.exp(ranked.scores) == pytest.approx([0.5, 0.25, 0.05, 1.0])
    assert ranked.paths is FAMILY


def test_or_the_best_path_counts():
    ranked = rank(FAMILY, 3, pool="max")
    assert ranked.entities.tolist() == [5, 4, 9, 4]
    assert np.exp(ranked.scores) == pytest.approx([0.3, 0.25, 0.05, 1.0])


def test_equal_scores_are_ordered_by_entity():
    ties = paths_of((0, [0, 8], [1], 0.25), (0, [0, 3], [1], 0.25), (0, [0, 5], [1], 0.25))
    assert rank(ties, 1).entities.tolist() == [3, 5, 8]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_ranks_agree_with_pooling_in_plain_python(toys, data):
    world = data.draw(toys.worlds)
    queries = world.queries()
    paths = search(world.actions, toys.TablePolicy(world.graph, 5), chain(ANY, 10, 2), queries)
    rows = [[] for _ in queries]
    for query, entities, log_prob in zip(paths.query, paths.entities, paths.log_prob, strict=True):
        rows[query].append(([(None, int(e)) for e in entities], 0, float(log_prob)))
    for which, pool in enumerate(["logsumexp", "max"]):
        ranked = rank(paths, len(queries), pool=pool)
        for i, own in enumerate(rows):
            row = slice(*ranked.offsets[i : i + 2])
            assert np.all(np.diff(ranked.scores[row]) <= 0)
            got = dict(zip(ranked.entities[row].tolist(), ranked.scores[row], strict=True))
            assert got == pytest.approx({e: x[which] for e, x in toys.pooled(own).items()})


def test_scores_of_a_kept_last_expansion_do_not_depend_on_its_budget(toys, town):
    policy, queries = toys.TablePolicy(town.graph), town.queries()[:40]
    wide = search(town.actions, policy, chain(ANY, [8, 8, 10**6]), queries)
    narrow = search(town.actions, policy, chain(ANY, [8, 8, 3], final="expand"), queries)
    assert np.all(np.bincount(narrow.query) == 3)
    for pool in ("logsumexp", "max"):
        a, b = rank(wide, 40, pool=pool), rank(narrow, 40, pool=pool)
        np.testing.assert_array_equal(a.entities, b.entities)
        np.testing.assert_allclose(a.scores, b.scores)


def test_merging_waits_loses_no_probability(toys, town):
    paths = search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 64, 3), town.queries()[:40])
    merged = merge_waits(paths)
    assert len(merged) < len(paths)
    before, after = rank(paths, 40), rank(merged, 40)
    np.testing.assert_array_equal(before.entities, after.entities)
    np.testing.assert_allclose(before.scores, after.scores)


def test_paths_of_a_query_and_to_an_entity():
    assert FAMILY.of(0).entities.tolist() == FAMILY.entities[:4].tolist()
    assert len(FAMILY.of(1)) == 0
    assert FAMILY.of(2).log_prob.tolist() == [0.0]
    assert FAMILY.to(4).query.tolist() == [0, 2]
    assert FAMILY.of(0).to(5).relations.tolist() == [[0, 1], [0, 2]]
    assert (len(FAMILY), FAMILY.hops) == (5, 2)


def test_json_has_names_and_no_waiting():
    first, second = json.loads(json.dumps(FAMILY.of(0).to_json("e{}".format, "r{}".format)))[:2]
    assert first["source"] == "e1"
    assert first["steps"] == [{"relation": "r0", "entity": "e2"}, {"relation": "r1", "entity": "e5"}]
    assert math.exp(first["log_prob"]) == pytest.approx(0.3)
    assert second["steps"] == [{"relation": "r3", "entity": "e4"}]
    assert FAMILY.of(2).to_json() == [{"query": 2, "source": 4, "steps": [], "log_prob": 0.0}]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="logsumexp or max, got 'mean'"):
        rank(FAMILY, 3, pool="mean")
    with pytest.raises(IndexError, match="not of 2 queries"):
        rank(FAMILY, 2)


def test_ranking_of_a_kept_expansion_wants_its_own_number_of_queries(toys, town):
    paths = search(town.actions, toys.TablePolicy(town.graph), chain(ANY, 2, 2, final="expand"), town.queries()[:5])
    with pytest.raises(IndexError, match="of 5 queries, not of 6"):
        rank(paths, 6)


def test_importing_search_does_not_import_torch():
    code = "import sys, kgwalk.search; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
