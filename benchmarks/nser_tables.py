"""The tables of ``benchmarks.nser_studies`` on a page, from saved records; what was not run says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import fill_block, mean, table
from benchmarks.nser_studies import STUDIES, bench_of

Record = Mapping[str, Any]

#: What the rows of each study differ in.
_DIFFERS = {"lambda": "lambda", "layouts": "layout", "sample-size": "walks, K"}
_METRICS = ("ndcg@10", "recall@10", "hr@10", "precision@10")
_EXPLANATIONS = "explanations"


def fill_page(text: str, records: Sequence[Record]) -> str:
    """``text`` with every table in its block."""
    for study in STUDIES:
        text = fill_block(text, _study([r for r in records if r["bench"] == bench_of(study)], study), bench_of(study))
    return fill_block(text, _explanations([r for r in records if r["bench"] == _EXPLANATIONS]), _EXPLANATIONS)


def _study(records: Sequence[Record], study: str) -> str:
    """A row for each value of what the study varies; the interval is that of the first seed."""
    places = {row: place for place, row in enumerate(STUDIES[study])}
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: (r["dataset"], places[r["protocol"]["row"]], r["seed"])):
        runs[record["dataset"], record["protocol"]["row"]].append(record["metrics"]["test"])
    rows = []
    for (dataset, row), found in runs.items():
        gap = found[0]["against_first"]
        told = f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap["low"] != gap["high"] else ""
        rows.append([dataset, row, *(mean([run[m] for run in found]) for m in _METRICS), told, str(len(found))])
    header = ["set", _DIFFERS[study], *_METRICS, "NDCG less the first row's, 95 %", "seeds"]
    return "\n".join(table(header, rows)) if rows else "Not run yet."


def _explanations(records: Sequence[Record]) -> str:
    """A row for each set and agent."""
    if not records:
        return "Not run yet."
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: (r["dataset"], r["agent"], r["seed"])):
        runs[record["dataset"], record["agent"]].append(record["metrics"]["test"])
    metrics = list(dict.fromkeys(metric for found in runs.values() for run in found for metric in run))
    rows = [
        [dataset, f"`{agent}`", *(mean([run[m] for run in found if m in run]) for m in metrics)]
        for (dataset, agent), found in runs.items()
    ]
    return "\n".join(table(["set", "agent", *metrics], rows))
