"""The tables of the paper beside ours, from saved records; what was not run says so."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import markdown
from benchmarks.common import format_figure, print_table
from benchmarks.published import (
    RULEGUIDER_ABLATION,
    RULEGUIDER_RULES_USED,
    RULEGUIDER_THRESHOLDS,
    RULEGUIDER_TRAINING,
    published,
)
from benchmarks.rule_guider import ablation, rules_used, thresholds
from benchmarks.rule_guider.completion import SUFFIX
from benchmarks.rule_guider.speed import IDEAS

Record = Mapping[str, Any]
_CELLS = {"hits@1": "H@1", "hits@5": "H@5", "hits@10": "H@10", "mrr": "MRR"}
#: Dataset, and the split that the paper measures on.
_SPLITS = {"wn18rr": "test", "nell-995": "test_seen", "fb15k-237": "test"}
_PHASES = {"pretraining": "pretraining", "likelihood": "supervised", "joint": "reinforcement"}
_NOT_RUN = "not run"


class Table(NamedTuple):
    """Cells as they are shown."""

    title: str
    header: Sequence[str]
    rows: list[list[str]]
    note: str = ""

    def show(self) -> None:
        """Print it."""
        print_table(self.title, self.header, self.rows)
        if self.note:
            print(self.note)

    def markdown(self) -> str:
        """The same for a page, which has its own title."""
        return "\n".join([*markdown.table(self.header, self.rows), *(["", self.note] if self.note else [])])


def fill_page(text: str, records: Sequence[Record]) -> str:
    """``text`` with every table in its block."""
    for name, make in TABLES.items():
        text = markdown.fill_block(text, make(records).markdown(), name)
    return text


def main_results(records: Sequence[Record], variant: str = "") -> Table:
    """Table 1: the better of the paper's two rows by MRR, then ours."""
    rows = []
    for dataset, split in _SPLITS.items():
        theirs = max(
            (row for row in published() if row.dataset == dataset and row.method.startswith("RuleGuider")),
            key=lambda row: row.metrics["mrr"],
        )
        cells = [f"{theirs.metrics[metric]:.3f}" for metric in _CELLS]
        rows.append([_where(dataset, split), f"paper: {theirs.method}", *cells, "", "", "", ""])
        for way in SUFFIX:
            runs = [
                r["metrics"]
                for r in _of(records, "completion", dataset=dataset, answer=way, split=split, variant=variant)
            ]
            if not runs:
                rows.append([_where(dataset, split), way, _NOT_RUN, *[""] * (len(_CELLS) + 3)])
                continue
            ours = {metric: [run["tail"][metric] for run in runs] for metric in _CELLS}
            beaten = [
                label for metric, label in _CELLS.items() if statistics.fmean(ours[metric]) > theirs.metrics[metric]
            ]
            other = [markdown.mean([run[part]["mrr"] for run in runs if part in run]) for part in ("head", "both")]
            said = "all" if len(beaten) == len(_CELLS) else ", ".join(beaten) or "none"
            cells = [markdown.mean(values) for values in ours.values()]
            rows.append([_where(dataset, split), way, *cells, *other, said, str(len(runs))])
    header = ["set", "answers by", *_CELLS.values(), "head MRR", "mean MRR", "cells beaten", "seeds"]
    return Table("Test, tail queries, beside table 1 of the paper", header, rows)


def stage_times(records: Sequence[Record], variant: str = "") -> Table:
    """Table 7: seconds of each stage, and the hours that the published training took."""
    stages = ("embeddings", "rules", "pretraining", "joint")
    rows = []
    for dataset, split in _SPLITS.items():
        runs = _of(records, "completion", dataset=dataset, answer="walk", split=split, variant=variant)
        hours = f"{RULEGUIDER_TRAINING[dataset].hours:.1f} h"
        if not runs:
            rows.append([dataset, _NOT_RUN, *[""] * len(stages), hours, ""])
            continue
        taken = [[r["metrics"]["stage_seconds"][s] for r in runs if s in r["metrics"]["stage_seconds"]] for s in stages]
        agents = statistics.fmean(run["metrics"]["agent_seconds"] for run in runs)
        made = runs[0]["hardware"]
        hardware = f"{made['cpu']}, {runs[0]['protocol']['threads']} threads"
        cells = [f"{statistics.fmean(seconds):.0f} s" if seconds else "left out" for seconds in taken]
        rows.append([dataset, *cells, f"{agents / 60:.1f} min", hours, hardware])
    header = ["set", *stages, "agents: last two", "published, GTX 1080 Ti", "hardware"]
    return Table("Time of the stages, beside table 7 of the paper", header, rows)


def ablations(records: Sequence[Record], dataset: str = "wn18rr") -> Table:
    """Table 3 and our own rows; the paper's are of WN18RR."""
    rows = []
    for row, (words, _) in ablation.ROWS.items():
        runs = [r["metrics"] for r in _of(records, ablation.BENCH, dataset=dataset, row=row)]
        theirs = [f"{figure:.3f}" for figure in RULEGUIDER_ABLATION.get(row, ())] or ["", ""]
        rows.append([row, words, *_on_valid(runs), *theirs])
    header = ["row", "what it is", "H@1", "MRR", "agents, s", "paper H@1", "paper MRR"]
    title = f"{dataset} valid, tail, walks alone, beside table 3 of the paper"
    return Table(title, header, rows, _steps(_of(records, ablation.BENCH, dataset=dataset, row="full")))


def rules_followed(records: Sequence[Record], variant: str = "") -> Table:
    """Table 2."""
    rows = []
    for dataset, theirs in RULEGUIDER_RULES_USED.items():
        runs = [r["metrics"] for r in _of(records, rules_used.BENCH, dataset=dataset, variant=variant)]
        for phase, figure in zip(("pretraining", "training"), theirs, strict=True):
            found = [run[phase] for run in runs if phase in run]
            shares = [_percent([part[share] for part in found]) for share in ("best_path", "draws")]
            rows.append([dataset, phase, *shares, f"{figure:.1%}"])
    header = ["set", "after", "best path", "20 draws", "paper"]
    return Table("Walks that follow a rule, valid, beside table 2 of the paper", header, rows)


def sweep(records: Sequence[Record], dataset: str = "wn18rr") -> Table:
    """Table 9; the paper's is of WN18RR."""
    rows = []
    for threshold in thresholds.THRESHOLDS:
        runs = [r["metrics"] for r in _of(records, thresholds.BENCH, dataset=dataset, threshold=threshold)]
        rules = f"{statistics.fmean(run['rules'] for run in runs):.0f}" if runs else ""
        used = _percent([run["rules_used"]["best_path"] for run in runs]) if runs else ""
        rows.append([f"{threshold:g}", *_on_valid(runs), rules, used])
    for number, (hits, mrr) in enumerate(RULEGUIDER_THRESHOLDS, 1):
        which = "0.15" if number == len(RULEGUIDER_THRESHOLDS) else f"the {number}. of four"
        rows.append([f"paper: {which}", f"{hits:.3f}", f"{mrr:.3f}", "", "", ""])
    header = ["least confidence", "H@1", "MRR", "agents, s", "cyclic rules", "best paths by a rule"]
    title = f"{dataset} valid by the rules' threshold, beside table 9 of the paper"
    return Table(title, header, rows, _steps(_of(records, thresholds.BENCH, dataset=dataset)))


def training_speed(records: Sequence[Record]) -> Table:
    """What each way to train costs, as seconds per 1,000 training queries and beside the first."""
    sets = ("wn18rr", "fb15k-237")
    found = {}
    for dataset in sets:
        runs = _of(records, "training_speed", dataset=dataset, agent="rule-guider")
        found[dataset] = runs[0]["metrics"] if runs else {}
    rows = []
    for idea, words in IDEAS.items():
        cells = []
        for dataset in sets:
            figures, base = found[dataset].get(idea), found[dataset].get(next(iter(IDEAS)))
            if figures is None or base is None:
                cells += [_NOT_RUN, "", ""]
                continue
            ratio = figures["seconds_per_1000_queries"] / base["seconds_per_1000_queries"]
            walked = figures.get("steps_per_second")
            cells += [format_figure(figures["seconds_per_1000_queries"]), f"{ratio:.2f}", format_figure(walked)]
        rows.append([words, *cells])
    rows.append(
        ["*published code, GTX 1080 Ti*"]
        + [cell for dataset in sets for cell in ("", "", format_figure(RULEGUIDER_TRAINING[dataset].steps_per_second))]
    )
    header = ["training", *(f"{dataset}, {what}" for dataset in sets for what in ("s / 1,000", "ratio", "steps/s"))]
    return Table("Seconds per 1,000 training queries", header, rows)


TABLES: dict[str, Callable[[Sequence[Record]], Table]] = {
    "main": main_results,
    "ablation": ablations,
    "rules-used": rules_followed,
    "thresholds": sweep,
    "training-speed": training_speed,
    "stages": stage_times,
}


def _of(
    records: Sequence[Record], bench: str, *, dataset: str, agent: str = "rule-guider", **told: Any
) -> list[Record]:
    """Records of a bench of which the protocol says what is told."""
    return [
        record
        for record in records
        if record["bench"] == bench
        and record["dataset"] == dataset
        and record["agent"] == agent
        and all((record["protocol"] or {}).get(key) == value for key, value in told.items())
    ]


def _on_valid(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    if not runs:
        return [_NOT_RUN, "", ""]
    metrics = [markdown.mean([run["valid"][metric] for run in runs]) for metric in ("hits@1", "mrr")]
    return [*metrics, f"{statistics.fmean(run['agent_seconds'] for run in runs):.0f}"]


def _steps(runs: Sequence[Record]) -> str:
    """How long the agents of a table were trained."""
    if not runs:
        return ""
    config = runs[0]["protocol"]["config"]
    steps = [f"{config[part]['steps']} {words}" for part, words in _PHASES.items()]
    return f"Trained with {', '.join(steps)} steps; {len({run['seed'] for run in runs})} seed(s)."


def _percent(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.1%}" if values else _NOT_RUN


def _where(dataset: str, split: str) -> str:
    return dataset if split == "test" else f"{dataset} {split}"
