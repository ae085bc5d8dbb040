"""A dataset report as tables."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from kgwalk.cli.console import out
from kgwalk.data.importing import Imported
from kgwalk.data.recommendation.importing import ImportedInteractions
from kgwalk.data.recommendation.reachability import Reachability
from kgwalk.data.report import DatasetReport


def print_report(report: DatasetReport) -> None:
    """Print the figures of a dataset."""
    out.print(f"[bold]{report.name}[/bold]  fingerprint {report.fingerprint[:12]}")
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column()
    facts.add_column(overflow="fold")
    isolated = report.entities - report.connected
    facts.add_row("entities", f"{report.entities:,}" + (f", {isolated:,} of them without an edge" if isolated else ""))
    facts.add_row("relations", f"{report.relations:,}")
    facts.add_row("facts", f"{report.facts:,}; {report.duplicates:,} duplicate rows, {report.self_loops:,} self loops")
    facts.add_row(
        "degree", f"mean {report.degree_mean:.2f}, median {report.degree_median:g}, max {report.degree_max:,}"
    )
    facts.add_row("cap", _cap(report))
    facts.add_row("inverses", _inverses(report))
    out.print(facts)
    out.print(_splits(report))


def print_reachability(found: Reachability) -> None:
    """Print what the metapaths of a recommendation set lead to."""
    table = Table(
        title=f"{found.split}: items reached by metapath, of {found.num_items:,} (train items left out)",
        title_justify="left",
    )
    table.add_column("metapath", overflow="fold")
    for name in ("pairs found", "mean", "median", "users"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    rows = [*found.metapaths, found.together] + ([found.telling] if any(one.vacuous for one in found.metapaths) else [])
    for number, reach in enumerate(rows):
        if number == len(found.metapaths):
            table.add_section()
        note = "vacuous" if reach.vacuous else ""
        table.add_row(
            escape(reach.name),
            f"{reach.pairs:.1%}",
            f"{reach.mean:,.1f}",
            f"{reach.median:,.0f}",
            f"{reach.users:.1%}",
            note,
        )
    out.print(table)


def print_imported(done: Imported) -> None:
    """Print what an import of triples made."""
    rows = ", ".join(f"{count:,} {side}" for side, count in done.rows.items())
    out.print(f"{done.card.entities:,} entities, {done.card.relations:,} relations; facts: {rows}")
    if done.duplicates:
        out.print(f"{done.duplicates:,} duplicate rows were dropped")
    for side, count in done.unseen.items():
        if count:
            out.print(f"{count:,} {side} facts have an entity that train lacks: no walker can answer these")


def print_imported_interactions(done: ImportedInteractions) -> None:
    """Print what an import of interactions made."""
    rows = ", ".join(f"{count:,} {side}" for side, count in done.rows.items())
    out.print(
        f"{done.users:,} users, {done.items:,} items, {done.card.entities:,} entities in all, "
        f"{done.card.relations:,} relations, {done.card.facts:,} facts; interactions: {rows}"
    )
    if done.duplicates:
        out.print(f"{done.duplicates:,} duplicate rows were dropped")
    if done.below:
        out.print(f"{done.below:,} interactions were dropped for their rating")
    if done.without_facts:
        out.print(f"{done.without_facts:,} items have no facts: only those who have them lead there")
    if done.cold:
        out.print(f"{done.cold:,} items have no training interaction: only facts lead there")


def _cap(report: DatasetReport) -> str:
    if not report.max_out_degree:
        return "none"
    return (
        f"{report.max_out_degree} edges a node: {report.capped_entities:,} entities have more, "
        f"{report.edges_lost:.1%} of the edges are hidden"
    )


def _inverses(report: DatasetReport, limit: int = 8) -> str:
    pairs = [
        f"{pair.relation} is symmetric ({pair.share:.0%})"
        if pair.relation == pair.inverse
        else f"{pair.relation} is undone by {pair.inverse} ({pair.share:.0%})"
        for pair in report.inverse_pairs
    ]
    more = f"; and {len(pairs) - limit} more" if len(pairs) > limit else ""
    return "; ".join(pairs[:limit]) + more if pairs else "none found"


def _splits(report: DatasetReport) -> Table:
    table = Table(title="splits: answers within so many hops (below, with the cap)", title_justify="left")
    table.add_column("split", no_wrap=True)
    for name in ("queries", "in graph", "unseen", "1", "2", "3", "4"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, split in report.splits.items():
        shares = [f"{share:.1%}" for share in split.within]
        table.add_row(name, f"{split.rows:,}", f"{split.in_graph:,}", f"{split.unseen:,}", *shares)
        if split.within_capped != split.within:
            table.add_row("", "", "", "", *(f"{share:.1%}" for share in split.within_capped))
    return table
