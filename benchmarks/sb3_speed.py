"""Steps per second through Stable-Baselines3's VecEnv: kgwalk's own adapter, and DummyVecEnv around as many walkers.

Actions are a uniform legal policy's, drawn in the loop by ``sample_actions()``. "core" is the vector environment under
the adapter, in the same run. A figure is the median over repeats, "best" the fastest of them.

``python -m benchmarks.sb3_speed`` times WN18RR and FB15k-237; ``--save`` keeps the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from benchmarks.common import print_table, save_result
from kgwalk import _core, data
from kgwalk.envs import KGWalkEnv, KGWalkVectorEnv
from kgwalk.integrations.sb3 import KGWalkVecEnv, make_vec_env

SEED = 0


def rates(step: Callable[[], object], steps: int, repeats: int, num_envs: int) -> dict[str, float]:
    """Median and best steps per second."""
    found = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(steps):
            step()
        found.append(steps * num_envs / (time.perf_counter() - started))
    return {"steps_per_second": float(np.median(found)), "best": max(found)}


def same(env: KGWalkEnv) -> KGWalkEnv:
    """What DummyVecEnv calls to get a walker."""
    return env


def walk(envs: KGWalkVecEnv | KGWalkVectorEnv) -> None:
    """One legal move of every walker."""
    envs.step(envs.sample_actions())


def figures(dataset: str, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Figures of one dataset."""
    n, cap = options.num_envs, options.max_out_degree
    core = KGWalkVectorEnv(dataset, n, autoreset_mode="SameStep", max_out_degree=cap)
    core.reset(seed=SEED)
    adapters: dict[str, KGWalkVecEnv] = {
        "adapter": make_vec_env(f"KGWalk-{dataset}", n, seed=SEED, trail=False, max_out_degree=cap),
        "adapter, trail": make_vec_env(f"KGWalk-{dataset}", n, seed=SEED, max_out_degree=cap),
    }
    for adapter in adapters.values():
        adapter.reset()
    singles = [KGWalkEnv(dataset, max_out_degree=cap) for _ in range(n)]
    dummy = DummyVecEnv([partial(same, env) for env in singles])
    dummy.reset()
    timed = {"core": rates(partial(walk, core), options.steps, options.repeats, n)}
    for name, adapter in adapters.items():
        timed[name] = rates(partial(walk, adapter), options.steps, options.repeats, n)

    def one_by_one() -> None:
        dummy.step(np.array([env.sample_action() for env in singles]))

    timed["DummyVecEnv"] = rates(one_by_one, options.steps // 40 + 1, 3, n)
    return timed


def main(arguments: Sequence[str] | None = None) -> None:
    """Time, print, and save if asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sb3_speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["WN18RR", "FB15k-237"])
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--max-out-degree", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=240, help="vector steps in a repeat")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    _core.set_num_threads(options.threads)
    for dataset in options.datasets:
        started = time.perf_counter()
        timed = figures(dataset, options)
        print_table(
            f"{dataset}: N = {options.num_envs}, A = {options.max_out_degree + 1}, {options.threads} thread(s); "
            "million steps per second",
            ["", "median", "best"],
            [[name, row["steps_per_second"] / 1e6, row["best"] / 1e6] for name, row in timed.items()],
        )
        if options.save:
            name = data.load(dataset).card.folder or dataset.lower()
            protocol = {"num_envs": options.num_envs, "actions": options.max_out_degree + 1, "threads": options.threads}
            seconds = time.perf_counter() - started
            save_result("sb3_speed", name, timed, seed=SEED, dataset=name, protocol=protocol, seconds=seconds)


if __name__ == "__main__":
    main()
