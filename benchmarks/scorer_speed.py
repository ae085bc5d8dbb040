"""Speed of embedding scores: uniformly random facts, and all targets of queries.

    python -m benchmarks.scorer_speed [--threads 1 2] [--save]

Models of random weights of WN18RR's size: an entity table of 65 MB at 400 numbers a row, so that most rows come from
memory. A random fact takes two of them, 3,200 bytes; how often two can be read at best is measured too, as rows read at
random and held against one vector. Beside the scorer stand its kernel alone, without checks and calibration, and plain
torch, which gathers, multiplies and adds in blocks that stay in the cache. All targets stand beside the bare matrix
product of as many queries. Each figure is the fastest of many runs: what scores cost while nothing else uses the
machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.common import fastest, print_table, save_result
from kgwalk import _core
from kgwalk.protocols import Ids
from kgwalk.scorers import MODELS, EmbeddingModel, EmbeddingScorer
from kgwalk.scorers.models import RotatEConfig, TransEConfig
from kgwalk.scorers.raw_scores import raw_scores

ENTITIES, RELATIONS = 40_943, 11
#: Facts that plain torch scores at once; from 1,024 to 4,096 it is fastest.
BLOCK = 2_048


def make_models(dim: int, seed: int) -> dict[str, EmbeddingModel]:
    """Every model whose score is a formula of three rows, under every distance."""
    configs = {
        "distmult": ("distmult", MODELS["distmult"].Config(dim)),
        "complex": ("complex", MODELS["complex"].Config(dim)),
        "transe-l1": ("transe", TransEConfig(dim, "l1")),
        "transe-l2": ("transe", TransEConfig(dim, "l2")),
        "rotate-l2": ("rotate", RotatEConfig(dim, "l2")),
        "rotate-modulus": ("rotate", RotatEConfig(dim, "modulus")),
    }
    torch.manual_seed(seed)
    models = {}
    for name, (kind, config) in configs.items():
        models[name] = MODELS[kind](ENTITIES, RELATIONS, config)
        models[name].initialize()
    return models


def scorer_of(model: EmbeddingModel) -> EmbeddingScorer:
    """The model as a scorer of no dataset."""
    return EmbeddingScorer(model, dataset="random", fingerprint="", facts="", type_offsets=[0, ENTITIES])


def draw(count: int, seed: int) -> Ids:
    """Facts of uniformly random ids, (count, 3) int32."""
    rng = np.random.default_rng(seed)
    limits = (ENTITIES, 2 * RELATIONS, ENTITIES)
    return np.stack([rng.integers(0, limit, count, dtype=np.int32) for limit in limits], axis=1)


def rows_per_second(model: EmbeddingModel, facts: Ids) -> float:
    """How many rows of the entity table can be read at random, each for one dot product."""
    table, targets = model.entities.detach().numpy(), np.ascontiguousarray(facts[:, 2])
    only = np.zeros(len(targets), np.int64)
    return len(targets) / fastest(lambda: _core.pair_scores("dot", table[:1], only, table, targets))


def facts_per_second(model: EmbeddingModel, facts: Ids) -> dict[str, float]:
    """By the scorer's public method, by what it stands on, and by plain torch."""
    some = facts[: len(facts) // 5]  # plain torch takes its time
    ids = torch.from_numpy(some).T.long().contiguous()
    out = torch.empty(len(some))

    def plain() -> None:
        with torch.inference_mode():
            for begin in range(0, len(out), BLOCK):
                heads, relations, tails = ids[:, begin : begin + BLOCK]
                query = model.query(model.entities.index_select(0, heads), model.relations.index_select(0, relations))
                scores = model.similarity_by_row(query, model.entities.index_select(0, tails))
                out[begin : begin + BLOCK] = scores

    scorer = scorer_of(model)
    return {
        "scorer": len(facts) / fastest(lambda: scorer.score_facts(facts)),
        "kernel": len(facts) / fastest(lambda: raw_scores(model, facts)),
        "torch": len(some) / fastest(plain),
    }


def queries_per_second(model: EmbeddingModel, queries: Ids) -> dict[str, float]:
    """All targets of queries by the scorer, and the matrix product they cannot do without."""
    scorer = scorer_of(model)
    vectors, table = torch.randn(len(queries), model.entities.shape[1]), model.entities.detach()
    seconds = {"scorer": fastest(lambda: scorer.scores(queries)), "product": fastest(lambda: vectors @ table.T)}
    return {name: len(queries) / value for name, value in seconds.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and save where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of the kernels and of torch")
    parser.add_argument("--dim", type=int, default=400, help="numbers in a row")
    parser.add_argument("--facts", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/scorer_speed/<name>.json")
    given = parser.parse_args(arguments)
    models, facts = make_models(given.dim, given.seed), draw(given.facts, given.seed)
    products = [name for name in models if models[name].measure in ("dot", "l2")]
    for threads in given.threads:
        _core.set_num_threads(threads)
        torch.set_num_threads(threads)
        bound = rows_per_second(models["complex"], facts) / 2
        speeds = {name: facts_per_second(model, facts) for name, model in models.items()}
        print_table(
            f"million random facts a second, {given.dim} numbers a row, {threads} thread(s); two rows are read "
            f"{bound / 1e6:.1f} million times a second, {8e-9 * given.dim * bound:.0f} GB/s",
            ["model", "scorer", "kernel", "its share of reading", "plain torch"],
            [
                [name, speed["scorer"] / 1e6, speed["kernel"] / 1e6, speed["kernel"] / bound, speed["torch"] / 1e6]
                for name, speed in speeds.items()
            ],
        )
        targets = {name: queries_per_second(models[name], facts[: given.queries]) for name in products}
        print_table(
            f"queries a second, all {ENTITIES:,} targets, {threads} thread(s)",
            ["model", "scorer", "matrix product", "times its time"],
            [[name, s["scorer"], s["product"], s["product"] / s["scorer"]] for name, s in targets.items()],
        )
        if given.save:
            metrics = {
                "facts_per_second": {**speeds, "reading": bound},
                "all_targets_queries_per_second": targets,
                "threads": threads,
            }
            sizes = {"dim": given.dim, "entities": ENTITIES, "facts": given.facts, "queries": given.queries}
            save_result("scorer_speed", f"wn18rr-size-threads{threads}", metrics, seed=given.seed, protocol=sizes)


if __name__ == "__main__":
    main()
