"""A training step and the scores of all tails on WN18RR: PyKEEN's interaction modules against kgwalk's models.

    pip install 'kgwalk[kge]'
    python -m benchmarks.against_pykeen [--models complex distmult] [--threads 1 2] [--save]

One step is 256 facts told from all 40,943 entities by cross-entropy: forward, loss and the gradients of all weights,
but no optimizer. PyKEEN's is ``score_t`` and its ``CrossEntropyLoss``; kgwalk's is ``Contrast``, once against all
entities and once against 4,096 that are drawn. Both start from the same weights and must give the same loss. Vectors
have 256 reals, TransR's 64 before and after its projection, and its facts are of one relation. All is float32, without
dropout.

Most of PyKEEN's interactions make a tensor of queries x entities x reals, 10.7 GB for these, and more of that size for
its gradients. They are run on as many queries as keep one such tensor below ``--block`` MB, and their seconds are
scaled up to 256 queries; the table says how many were run. Each figure is the fastest of a few runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pykeen.losses import CrossEntropyLoss
from pykeen.models import ERModel
from pykeen.triples.triples_factory import KGInfo

import kgwalk.data
from benchmarks.common import print_table, save_result
from kgwalk.agents.embeddings import training_facts
from kgwalk.scorers import Contrast, EmbeddingModel
from kgwalk.scorers.pykeen_weights import weights_of

QUERIES, NEGATIVES, REALS, PROJECTED = 256, 4096, 256, 64
SECONDS, CALLS = 2.0, 3


class Case(NamedTuple):
    """How PyKEEN makes a model.

    Attributes:
        interaction: its name and arguments.
        entities: arguments of its entity representations.
        relations: arguments of its relation representations.
        reals: numbers of a query and an entity that its interaction holds at once; 0 if it makes a matrix product.
    """

    interaction: tuple[str, dict[str, Any]]
    entities: list[dict[str, Any]]
    relations: list[dict[str, Any]]
    reals: int = REALS


VECTOR: dict[str, Any] = {"shape": REALS}
COMPLEX: dict[str, Any] = {"shape": REALS // 2, "dtype": torch.cfloat}
WITHOUT_DROPOUT = {"input_dropout": 0.0, "feature_map_dropout": 0.0, "output_dropout": 0.0}
CASES = {
    "complex": Case(("ComplEx", {}), [COMPLEX], [COMPLEX], reals=0),
    "conve": Case(("ConvE", {"embedding_dim": REALS, **WITHOUT_DROPOUT}), [VECTOR, {"shape": ()}], [VECTOR]),
    "distmult": Case(("DistMult", {}), [VECTOR], [VECTOR]),
    "rotate": Case(("RotatE", {}), [COMPLEX], [{**COMPLEX, "initializer": "init_phases"}]),
    "transe": Case(("TransE", {"p": 2}), [VECTOR], [VECTOR]),
    "transr": Case(
        ("TransR", {"p": 2, "power_norm": False}),
        [{"shape": PROJECTED}],
        [{"shape": PROJECTED}, {"shape": (PROJECTED, PROJECTED)}],
        reals=PROJECTED,
    ),
}


def make_both(case: Case, entities: int, relations: int) -> tuple[ERModel, EmbeddingModel]:
    """PyKEEN's model and ours with the same weights, in evaluation mode; inverse relations have rows of their own."""
    interaction, kwargs = case.interaction
    theirs = ERModel(
        triples_factory=KGInfo(entities, relations, create_inverse_triples=True),
        interaction=interaction,
        interaction_kwargs=kwargs,
        entity_representations_kwargs=case.entities,
        relation_representations_kwargs=case.relations,
        random_seed=0,
    )
    weights = weights_of(theirs)
    ours = weights.kind(entities, relations, weights.config)
    tables = {**weights.entities, **weights.layers, "relations": torch.cat([weights.forward, weights.inverse])}
    ours.load_state_dict(tables)
    return theirs, ours.eval()


def fastest(function: Callable[[], object]) -> float:
    """Seconds of the fastest call after a first: three at least, more while they are quick."""
    function()
    best, end, calls = np.inf, time.perf_counter() + SECONDS, 0
    while calls < CALLS or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return float(best)


def measure(case: Case, graph: kgwalk.Graph, facts: torch.Tensor, block: float) -> dict[str, float]:
    """Seconds of a step and of the scores of all tails, by PyKEEN and by kgwalk.

    Args:
        case: the model.
        graph: of the entities and relations.
        facts: (QUERIES, 3) int64.
        block: most MB of a tensor of queries x entities x reals.
    """
    theirs, ours = make_both(case, graph.num_entities, graph.num_relations)
    count = int(block * 1e6 // (4 * case.reals * graph.num_entities)) if case.reals else QUERIES
    count = max(2, min(QUERIES, count))  # 2 for the batch normalisation
    scale = QUERIES / count
    few, cross_entropy = facts[:count], CrossEntropyLoss()
    # PyKEEN puts a relation's inverse beside it.
    forward, inverse = few[:, 1] % graph.num_relations, few[:, 1] >= graph.num_relations
    queries = torch.stack([few[:, 0], 2 * forward + inverse], 1)
    labels = torch.nn.functional.one_hot(few[:, 2], graph.num_entities).float()
    everyone, drawn = Contrast(ours, "softmax", 0), Contrast(ours, "softmax", NEGATIVES)

    def their_loss() -> torch.Tensor:
        loss: torch.Tensor = cross_entropy.process_lcwa_scores(theirs.score_t(queries), labels)
        return loss

    def step(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            model.zero_grad()
            torch.autograd.backward(loss())

        return run

    with torch.inference_mode():
        scores = ours.all_scores(few[:, 0], few[:, 1])
        torch.testing.assert_close(scores, theirs.score_t(queries), rtol=1e-3, atol=1e-3)
        tails = {
            "pykeen_tails_s": scale * fastest(lambda: theirs.score_t(queries)),
            "tails_s": fastest(lambda: ours.all_scores(facts[:, 0], facts[:, 1])),
        }
    theirs.train()
    ours.train()
    torch.testing.assert_close(everyone(few, 0.0), their_loss(), rtol=1e-3, atol=1e-3)
    return {
        "pykeen_queries": count,
        "pykeen_step_s": scale * fastest(step(theirs, their_loss)),
        "step_s": fastest(step(ours, lambda: everyone(facts, 0.0))),
        "sampled_step_s": fastest(step(ours, lambda: drawn(facts, 0.0))),
        **tails,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and save where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="threads of torch, one after the other")
    parser.add_argument("--block", type=float, default=512, help="MB of PyKEEN's largest tensor (default 512)")
    parser.add_argument("--seed", type=int, default=0, help="of the facts drawn")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/against_pykeen/wn18rr.json")
    given = parser.parse_args(arguments)

    dataset = kgwalk.data.load("WN18RR")
    graph, facts = dataset.graph, training_facts(dataset)
    rng = np.random.default_rng(given.seed)
    commonest = facts[facts[:, 1] == np.bincount(facts[:, 1]).argmax()]
    metrics: dict[str, Any] = {}
    for threads in given.threads:
        torch.set_num_threads(threads)
        rows = []
        for name in given.models:
            pool = commonest if name == "transr" else facts
            batch = torch.from_numpy(pool[rng.choice(len(pool), QUERIES, replace=False)].astype(np.int64))
            figures = measure(CASES[name], graph, batch, given.block)
            metrics.setdefault(f"threads-{threads}", {})[name] = figures
            rows.append([name, *figures.values()])
        columns = ["queries run", "PyKEEN, s", "all, s", "sampled, s", "PyKEEN tails, s", "tails, s"]
        print_table(f"step of {QUERIES} facts, {threads} thread(s)", ["model", *columns], rows)
    if given.save:
        metrics |= {"queries": QUERIES, "negatives": NEGATIVES, "reals": REALS, "transr_reals": PROJECTED}
        save_result("against_pykeen", "wn18rr", metrics, seed=given.seed, dataset="wn18rr")


if __name__ == "__main__":
    main()
