"""How fast a layout-guided search recommends: ``python -m benchmarks.recommend_speed --save``.

Vectors are random and so are layouts: what a search costs depends on them only through the nodes it visits. Latency is
that of one user a call on one thread, from vectors of the nodes to the ranked items, Python included, the model that
makes the vectors not; throughput is that of many users a call. Beside the wall clock stands the processor time of the
calls, which other work on the machine disturbs less. Training paths and counts of paths are timed too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import print_table, save_result
from kgwalk._core import Expand, set_num_threads
from kgwalk.data import load
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapath_walks import check_metapaths, count_metapaths, sample_metapath
from kgwalk.protocols import Ids
from kgwalk.search import MetapathLayout, allocate, metapath_layout, metapath_tree, rank_paths, search_metapaths

LAYOUTS = ("uniform", "heuristic")


class Setting(NamedTuple):
    """All that a search of some users needs."""

    expand: Expand
    interact: int
    layout: MetapathLayout
    users: Ids
    node_queries: NDArray[np.float32]
    log_norm: NDArray[np.float32]
    table: NDArray[np.float32]

    def recommend(self, first: int, last: int) -> int:
        """Search and rank for users [first, last); gives the number of paths."""
        own = slice(first, last)
        found = search_metapaths(
            self.expand,
            self.layout.take(own),
            self.users[own],
            self.node_queries[own],
            self.table,
            log_norm=self.log_norm[own],
            interact=self.interact,
        )
        rank_paths(found, last - first, "sum")
        return len(found.paths)


def setting(dataset: Recommendation, layout: str, options: argparse.Namespace) -> Setting:
    """Random users, layouts and vectors."""
    draw = np.random.default_rng(options.seed)
    num_users = min(options.users, len(dataset.users))
    users = dataset.users.first + draw.choice(len(dataset.users), num_users, replace=False).astype(np.int32)
    tree = metapath_tree(dataset.metapaths)
    shape = num_users, len(tree.metapaths)
    value = draw.standard_normal(shape)
    asked = allocate(
        "uniform" if layout == "uniform" else "heuristic",
        options.paths,
        np.full(shape, 5.0),  # the published code has no metapath more paths than 5
        value=value,
        users=users,
        seed=options.seed,
    )
    return Setting(
        Expand(dataset.graph),
        dataset.interact,
        metapath_layout(tree, asked),
        users,
        draw.standard_normal((num_users, tree.num_nodes, options.dim), np.float32),
        np.zeros((num_users, tree.num_nodes), np.float32),
        draw.standard_normal((dataset.graph.num_entities, options.dim), np.float32),
    )


def latency(run: Setting) -> dict[str, float]:
    """Milliseconds of one user a call."""
    num_users = len(run.users)
    wall, processor = np.empty(num_users), np.empty(num_users)
    for user in range(min(num_users, 50)):
        run.recommend(user, user + 1)
    paths = 0
    for user in range(num_users):
        begin, begin_processor = time.perf_counter(), time.thread_time()
        paths += run.recommend(user, user + 1)
        wall[user], processor[user] = time.perf_counter() - begin, time.thread_time() - begin_processor
    return {
        "p50_ms": float(np.percentile(wall, 50) * 1e3),
        "p95_ms": float(np.percentile(wall, 95) * 1e3),
        "cpu_p50_ms": float(np.percentile(processor, 50) * 1e3),
        "cpu_p95_ms": float(np.percentile(processor, 95) * 1e3),
        "paths_per_user": paths / num_users,
        "lost_paths_per_user": float(run.layout.lost.mean()),
    }


def throughput(run: Setting, options: argparse.Namespace) -> dict[str, float]:
    """Users a second of one call for all of them."""
    num_users = len(run.users)
    everyone = partial(run.recommend, 0, num_users)
    return {f"users_per_second_threads{n}": _rate(everyone, num_users, n, options.repeats) for n in options.threads}


def walks(dataset: Recommendation, options: argparse.Namespace) -> list[tuple[str, float, float]]:
    """Of each metapath: paths drawn, and pairs counted, a second, over training pairs, one thread."""
    expand = Expand(dataset.graph)
    draw = np.random.default_rng(options.seed)
    train = dataset.splits["train"]
    pairs = train[draw.choice(len(train), min(options.pairs, len(train)), replace=False)]
    sources, targets = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 2])
    rows = []
    for metapath in dataset.metapaths:
        draw_paths = partial(sample_metapath, expand, metapath, sources, targets, hidden=dataset.interact)
        count_paths = partial(count_metapaths, expand, [metapath], sources, targets, hidden=dataset.interact)
        drawn = _rate(draw_paths, len(draw_paths().pairs), 1, options.repeats)
        counted = _rate(count_paths, len(pairs), 1, options.repeats)
        words = " ".join(dataset.relation_name(relation) for relation in metapath)
        rows.append((words, drawn, counted))
    return rows


def main() -> None:
    """Time both layouts and the path sampler."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend_speed", description=__doc__)
    parser.add_argument("--dataset", default="Amazon-Beauty")
    parser.add_argument("--paths", type=int, default=15, help="K, paths of a user")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=4000, help="training pairs to draw and count paths of")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of throughput; latency is that of one")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    dataset = load(options.dataset)
    if not isinstance(dataset, Recommendation) or not dataset.metapaths:
        parser.error(f"{options.dataset} is no recommendation set with metapaths")
    check_metapaths(dataset.graph, dataset.metapaths)
    all_figures = []
    for layout in LAYOUTS:
        set_num_threads(1)
        run = setting(dataset, layout, options)
        figures = latency(run) | throughput(run, options)
        all_figures.append(figures)
        if options.save:
            save_result(
                "recommend_speed",
                f"{dataset.name.lower()}-{layout}",
                figures,
                seed=options.seed,
                dataset=dataset.name.lower(),
                protocol={"paths": options.paths, "dim": options.dim, "users": len(run.users)},
            )
    rows = [(name, *(figures[name] for figures in all_figures)) for name in all_figures[0]]
    print_table(f"{dataset.name}, {options.paths} paths, {options.dim} dimensions", ["layout", *LAYOUTS], rows)
    columns = ["metapath", "paths drawn/s", "pairs counted/s"]
    print_table(f"{dataset.name}, training pairs, one thread", columns, walks(dataset, options))


def _rate(run: Callable[[], object], amount: int, threads: int, repeats: int) -> float:
    set_num_threads(threads)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return amount / min(seconds)


if __name__ == "__main__":
    main()
