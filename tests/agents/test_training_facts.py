"""Embeddings never see what they are asked about: neither in their facts nor in what becomes of these."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgwalk import agents
from kgwalk.agents.checkpoint import NAME as CHECKPOINT
from kgwalk.agents.embeddings import training_facts
from kgwalk.data import CARDS, Dataset, MissingDataError, load
from kgwalk.scorers.embedding import NAME
from kgwalk.tensors import load_tensors
from tests.agents.test_embeddings import config_of

Fact = tuple[int, int, int]


@pytest.fixture(params=CARDS, scope="module")
def dataset(request: pytest.FixtureRequest) -> Dataset:
    try:
        return load(request.param)
    except MissingDataError as error:
        pytest.skip(f"{request.param} is not at hand: {str(error).splitlines()[0]}")


def lines_of(dataset: Dataset, file: str) -> set[Fact]:
    """The facts of a file, read in plain Python."""
    assert dataset.folder is not None
    plain = dataset.folder / file
    text = (
        plain.read_text() if plain.is_file() else gzip.decompress((dataset.folder / f"{file}.gz").read_bytes()).decode()
    )
    entities = {name: number for number, name in enumerate(dataset.entities.to_list())}
    relations = {name: number for number, name in enumerate(dataset.relations.to_list())}
    prefix = dataset.card.inverse_prefix
    rows = (line.split("\t") for line in text.splitlines() if line.strip())
    return {(entities[h], relations[r], entities[t]) for h, r, t in rows if not (prefix and r.startswith(prefix))}


def both_ways(facts: set[Fact], num_relations: int) -> set[Fact]:
    return facts | {(tail, relation + num_relations, head) for head, relation, tail in facts}


def facts_in(rows: np.ndarray) -> set[Fact]:
    return set(map(tuple, rows.tolist()))  # type: ignore[arg-type]


def test_they_are_the_facts_of_the_training_file(dataset: Dataset) -> None:
    """And their inverses; of an embedded set, which has no files, those of its split."""
    embedded = dataset.folder is None
    of_file = facts_in(dataset.splits["train"]) if embedded else lines_of(dataset, dataset.card.graph)
    rows = training_facts(dataset)
    assert rows.dtype == np.int32
    assert len(rows) == len(facts_in(rows))
    assert facts_in(rows) == both_ways(of_file, dataset.graph.num_relations)


def test_no_held_out_fact_is_among_them(dataset: Dataset) -> None:
    """Nor those of NELL-995's valid split, which one walks at test. Countries publish valid facts that are given."""
    rows = facts_in(training_facts(dataset))
    held_out = [split for split in dataset.splits if split != "train" and not split.endswith("_published")]
    assert {"valid", "test"} <= set(held_out)
    for split in held_out:
        asked = facts_in(dataset.queries(split, "both"))
        assert asked
        assert not rows & asked, split


def trained(dataset: Dataset, folder: Path, **changes: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and optimizer after two passes, and the file of the agent."""
    agents.get("complex").fit(dataset, config_of("complex", epochs=2, patience=9, **changes), folder)
    note = load_tensors(folder / NAME)[1]
    for key in ("fingerprint", "dataset"):
        del note[key]
    return load_tensors(folder / CHECKPOINT)[0], note


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("changes", [{}, {"hide_answers": True}], ids=["shown", "hidden"])
def test_weights_do_not_depend_on_held_out_facts(family: Dataset, tmp_path: Path, changes: dict[str, Any]) -> None:
    weights, note = trained(family, tmp_path / "a", **changes)
    rng = np.random.default_rng(0)

    def other(count: int) -> np.ndarray:
        return rng.integers(0, (219, 15, 219), (count, 3)).astype(np.int32)

    test = dataclasses.replace(family, splits={**family.splits, "test": other(50)}, fingerprint="b" * 64)
    other_weights, other_note = trained(test, tmp_path / "b", **changes)
    assert same(weights, other_weights)
    assert note == other_note, "not even the calibration has to do with test"

    splits = {**family.splits, "test": other(50), "valid": other(60)}
    both = dataclasses.replace(family, splits=splits, fingerprint="c" * 64, further_facts=other(9))
    assert same(weights, trained(both, tmp_path / "c", **changes)[0])

    graph = type(family.graph).from_triples(np.concatenate([family.splits["train"], other(1)]), 219, 15)
    more = dataclasses.replace(family, graph=graph, fingerprint="d" * 64)
    assert not same(weights, trained(more, tmp_path / "d", **changes)[0]), "a training fact does matter"
