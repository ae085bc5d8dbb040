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
#: Of Fast-MI-KGNN's tables: depths, and the variant without a trick.
_DEPTHS, _FULL = range(1, 5), "MI-KGNN"


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
            found["mi-fast-speed"] = _fast_speed(_timed(records, study))
        elif study in ("lists", "fresh"):
            found[study] = _models(rows, False)
        elif study != "models":
            found[study] = _study(study, rows)
    found["teachers"] = _teachers(records)
    found["speed"] = _speed(_timed(records, "models"))
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
        told = []
        if with_published:
            figures = published.MODELS.get(name, ())
            told = [" / ".join("-" if figure is None else f"{figure:.3f}" for figure in figures)]
        lines.append([f"`{name}`", *cells, *gaps, *told, str(len(records))])
    headings = [column[0] for column in (*_QUALITY, *_WHERE_THE_GRAPH_EARNS)]
    headings += [f"R@10 less {name}'s" for name in _BASELINES]
    headings += ["published AUC / F1 / R@10 / R@100, counted its own way"] if with_published else []
    return "\n".join(table(["model", *headings, "seeds"], lines))


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
        lines.append([name, *cells, *paper, str(len(records))])
    headings = [column[0] for column in _QUALITY[:-1]] + [f"R@10 less {name}'s" for name in _BASELINES]
    headings += [f"published {'AUC' if metric == 'auc' else 'R@10'}"] if metric else []
    return "\n".join(table([study, *headings, "seeds"], lines))


def _fast(rows: Mapping[str, Sequence[Record]]) -> str:
    if not rows:
        return ABSENT
    lines = []
    for name in (*published.FAST_SECONDS, *_BASELINES):
        by_depth = [rows.get(name if name in _BASELINES else f"{name}, h={depth}", ()) for depth in _DEPTHS]
        cells = [
            _figure(_values(own, *column)) for own in by_depth for column in (("ctr", "auc"), ("topk-all", "recall@10"))
        ]
        gaps = [_gap(by_depth[0], rows.get(other, ())) for other in _BASELINES]
        told = published.FAST_RECALL.get(name)
        lines.append([name, *cells, "" if told is None else f"{told:.3f}", *gaps])
    heads = [f"{what}, h={depth}" for depth in _DEPTHS for what in ("AUC", "R@10")]
    gaps = [f"R@10 less {name}'s, h=1" for name in _BASELINES]
    return "\n".join(table(["variant", *heads, "published R@10", *gaps], lines))


def _fast_speed(records: Sequence[Record]) -> str:
    """Seconds of an epoch by depth, what part of MI-KGNN's that is, and the same of the published ones."""
    lines = []
    for record in records:
        for name, told in published.FAST_SECONDS.items():
            cells: list[str] = []
            for depth, paper in zip(_DEPTHS, told, strict=True):
                own, full = (record["metrics"].get(f"{row}, h={depth}") for row in (name, _FULL))
                cells += [f"{own['epoch_seconds']:.2f}" if own else ""]
                cells += [f"{own['epoch_seconds'] / full['epoch_seconds']:.2f}" if own and full else ""]
                cells += [f"{paper / published.FAST_SECONDS[_FULL][depth - 1]:.2f}"]
            lines.append([name, *cells, str(record["protocol"]["threads"])])
    heads = [f"{what}, h={depth}" for depth in _DEPTHS for what in ("s an epoch", f"of {_FULL}'s", "published")]
    return "\n".join(table(["variant", *heads, "threads"], lines)) if lines else ABSENT


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


def _timed(records: Sequence[Record], study: str) -> list[Record]:
    """What ``speed`` has measured of a study's rows."""
    return [r for r in records if r["bench"] == speed.BENCH and r["protocol"]["study"] == study]


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
