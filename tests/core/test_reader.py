"""The triple reader against csv from the standard library, and every malformed file it must name."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import FormatError, TripleReader

plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5).filter(
    lambda s: not s.startswith("\ufeff")
)
quotable = st.text(st.sampled_from('ab,;" \n\té'), min_size=1, max_size=5)


def numbered(rows: list[tuple[str, str, str]]) -> tuple[list[list[int]], list[str], list[str]]:
    entities: dict[str, int] = {}
    relations: dict[str, int] = {}
    triples = []
    for head, relation, tail in rows:
        h = entities.setdefault(head, len(entities))
        r = relations.setdefault(relation, len(relations))
        triples.append([h, r, entities.setdefault(tail, len(entities))])
    return triples, list(entities), list(relations)


@given(
    st.lists(st.tuples(plain, plain, plain), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_tab_separated_files_in_any_number(
    rows: list[tuple[str, str, str]], end: str, mark: bool, last_end: bool, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(rows)))
    reader, got = TripleReader(), []
    for part in (rows[:cut], rows[cut:]):
        text = end.join("\t".join(row) for row in part) + (end if last_end else "")
        if part:
            got += reader.add(text.encode("utf-8-sig" if mark else "utf-8"), "part").tolist()
    triples, entities, relations = numbered(rows)
    assert got == triples
    assert reader.entities.to_list() == entities
    assert reader.relations.to_list() == relations


@given(st.lists(st.tuples(quotable, quotable, quotable), min_size=1), st.sampled_from([",", ";"]), st.booleans())
def test_csv_is_read_as_the_standard_library_writes_it(
    rows: list[tuple[str, str, str]], delimiter: str, header: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    if header:
        writer.writerow(("relation", "number", "head", "tail"))
    writer.writerows((r, i, h, t) for i, (h, r, t) in enumerate(rows))
    reader = TripleReader()
    got = reader.add(text.getvalue().encode(), "file", delimiter, (2, 0, 3), header, 4)
    assert (got.tolist(), reader.entities.to_list(), reader.relations.to_list()) == numbered(rows)


MALFORMED = {
    "two columns": (b"a\tr\tb\na\tr\n", r":2: expected 3 columns separated by tab, found 2 in \"a\\tr\""),
    "four columns": (b"a\tr\tb\tc\n", ":1: expected 3 columns separated by tab, found 4"),
    "spaces for tabs": (b"a r b\n", ":1: expected 3 columns separated by tab, found 1"),
    "empty field": (b"a\tr\tb\na\tr\t\r\n", ":2: expected the tail in column 3, found an empty field"),
    "blank line": (b"a\tr\tb\n\na\tr\tb\n", ":2: expected a triple, found a blank line"),
    "empty file": (b"", ":1: expected a triple, found an empty file"),
    "byte order mark alone": (b"\xef\xbb\xbf", ":1: expected a triple, found an empty file"),
    "latin-1": ("a\tr\tb\ncafé\tr\tb\n".encode("latin-1"), ":2: expected UTF-8 text, found byte 0xE9"),
    "utf-16": ("a\tr\tb\n".encode("utf-16"), ":1: expected UTF-8 text, found byte 0xFF"),
    "surrogate": (b"a\tr\t\xed\xa0\x80\n", ":1: expected UTF-8 text, found byte 0xED"),
    "cut inside a character": (b"a\tr\t\xe2\x82", ":1: expected UTF-8 text, found byte 0xE2"),
    "NUL": (b"a\tr\tb\n\0\tr\tb\n", ":2: expected UTF-8 text, found a NUL byte"),
    "old line ends": (b"a\tr\tb\ra\tr\tc", ":1: expected a line end, found a lone carriage return"),
    "gzip": (b"\x1f\x8b\x08\x00\x00", ":1: expected UTF-8 text"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_named_and_leaves_nothing_behind(case: str) -> None:
    data, message = MALFORMED[case]
    reader = TripleReader()
    reader.add(b"old\tknows\tother\n", "first")
    with pytest.raises(FormatError, match="folder/file.tsv" + message):
        reader.add(data, "folder/file.tsv")
    assert reader.entities.to_list() == ["old", "other"]
    assert reader.relations.to_list() == ["knows"]
    assert reader.add(b"new\tknows\told\n", "third").tolist() == [[2, 0, 0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'a,r,"b\n', ":1: expected a closing quote"),
        (b'a,r,b\na,r,"b" \n', ":2: expected a delimiter after the closing quote"),
        (b'a,r,b"c\n', ":1: expected quotes around a whole field"),
        (b'"a\n\n",r,b\na,r\n', ":4: expected 3 columns"),
        (b"a,r,b,,\n", ":1: expected 3 columns separated by ',', found 5"),
    ],
)
def test_malformed_csv_is_named(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match="file.csv" + message):
        TripleReader().add(data, "file.csv", ",")


def test_a_format_error_is_a_value_error_and_a_snapshot_stays() -> None:
    assert issubclass(FormatError, ValueError)
    reader = TripleReader()
    reader.add(b"a\tr\tb\n", "1")
    before = reader.entities
    reader.add(b"c\tr\tb\n", "2")
    assert (len(before), len(reader.entities)) == (2, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": "::"}, "delimiter"),
        ({"delimiter": "é"}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"columns": (0, 0, 1)}, "columns"),
        ({"columns": (-1, 0, 1)}, "columns"),
        ({"num_columns": 2}, "num_columns"),
    ],
)
def test_an_impossible_format_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TripleReader().add(b"a\tr\tb\n", "file", **options)  # type: ignore[arg-type]
