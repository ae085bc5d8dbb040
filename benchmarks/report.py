"""BENCHMARKS.md, the README's results and the tables of docs/, from ``benchmarks/results``.

Published figures stand beside ours. Run it as ``python -m benchmarks.report``; ``--check`` only says whether the files
are up to date. The same results always give the same text, and a benchmark that was not run yet is simply absent.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import common, large_graph_tables, nser_tables, sb3_tables
from benchmarks.markdown import fill_block, mean, table
from benchmarks.published import Published, published
from benchmarks.recommenders import tables as recommenders
from benchmarks.rule_guider import tables as rule_guider

DIRECTIONS = ("tail", "head", "both")
_COMPLETION = ("mrr", "hits@1", "hits@3", "hits@5", "hits@10")
_RECOMMENDATION = ("ndcg@10", "recall@10", "hr@10", "precision@10", "auc", "f1")
_README_SETS = ("wn18rr", "nell-995", "fb15k-237", "kinship")
_README_SHOPS = ("amazon-beauty", "amazon-cellphones", "last-fm", "movielens-1m", "book-crossing")


@dataclass
class Group:
    """Runs of one agent on one dataset that differ in the seed only; ``figures`` by direction, then metric."""

    dataset: str
    label: str
    records: list[dict[str, Any]] = field(default_factory=list)

    def figures(self) -> dict[str, dict[str, list[float]]]:
        """Each metric's value per seed, by direction; ``""`` holds what has no direction."""
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for record in self.records:
            for direction, metrics in _by_direction(record["metrics"]).items():
                for metric, value in metrics.items():
                    found[direction][metric].append(value)
        return {direction: dict(metrics) for direction, metrics in found.items()}


def load(folder: Path) -> list[dict[str, Any]]:
    """Every record under ``folder``, by bench and name.

    Raises:
        ValueError: a file is no record; the message names it.
    """
    records = [_read(path) for path in sorted(folder.glob("*/*.json"))]
    return sorted(records, key=lambda record: (record["bench"], record["name"]))


def render(records: Sequence[dict[str, Any]], others: Sequence[Published]) -> str:
    """The text of BENCHMARKS.md."""
    quality = _groups(records)
    lines = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks.report` from `benchmarks/results`; nothing here is typed by hand. Fractions,",
        "not percent. Filtered ranks, ties at their mean, an answer that was not reached counts as a miss. A `±` is",
        "the standard deviation over seeds. Rows in italics are published by others; compare within one table only.",
        "Recommendation: every user counts, and of agents that walk only items with a path; `(filled)` is the same",
        "list filled up by a scorer. `train-on-valid` had the valid interactions as training interactions.",
        "",
    ]
    for dataset in sorted({group.dataset for group in quality} | {row.dataset for row in others}):
        here = [group for group in quality if group.dataset == dataset]
        lines += _dataset_section(dataset, here, [row for row in others if row.dataset == dataset])
    lines += _recommender_sections(records)
    lines += _speed_sections([record for record in records if not (_is_quality(record) or _is_recommender(record))])
    lines += _runs_section([record for record in records if _is_quality(record) or _is_recommender(record)])
    return "\n".join(lines).rstrip() + "\n"


def render_summary(records: Sequence[dict[str, Any]], others: Sequence[Published]) -> str:
    """The README's tables: tail MRR and NDCG@10, agents down, datasets across, published rows in italics."""
    groups = _groups(records)
    tables = [
        _pivot("Test MRR, tail queries", groups, others, _README_SETS, "tail", "mrr"),
        _pivot("Test NDCG@10", groups, others, _README_SHOPS, "", "ndcg@10"),
    ]
    text = "\n\n".join(text for text in tables if text)
    return text or "No results saved yet: see `python -m benchmarks.report --help`."


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {**record, "bench": str(record["bench"]), "metrics": dict(record["metrics"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected a record written by save_result, got {error!r}") from error


def _is_quality(record: Mapping[str, Any]) -> bool:
    metrics = record["metrics"]
    named = any(direction in metrics for direction in DIRECTIONS) or any(m in metrics for m in _RECOMMENDATION)
    return bool(record.get("dataset")) and bool(record.get("agent")) and (named or "auc_pr" in metrics)


def _by_direction(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Splits the three directions from what has none; a figure such as ``auc_pr`` given once is a tail figure."""
    loose = {k: v for k, v in metrics.items() if _is_number(v)}
    found = {d: {k: v for k, v in metrics[d].items() if _is_number(v)} for d in DIRECTIONS if d in metrics}
    if found or "auc_pr" in loose:
        found.setdefault("tail", {}).update(loose)
    elif loose:
        found[""] = loose
    return found


def _groups(records: Iterable[dict[str, Any]]) -> list[Group]:
    groups: dict[tuple[str, str, str], Group] = {}
    for record in records:
        if _is_quality(record):
            label = re.sub(r"-seed\d+$", "", record["name"]).removeprefix(f"{record['dataset']}-")
            rows = {label: record}
            if "filled" in record["metrics"]:  # lists that a scorer filled up are a row of their own
                rows[f"{label} (filled)"] = {**record, "metrics": record["metrics"]["filled"]}
            for name, row in rows.items():
                key = (record["bench"], record["dataset"], name)
                groups.setdefault(key, Group(record["dataset"], name)).records.append(row)
    return list(groups.values())


def _dataset_section(dataset: str, groups: Sequence[Group], others: Sequence[Published]) -> list[str]:
    lines = [f"## {dataset}", ""]
    titles = {"tail": "Tail queries", "head": "Head queries", "both": "Mean of tail and head queries", "": ""}
    for direction, title in titles.items():
        ours = [(group, group.figures()[direction]) for group in groups if direction in group.figures()]
        theirs = [row for row in others if row.direction == direction]
        present = {metric for _, figures in ours for metric in figures} | {m for row in theirs for m in row.metrics}
        if not present:
            continue
        usual = _RECOMMENDATION if direction == "" else _COMPLETION
        columns = [m for m in usual if m in present] + sorted(present - set(usual))
        rows = [
            [f"`{group.label}`", *(mean(figures.get(c)) for c in columns), str(len(group.records)), "kgwalk"]
            for group, figures in sorted(ours, key=lambda item: _order(item[1], columns[0], item[0].label))
        ]
        rows += [
            [f"*{row.method}*", *(_figure(row.metrics.get(c)) for c in columns), "", row.source]
            for row in sorted(theirs, key=lambda row: (-row.metrics.get(columns[0], 0.0), row.method))
        ]
        lines += [f"### {title}", ""] if title else []
        lines += [*table(["method", *columns, "seeds", "source"], rows), ""]
    return lines


def _is_recommender(record: Mapping[str, Any]) -> bool:
    """Whether it is of ``benchmarks.recommenders``, whose figures stand by protocol and have tables of their own."""
    return str(record["bench"]).startswith("recommenders-")


def _recommender_sections(records: Sequence[dict[str, Any]]) -> list[str]:
    """The tables of docs/recommenders.md, and how their records were made."""
    own = [record for record in records if _is_recommender(record)]
    if not own:
        return []
    lines = ["## Recommenders, by protocol", "", "What the tables mean stands in docs/recommenders.md.", ""]
    for name, text in recommenders.blocks(records).items():
        if text != recommenders.ABSENT:
            lines += [f"### {name}", "", text, ""]
    return lines


def _speed_sections(records: Sequence[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for bench in sorted({record["bench"] for record in records}):
        lines += [f"## {bench}", ""]
        rows = [
            [
                record["name"],
                "<br>".join(f"{key} {common.format_figure(value)}" for key, value in _flat(record["metrics"])),
                _hardware(record),
                f"{record['commit']}, {str(record['date'])[:10]}",
                f"`{record['command']}`",
            ]
            for record in records
            if record["bench"] == bench
        ]
        lines += [*table(["name", "figures", "hardware", "commit, date", "command"], rows), ""]
    return lines


def _runs_section(records: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        [
            record["name"],
            common.format_figure(record["seconds"]),
            common.format_figure(record["peak_rss_mb"]),
            _hardware(record),
            f"{record['commit']}, {str(record['date'])[:10]}",
            f"`{record['command']}`",
        ]
        for record in records
    ]
    header = ["run", "seconds", "peak memory, MB", "hardware", "commit, date", "command"]
    return ["## How each quality figure was made", "", *table(header, rows), ""] if rows else []


def _pivot(
    title: str, groups: Sequence[Group], others: Sequence[Published], sets: Sequence[str], direction: str, metric: str
) -> str:
    ours: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for group in groups:
        values = group.figures().get(direction, {}).get(metric)
        if values and group.dataset in sets:
            ours[group.label][group.dataset] = values
    if not ours:
        return ""
    columns = [name for name in sets if any(name in row for row in ours.values())]
    rows = [[f"`{label}`", *(mean(ours[label].get(name)) for name in columns)] for label in sorted(ours)]
    theirs: dict[str, dict[str, float]] = defaultdict(dict)
    for row in others:
        if row.comparable and row.direction == direction and row.dataset in columns and metric in row.metrics:
            theirs[row.method][row.dataset] = row.metrics[metric]
    rows += [[f"*{method}*", *(_figure(theirs[method].get(name)) for name in columns)] for method in sorted(theirs)]
    return "\n".join([f"**{title}**", "", *table(["method", *columns], rows)])


def _order(figures: Mapping[str, Sequence[float]], metric: str, label: str) -> tuple[float, str]:
    return (-statistics.fmean(figures.get(metric, [0.0])), label)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, value in metrics.items():
        pairs += _flat(value, f"{prefix}{key} ") if isinstance(value, Mapping) else [(prefix + key, value)]
    return pairs


def _hardware(record: Mapping[str, Any]) -> str:
    made = record["hardware"]
    gpu = f", {made['gpu']}" if "gpu" in made else ""
    return f"{made['cpu']}, {made['cores']} cores, {made['memory_gb']} GB{gpu}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with ``--check`` return 1 if any would change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is out of date")
    check: bool = parser.parse_args(arguments).check
    records, others = load(common.RESULTS), list(published())
    readme, docs = common.REPOSITORY / "README.md", common.REPOSITORY / "docs"
    wanted = {
        common.REPOSITORY / "BENCHMARKS.md": render(records, others),
        readme: fill_block(readme.read_text(encoding="utf-8"), render_summary(records, others)),
    }
    pages = {
        "rule_guider.md": rule_guider,
        "nser.md": nser_tables,
        "recommenders.md": recommenders,
        "sb3.md": sb3_tables,
        "large_graphs.md": large_graph_tables,
        "speed.md": large_graph_tables,
    }
    for page, tables in pages.items():
        wanted[docs / page] = tables.fill_page((docs / page).read_text(encoding="utf-8"), records)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.name}: {'out of date, run python -m benchmarks.report' if check else 'written'}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
