"""RuleGuider (Lei et al. 2020): the tables of the paper, one command each, ours beside theirs.

    python -m benchmarks.rule_guider main WN18RR NELL-995 FB15k-237 --seeds 0 --save
    python -m benchmarks.rule_guider ablation WN18RR --save
    python -m benchmarks.rule_guider rules-used WN18RR NELL-995 FB15k-237 --save
    python -m benchmarks.rule_guider thresholds WN18RR --save
    python -m benchmarks.rule_guider show

With ``--save`` every command is resumable: what is recorded is skipped, training goes on from its last checkpoint under
``runs/``. Each prints its table at the end; ``show`` prints all of them from what is saved.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import torch

import kgwalk.data
from benchmarks import common, report
from benchmarks.completion import folder_of
from benchmarks.rule_guider import ablation, completion, rules_used, tables, thresholds
from benchmarks.rule_guider.runs import SETS, Record
from kgwalk import _core

# Of records, and of the variant or the dataset that the table is about.
_Show = Callable[[Sequence[Record], str], tables.Table]
# Command: what makes its records, the tables that show them, the sets it is for unless told.
_COMMANDS: dict[str, tuple[ModuleType, tuple[_Show, ...], Sequence[str]]] = {
    "main": (completion, (tables.main_results, tables.stage_times), SETS),
    "ablation": (ablation, (tables.ablations,), SETS[:1]),
    "rules-used": (rules_used, (tables.rules_followed,), SETS),
    "thresholds": (thresholds, (tables.sweep,), SETS[:1]),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, _, sets) in _COMMANDS.items():
        command = commands.add_parser(
            name, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_argument("datasets", nargs="*", default=list(sets), help=f"names (default {' '.join(sets)})")
        command.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
        command.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
        command.add_argument("--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default runs)")
        command.add_argument("--save", action="store_true", help="write benchmarks/results and skip what is there")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change a field, of all rows"
        )
        if name in ("main", "rules-used"):
            command.add_argument("--variant", default="", help="name for a configuration changed by --set")
        if name == "ablation":
            command.add_argument("--rows", nargs="+", choices=list(ablation.ROWS), help="rows to run (default all)")
    commands.add_parser("show", description="Print every table from what is saved.")
    options = parser.parse_args(arguments)
    if options.command == "show":
        records = report.load(common.RESULTS)
        for table in tables.TABLES.values():
            table(records).show()
        return
    if "variant" in options and bool(options.set) != bool(options.variant):
        parser.error("--set and --variant go together: a changed configuration needs a name of its own")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    _core.set_num_threads(options.threads)
    module, shown, _ = _COMMANDS[options.command]
    made: list[Record] = []
    subjects = {options.variant: None} if "variant" in options else {}
    for name in options.datasets:
        dataset = kgwalk.data.load(name)
        for seed in options.seeds:
            made += module.run(dataset, seed, options)
        if "variant" not in options:
            subjects[folder_of(dataset)] = None
    records = report.load(common.RESULTS) if options.save else made
    for make in shown:
        for subject in subjects:
            make(records, subject).show()


if __name__ == "__main__":
    main()
