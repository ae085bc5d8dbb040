"""Tables as Markdown, and the blocks of a page that are written from results."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *cells]]


def mean(values: Sequence[float] | None) -> str:
    """Mean of what seeds gave, with the standard deviation if there are several; nothing for none."""
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def marks(name: str) -> tuple[str, str]:
    """The lines between which a page's block of that name stands."""
    return f"<!-- {name}: begin, written by python -m benchmarks.report -->", f"<!-- {name}: end -->"


def fill_block(text: str, block: str, name: str = "results") -> str:
    """``text`` with what stands between the two marks replaced by ``block``.

    Raises:
        ValueError: the marks are missing.
    """
    begin, end = marks(name)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"expected the lines {begin!r} and {end!r}")
    return pattern.sub(lambda _: f"{begin}\n{block}\n{end}", text, count=1)
