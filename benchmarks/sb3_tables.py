"""The tables of docs/sb3.md, from saved records; what was not run says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import fill_block, mean, table

Record = Mapping[str, Any]

_ABSENT = "Not run yet."
_ROWS = ("sb3-maskable-ppo", "sb3-maskable-ppo-ppo-alone", "sb3-ppo", "reinforce")
_METRICS = ("mrr", "hits@1", "hits@10")


def fill_page(text: str, records: Sequence[Record]) -> str:
    """``text`` with every table in its block."""
    text = fill_block(text, _quality(records), "sb3-quality")
    return fill_block(text, _speed([r for r in records if r["bench"] == "sb3_speed"]), "sb3-speed")


def _quality(records: Sequence[Record]) -> str:
    """What PPO reaches on test, where it was run, beside kgwalk's own REINFORCE with its supervised phase."""
    runs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record["bench"] != "completion":
            continue
        row = record["name"].removeprefix(f"{record['dataset']}-").removesuffix(f"-seed{record['seed']}")
        if row in _ROWS:
            runs[record["dataset"], row].append(record)
    sets = sorted({dataset for dataset, row in runs if row != "reinforce"})
    rows = []
    for dataset in sets:
        for agent in _ROWS:
            found = runs.get((dataset, agent), [])
            if not found:
                continue
            figures = [mean([r["metrics"]["both"][metric] for r in found]) for metric in _METRICS]
            tail, valid = (mean([_number(r, *keys) for r in found]) for keys in (("tail", "mrr"), ("valid_mrr",)))
            minutes = mean([_number(r, "train_seconds") / 60 for r in found])
            best = ", ".join(f"{_number(r, 'best_step'):.0f}" for r in found) if agent != "reinforce" else ""
            rows.append([dataset, f"`{agent}`", valid, tail, *figures, best, minutes, str(len(found))])
    header = ["set", "agent", "valid MRR, tail", "test MRR, tail", *(f"{m}, both" for m in _METRICS)]
    return "\n".join(table([*header, "from rollout", "minutes of training", "seeds"], rows)) if rows else _ABSENT


def _number(record: Record, *keys: str) -> float:
    value: Any = record["metrics"]
    for key in keys:
        value = value[key]
    return float(value)


def _speed(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        dummy = record["metrics"]["DummyVecEnv"]["steps_per_second"]
        for name, figures in record["metrics"].items():
            rate = figures["steps_per_second"]
            rows.append([record["dataset"], name, f"{rate / 1e6:.3f}", f"{rate / dummy:.0f}"])
    header = ["set", "", "million steps/s, median", "times DummyVecEnv"]
    return "\n".join(table(header, rows)) if rows else _ABSENT
