"""KG-aware recommenders: every model by every protocol, the papers' studies, what each is worth as a teacher.

    python -m benchmarks.recommenders models LastFM --seeds 0 1 2 --save
    python -m benchmarks.recommenders models MovieLens-1M Book-Crossing --save
    python -m benchmarks.recommenders fresh LastFM --seeds 0 1 2 --save
    python -m benchmarks.recommenders kgcn-depth LastFM --save
    python -m benchmarks.recommenders teachers LastFM --save
    python -m benchmarks.recommenders speed LastFM --save
    python -m benchmarks.recommenders speed LastFM --study mi-fast --save
    python -m benchmarks.recommenders show

A seed cuts all interactions anew, 6:2:2 by row with as many sampled negatives, and begins training: its figures are one
draw of both. Every row is a record; with ``--save`` what is recorded is skipped, and training goes on from its last
checkpoint under ``runs/``. Valid selects the epoch, test is measured once.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import torch

import kgwalk.data
from benchmarks import common, report
from benchmarks.recommenders import rows, speed, tables, teachers
from kgwalk import _core
from kgwalk.data import Recommendation


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    told = {**{name: study.title for name, study in rows.STUDIES.items()}, **{"teachers": teachers.TITLE}}
    for name, title in {**told, "speed": speed.TITLE}.items():
        command = commands.add_parser(name, help=title, description=title)
        command.add_argument("datasets", nargs="*", default=["LastFM"], help="names of sets (default LastFM)")
        command.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds to run (default 0)")
        command.add_argument("--rows", nargs="+", help="rows to run (default: all)")
        command.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads (default: all cores)")
        command.add_argument("--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default runs)")
        command.add_argument("--save", action="store_true", help="write benchmarks/results and skip what is there")
        if name == "speed":
            command.add_argument("--study", choices=speed.TURNS, default="models", help="whose rows (default models)")
    commands.add_parser("show", help="Print every table from what is saved.")
    options = parser.parse_args(arguments)
    if options.command == "show":
        records = report.load(common.RESULTS)
        for text in tables.blocks(records).values():
            print(text, end="\n\n")
        return
    if options.command == "speed" and options.rows and options.save:
        parser.error("speed --save needs all rows: they take turns, so that what the machine does hits all alike")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    _core.set_num_threads(options.threads)
    for name in options.datasets:
        dataset = kgwalk.data.load(name)
        if not isinstance(dataset, Recommendation):
            parser.error(f"{name} is no recommendation set")
        for seed in options.seeds:
            if options.command == "teachers":
                teachers.run(dataset, seed, options)
            elif options.command == "speed":
                speed.run(dataset, seed, options)
            else:
                rows.run(options.command, dataset, seed, options)


if __name__ == "__main__":
    main()
