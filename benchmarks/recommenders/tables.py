"""The tables of ``benchmarks.recommenders`` as Markdown, from saved records; what was not run says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import fill_block, table
from benchmarks.recommenders import published, speed, teachers
from benchmarks.recommenders.rows import STUDIES, bench_of

Record = Mapping[str, Any]
Column = tuple[str, str, str]

#: What stands for a table without a record.
ABSENT = "Not run yet."
_SETS = ("last-fm", "movielens-1m", "book-crossing")
#: What a table shows: heading, protocol, metric.
_QUALITY: tuple[Column, ...] = (
    ("AUC", "ctr", "auc"),
    ("F1", "ctr", "f1"),
    ("R@10", "topk-all", "recall@10"),
    ("R@20", "topk-all", "recall@20"),
    ("R@100", "topk-all", "recall@100"),
    ("NDCG@10", "topk-all", "ndcg@10"),
    ("R@10, 100 users", "topk-100users", "recall@10"),
)
_WHERE_THE_GRAPH_EARNS: tuple[Column, ...] = (
    ("cold R@20", "topk-all", "cold_recall@20"),
    ("coverage", "topk-all", "coverage@10"),
    ("diversity", "topk-all", "diversity@10"),
)
_BASELINES = ("item-cf", "most-popular")


def blocks(records: Sequence[Record]) -> dict[str, str]:
    """Every table by the name of its block on docs/recommenders.md."""
    found = {f"models-{name}": _models(_of(records, "models", name), name == "last-fm") for name in _SETS}
    baselines = {name: rows for name, rows in _of(records, "models", "last-fm").items() if name in _BASELINES}
    for study in STUDIES:
        rows = _of(records, study, "last-fm")
        seeds = {record["seed"] for own in rows.values() for record in own}
        for name, own in baselines.items():
            same = [record for record in own if record["seed"] in seeds]
            if rows and same:
                rows.setdefault(name, same)
        if study == "mi-fast":
            found[study] = _fast(rows)
        elif study in ("lists", "fresh"):
            found[study] = _models(rows, False)
        elif study != "models":
            found[study] = _study(study, rows)
    found["teachers"] = _teachers(records)
    found["speed"] = _speed([record for record in records if record["bench"] == speed.BENCH])
    return found


def fill_page(text: str, records: Sequence[Record]) -> str:
    """``text`` with every table in its block."""
    for name, block in blocks(records).items():
        text = fill_block(text, block, f"recommenders-{name}")
    return text


def _of(records: Sequence[Record], study: str, dataset: str) -> dict[str, list[Record]]:
    """Records of a study on a dataset by row, in the study's order, seeds rising."""
    rows: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record["seed"] or 0):
        if record["bench"] == bench_of(study) and record["dataset"] == dataset:
            rows[record["protocol"]["row"]].append(record)
    return {name: rows[name] for name in STUDIES[study].rows if name in rows}


def _values(records: Sequence[Record], protocol: str, metric: str) -> list[float]:
    return [
        record["metrics"][protocol][metric]
        for record in records
        if protocol in record["metrics"] and metric in record["metrics"][protocol]
    ]


def _figure(values: Sequence[float], digits: int = 3) -> str:
    """Mean and, of several seeds, the least and the greatest."""
    if not values:
        return ""
    middle = f"{sum(values) / len(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _models(rows: Mapping[str, Sequence[Record]], with_published: bool) -> str:
    if not rows:
        return ABSENT
    lines = []
    for name, records in rows.items():
        gaps = [_gap(records, rows.get(other, ())) for other in _BASELINES]
        cells = [_figure(_values(records, *column[1:])) for column in (*_QUALITY, *_WHERE_THE_GRAPH_EARNS)]
        seconds = [record["metrics"]["training"]["seconds"] for record in records]
        told = []
        if with_published:
            figures = published.MODELS.get(name, ())
            told = [" / ".join("-" if figure is None else f"{figure:.3f}" for figure in figures)]
        lines.append([f"`{name}`", *cells, *gaps, *told, f"{sum(seconds) / len(seconds):.0f}", str(len(records))])
    headings = [column[0] for column in (*_QUALITY, *_WHERE_THE_GRAPH_EARNS)]
    headings += [f"R@10 less {name}'s" for name in _BASELINES]
    headings += ["published AUC / F1 / R@10 / R@100, counted its own way"] if with_published else []
    return "\n".join(table(["model", *headings, "train, s", "seeds"], lines))


def _gap(records: Sequence[Record], others: Sequence[Record]) -> str:
    """What recall is above that of a baseline, in the mean over the seeds that both have."""
    own, other = ({r["seed"]: r["metrics"]["topk-all"]["recall@10"] for r in some} for some in (records, others))
    shared = [own[seed] - other[seed] for seed in own.keys() & other.keys()]
    return f"{sum(shared) / len(shared):+.3f}" if shared else ""


def _study(study: str, rows: Mapping[str, Sequence[Record]]) -> str:
    if not rows:
        return ABSENT
    metric, told = published.STUDIES.get(study, ("", {}))
    lines = []
    for name, records in rows.items():
        cells = [_figure(_values(records, *column[1:])) for column in _QUALITY[:-1]]
        cells += [_gap(records, rows.get(other, ())) for other in _BASELINES]
        paper = [f"{told[name]:.3f}" if name in told else ""] if metric else []
        lines.append([name, *cells, *paper, _figure(_epochs(records), 2), str(len(records))])
    headings = [column[0] for column in _QUALITY[:-1]] + [f"R@10 less {name}'s" for name in _BASELINES]
    headings += [f"published {'AUC' if metric == 'auc' else 'R@10'}"] if metric else []
    return "\n".join(table([study, *headings, "s an epoch", "seeds"], lines))


def _epochs(records: Sequence[Record]) -> list[float]:
    return _values(records, "training", "epoch_seconds")


def _fast(rows: Mapping[str, Sequence[Record]]) -> str:
    if not rows:
        return ABSENT
    lines = []
    for name in published.FAST_SECONDS:
        cells: list[str] = []
        for depth in range(1, 5):
            records = rows.get(f"{name}, h={depth}", ())
            cells += [_figure(_values(records, "ctr", "auc")), _figure(_values(records, "topk-all", "recall@10"))]
            cells += [_figure(_epochs(records), 2), str(published.FAST_SECONDS[name][depth - 1])]
        gaps = [_gap(rows.get(f"{name}, h=1", ()), rows.get(other, ())) for other in _BASELINES]
        lines.append([name, *cells, f"{published.FAST_RECALL[name]:.3f}", *gaps])
    for other in _BASELINES:
        own = rows.get(other, ())
        cells = [_figure(_values(own, "ctr", "auc")), _figure(_values(own, "topk-all", "recall@10")), "", ""]
        lines.append([other, *cells * 4, "", *(_gap(own, rows.get(name, ())) for name in _BASELINES)])
    heads = [f"{what}, h={h}" for h in range(1, 5) for what in ("AUC", "R@10", "s an epoch", "published s")]
    gaps = [f"R@10 less {name}'s, h=1" for name in _BASELINES]
    return "\n".join(table(["variant", *heads, "published R@10", *gaps], lines))


def _teachers(records: Sequence[Record]) -> str:
    own = [record for record in records if record["bench"] == teachers.BENCH]
    if not own:
        return ABSENT
    lines = []
    for record in sorted(own, key=lambda r: (r["dataset"], r["seed"], -r["metrics"]["nser"]["ndcg@10"])):
        metrics, gap = record["metrics"], record["metrics"]["against_first"]
        told = f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap["low"] != gap["high"] else ""
        alone = metrics["teacher"].get("ndcg@10")
        name = record["protocol"]["row"]
        figures = [f"{metrics['nser'][metric]:.4f}" for metric in ("ndcg@10", "recall@10", "hr@10")]
        lines.append(
            [
                record["dataset"],
                f"`{name}`" if name else "none: training items",
                "" if alone is None else f"{alone:.4f}",
                *figures,
                told,
                str(record["seed"]),
            ]
        )
    places = {(record["dataset"], record["seed"]) for record in own}
    for record in records:  # what the baselines themselves have on the same split
        place = record.get("dataset"), record.get("seed")
        plain = record["bench"] == "recommendation" and record["name"] == f"{place[0]}-{record['agent']}-seed{place[1]}"
        if place in places and plain and record["agent"] in _BASELINES:
            figure = f"{record['metrics']['ndcg@10']:.4f}"
            lines.append([str(place[0]), f"no NSER: `{record['agent']}`", figure, "", "", "", "", str(place[1])])
    first = teachers.TEACHERS[0]
    told = f"NDCG less that with {first}, 95 %"
    heading = ["set", "teacher", "its NDCG@10", "NSER's NDCG@10", "recall@10", "HR@10", told, "seed"]
    return "\n".join(table(heading, lines))


def _speed(records: Sequence[Record]) -> str:
    lines = [
        [
            record["dataset"],
            f"`{name}`",
            *(f"{figures[key]:.2f}" for key in ("setup_seconds", "epoch_seconds", "slowest")),
            str(figures["steps"]),
            str(record["protocol"]["threads"]),
        ]
        for record in records
        for name, figures in record["metrics"].items()
    ]
    heading = ["set", "model", "set-up, s", "epoch, s (median)", "slowest", "steps", "threads"]
    return "\n".join(table(heading, lines)) if lines else ABSENT
