"""``kgwalk data``: what there is, where it comes from, and whether it is whole."""

from __future__ import annotations

import typer
from rich.table import Table

from kgwalk.cli.console import out
from kgwalk.cli.options import DataDir

app = typer.Typer(no_args_is_help=True, help="List, get, import, describe and check datasets.")


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """List the datasets: size, and whether their files are here."""
    from kgwalk.data import CARDS, MissingDataError
    from kgwalk.data.load import find_folder

    table = Table()
    for name in ("id", "entities", "relations", "facts"):
        table.add_column(name, justify="left" if name == "id" else "right", no_wrap=True)
    table.add_column("here")
    table.add_column("what it is", overflow="fold")
    for card in CARDS.values():
        if card.embedded:
            here = "built in"
        else:
            try:
                find_folder(card, data_dir)
                here = "yes"
            except MissingDataError:
                here = "no"
        sizes = (f"{n:,}" if n else "?" for n in (card.entities, card.relations, card.facts))
        table.add_row(f"KGWalk-{card.name}", *sizes, here, card.title)
    out.print(table)
