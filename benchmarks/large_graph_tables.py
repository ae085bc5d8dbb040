"""The tables of ``benchmarks.large_graph`` on its pages, from saved records; what was not run says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import fill_block, marks, table

Record = Mapping[str, Any]

#: Triples of the graph that the pages tell of.
SIZE = 388_500_000
_ABSENT = "Not run yet."


def fill_page(text: str, records: Sequence[Record]) -> str:
    """``text`` with every table in its block, as far as it has blocks for them."""
    stages = {
        record["name"].rsplit("-", 1)[1]: record
        for record in records
        if record["bench"] == "large_graph" and record["protocol"]["triples"] == SIZE
    }
    for name, make in {"build": _build, "open": _open, "walk": _walk, "memory": _memory, "roofline": _roofline}.items():
        block = f"large-graph-{name}"
        if marks(block)[0] in text:
            text = fill_block(text, make(stages), block)
    return text


def _build(stages: Mapping[str, Record]) -> str:
    if "build" not in stages:
        return _ABSENT
    built = stages["build"]["metrics"]
    rows = [
        ["distinct facts; directed edges", f"{built['facts']:,}; {built['edges']:,}"],
        ["largest degree", f"{built['largest_degree']:,}"],
        ["time, views included", _minutes(built["seconds"])],
        ["peak memory", f"{built['peak_rss_mb'] / 1e3:.2f} GB of {stages['build']['protocol']['memory']} allowed"],
        ["graph file", f"{built['graph_gb']:.2f} GB"],
        ["views of 63 and of 255 edges", f"{built['view_63_gb']:.2f} GB, {built['view_255_gb']:.2f} GB"],
    ]
    if "kill" in stages:
        killed = stages["kill"]["metrics"]
        same = "the same bytes" if killed["same_bytes"] else "OTHER BYTES"
        rows.append(
            [
                "killed while sorting, then called again",
                f"{_minutes(killed['seconds_until_killed'])} and {_minutes(killed['seconds_of_the_rest'])}: {same}",
            ]
        )
    return "\n".join(table(["build", ""], rows))


def _open(stages: Mapping[str, Record]) -> str:
    if "open" not in stages:
        return _ABSENT
    opened = stages["open"]["metrics"]
    pair = opened["two_processes"]
    rows = [
        ["graph and view opened in", f"{1e3 * opened['open_seconds']:.1f} ms"],
        ["an environment of 64 walkers, 64 queries made in", f"{1e3 * opened['environment_seconds']:.1f} ms"],
        [
            "memory of the process: kgwalk imported, graph and view opened, environment made",
            ", ".join(f"{opened[key]:.0f} MB" for key in ("imported_rss_mb", "rss_mb", "environment_rss_mb")),
        ],
    ]
    for which, told in pair.items():
        rows.append(
            [
                f"{which} of two processes that walk: pages mapped, its share (Pss)",
                f"{told['Rss']:.0f} MB, {told['Pss']:.0f} MB",
            ]
        )
    return "\n".join(table(["opening", ""], rows))


def _walk(stages: Mapping[str, Record]) -> str:
    if "walk" not in stages:
        return _ABSENT
    rows = []
    for form, found in stages["walk"]["metrics"].items():
        for threads in (1, 2):
            told = found[f"threads {threads}"]
            rows.append(
                [
                    f"{form}, {found['actions']}",
                    str(threads),
                    *(
                        f"{told[key] / 1e6:.2f}"
                        for key in ("steps_per_second", "best", "with sampling", "draws_per_second")
                    ),
                    "yes" if found["same_walks"] else "NO",
                ]
            )
    header = ["candidates, actions", "threads", "M steps/s, median", "best", "with sampling", "M draws/s", "same walks"]
    return "\n".join(table(header, rows))


def _memory(stages: Mapping[str, Record]) -> str:
    if "roofline" not in stages:
        return _ABSENT
    found = stages["roofline"]["metrics"]["memory"]
    rows = [
        ["reading in order", f"{found['read_bytes_per_second'] / 1e9:.1f} GB/s"],
        ["copying, read and written", f"{found['copy_bytes_per_second'] / 1e9:.1f} GB/s"],
        ["rows of 2 KB at random, read and written", f"{found['random_row_bytes_per_second'] / 1e9:.1f} GB/s"],
        ["8 bytes at random", f"{1e9 * found['random_access_seconds']:.1f} ns"],
    ]
    return "\n".join(table(["one thread", ""], rows))


def _roofline(stages: Mapping[str, Record]) -> str:
    if "roofline" not in stages:
        return _ABSENT
    rows = [
        [
            graph,
            form,
            f"{told['mean_candidates']:.1f}",
            f"{told['read']:.0f}",
            f"{told['written']:.0f}",
            f"{told['steps_per_second'] / 1e6:.2f}",
            f"{told['bytes_per_second'] / 1e9:.1f}",
            f"{100 * told['share_of_copy']:.0f} %",
        ]
        for graph, forms in stages["roofline"]["metrics"].items()
        if graph != "memory"
        for form, told in forms.items()
    ]
    header = ["graph", "candidates", "mean number", "bytes read", "bytes written", "M steps/s", "GB/s", "of copying"]
    return "\n".join(table(header, rows))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
