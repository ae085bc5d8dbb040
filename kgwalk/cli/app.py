"""The `kgwalk` command: its groups, and how errors are shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

import kgwalk
from kgwalk.cli import data, evaluate, explain, judge, predict, quickstart, recommend, recommenders, rules, score, train
from kgwalk.cli.console import err, out, start_logging

EXPECTED = (ValueError, LookupError, OSError, ImportError, MemoryError, RecursionError)


class _Commands(TyperGroup):
    """Commands in the order in which one needs them; errors of the library in one line."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Order of registration."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what the user can put right is told without a traceback, with exit code 2."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            if ctx.params.get("debug"):
                raise
            # str() of a KeyError puts its message in quotes.
            message = error.args[0] if isinstance(error, LookupError) and error.args else error
            err.print(f"[red]error:[/red] {escape(str(message) or type(error).__name__)}", soft_wrap=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(kgwalk.__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Reasoning over knowledge graphs by walking them.

    Begin with `kgwalk quickstart`. Then: `kgwalk data list`, `kgwalk train KGWalk-WN18RR`,
    `kgwalk evaluate runs/wn18rr-reinforce-seed0`, and `kgwalk explain` for the reasons behind an answer. For
    recommendation: `kgwalk quickstart bookshop`, and `kgwalk recommend` for a list with its reasons.
    """
    start_logging()


app.command()(quickstart.quickstart)
app.add_typer(data.app, name="data")
app.add_typer(rules.app, name="rules")
app.add_typer(score.app, name="score")
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(explain.explain)
app.command()(recommend.recommend)
app.add_typer(recommenders.app, name="recommenders")
app.command()(predict.predict)
app.add_typer(judge.app, name="judge")


def main() -> None:
    """Entry point of the `kgwalk` command."""
    app(prog_name="kgwalk")
