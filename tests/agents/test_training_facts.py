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
from kgwalk.data import CARDS, Dataset, MissingDataError, Recommendation, load
from kgwalk.data.dataset import facts_of
from kgwalk.scorers.location import NAME
from kgwalk.tensors import load_tensors
from tests.agents.test_embeddings import config_of

Fact = tuple[int, int, int]


@pytest.fixture(params=CARDS, scope="module")
def dataset(request: pytest.FixtureRequest) -> Dataset:
    try:
        return load(request.param)
    except MissingDataError as error:
        pytest.skip(f"{request.param} is not at hand: {str(error).splitlines()[0]}")


def keys(rows: np.ndarray, dataset: Dataset) -> list[int]:
    """Facts (n, 3) as one number each, sorted."""
    head, relation, tail = rows.astype(np.int64).T
    numbers: list[int] = np.sort(
        (head * (2 * len(dataset.relations)) + relation) * len(dataset.entities) + tail
    ).tolist()
    return numbers


def lines_of(dataset: Dataset, file: str) -> set[Fact]:
    """The facts of a file, read in plain Python."""
    assert dataset.folder is not None
    plain, packed = dataset.folder / file, dataset.folder / f"{file}.gz"
    text = plain.read_text() if plain.is_file() else gzip.decompress(packed.read_bytes()).decode()
    entities = {name: number for number, name in enumerate(dataset.entities.to_list())}
    relations = {name: number for number, name in enumerate(dataset.relations.to_list())}
    prefix = dataset.card.inverse_prefix
    rows = (line.split("\t") for line in text.splitlines() if line.strip())
    return {(entities[h], relations[r], entities[t]) for h, r, t in rows if not (prefix and r.startswith(prefix))}


def test_they_are_the_facts_of_the_training_file(dataset: Dataset) -> None:
    """And their inverses; interactions besides. Of an embedded set, which has no files, its split or its graph's."""
    if isinstance(dataset, Recommendation):
        stated = facts_of(dataset.graph) if dataset.folder is None else [*lines_of(dataset, dataset.card.graph)]
        facts = np.unique(np.concatenate([stated, dataset.splits["train"]]), axis=0)
    elif dataset.folder is None:
        facts = np.unique(dataset.splits["train"], axis=0)
    else:
        facts = np.array(list(lines_of(dataset, dataset.card.graph)))
    inverses = np.column_stack([facts[:, 2], facts[:, 1] + len(dataset.relations), facts[:, 0]])
    rows = training_facts(dataset)
    assert rows.dtype == np.int32
    assert keys(rows, dataset) == keys(np.concatenate([facts, inverses]), dataset)


def test_no_held_out_fact_is_among_them(dataset: Dataset) -> None:
    """Nor those of NELL-995's valid split, which one walks at test. Countries publish valid facts that are given."""
    given = set(keys(training_facts(dataset), dataset))
    held_out = [split for split in dataset.splits if split != "train" and not split.endswith("_published")]
    assert {"valid", "test"} <= set(held_out)
    for split in held_out:
        asked = keys(dataset.queries(split, "both"), dataset)
        assert asked
        assert given.isdisjoint(asked), split


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
