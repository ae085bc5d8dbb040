"""Votes on blind sheets: majorities, the sign test, and sheets that are not the key's."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk.explain.blind_sheet import COLUMNS, BlindSheet, Counts, Pair
from kgwalk.explain.votes import Tally, tally

FIRST = (0, 1, 1, 0, 1)


def sheet_of(first: Sequence[int] = FIRST) -> BlindSheet:
    pairs = tuple(
        Pair(row, f"Ünal {row} --lives in--> ?", "Rome, Italy", (f"one {row}", f"two {row}"), whose)
        for row, whose in enumerate(first, start=1)
    )
    agents = ({"name": "guided"}, {"name": "alone"})
    return BlindSheet(agents, "Tiny", "0" * 64, "valid", 0, Counts(9, 6, 0, 1), pairs)


def filled(sheet: BlindSheet, votes: Sequence[str], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(COLUMNS)
    writer.writerows([*pair.cells(), vote] for pair, vote in zip(sheet.pairs, votes, strict=True))
    return text.getvalue()


def counted(folder: Path, sheet: BlindSheet, *judges: Sequence[str]) -> Tally:
    paths = []
    for number, votes in enumerate(judges):
        paths.append(folder / f"judge{number}.csv")
        paths[-1].write_text(filled(sheet, votes), "utf-8", newline="")
    return tally(sheet, paths)


def test_one_judge_decides_alone(tmp_path: Path) -> None:
    told = counted(tmp_path, sheet_of(), ["1", "2", " 1", "Draw", ""])
    assert told == Tally(("guided", "alone"), wins=(2, 1), draws=1, no_majority=0, not_judged=1, judges=1)


def test_three_judges_decide_by_majority(tmp_path: Path) -> None:
    # As in the paper: where all three differ, nothing is counted. Who did not vote does not count either.
    judges = (["1", "1", "1", "draw", ""], ["1", "2", "2", "draw", ""], ["2", "draw", "2", "1", "1"])
    told = counted(tmp_path, sheet_of(), *judges)
    assert told == Tally(("guided", "alone"), wins=(2, 1), draws=1, no_majority=1, not_judged=0, judges=3)


ballots = st.lists(st.lists(st.sampled_from(["1", "2", "draw", ""]), min_size=5, max_size=5), min_size=1, max_size=4)


@given(ballots.filter(lambda judges: all(any(votes) for votes in judges)))
def test_every_row_goes_to_what_more_than_half_of_its_votes_say(
    tmp_path_factory: pytest.TempPathFactory, judges: list[list[str]]
) -> None:
    told = counted(tmp_path_factory.mktemp("votes"), sheet_of(), *judges)
    expected = {"guided": 0, "alone": 0, "draw": 0, "open": 0, "none": 0}
    for whose, row in zip(FIRST, zip(*judges, strict=True), strict=True):
        votes = [vote for vote in row if vote]
        won = [vote for vote in ("1", "2", "draw") if 2 * votes.count(vote) > len(votes)]
        if not votes:
            expected["none"] += 1
        elif not won:
            expected["open"] += 1
        elif won == ["draw"]:
            expected["draw"] += 1
        else:
            expected["guided" if (won == ["1"]) == (whose == 0) else "alone"] += 1
    assert [*told.wins, told.draws, told.no_majority, told.not_judged] == list(expected.values())


def test_the_sign_test_is_exact(tmp_path: Path) -> None:
    told = counted(tmp_path, sheet_of((0,) * 10), ["1"] * 8 + ["2", "draw"])
    # Nine decided rows, 8 to 1: 2 * (1 + 9) / 2^9. Clopper and Pearson's ends are 0.1 / 9 of a beta distribution.
    assert told.p_value == pytest.approx(20 / 512)
    assert told.interval == pytest.approx((0.5175, 0.9972), abs=1e-4)
    assert told.to_json()["share_of_first"] == pytest.approx(8 / 9)


def test_without_a_decided_row_there_is_nothing_to_test(tmp_path: Path) -> None:
    told = counted(tmp_path, sheet_of(), ["draw"] * 5)
    assert (told.p_value, told.interval, told.to_json()["share_of_first"]) == (None, None, None)


def test_what_spreadsheet_programs_make_of_it_is_read(tmp_path: Path) -> None:
    sheet = sheet_of()
    path = tmp_path / "saved.csv"
    lines = filled(sheet, ["1", "2", "", "", ""], delimiter=";").splitlines()
    rearranged = [lines[0], *reversed(lines[1:4]), ";;;;;"]  # sorted, two rows deleted, an empty one added
    path.write_text("\ufeff" + "\r\n".join(rearranged), "utf-8", newline="")
    assert tally(sheet, [path]) == Tally(("guided", "alone"), (2, 0), 0, 0, 3, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("row,question", "no,question", r"expected a sheet with the columns row, question"),
        ("one 2", "one 3", r":3: not a row of the sheet that the key belongs to"),
        ("\r\n2,", "\r\n7,", r":3: not a row of the sheet"),
        ("two 2,2", "two 2,2,2", r":3: not a row of the sheet"),
        ("two 2,2", "two 2,both", r":3: expected a vote of 1, 2 or draw, or none, found 'both'"),
        ("\r\n3,", "\r\n1,", r":4: not a row of the sheet"),
    ],
)
def test_other_sheets_and_other_votes_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    sheet = sheet_of()
    path = tmp_path / "votes.csv"
    text = filled(sheet, ["1", "2", "", "", ""])
    assert old in text
    path.write_text(text.replace(old, new), "utf-8", newline="")
    with pytest.raises(ValueError, match=message):
        tally(sheet, [path])


def test_a_row_or_a_judge_does_not_count_twice(tmp_path: Path) -> None:
    sheet = sheet_of()
    path = tmp_path / "votes.csv"
    lines = filled(sheet, ["1", "2", "", "", ""]).splitlines(keepends=True)
    path.write_text("".join([*lines, lines[1]]), "utf-8", newline="")
    with pytest.raises(ValueError, match=r"votes\.csv:7: row 1 is there twice"):
        tally(sheet, [path])
    path.write_text("".join(lines), "utf-8", newline="")
    with pytest.raises(ValueError, match="given twice"):
        tally(sheet, [path, tmp_path / "." / "votes.csv"])
    path.write_text(filled(sheet, [""] * 5), "utf-8", newline="")
    with pytest.raises(ValueError, match=r"votes\.csv: holds no vote"):
        tally(sheet, [path])
