"""The votes on a blind sheet, counted."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgwalk.data.files import DamagedFileError, read_text
from kgwalk.explain.blind_sheet import COLUMNS, BlindSheet

if TYPE_CHECKING:
    from scipy.stats._result_classes import BinomTestResult

DRAW = "draw"
#: Coverage of the interval that a tally gives.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Tally:
    """What judges said; each row counts once.

    Attributes:
        agents: Names of agents A and B.
        wins: Rows that a majority gave to A, to B.
        draws: Rows that a majority called a draw.
        no_majority: Rows on which no choice got more than half of the votes.
        not_judged: Rows without a vote.
        judges: Files of votes.
    """

    agents: tuple[str, str]
    wins: tuple[int, int]
    draws: int
    no_majority: int
    not_judged: int
    judges: int

    @property
    def _sign_test(self) -> BinomTestResult:
        from scipy.stats import binomtest  # takes seconds to import

        return binomtest(self.wins[0], self.decided)

    @property
    def decided(self) -> int:
        """Rows that one of the agents won."""
        return sum(self.wins)

    @property
    def p_value(self) -> float | None:
        """Exact two-sided sign test: how likely decided rows fall so unevenly between equals. None without any."""
        return float(self._sign_test.pvalue) if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Clopper and Pearson's 95 % interval of the share of decided rows that A wins; None if there are none."""
        if not self.decided:
            return None
        low, high = self._sign_test.proportion_ci(CONFIDENCE)
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "agents": list(self.agents),
            "wins": list(self.wins),
            "draws": self.draws,
            "no_majority": self.no_majority,
            "not_judged": self.not_judged,
            "judges": self.judges,
            "share_of_first": self.wins[0] / self.decided if self.decided else None,
            "interval": self.interval,
            "p_value": self.p_value,
        }


def tally(sheet: BlindSheet, votes: Sequence[Path]) -> Tally:
    """Count votes: on each row the choice of more than half of those who voted on it.

    Args:
        sheet: As the key tells it.
        votes: Filled sheets, one for each judge.

    Raises:
        ValueError: A file is given twice, is not this sheet, or has a vote that is none; the message names the line.
        OSError: A file cannot be read.
    """
    if len({path.resolve() for path in votes}) < len(votes):
        raise ValueError("a file of votes is given twice; one file is one judge")
    ballots: dict[int, Counter[str]] = {pair.row: Counter() for pair in sheet.pairs}
    for path in votes:
        for row, vote in _read(path, sheet).items():
            ballots[row][vote] += 1
    results: Counter[str] = Counter()
    for pair in sheet.pairs:
        ballot = ballots[pair.row]
        choice, count = ballot.most_common(1)[0] if ballot else ("not judged", 0)
        if 2 * count <= ballot.total():
            results["not judged" if not ballot else "no majority"] += 1
        elif choice == DRAW:
            results[DRAW] += 1
        else:
            results["ab"[pair.first if choice == "1" else 1 - pair.first]] += 1
    return Tally(
        agents=(sheet.agents[0]["name"], sheet.agents[1]["name"]),
        wins=(results["a"], results["b"]),
        draws=results[DRAW],
        no_majority=results["no majority"],
        not_judged=results["not judged"],
        judges=len(votes),
    )


def _read(path: Path, sheet: BlindSheet) -> dict[int, str]:
    """The votes of one judge by row."""
    text = read_text(path).removeprefix("\ufeff")
    delimiter = ";" if text.startswith(f"{COLUMNS[0]};") else ","  # as some spreadsheet programs write it
    lines = csv.reader(text.split("\n"), delimiter=delimiter)
    if tuple(next(lines, ())) != COLUMNS:
        raise DamagedFileError(f"{path}: expected a sheet with the columns {', '.join(COLUMNS)}")
    pairs = {str(pair.row): pair for pair in sheet.pairs}
    votes: dict[int, str] = {}
    seen = set()
    for cells in lines:
        where = f"{path}:{lines.line_num}"
        if not any(cells):
            continue
        pair = pairs.get(cells[0])
        if len(cells) != len(COLUMNS) or pair is None or cells[:-1] != pair.cells():
            raise DamagedFileError(f"{where}: not a row of the sheet that the key belongs to")
        if pair.row in seen:
            raise DamagedFileError(f"{where}: row {pair.row} is there twice")
        seen.add(pair.row)
        vote = cells[-1].strip().lower()
        if vote not in ("", "1", "2", DRAW):
            raise DamagedFileError(f"{where}: expected a vote of 1, 2 or {DRAW}, or none, found {cells[-1]!r}")
        if vote:
            votes[pair.row] = vote
    if not votes:
        raise DamagedFileError(f"{path}: holds no vote")
    return votes
