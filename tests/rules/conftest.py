"""A small dataset of any vocabulary, and rules over it for hypothesis to draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kgwalk._core import TripleReader
from kgwalk.data import Card, Dataset
from kgwalk.data.assemble import assemble


def dataset_of(entities: Sequence[str], relations: Sequence[str]) -> Dataset:
    """Facts that name every entity and relation once, in order."""
    reader = TripleReader()
    rows = max(len(entities), len(relations))
    lines = (
        f"{entities[min(i, len(entities) - 1)]}\t{relations[min(i, len(relations) - 1)]}\t{entities[0]}"
        for i in range(rows)
    )
    facts = reader.add("\n".join(lines).encode(), "facts")
    assert reader.entities.to_list() == list(entities)
    return assemble(Card("Tiny", "tiny", "A tiny set"), reader, facts, {"test": np.empty((0, 3), np.int32)})


@pytest.fixture(scope="session")
def village() -> Dataset:
    """People and places with plain names and relations as three benchmarks spell them."""
    return dataset_of(
        ["ann", "bob", "Paris, Texas", "Zoë (the elder)"],
        ["born_in", "_part_of", "concept:livesin", "/people/person/spouse_s./people/marriage/spouse"],
    )
