"""Steps per second of the environments: masks, rewards, autoreset and the drawing of queries included.

Actions are a uniform legal policy's. They are drawn beforehand and replayed (the same seed walks the same), so that the
figure is the environment's own; "with sampling" draws them in the loop by ``sample_actions()``. A figure is the median
over repeats, "best" the fastest of them.

``python -m benchmarks.env_speed`` times three knowledge graphs and Amazon-Beauty, which have to be at hand; ``--save``
keeps the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np

from benchmarks.common import print_table, save_result
from kgwalk import _core, data
from kgwalk.envs import KGWalkVectorEnv

SEED = 0
FORMS = (("edge", "padded"), ("edge", "ragged"), ("edge", "index"), ("split", "padded"))


def repeat(run: Callable[[], int], repeats: int) -> dict[str, float]:
    """Median and best steps per second of ``run``, which returns the steps it made."""
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        steps = run()
        rates.append(steps / (time.perf_counter() - started))
    return {"steps_per_second": float(np.median(rates)), "best": max(rates)}


def vector(
    dataset: str, decision: str, form: str, mode: str, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Figures of one vector environment: plain, with sampling, and writing into the same arrays."""
    n, steps = options.num_envs, options.steps
    arguments: dict[str, Any] = {"decision": decision, "candidates": form, "max_out_degree": options.max_out_degree}
    envs = KGWalkVectorEnv(dataset, n, autoreset_mode=mode, **arguments)
    obs, _ = envs.reset(seed=SEED)
    recorded = []
    for _ in range(steps):
        recorded.append(envs.sample_actions())
        envs.step(recorded[-1])

    def replay(out: Any = None) -> Callable[[], int]:
        def run() -> int:
            for actions in recorded:
                envs.step(actions, out)
            return int(steps * n)

        return run

    def sampled() -> int:
        for _ in range(steps):
            envs.step(envs.sample_actions())
        return int(steps * n)

    def again(run: Callable[[], int]) -> dict[str, float]:
        rates = []
        for _ in range(options.repeats):
            envs.reset(seed=SEED)
            rates.append(repeat(run, 1)["best"])
        return {"steps_per_second": float(np.median(rates)), "best": max(rates)}

    figures = {"plain": again(replay()), "with sampling": again(sampled)}
    if form != "ragged":
        figures["out="] = again(replay(obs))
    return figures


def single(dataset: str, options: argparse.Namespace) -> dict[str, float]:
    """Figure of ``gym.make``, with the wrappers it adds."""
    env = gym.make(f"KGWalk-{dataset}", max_out_degree=options.max_out_degree)
    env.reset(seed=SEED)
    sample = cast("Any", env.unwrapped).sample_action
    walks = 2000

    def run() -> int:
        steps = 0
        for _ in range(walks):
            env.reset()
            over = False
            while not over:
                _, _, over, _, _ = env.step(sample())
                steps += 1
        return steps

    return repeat(run, options.repeats)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time, print, and save if asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.env_speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["WN18RR", "FB15k-237", "NELL-995", "Amazon-Beauty"])
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--max-out-degree", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=240, help="vector steps in a repeat")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    _core.set_num_threads(options.threads)
    for dataset in options.datasets:
        started = time.perf_counter()
        rows: list[list[object]] = []
        metrics: dict[str, Any] = {}
        for decision, form in FORMS:
            for mode in ("NextStep", "SameStep"):
                figures = vector(dataset, decision, form, mode, options)
                metrics[f"{decision}/{form}/{mode}"] = figures
                millions = [f["steps_per_second"] / 1e6 for f in figures.values()]
                rows.append(
                    [decision, form, mode, *millions, *[None] * (3 - len(millions)), figures["plain"]["best"] / 1e6]
                )
        alone = single(dataset, options)
        metrics["single"] = alone
        graph = data.load(dataset).graph
        print_table(
            f"{dataset}: {graph.num_entities:,} entities, {graph.num_edges:,} edges; N = {options.num_envs}, "
            f"A = {options.max_out_degree + 1}, {options.threads} thread(s); million steps per second, median",
            ["decision", "candidates", "autoreset", "plain", "with sampling", "out=", "plain, best"],
            [*rows, ["edge", "gym.make, sampling", "one walk", None, alone["steps_per_second"] / 1e6, None, None]],
        )
        if options.save:
            protocol = {"num_envs": options.num_envs, "actions": options.max_out_degree + 1, "threads": options.threads}
            name = data.load(dataset).card.folder or dataset.lower()
            suffix = "" if options.threads == 1 else f"-{options.threads}threads"
            save_result(
                "env_speed",
                f"{name}{suffix}",
                metrics,
                seed=SEED,
                dataset=name,
                protocol=protocol,
                seconds=time.perf_counter() - started,
            )


if __name__ == "__main__":
    main()
