"""Figures published by others, typed once with their source; ``benchmarks.report`` sets ours beside them.

Fractions, not percent. Compare only what was measured alike: most walkers answer tail queries only, embedding and
graph-network papers average tail and head, and a head query is the harder half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of somebody else's table.

    Attributes:
        dataset: folder name in ``$KGWALK_DATA``.
        method: as its authors call it.
        metrics: figure by metric name.
        source: where the figure is printed.
        direction: queries it averages: ``"tail"``, ``"both"``, or ``""`` for recommendation.
        comparable: whether it was measured on the data that kgwalk has; what was not, is not in the README.
    """

    dataset: str
    method: str
    metrics: Mapping[str, float]
    source: str
    direction: str = "tail"
    comparable: bool = True


_RULEGUIDER = "Lei et al. 2020 (RuleGuider), table 1"
_NSER = "Xian et al. 2020 (NSER/CAFE), table 1; not comparable: the graph has word relations from review texts"

# Method: (dataset, MRR, Hits@1, Hits@5, Hits@10) in percent as printed; None where the paper has no figure.
_Row = tuple[str, float | None, float | None, float | None, float | None]
_RULEGUIDER_TABLE_1: dict[str, tuple[_Row, ...]] = {
    "MINERVA": (
        ("wn18rr", 44.8, 41.3, None, 51.3),
        ("fb15k-237", 29.3, 21.7, None, 45.6),
        ("nell-995", 72.5, 66.3, None, 83.1),
    ),
    "MultiHop (ConvE)": (
        ("wn18rr", 44.8, 41.4, 48.1, 51.7),
        ("fb15k-237", 40.7, 32.7, None, 56.4),
        ("nell-995", 72.7, 65.6, None, 84.4),
    ),
    "MultiHop (ComplEx)": (
        ("wn18rr", 46.1, 42.5, 49.4, 52.6),
        ("fb15k-237", 39.3, 32.9, None, 54.4),
        ("nell-995", 71.2, 64.4, 79.1, 81.6),
    ),
    "RuleGuider (ConvE)": (
        ("wn18rr", 46.0, 42.2, 49.9, 53.6),
        ("fb15k-237", 40.8, 31.6, 49.6, 57.4),
        ("nell-995", 73.1, 66.0, 82.0, 85.1),
    ),
    "RuleGuider (ComplEx)": (
        ("wn18rr", 48.0, 44.3, 52.4, 55.5),
        ("fb15k-237", 39.5, 31.3, 49.2, 56.4),
        ("nell-995", 73.6, 66.4, 82.7, 85.9),
    ),
    "AnyBURL (cyclic rules)": (
        ("wn18rr", None, 42.9, 51.6, 53.7),
        ("fb15k-237", None, 26.9, 43.1, 52.0),
        ("nell-995", None, 44.0, 56.0, 57.0),
    ),
    "RotatE": (
        ("wn18rr", 46.4, 42.2, 51.3, 54.1),
        ("fb15k-237", 42.2, 32.2, 53.2, 61.6),
    ),
    "ConvE": (
        ("wn18rr", 44.6, None, None, None),
        ("fb15k-237", 43.5, None, None, None),
        ("nell-995", 75.1, None, None, None),
    ),
    "ComplEx": (
        ("wn18rr", 43.4, None, None, None),
        ("fb15k-237", 43.2, None, None, None),
        ("nell-995", 72.1, None, None, None),
    ),
}


@dataclass(frozen=True)
class Training:
    """What training RuleGuider cost its authors on one GTX 1080 Ti (table 7): ``epochs`` of ``epoch_seconds`` each."""

    epochs: int
    epoch_seconds: int
    train_facts: int

    @property
    def hours(self) -> float:
        """Of all of it."""
        return self.epochs * self.epoch_seconds / 3600

    @property
    def steps_per_second(self) -> float:
        """Moves a second: every fact is walked for 20 times, as their code does, in 3 hops."""
        return self.train_facts * 20 * 3 / self.epoch_seconds


# The other tables of the RuleGuider paper, as fractions.
RULEGUIDER_TRAINING = {
    "wn18rr": Training(50, 360, 86_835),
    "nell-995": Training(1000, 50, 9_290),  # facts of the 12 relations that are asked for
    "fb15k-237": Training(30, 1800, 272_115),
}
# Table 3, on WN18RR's dev set: Hits@1, MRR.
RULEGUIDER_ABLATION = {
    "freeze": (0.419, 0.455),
    "no-pretraining": (0.418, 0.457),
    "single": (0.424, 0.464),
    "full": (0.429, 0.465),
}
# Table 2, on the dev sets: share of rules used after pretraining, and after training.
RULEGUIDER_RULES_USED = {
    "wn18rr": (0.692, 0.407),
    "nell-995": (0.449, 0.245),
    "fb15k-237": (0.461, 0.415),
}
# Table 9, on WN18RR's dev set: Hits@1, MRR with four thresholds up to 0.15, the last.
RULEGUIDER_THRESHOLDS = ((0.427, 0.463), (0.427, 0.466), (0.424, 0.460), (0.429, 0.465))

# AnyBURL-23-1 and PyClause as we ran them ourselves on the kind of machine that ours ran on, with the filter, ties and
# misses of kgwalk's protocol; NELL-995 on the 2,818 test facts whose entities are in the graph (``test_seen``).
# Learning time; MRR, Hits@1, @3, @5, @10 of tail queries; MRR of both directions.
_ANYBURL_HERE = "AnyBURL-23-1 + PyClause, run here"
_ANYBURL_RUNS: dict[str, tuple[int, tuple[float, ...], float]] = {
    "wn18rr": (50, (0.510, 0.475, 0.525, 0.548, 0.579), 0.480),
    "nell-995": (50, (0.755, 0.691, 0.812, 0.834, 0.847), 0.522),
    "fb15k-237": (300, (0.420, 0.330, 0.463, 0.523, 0.597), 0.326),
}

# (method, source, (dataset, MRR, Hits@1, Hits@10)...), fractions; mean of tail and head queries.
_BOTH: tuple[tuple[str, str, tuple[tuple[str, float, float, float], ...]], ...] = (
    (
        "NBFNet",
        "its repository's README; pessimistic ties",
        (("wn18rr", 0.551, 0.497, 0.666), ("fb15k-237", 0.415, 0.321, 0.599)),
    ),
    (
        "AdaProp",
        "its repository's README",
        (
            ("wn18rr", 0.562, 0.509, 0.661),
            ("fb15k-237", 0.417, 0.331, 0.585),
            ("nell-995", 0.554, 0.493, 0.653),
        ),
    ),
    (
        "RED-GNN",
        "its repository's README",
        (
            ("wn18rr", 0.533, 0.485, 0.624),
            ("fb15k-237", 0.374, 0.283, 0.558),
            ("nell-995", 0.543, 0.476, 0.651),
        ),
    ),
    (
        "SAFRAN",
        "its documentation, results page",
        (("wn18rr", 0.502, 0.459, 0.578), ("fb15k-237", 0.389, 0.298, 0.537)),
    ),
    (
        "AnyBURL + PyClause",
        "PyClause's README",
        (("wn18rr", 0.498, 0.458, 0.575), ("fb15k-237", 0.348, 0.261, 0.524)),
    ),
    ("ComplEx-N3", "kbc's README", (("wn18rr", 0.49, 0.44, 0.58), ("fb15k-237", 0.37, 0.27, 0.56))),
    ("ConvE", "its repository's README", (("wn18rr", 0.43, 0.39, 0.51), ("fb15k-237", 0.32, 0.24, 0.49))),
)

# Method: (dataset, NDCG, recall, hit ratio, precision), all @10, percent as printed.
_NSER_TABLE_1: dict[str, tuple[tuple[str, float, float, float, float], ...]] = {
    "CKE": (
        ("amazon-cellphones", 3.995, 7.005, 10.809, 1.070),
        ("amazon-beauty", 3.717, 5.938, 11.043, 1.371),
    ),
    "HeteroEmbed": (
        ("amazon-cellphones", 5.370, 9.498, 13.455, 1.325),
        ("amazon-beauty", 6.399, 10.411, 17.498, 1.986),
    ),
    "PGPR": (
        ("amazon-cellphones", 5.042, 8.416, 11.904, 1.274),
        ("amazon-beauty", 5.449, 8.324, 14.401, 1.707),
    ),
    "NSER": (
        ("amazon-cellphones", 6.313, 11.086, 15.531, 1.692),
        ("amazon-beauty", 7.061, 10.948, 18.099, 2.270),
    ),
}


def published() -> Iterator[Published]:
    """Every published figure known here."""
    for method, rows in _RULEGUIDER_TABLE_1.items():
        for dataset, *figures in rows:
            yield Published(dataset, method, _fractions(("mrr", "hits@1", "hits@5", "hits@10"), figures), _RULEGUIDER)
    for dataset, (learning, tail, both) in _ANYBURL_RUNS.items():
        source = f"run by kgwalk: {learning} s of learning on 2 threads, noisy-or of the 5 best rules"
        metrics = dict(zip(("mrr", "hits@1", "hits@3", "hits@5", "hits@10"), tail, strict=True))
        yield Published(dataset, _ANYBURL_HERE, metrics, source)
        yield Published(dataset, _ANYBURL_HERE, {"mrr": both}, source, "both")
    yield Published("kinship", "MINERVA", {"mrr": 0.720, "hits@10": 0.924}, "Das et al. 2018 (MINERVA)")
    for stage, auc in (("s1", 1.0), ("s2", 0.92)):
        yield Published(f"countries_{stage}", "MINERVA", {"auc_pr": auc}, "Das et al. 2018 (MINERVA)")
    for method, source, figures_of in _BOTH:
        for dataset, mrr, hits_1, hits_10 in figures_of:
            yield Published(dataset, method, {"mrr": mrr, "hits@1": hits_1, "hits@10": hits_10}, source, "both")
    for method, ranking in _NSER_TABLE_1.items():
        for dataset, *figures in ranking:
            names = ("ndcg@10", "recall@10", "hr@10", "precision@10")
            yield Published(dataset, method, _fractions(names, figures), _NSER, "", comparable=False)


def _fractions(names: Sequence[str], percent: Sequence[float | None]) -> dict[str, float]:
    # Rounded to what was printed: 44.8 / 100 is not 0.448 in binary.
    return {name: round(p / 100, 6) for name, p in zip(names, percent, strict=True) if p is not None}
