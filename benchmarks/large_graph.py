"""A graph of the size of NSER's largest (2.4 M entities, 8 relations, 388.5 M triples), from text files to walks.

Stages, each run by name with ``--stages`` (all in this order by default): ``text`` writes the triples, ``build`` makes
the graph file and the views by ``kgwalk data build`` in a process of its own, ``kill`` builds again, is killed in the
middle and goes on, ``open`` opens it in one and in two processes, ``walk`` walks from uniformly random entities,
``roofline`` sets the walks beside what the memory gives. ``--delete-text`` drops the text once it is built.

``python -m benchmarks.large_graph --folder FOLDER --save``; ``--triples`` and ``--entities`` scale it down. It takes
about 36 bytes of disk a triple beside the text while it builds, 16 and the views afterwards.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.common import fastest, print_table, save_result
from benchmarks.large_graph_text import RELATIONS, write_text
from kgwalk.data import Dataset, MissingDataError, StoredDataset, load, open_dataset
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.graph import open_graph, set_num_threads

SEED = 0
#: (form of the candidates, actions): padded 256 and the others at 64.
FORMS = (("padded", 256), ("ragged", 64), ("index", 64))
CAPS = (63, 255)


def run_build(
    options: argparse.Namespace, out: Path, kill_when: Callable[[Path], bool] | None = None
) -> dict[str, Any]:
    """One run of ``kgwalk data build``: seconds, peak memory of the process, whether it was killed."""
    texts = sorted((options.folder / "text").glob("triples-*.tsv"))
    command = [str(Path(sys.executable).with_name("kgwalk")), "data", "build", *map(str, texts)]
    command += ["--out", str(out), "--memory", options.memory]
    for cap in CAPS:
        command += ["--max-out-degree", str(cap)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    killed = False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if kill_when is not None and not killed and kill_when(out.with_name(f"{out.name}.building")):
            process.send_signal(signal.SIGKILL)
            killed = True
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 and not killed:
        raise RuntimeError(f"kgwalk data build failed with {process.returncode}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": usage.ru_maxrss * 1024 / 1e6,
        "killed": killed,
    }


def build(options: argparse.Namespace) -> dict[str, Any]:
    """The build, uninterrupted."""
    figures = run_build(options, options.folder / "graph.kgw")
    stored = open_graph(options.folder / "graph.kgw", verify=False)
    figures["facts"] = stored.graph.num_facts
    figures["edges"] = stored.graph.num_edges
    figures["largest_degree"] = int(np.diff(stored.graph.offsets).max())
    figures["graph_gb"] = (options.folder / "graph.kgw").stat().st_size / 1e9
    for cap in CAPS:
        figures[f"view_{cap}_gb"] = (options.folder / f"graph.kgw.top{cap}").stat().st_size / 1e9
    return figures


def kill(options: argparse.Namespace) -> dict[str, Any]:
    """A build that is killed once half of the buckets are sorted, and goes on."""

    def half_sorted(folder: Path) -> bool:
        try:
            state = json.loads((folder / "manifest.json").read_text())
        except (OSError, ValueError):
            return False
        return len(state.get("sorted", ())) * 2 >= len(state.get("heads", (0, 0, 0))) - 1

    out = options.folder / "killed.kgw"
    first = run_build(options, out, half_sorted)
    second = run_build(options, out)
    same = all(
        _digest(out.with_name(out.name + end)) == _digest(options.folder / f"graph.kgw{end}")
        for end in ("", *(f".top{cap}" for cap in CAPS))
    )
    for path in options.folder.glob("killed.kgw*"):
        path.unlink()
    return {
        "seconds_until_killed": first["seconds"],
        "was_killed": first["killed"],
        "seconds_of_the_rest": second["seconds"],
        "peak_rss_mb": max(first["peak_rss_mb"], second["peak_rss_mb"]),
        "same_bytes": same,
    }


def _digest(path: Path) -> str:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


_OPEN = """
import json, sys, time
import numpy as np
import kgwalk
from kgwalk.data import Dataset, MissingDataError, StoredDataset, load, open_dataset
from kgwalk.envs import KGWalkVectorEnv
from kgwalk.graph import open_graph

def memory(*keys):
    lines = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
    return {key: int(lines[key].split()[0]) * 1024 / 1e6 for key in keys}

def mapped():
    found, own = {}, False
    for line in open("/proc/self/smaps"):
        head = line.split()
        if "-" in head[0] and not head[0].endswith(":"):
            own = ".kgw" in line
        elif own and head[0] in ("Rss:", "Pss:", "Shared_Clean:", "Private_Clean:"):
            found[head[0][:-1]] = found.get(head[0][:-1], 0) + int(head[1]) * 1024 / 1e6
    return found

path, cap, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
imported = memory("VmRSS")["VmRSS"]
started = time.perf_counter()
stored = open_graph(path)
expand = stored.expand(cap)
opened = time.perf_counter() - started
opened_rss = memory("VmRSS")["VmRSS"]
rng = np.random.default_rng(0)
queries = np.column_stack([rng.integers(stored.graph.num_entities, size=64), np.zeros(64), np.full(64, -1)])
started = time.perf_counter()
envs = KGWalkVectorEnv(open_dataset(path, queries.astype(np.int32)), 64, max_out_degree=cap, candidates="ragged")
made = time.perf_counter() - started
result = {"open_seconds": opened, "environment_seconds": made, "imported_rss_mb": imported}
result["rss_mb"] = opened_rss
result["environment_rss_mb"] = memory("VmRSS")["VmRSS"]
result["peak_rss_mb"] = memory("VmHWM")["VmHWM"]
if steps:
    n = 4096
    sources = rng.integers(stored.graph.num_entities, size=1 << 18)
    queries = np.column_stack([sources, np.zeros(len(sources)), np.full(len(sources), -1)])
    envs = KGWalkVectorEnv(open_dataset(path, queries.astype(np.int32)), n, max_out_degree=cap, candidates="ragged")
    envs.reset(seed=0)
    for _ in range(steps):
        envs.step(envs.sample_actions())
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(result | {"mapped_mb": mapped()}), flush=True)
"""


def open_(options: argparse.Namespace) -> dict[str, Any]:
    """Opening graph and view: once without walking; then two processes that walk the same rows at once."""

    def start(steps: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _OPEN, str(options.folder / "graph.kgw"), str(CAPS[0]), str(steps)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(processes: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the process failed"
        found = []
        for process in processes:  # all of them still live when the first is asked
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            found.append(json.loads(process.stdout.readline()))
        for process in processes:
            process.communicate()
        return found

    alone = [ask([start(0)])[0] for _ in range(3)]
    best = min(alone, key=lambda figures: figures["open_seconds"])
    pair = ask([start(options.steps) for _ in range(2)])
    return best | {"two_processes": {"first": pair[0]["mapped_mb"], "second": pair[1]["mapped_mb"]}}


class Walks:
    """A vector environment over the graph, with actions drawn beforehand, so that the figure is its own."""

    def __init__(self, dataset: Dataset, form: str, actions: int, num_envs: int, steps: int) -> None:
        self.steps, self.n = steps, num_envs
        self.envs = KGWalkVectorEnv(dataset, num_envs, candidates=cast("Any", form), max_out_degree=actions - 1)
        self.envs.reset(seed=SEED)
        started = time.perf_counter()
        self.actions = []
        self.candidates = 0
        for _ in range(self.steps):
            self.actions.append(self.envs.sample_actions())
            obs = self.envs.step(self.actions[-1])[0]
            self.candidates += candidates_in(obs)
        self.first_pass = self.steps * self.n / (time.perf_counter() - started)

    @property
    def mean_candidates(self) -> float:
        """Candidates of a walker a step, STAY included."""
        return self.candidates / (self.steps * self.n)

    def replay(self, sample: bool = False) -> float:
        """Steps per second of the same walks again."""
        self.envs.reset(seed=SEED)
        started = time.perf_counter()
        for actions in self.actions:
            self.envs.step(self.envs.sample_actions() if sample else actions)
        return self.steps * self.n / (time.perf_counter() - started)

    def sampling(self) -> float:
        """Draws of actions per second."""
        self.envs.reset(seed=SEED)
        started = time.perf_counter()
        for _ in self.actions:
            self.envs.sample_actions()
        return self.steps * self.n / (time.perf_counter() - started)

    def digest(self) -> str:
        """Of every observation and action of a run that draws its actions."""
        found = hashlib.blake2b()
        self.envs.reset(seed=SEED)
        for _ in range(min(self.steps, 30)):
            actions = self.envs.sample_actions()
            found.update(actions.tobytes())
            for array in self.envs.step(actions)[0].values():
                found.update(array.tobytes())
        return found.hexdigest()


def uniform_starts(graph: Path) -> StoredDataset:
    """Queries from uniformly random entities, along random relations, without a target."""
    rng = np.random.default_rng(SEED)
    entities, count = open_graph(graph).graph.num_entities, 1 << 20
    columns = (rng.integers(entities, size=count), rng.integers(RELATIONS, size=count), np.full(count, -1))
    return open_dataset(graph, np.column_stack(columns).astype(np.int32))


def candidates_in(obs: dict[str, Any]) -> int:
    """Open actions in an observation, of whatever form."""
    if "offsets" in obs:
        return int(obs["offsets"][-1])
    if "action_mask" in obs:
        return int(np.count_nonzero(obs["action_mask"]))
    return int(obs["degree"].sum()) + len(obs["degree"])


def walk(options: argparse.Namespace) -> dict[str, Any]:
    """Steps per second by form and threads, and whether one and two threads walk alike."""
    metrics: dict[str, Any] = {}
    rows: list[list[object]] = []
    dataset = uniform_starts(options.folder / "graph.kgw")
    for form, actions in FORMS:
        set_num_threads(1)
        walks = Walks(dataset, form, actions, options.num_envs, options.steps)
        found: dict[str, Any] = {"actions": actions, "mean_candidates": walks.mean_candidates}
        found["first_pass_steps_per_second"] = walks.first_pass
        digests = []
        for threads in (1, 2):
            set_num_threads(threads)
            plain = [walks.replay() for _ in range(options.repeats)]
            both = [walks.replay(sample=True) for _ in range(options.repeats)]
            draws = [walks.sampling() for _ in range(3)]
            digests.append(walks.digest())
            found[f"threads {threads}"] = {
                "steps_per_second": float(np.median(plain)),
                "best": max(plain),
                "with sampling": float(np.median(both)),
                "with sampling, best": max(both),
                "draws_per_second": float(np.median(draws)),
            }
            figures = found[f"threads {threads}"]
            rows.append([form, actions, threads, *(figures[key] / 1e6 for key in figures)])
        set_num_threads(1)
        found["same_walks"] = digests[0] == digests[1]
        metrics[form] = found
    print_table(
        f"million steps per second from uniformly random entities, N = {options.num_envs}",
        ["candidates", "actions", "threads", "median", "best", "with sampling", "best", "draws"],
        rows,
    )
    return metrics


def memory_speed() -> dict[str, float]:
    """What the memory gives one thread: bytes per second in order and at random, seconds of a random access."""
    size = 1 << 26  # 512 MB of 8 bytes: far beyond any cache
    one, other = np.ones(size), np.zeros(size)
    places = np.random.default_rng(SEED).integers(size, size=1 << 22)
    rows = places[: 1 << 18] % (size // 256)
    table, picked, values = one.reshape(-1, 256), np.empty((len(rows), 256)), np.empty(len(places))
    return {
        "read_bytes_per_second": 8 * size / fastest(lambda: one.view(np.int64).max(), seconds=2),
        "copy_bytes_per_second": 16 * size / fastest(lambda: np.copyto(other, one), seconds=2),
        "random_access_seconds": fastest(lambda: np.take(one, places, out=values, mode="clip"), seconds=2)
        / len(places),
        # Rows of 2 KB at random, into memory that is not in the cache either: read and written.
        "random_row_bytes_per_second": 2
        * picked.nbytes
        / fastest(lambda: np.take(table, rows, axis=0, out=picked, mode="clip"), seconds=2),
    }


def bytes_of_step(form: str, actions: int, candidates: float) -> dict[str, float]:
    """Bytes that a step has to read and write.

    Read: the row (8 bytes an edge), the edge that is followed, offsets, mark and query in lines of 64. Written: ids of
    candidates (and mask, and what of the last row has to be cleared), five fields of state, reward and four flags.
    """
    read = 64.0 * 3 + (8 * (candidates - 1) if form != "index" else 0)
    state = 5 * 4 + 8 + 4
    written = {"padded": 9.0 * actions, "ragged": 8 * candidates + 8, "index": 20.0}[form]
    return {"read": read, "written": written + state}


def roofline(options: argparse.Namespace, walked: dict[str, Any]) -> dict[str, Any]:
    """Bytes a step, and the share of the memory's speed at which they go, on this graph and on one that is cached."""
    found: dict[str, Any] = {"memory": memory_speed()}
    peak = found["memory"]["copy_bytes_per_second"]
    rows: list[list[object]] = []
    graphs: dict[str, Any] = {"large": walked}
    if (cached := cached_walks(options)) is not None:
        graphs["FB15k-237"] = cached
    for graph, figures in graphs.items():
        found[graph] = {}
        for form, actions in FORMS:
            one = figures[form]
            moved = bytes_of_step(form, actions, one["mean_candidates"])
            rate = one["threads 1"]["best"]
            entry = moved | {
                "steps_per_second": rate,
                "bytes_per_second": rate * sum(moved.values()),
                "share_of_copy": rate * sum(moved.values()) / peak,
                "mean_candidates": one["mean_candidates"],
            }
            found[graph][form] = entry
            rows.append(
                [
                    graph,
                    form,
                    actions,
                    *moved.values(),
                    rate / 1e6,
                    entry["bytes_per_second"] / 1e9,
                    entry["share_of_copy"],
                ]
            )
    print_table(
        f"memory, one thread: copies {peak / 1e9:.1f} GB/s, "
        f"reads {found['memory']['read_bytes_per_second'] / 1e9:.1f} GB/s, "
        f"rows at random {found['memory']['random_row_bytes_per_second'] / 1e9:.1f} GB/s, "
        f"a random access {found['memory']['random_access_seconds'] * 1e9:.1f} ns",
        ["graph", "candidates", "actions", "bytes read", "bytes written", "million steps/s", "GB/s", "of copying"],
        rows,
    )
    return found


def cached_walks(options: argparse.Namespace) -> dict[str, Any] | None:
    """The same figures on FB15k-237, which lies in the cache; None if it is not at hand."""
    try:
        dataset = load("FB15k-237")
    except MissingDataError:
        return None
    set_num_threads(1)
    found = {}
    for form, actions in FORMS:
        walks = Walks(dataset, form, actions, num_envs=1024, steps=240)
        best = max(walks.replay() for _ in range(options.repeats))
        found[form] = {"threads 1": {"best": best}, "mean_candidates": walks.mean_candidates}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages, print, and save if asked."""
    stages = ("text", "build", "kill", "open", "walk", "roofline")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_graph",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the files go, and stay")
    parser.add_argument("--triples", type=int, default=388_500_000)
    parser.add_argument("--entities", type=int, default=2_400_000)
    parser.add_argument("--files", type=int, default=16)
    parser.add_argument("--memory", default="4GB", help="of the build")
    parser.add_argument("--stages", nargs="+", choices=stages, default=list(stages))
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=120, help="vector steps in a repeat")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--delete-text", action="store_true")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    protocol = {name: getattr(options, name) for name in ("triples", "entities", "memory", "num_envs", "steps")}
    size = f"{options.triples / 1e6:g}m"
    walked: dict[str, Any] | None = None
    for stage in (stage for stage in stages if stage in options.stages):
        started = time.perf_counter()
        if stage == "text":
            paths = write_text(options.folder / "text", options.triples, options.entities, options.files, SEED)
            metrics: dict[str, Any] = {"files": len(paths), "text_gb": sum(path.stat().st_size for path in paths) / 1e9}
        elif stage == "build":
            metrics = build(options)
        elif stage == "kill":
            metrics = kill(options)
        elif stage == "open":
            metrics = open_(options)
        elif stage == "walk":
            metrics = walked = walk(options)
        else:
            metrics = roofline(options, walked if walked is not None else walk(options))
        seconds = time.perf_counter() - started
        print(f"{stage}: {seconds:.1f} s\n{json.dumps(metrics, indent=1)}", flush=True)
        if options.save:
            save_result("large_graph", f"{size}-{stage}", metrics, seed=SEED, protocol=protocol, seconds=seconds)
    if options.delete_text:
        shutil.rmtree(options.folder / "text", ignore_errors=True)


if __name__ == "__main__":
    main()
