"""Blind sheets: who gets on them, that they give nothing away, and that their key says everything."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgwalk.data import Dataset, load
from kgwalk.explain.blind_sheet import COLUMNS, BlindSheet, Counts, blind_sheet
from kgwalk.protocols import Ids, Ranked
from tests.explain.tellers import SPLIT, Answer, Teller, Walk, around, right, straight


@pytest.fixture(scope="module")
def family() -> Dataset:
    return load("Family")


def single(family: Dataset) -> list[list[int]]:
    """Facts that are the only ones of their source and relation in the split."""
    facts = np.unique(family.queries(SPLIT), axis=0).tolist()
    pairs = [(s, r) for s, r, _ in facts]
    return [fact for fact, pair in zip(facts, pairs, strict=True) if pairs.count(pair) == 1]


def cells(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_the_key_tells_whose_path_is_whose_and_the_sheet_does_not(family: Dataset, tmp_path: Path) -> None:
    agents = Teller(family, "straight", right, straight), Teller(family, "around", right, around)
    about: tuple[dict[str, Any], dict[str, Any]] = ({"run": "runs/a"}, {"run": "runs/b"})
    drawn = blind_sheet(agents, family, queries=40, seed=1, about=about)
    drawn.save(tmp_path / "sheet.csv", tmp_path / "key.json")
    header, *rows = cells(tmp_path / "sheet.csv")
    assert header == list(COLUMNS)
    assert [row[0] for row in rows] == [str(i) for i in range(1, 41)]
    assert {row[-1] for row in rows} == {""}
    key = json.loads((tmp_path / "key.json").read_text())
    assert (key["dataset"], key["fingerprint"], key["split"], key["seed"]) == ("Family", family.fingerprint, SPLIT, 1)
    assert key["agents"] == [{"name": "straight", "run": "runs/a"}, {"name": "around", "run": "runs/b"}]
    for row, pair in zip(rows, key["pairs"], strict=True):
        question, answer = row[1].removesuffix("?"), row[2]
        asked = question[question.index(" --") :]  # one hop, and the relation once more where the answer is
        assert row[3 + pair["first"]] == question + answer + asked + answer
        assert row[4 - pair["first"]].endswith(answer)
        assert row[3] != row[4]
    assert 8 < sum(pair["first"] for pair in key["pairs"]) < 32
    text = (tmp_path / "sheet.csv").read_text("utf-8-sig")
    assert not [word for word in ("straight", "around", "runs/", "0.9") if word in text]
    assert BlindSheet.load(tmp_path / "key.json") == drawn


def test_facts_that_one_agent_does_not_put_first_are_left_out(family: Dataset) -> None:
    """B is right about some sources only; beside known answers, or not at all, or in a tie."""
    chosen = single(family)
    known = family.known_for(SPLIT)
    stranger = next(e for e in range(len(family.entities)) if not any(known.find(s, r, e) >= 0 for s, r, _ in chosen))

    def answers(source: int, relation: int, targets: Sequence[int]) -> list[Answer]:
        others = [t for _, t in known.slice(source, relation).tolist() if t not in targets]
        told = {
            0: [*right(source, relation, targets), *((other, 0.9) for other in others)],
            1: [*right(source, relation, targets), (stranger, 0.9)],
            2: [*right(source, relation, targets), (stranger, 0.5)],
            3: [(stranger, 0.5)],
        }
        return told[source % 4]

    agents = Teller(family, "a", right, straight), Teller(family, "b", answers, around)
    drawn = blind_sheet(agents, family, queries=10_000)
    facts = np.unique(family.queries(SPLIT), axis=0)
    expected = facts[facts[:, 0] % 4 == 0]
    assert drawn.counts == Counts(looked_at=len(facts), both_right=len(expected), no_path=0, same_path=0)
    labels = sorted((family.label(s), family.label(t)) for s, _, t in expected.tolist())
    assert sorted((pair.question.split(" --")[0], pair.answer) for pair in drawn.pairs) == labels


def test_the_most_probable_path_counts_with_waiting_stripped(family: Dataset) -> None:
    stay = family.graph.stay

    def waits(source: int, relation: int, target: int) -> list[Walk]:
        far = ([(source + 1) % 200, target], [relation, relation], 0.4)
        return [far, ([source, target], [stay, relation], 0.3), ([target, target], [relation, stay], 0.2)]

    agents = Teller(family, "a", right, waits), Teller(family, "b", right, around)
    pair = blind_sheet(agents, family, queries=1).pairs[0]
    assert pair.paths[pair.first] == pair.question.removesuffix("?") + pair.answer


def test_same_paths_and_missing_ones_are_left_out_and_counted(family: Dataset) -> None:
    stay = family.graph.stay

    def some(source: int, relation: int, target: int) -> list[Walk]:
        waited = [([source, target], [stay, relation], 0.9)]
        return {0: around(source, relation, target), 1: waited, 2: []}[source % 3]

    def direct(source: int, relation: int, target: int) -> list[Walk]:
        return [([target, target], [relation, stay], 0.1)]

    drawn = blind_sheet((Teller(family, "a", right, some), Teller(family, "b", right, direct)), family, queries=10_000)
    by_kind = np.bincount(np.unique(family.queries(SPLIT), axis=0)[:, 0] % 3)
    assert (len(drawn.pairs), drawn.counts.same_path, drawn.counts.no_path) == tuple(by_kind.tolist())


def test_the_seed_decides_and_the_batch_size_does_not(family: Dataset) -> None:
    agents = Teller(family, "a", right, straight), Teller(family, "b", right, around)
    drawn = blind_sheet(agents, family, queries=20, seed=4)
    assert blind_sheet(agents, family, queries=20, seed=4, batch_size=7) == drawn
    assert blind_sheet(agents, family, queries=20, seed=5).pairs != drawn.pairs
    assert drawn.counts.looked_at == 20
    swapped = blind_sheet((agents[1], agents[0]), family, queries=20, seed=4)
    assert [pair.paths[::-1] for pair in swapped.pairs] == [pair.paths for pair in drawn.pairs]


def test_agents_that_cannot_be_compared_are_refused(family: Dataset, tmp_path: Path) -> None:
    class Silent(Teller):
        def answer(self, queries: Ids, graph: Any) -> Ranked:
            told = super().answer(queries, graph)
            return Ranked(told.offsets, told.entities, told.scores)

    walker = Teller(family, "walker", right, straight)
    with pytest.raises(ValueError, match="rules does not walk: its answers have no paths"):
        blind_sheet((walker, Silent(family, "rules", right, straight)), family)
    count = len(np.unique(family.queries(SPLIT), axis=0))
    with pytest.raises(ValueError, match=rf"no pair of paths: of {count} facts .* {count} have the same path twice"):
        blind_sheet((walker, walker), family)
    with pytest.raises(KeyError, match="no split 'dev'"):
        blind_sheet((walker, walker), family, split="dev")


def test_sheets_and_keys_are_never_written_over(family: Dataset, tmp_path: Path) -> None:
    agents = Teller(family, "a", right, straight), Teller(family, "b", right, around)
    drawn = blind_sheet(agents, family, queries=3)
    sheet, key = tmp_path / "sheet.csv", tmp_path / "key.json"
    with pytest.raises(ValueError, match="must not see the key"):
        drawn.save(sheet, tmp_path / "." / "sheet.csv")
    sheet.write_text("votes")
    with pytest.raises(FileExistsError, match=r"sheet\.csv is there already"):
        drawn.save(sheet, key)
    assert sheet.read_text() == "votes"
    assert not key.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("pairs"),
        lambda told: told.update(agents=[{"name": "a"}]),
        lambda told: told["pairs"][0].update(first=2),
        lambda told: told["pairs"][0].update(paths=["one"]),
        lambda told: told["counts"].pop("no_path"),
    ],
)
def test_a_damaged_key_is_refused(family: Dataset, tmp_path: Path, change: Any) -> None:
    agents = Teller(family, "a", right, straight), Teller(family, "b", right, around)
    blind_sheet(agents, family, queries=2).save(tmp_path / "sheet.csv", tmp_path / "key.json")
    told = json.loads((tmp_path / "key.json").read_text())
    change(told)
    (tmp_path / "key.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"key\.json is no key of a blind sheet, or damaged"):
        BlindSheet.load(tmp_path / "key.json")
    with pytest.raises(ValueError, match=r"sheet\.csv is no key"):
        BlindSheet.load(tmp_path / "sheet.csv")
