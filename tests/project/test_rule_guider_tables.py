"""The tables of the RuleGuider paper: made by one command each, resumed, and shown beside the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks import common, markdown
from benchmarks.rule_guider import speed, tables, thresholds
from benchmarks.rule_guider.__main__ import main
from benchmarks.rule_guider.completion import choose_weight
from kgwalk import agents
from kgwalk.data import load
from kgwalk.graph import Graph
from kgwalk.protocols import Ids, Ranked

TINY = (
    *("hops=2", "policy.relation_dim=8", "policy.hidden_dim=8", "policy.mlp_dims=8"),
    *("scorer=", "rules.rounds=1", "rules.max_length=2", "rule_threshold=0.1", "validate_queries=20", "beam=16"),
    *("pretraining.steps=1", "pretraining.batch=8", "likelihood.steps=2", "likelihood.batch=16"),
    *("joint.steps=1", "joint.batch=8"),
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    threads = torch.get_num_threads()
    yield tmp_path / "results"
    torch.set_num_threads(threads)


def run(folder: Path, command: str, *more: str) -> None:
    settings = [word for setting in TINY for word in ("--set", setting)]
    main([command, "Family", *settings, "--threads", "1", "--runs", str(folder), "--save", *more])


def read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_one_training_run_answers_in_two_ways_and_is_not_made_again(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "main", "--variant", "tiny")
    files = sorted(path.name for path in (results / "completion").iterdir())
    assert files == ["family-rule-guider-tiny-seed0.json", "family-rule-guider-tiny-walk-seed0.json"]
    walk, evidence = (read(results / "completion" / name) for name in files[::-1])
    assert (walk["protocol"]["answer"], evidence["protocol"]["answer"]) == ("walk", "evidence")
    assert walk["protocol"]["walk_weight"] is None
    assert walk["metrics"]["tail"] != evidence["metrics"]["tail"]
    stages = walk["metrics"]["stage_seconds"]
    assert list(stages) == ["rules", "pretraining", "joint"]
    assert walk["metrics"]["agent_seconds"] == stages["pretraining"] + stages["joint"]
    run(tmp_path, "rules-used", "--variant", "tiny")
    used = read(results / "rule_guider_rules_used" / "family-rule-guider-tiny-seed0.json")["metrics"]
    assert all(0 <= share <= 1 for phase in ("pretraining", "training") for share in used[phase].values())

    monkeypatch.setattr(agents.RuleGuider, "trainer", lambda *_, **__: pytest.fail("trained again"))
    run(tmp_path, "main", "--variant", "tiny")
    assert "recorded already" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="another configuration"):
        run(tmp_path, "main", "--variant", "tiny", "--set", "rule_weight=0.5")


def test_rows_of_the_ablation_share_mined_rules(results: Path, tmp_path: Path) -> None:
    rows = ["full", "single", "reinforce-only"]
    run(tmp_path, "ablation", "--rows", *rows)
    records = [read(results / "rule_guider_ablation" / f"family-rule-guider-{row}-seed0.json") for row in rows]
    configs = [record["protocol"]["config"] for record in records]
    assert {config["policy"]["entity_dim"] for config in configs} == {32}
    assert [config["decision"] for config in configs] == ["split", "edge", "split"]
    assert (configs[2]["likelihood"]["steps"], configs[2]["joint"]["steps"]) == (0, 3)
    assert len({record["metrics"]["stage_seconds"]["rules"] for record in records}) == 1
    shown = tables.ablations(records, "family")
    assert [row[0] for row in shown.rows if row[2] != "not run"] == rows
    assert "1 pretraining, 2 supervised, 1 reinforcement steps" in shown.note


def test_thresholds_leave_fewer_rules(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "THRESHOLDS", (0.0, 0.5))
    run(tmp_path, "thresholds")
    found = [read(path) for path in sorted((results / "rule_guider_thresholds").iterdir())]
    counts = [record["metrics"]["rules"] for record in found]
    assert len(counts) == 2
    assert counts[0] > counts[1] > 0


def test_main_table_says_which_cells_are_beaten() -> None:
    tail = {"hits@1": 0.45, "hits@5": 0.52, "hits@10": 0.56, "mrr": 0.47}
    protocol = {"answer": "walk", "split": "test", "variant": "", "threads": 2}
    record = {"bench": "completion", "dataset": "wn18rr", "agent": "rule-guider", "protocol": protocol}
    record |= {"metrics": {"tail": tail, "both": {"mrr": 0.4}}}
    rows = tables.main_results([record]).rows
    assert rows[0][1:6] == ["paper: RuleGuider (ComplEx)", "0.443", "0.524", "0.555", "0.480"]
    assert rows[1] == ["wn18rr", "walk", "0.4500", "0.5200", "0.5600", "0.4700", "", "0.4000", "H@1, H@10", "1"]
    assert rows[2][:3] == ["wn18rr", "evidence", "not run"]
    other = {**record, "protocol": {**protocol, "variant": "tiny"}}
    assert tables.main_results([other]).rows[1][2] == "not run"


def test_a_page_without_results_has_every_table_and_the_papers_figures() -> None:
    page = "\n".join(f"{begin}\n{end}" for begin, end in map(markdown.marks, tables.TABLES))
    filled = tables.fill_page(page, [])
    for figure in ("0.443", "69.2%", "0.466", "13.9 h", "14,472"):
        assert figure in filled
    assert tables.fill_page(filled, []) == filled


def test_the_weight_of_a_scorer_is_the_best_on_valid() -> None:
    family = load("Family")
    truth = {(h, r, t) for h, r, t in family.splits["valid"].tolist()}

    class Everything:
        name = "everything"
        asked = 0

        def answer(self, queries: Ids, graph: Graph) -> Ranked:
            self.asked += 1
            n = graph.num_entities
            offsets = np.arange(len(queries) + 1, dtype=np.int64) * n
            entities = np.tile(np.arange(n, dtype=np.int32), len(queries))
            return Ranked(offsets, entities, np.tile(-np.arange(n, dtype=np.float64), len(queries)))

        def save(self, folder: Path) -> None: ...

    class Oracle:
        num_entities = family.graph.num_entities
        num_relations = family.graph.num_relations

        def score(self, sources: Ids, relation: int, targets: Ids) -> NDArray[np.float32]:
            facts = zip(sources.tolist(), targets.tolist(), strict=True)
            return np.array([0.9 if (h, relation, t) in truth else 1e-3 for h, t in facts], np.float32)

        def top_k(
            self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None
        ) -> tuple[Ids, NDArray[np.float32]]:
            raise NotImplementedError

    agent = Everything()
    weight, found = choose_weight(agent, Oracle(), family)
    assert weight == max((0.1, 0.2, 0.3, 0.5), key=lambda w: found[str(w)])
    assert found[str(weight)] > found["0.1"]
    assert agent.asked <= 2


def test_every_way_to_train_is_timed_and_set_beside_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_BATCH", 8)
    found = speed.measure("Family", seconds=0)
    assert list(found) == list(speed.IDEAS)
    assert all(figures["seconds_per_1000_queries"] > 0 for figures in found.values())
    for kind in ("", "reinforce-"):
        alone = found[f"{kind}one-state-each"]["distinct_states"]
        assert alone > found[kind.rstrip("-") or "likelihood"]["distinct_states"]
    record = {
        "bench": "training_speed",
        "dataset": "wn18rr",
        "agent": "rule-guider",
        "protocol": None,
        "metrics": found,
    }
    rows = tables.training_speed([record]).rows
    assert rows[0][2] == "1.00"
    assert rows[0][4] == "not run"
