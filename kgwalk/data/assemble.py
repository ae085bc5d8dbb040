"""From facts that were read to a `Dataset`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kgwalk._core import Graph, TripleReader
from kgwalk.data.cards import Card
from kgwalk.data.dataset import Dataset, contains, facts_of, fingerprint
from kgwalk.protocols import Ids


def assemble(
    card: Card,
    reader: TripleReader,
    graph_facts: Ids,
    splits: dict[str, Ids],
    further_facts: Ids | None = None,
    folder: Path | None = None,
) -> Dataset:
    """A Dataset of facts that were read: graphs, the clean valid split, fingerprint.

    Valid facts that are edges of the walking graph would reward reading an edge during model selection; where there
    are some, split ``valid`` keeps the others and ``valid_published`` holds all.
    """
    entities, relations = reader.entities, reader.relations
    sizes = (len(entities), len(relations))
    graph = Graph.from_triples(graph_facts, *sizes)
    if "valid" in splits:
        held_out = ~contains(graph, splits["valid"])
        if not held_out.all():
            splits = {**splits, "valid": splits["valid"][held_out], "valid_published": splits["valid"]}
    test_graph = graph
    if card.valid_in_test_graph:
        test_graph = Graph.from_triples(np.concatenate([facts_of(graph), splits["valid"]]), *sizes)
    for rows in splits.values():
        rows.flags.writeable = False
    return Dataset(
        name=card.name,
        graph=graph,
        splits=splits,
        test_graph=test_graph,
        fingerprint=fingerprint(graph, splits, entities, relations),
        card=card,
        entities=entities,
        relations=relations,
        folder=folder,
        further_facts=np.empty((0, 3), np.int32) if further_facts is None else further_facts,
        graph_rows=len(graph_facts),
    )
