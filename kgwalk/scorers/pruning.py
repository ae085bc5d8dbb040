"""The moves that a scorer thinks most of: fewer neighbours to choose from at nodes that have many."""

from __future__ import annotations

import numpy as np

from kgwalk._core import Expand, Graph
from kgwalk.protocols import Scorer
from kgwalk.scorers.facts import score_facts


def pruned(graph: Graph, scorer: Scorer, max_out_degree: int) -> Expand:
    """A view of the graph in which a node shows the edges that the scorer finds most plausible, ties by id.

    Every edge ``(head, relation, tail)`` of a node with more than ``max_out_degree`` of them is scored once, now; what
    is shown depends on no query. PGPR (Xian et al., SIGIR 2019, section 3.2) prunes by the score of user and tail
    instead, anew for every user; the two agree where the walker stands at its user.

    Args:
        graph: what is walked.
        scorer: asked about every relation that such a node has, inverse ones included.
        max_out_degree: edges that a node shows, at least 1.

    Raises:
        ValueError: no cap, or no scores in [0, 1].
        IndexError: the scorer does not know a relation or an entity.
    """
    if max_out_degree < 1:
        raise ValueError(f"pruned: expected max_out_degree of at least 1, got {max_out_degree}")
    degrees = np.diff(graph.offsets)
    wide = np.flatnonzero(degrees > max_out_degree)
    slots = np.concatenate([np.arange(graph.offsets[h], graph.offsets[h + 1]) for h in wide] or [np.empty(0, np.int64)])
    scores = np.zeros(graph.num_edges, np.float32)
    if len(slots):
        heads = np.repeat(wide, degrees[wide]).astype(np.int32)
        scores[slots] = score_facts(scorer, np.column_stack([heads, graph.edges[slots]]))
    return Expand(graph, None, max_out_degree, scores)
