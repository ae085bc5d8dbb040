"""evaluate: what is asked, what is counted, and the figures that come out."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from kgwalk._core import Graph, Names
from kgwalk.data import Card, Dataset, load
from kgwalk.evaluation import Protocol, evaluate

ADA, TOM, ANN, BOB, EVE, ZOE = range(6)
PARENT, SISTER = range(2)
INVERSE = 2
Make = Callable[..., Any]

ANSWERS = {
    # Bob's sister: Ann second behind Ada.
    (BOB, SISTER): [(ADA, -0.1), (ANN, -0.2)],
    # Tom's sister: Eve behind Ann, whom the graph knows, so Eve is first when filtered.
    (TOM, SISTER): [(ANN, -0.1), (EVE, -0.2)],
    # Whose sister is Ann: Bob shares the first place with Ada.
    (ANN, SISTER + INVERSE): [(BOB, -0.5), (ADA, -0.5)],
}


def test_figures_by_hand(tiny: Dataset, agent_of: Make) -> None:
    report = evaluate(agent_of(ANSWERS), tiny)
    assert report.tail is not None
    assert report.head is not None
    assert report.tail.ranks.tolist() == [2.0, 1.0, np.inf]
    assert report.head.ranks.tolist() == [1.5, np.inf, np.inf]
    assert report.metrics["tail"]["mrr"] == pytest.approx((1 / 2 + 1) / 3)
    assert report.metrics["head"]["mrr"] == pytest.approx((1 / 1.5) / 3)
    assert report.metrics["both"]["mrr"] == pytest.approx((1 / 2 + 1 + 1 / 1.5) / 6)
    assert report.metrics["tail"]["hits@1"] == pytest.approx(1 / 3)
    assert set(report.metrics) == {"tail", "head", "both"}


def test_raw_ranks_on_request(tiny: Dataset, agent_of: Make) -> None:
    report = evaluate(agent_of(ANSWERS), tiny, protocol=Protocol(directions="tail", filtered=False))
    assert report.tail is not None
    assert report.tail.ranks.tolist() == [2.0, 2.0, np.inf]
    assert report.protocol.to_json()["filtered"] is False


def test_agent_never_sees_a_target_and_is_asked_each_question_once(tiny_with: Make, agent_of: Make) -> None:
    test = np.array([(TOM, SISTER, EVE), (TOM, SISTER, BOB)], dtype=np.int32)
    dataset = tiny_with(splits={"train": test[:0], "test": test})
    agent = agent_of({(TOM, SISTER): [(BOB, -0.1), (EVE, -0.2)]})
    report = evaluate(agent, dataset, protocol=Protocol(directions="tail"))
    assert agent.asked == [[TOM, SISTER, -1]]
    assert report.tail is not None
    # Both are test answers of one question: neither counts against the other.
    assert report.tail.ranks.tolist() == [1.0, 1.0]


def test_unseen_entities_miss_and_are_counted(tiny: Dataset, agent_of: Make) -> None:
    # Zoe has no edge: even an agent that guesses her gets nothing, and she is not asked about.
    agent = agent_of({**ANSWERS, (EVE, PARENT): [(5, 0.0)]})
    report = evaluate(agent, tiny)
    assert report.tail is not None
    assert report.head is not None
    assert (report.tail.unseen, report.head.unseen) == (1, 1)
    assert report.tail.ranks[2] == np.inf
    assert all(source != 5 for source, _, _ in agent.asked)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batch_size_changes_nothing(tiny: Dataset, agent_of: Make, batch_size: int) -> None:
    report = evaluate(agent_of(ANSWERS), tiny, protocol=Protocol(batch_size=batch_size))
    assert report.metrics == evaluate(agent_of(ANSWERS), tiny).metrics


def test_tail_only_agent_reports_no_both(tiny: Dataset, agent_of: Make) -> None:
    agent = agent_of(ANSWERS)
    agent.directions = "tail"
    assert set(evaluate(agent, tiny).metrics) == {"tail"}
    for directions in ("head", "both"):
        with pytest.raises(ValueError, match="trained on tail queries only"):
            evaluate(agent, tiny, protocol=Protocol(directions=directions))
    assert set(evaluate(agent_of(ANSWERS), tiny, protocol=Protocol(directions="head")).metrics) == {"head"}


def test_breakdown_by_relation(tiny: Dataset, agent_of: Make) -> None:
    report = evaluate(agent_of(ANSWERS), tiny)
    assert report.tail is not None
    rows = report.tail.per_relation()
    assert list(rows) == ["sister", "parent"]
    assert rows["sister"]["queries"] == 2
    assert rows["sister"]["mrr"] == pytest.approx(0.75)
    assert rows["parent"] == {"queries": 1, "mrr": 0, "hits@1": 0, "hits@3": 0, "hits@5": 0, "hits@10": 0}


def test_report_is_json_and_a_table(tiny: Dataset, agent_of: Make, tmp_path: Path) -> None:
    report = evaluate(agent_of(ANSWERS), tiny)
    report.save(tmp_path / "deep" / "report.json")
    loaded: dict[str, Any] = json.loads((tmp_path / "deep" / "report.json").read_text())
    assert loaded["metrics"]["both"]["mrr"] == pytest.approx(report.metrics["both"]["mrr"])
    assert loaded["counts"]["tail"] == {"queries": 3, "reached": 2, "unseen": 1}
    assert loaded["protocol"]["ties"] == "mean rank"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.json"]

    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(report.table(), report.relation_table())
    console.file.close()
    shown = console.export_text()
    assert "list on Tiny test" in shown
    assert "0.500" in shown
    assert "sister" in shown


def test_empty_split_is_unknown_not_zero(tiny_with: Make, agent_of: Make) -> None:
    empty = np.zeros((0, 3), dtype=np.int32)
    report = evaluate(agent_of({}), tiny_with(splits={"train": empty, "test": empty}))
    assert report.to_json()["metrics"]["tail"]["mrr"] is None


def test_bad_requests_are_refused(tiny: Dataset, agent_of: Make) -> None:
    with pytest.raises(KeyError, match="no split 'nope'"):
        evaluate(agent_of({}), tiny, "nope")
    with pytest.raises(ValueError, match="expected tail, head or both"):
        Protocol(directions="up")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size"):
        Protocol(batch_size=0)
    with pytest.raises(ValueError, match="hits"):
        Protocol(hits=(0,))

    agent = agent_of({})
    answer = agent.answer
    agent.answer = lambda queries, graph: answer(queries[:-1], graph)
    with pytest.raises(ValueError, match="answer lists for"):
        evaluate(agent, tiny)


def with_candidates(tiny_with: Make, folder: Path, lines: str) -> Dataset:
    (folder / "candidates.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    card = Card(name="Tiny", folder="tiny", title="tiny", candidates="candidates.tsv")
    return tiny_with(card=card, folder=folder)


def test_map_by_hand(tmp_path: Path, tiny_with: Make, agent_of: Make) -> None:
    lines = (
        "bob\tsister\tann\t1\nbob\tsister\tada\t0\nbob\tsister\teve\t0\n"  # Ann second: 1/2
        "tom\tsister\teve\t1\ntom\tsister\tbob\t0\n"  # Eve first: 1
        "eve\tparent\tzoe\t1\neve\tparent\tann\t0\n"  # nothing reached: first or second, 3/4
        "stranger\tparent\tann\t0\nbob\tparent\tstranger\t1\n"  # unknown names: no positive; alone, 1
    )
    report = evaluate(agent_of(ANSWERS), with_candidates(tiny_with, tmp_path, lines))
    assert report.map_per_relation == {"parent": pytest.approx((3 / 4 + 1) / 2), "sister": pytest.approx(3 / 4)}
    assert report.metrics["map"] == pytest.approx((7 / 8 + 3 / 4) / 2)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("bob\tsister\tann\n", r"candidates.tsv.gz:1: expected head"),
        ("bob\tsister\tann\t1\nbob\tsister\tann\t2\n", r"candidates.tsv.gz:2: expected head"),
        ("bob\tsister\tann\t1\nbob\taunt\tann\t0\n", r"candidates.tsv.gz:2: Tiny has no relation 'aunt'"),
    ],
)
def test_malformed_candidates_name_the_line(
    tmp_path: Path, tiny_with: Make, agent_of: Make, lines: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(agent_of(ANSWERS), with_candidates(tiny_with, tmp_path, lines))


def countries(tiny_with: Make, test: list[tuple[int, int, int]]) -> Dataset:
    """Two countries, a subregion each, three regions, one of them never asked for."""
    names = ["kenya", "peru", "east", "andes", "africa", "america", "asia"]
    facts = np.array([(0, 0, 2), (1, 0, 3), (2, 0, 4), (3, 0, 5), (2, 0, 6)], dtype=np.int32)
    graph = Graph.from_triples(facts, len(names), 1)
    return tiny_with(
        name="Countries-S1",
        graph=graph,
        test_graph=graph,
        splits={"train": facts, "test": np.array(test, dtype=np.int32)},
        entities=Names(names),
        relations=Names(["locatedIn"]),
    )


def test_auc_pr_pools_the_regions_of_all_queries(tiny_with: Make, agent_of: Make) -> None:
    agent = agent_of({(0, 0): [(4, -0.1), (2, -0.0), (6, -3.0)], (1, 0): [(6, -0.2), (5, -0.3), (3, -0.0)]})
    report = evaluate(agent, countries(tiny_with, [(0, 0, 4), (1, 0, 5)]))
    # Pooled: africa 1, asia 0, america 1, then the rest; subregions are no candidates.
    assert report.metrics["auc_pr"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_auc_pr_is_over_regions_where_subregions_are_asked_for_too(tiny_with: Make, agent_of: Make) -> None:
    agent = agent_of({(0, 0): [(4, -0.1), (2, -0.0), (6, -3.0)], (1, 0): [(6, -0.2), (5, -0.3), (3, -0.0)]})
    report = evaluate(agent, countries(tiny_with, [(0, 0, 2), (1, 0, 3), (0, 0, 4), (1, 0, 5)]))
    assert report.metrics["auc_pr"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("batch_size", [2, 512])
def test_dense_agent_is_measured_as_its_full_lists_are(
    tiny: Dataset, coarse_agent: Make, filtered: bool, batch_size: int
) -> None:
    dense, lists = coarse_agent(tiny.graph.num_entities)
    protocol = Protocol(filtered=filtered, batch_size=batch_size)
    report, twin = evaluate(dense, tiny, protocol=protocol), evaluate(lists, tiny, protocol=protocol)
    assert not dense.asked  # nobody asked for a sorted list
    assert max(dense.rows) <= batch_size
    for part, twin_part in ((report.tail, twin.tail), (report.head, twin.head)):
        assert part is not None
        assert twin_part is not None
        assert part.ranks.tolist() == twin_part.ranks.tolist()
    assert report.metrics == twin.metrics


def test_dense_agent_on_candidate_tables(tmp_path: Path, tiny_with: Make, coarse_agent: Make) -> None:
    lines = (
        "bob\tsister\tann\t1\nbob\tsister\tada\t0\nbob\tsister\teve\t0\ntom\tsister\teve\t1\ntom\tsister\tbob\t0\n"
        "eve\tparent\tzoe\t1\neve\tparent\tann\t0\nstranger\tparent\tann\t0\n"
    )
    with_map = with_candidates(tiny_with, tmp_path, lines)
    with_area = countries(tiny_with, [(0, 0, 4), (1, 0, 5)])
    for dataset, metric in ((with_map, "map"), (with_area, "auc_pr")):
        dense, lists = coarse_agent(dataset.graph.num_entities)
        got = evaluate(dense, dataset).metrics
        assert 0 < got[metric] <= 1
        assert got == evaluate(lists, dataset).metrics


def test_dense_agent_with_bad_scores_is_refused(tiny: Dataset, coarse_agent: Make) -> None:
    dense, _ = coarse_agent(tiny.graph.num_entities)
    block = dense.block
    dense.block = lambda source, relation: block(source, relation) / (source != BOB)
    with pytest.raises(ValueError, match=r"query \(source 3, relation 1\)"), np.errstate(all="ignore"):
        evaluate(dense, tiny)
    dense.scores = lambda queries, graph: np.zeros((len(queries), graph.num_entities - 1), np.float32)
    with pytest.raises(ValueError, match=r"'block' gave scores of shape \(\d, 5\); expected \(\d, 6\)"):
        evaluate(dense, tiny)


needs_data = pytest.mark.skipif("KGWALK_DATA" not in os.environ, reason="KGWALK_DATA is not set: no benchmark files")


def what_is_known(dataset: Dataset) -> Callable[[int, int], list[tuple[int, float]]]:
    """Answers of an agent that knows every fact, all of them equally well."""
    known = dataset.known_for("test")
    return lambda source, relation: [(int(tail), 0.0) for tail in known.slice(source, relation)[:, 1]]


@needs_data
@pytest.mark.parametrize("name", ["Countries-S1", "Countries-S2", "Countries-S3"])
def test_who_knows_all_countries_gets_everything(agent_of: Make, name: str) -> None:
    dataset = load(name)
    report = evaluate(agent_of(what_is_known(dataset)), dataset)
    assert report.metrics["auc_pr"] == 1.0
    assert report.metrics["tail"]["mrr"] == 1.0


@needs_data
def test_nell_protocol_on_the_published_candidates(agent_of: Make) -> None:
    dataset = load("NELL-995")
    report = evaluate(agent_of(what_is_known(dataset)), dataset, protocol=Protocol(directions="tail"))
    assert report.tail is not None
    assert len(report.tail.ranks) == 3992
    assert len(report.map_per_relation) == 12
    # Everything askable is known, so only the unseen entities cost anything.
    assert report.metrics["tail"]["hits@1"] == pytest.approx(1 - report.tail.unseen / 3992)
    assert report.tail.unseen < 1159  # the test graph holds the valid facts as well
    assert 0.7 < report.metrics["map"] < 1.0
