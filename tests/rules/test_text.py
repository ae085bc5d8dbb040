"""AnyBURL's text: round trips over nasty vocabularies, every malformed line, the files that others published."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import logging
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk import _core
from kgwalk._core import SELF, VARIABLE, FormatError, Names, RuleSet
from kgwalk.data import Dataset, load
from kgwalk.rules import read_rules, write_rules
from tests.rules.oracle import Rule
from tests.rules.rule_sets import rule_set

FIELDS = ("head", "head_constant", "body_offsets", "body", "body_constant", "support", "predictions", "confidence")
GOOD = "5\t3\t0.6\tborn_in(X,ann) <= born_in(X,bob)\n"

# Names that hold the format's own signs, one inside the other, and any Unicode.
signs = st.lists(
    st.sampled_from(["(", ")", ",", ", ", " <= ", "X", "Y", "A", "a", "), ", "me_myself_i"]), min_size=1, max_size=6
)
plain = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="(),<"), min_size=1, max_size=5)
nasty = signs.map("".join) | plain | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)


def equal(a: RuleSet, b: RuleSet) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@st.composite
def rule_sets(draw: st.DrawFn, num_entities: int, num_relations: int) -> RuleSet:
    """Rules of every form: cyclic, with constants, of the entity itself, zero."""
    relation, constant = st.integers(0, 2 * num_relations - 1), st.integers(0, num_entities - 1) | st.just(SELF)
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            head, end = (draw(st.integers(0, num_relations - 1)), VARIABLE), VARIABLE
            body = draw(st.lists(relation, min_size=1, max_size=16))
        else:
            head = (draw(relation), draw(constant))
            body = draw(st.lists(relation, max_size=16))
            end = draw(constant | st.just(VARIABLE)) if body else VARIABLE
        predictions = draw(st.integers(0, 2**63 - 1))
        rows.append((*head, body, end, draw(st.integers(0, predictions)), predictions, draw(st.floats(0, 1))))
    heads, constants, bodies, ends, support, predicted, confidence = zip(*rows, strict=True) if rows else [()] * 7
    return RuleSet(
        np.array(heads, np.int32),
        np.array(constants, np.int32),
        np.cumsum([0, *map(len, bodies)], dtype=np.int64),
        np.array(list(itertools.chain(*bodies)), np.int32),
        np.array(ends, np.int32),
        np.array(support, np.int64),
        np.array(predicted, np.int64),
        np.array(confidence, np.float64),
        num_entities=num_entities,
        num_relations=num_relations,
    )


@given(st.lists(plain, min_size=1, max_size=4, unique=True), st.lists(plain, min_size=1, max_size=3), st.data())
def test_rules_of_plain_names_come_back_equal(entities: list[str], relations: list[str], data: st.DataObject) -> None:
    entities = [name for name in entities if not re.fullmatch("[A-Z]", name)] or ["a"]
    relations = list(dict.fromkeys(relations))
    rules = data.draw(rule_sets(len(entities), len(relations)))
    text = _core.format_rules(rules, Names(entities), Names(relations))
    back, skipped, _ = _core.read_rules(text, "file", Names(entities), Names(relations))
    assert skipped == 0
    assert equal(back, rules)
    assert _core.format_rules(back, Names(entities), Names(relations)) == text


@given(st.lists(nasty, min_size=1, max_size=6), st.lists(nasty, min_size=1, max_size=4), st.data())
def test_rules_of_any_names_come_back_equal_or_are_not_written(
    entities: list[str], relations: list[str], data: st.DataObject
) -> None:
    rules = data.draw(rule_sets(len(entities), len(relations)))
    try:
        text = _core.format_rules(rules, Names(entities), Names(relations))
    except ValueError:
        return
    assert equal(_core.read_rules(text, "file", Names(entities), Names(relations))[0], rules)


@given(st.data())
def test_atoms_are_read_in_any_order_with_any_letters(data: st.DataObject) -> None:
    entities, relations = Names(["ann", "bob"]), Names(["knows", "likes"])
    rules = data.draw(rule_sets(2, 2))
    lines = _core.format_rules(rules, entities, relations).decode().splitlines()
    letters = data.draw(st.permutations("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    changed = []
    for line in lines:
        numbers, rule = line.rsplit("\t", 1)
        head, body = rule.split(" <= ")
        atoms = data.draw(st.permutations(body.split(", ")))
        renamed = re.sub(
            r"\b[A-Z]\b", lambda found: letters[ord(found.group()) - ord("A")], f"{head} <= {', '.join(atoms)}"
        )
        changed.append(f"{numbers}\t{renamed}\n")
    assert equal(_core.read_rules("".join(changed).encode(), "file", entities, relations)[0], rules)


def test_read_means_what_the_text_says(village: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    text = (
        "9\t6\t0.6\tborn_in(X,Y) <= concept:livesin(X,A), _part_of(Y,A)\n"
        "5\t3\t0.5\tborn_in(X,Paris, Texas) <= born_in(X,Zoë (the elder))\n"
        "5\t3\t0.25\tborn_in(ann,Y) <= _part_of(Y,A)\n"
        "7\t7\t1\tborn_in(X,me_myself_i) <= born_in(me_myself_i,X)\n"
        "100\t1\t0.01\tborn_in(X,bob) <= \n"
    )
    path.write_text(text, encoding="utf-8")
    rules = read_rules(path, village)
    assert rules.head.tolist() == [0, 0, 4, 0, 0]
    assert rules.head_constant.tolist() == [VARIABLE, 2, 0, SELF, 1]
    assert rules.body_offsets.tolist() == [0, 2, 3, 4, 5, 5]
    assert rules.body.tolist() == [2, 5, 0, 1, 4]
    assert rules.body_constant.tolist() == [VARIABLE, 3, VARIABLE, SELF, VARIABLE]
    assert rules.predictions.tolist() == [9, 5, 5, 7, 100]
    assert rules.support.tolist() == [6, 3, 3, 7, 1]
    assert rules.confidence.tolist() == [0.6, 0.5, 0.25, 1.0, 0.01]
    write_rules(path, rules, village)
    assert path.read_text(encoding="utf-8") == text


BAD = {
    "born_in(X,ann) <= ": "expected 4 columns separated by tab",
    "5\t0.5\tborn_in(X,ann) <= ": "expected 4 columns separated by tab .* got 3",
    "x\t3\t0.5\tborn_in(X,ann) <= ": 'expected predictions, a count, got "x"',
    "5\t3.5\t0.5\tborn_in(X,ann) <= ": 'expected support, a count, got "3.5"',
    "5\t6\t0.5\tborn_in(X,ann) <= ": "expected a support of at most the predictions, got 6 of 5",
    "5\t3\t1.01\tborn_in(X,ann) <= ": r'expected a confidence in \[0, 1\], got "1.01"',
    "nan\tborn_in(X,ann) <= ": r'expected a confidence in \[0, 1\], got "nan"',
    "1\tdied_in(X,ann) <= ": 'expected a known relation, got "died_in"',
    "1\tborn_in(X,Y) <= died_in(X,Y)": 'expected a known relation, got "died_in"',
    "1\tborn_in(X,eve) <= ": 'expected a known entity, got "eve"',
    "1\tborn_in(X,ann) <= born_in(eve,X)": 'expected a known entity, got "eve"',
    "1\tborn_in(ann,bob) <= ": "expected a variable, A to Z",
    "1\tborn_in(X,ann)": 'expected " <= " behind the head',
    "1\tborn_in": "expected a rule, head <= body",
    "1\tborn_in(X,ann) <= born_in(X,A) born_in": 'expected atoms with ", " between them',
    "1\tborn_in(X,ann) <= born_in(X,A), ": "expected an atom",
    "1\tborn_in(X) <= ": "expected two arguments",
    "1\tborn_in(X,Y) <= ": "expected a body",
    "1\tborn_in(X,Y) <= born_in(X,A), born_in(B,Y)": "variable A joining no further atom",
    "1\tborn_in(X,ann) <= born_in(A,B)": "variable X of the head joining no further atom",
    "1\tborn_in(X,Y) <= born_in(X,A)": "expected a chain that ends in variable Y",
    "1\tborn_in(X,Y) <= born_in(X,bob)": "expected no constant .*, a form not held",
    "1\tborn_in(X,ann) <= born_in(X,bob), born_in(X,A)": "expected a constant at the end .*, a form not held",
    "1\tborn_in(X,Y) <= born_in(X,Y), born_in(Y,A)": "a variable once, got variable Y again, a form not held",
    "": "got a blank line",
    "1\tborn_in(X,\rann) <= ": "got a lone carriage return",
}


@pytest.mark.parametrize("line", BAD)
def test_a_malformed_line_is_named_or_skipped(
    line: str, village: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rules.tsv"
    path.write_bytes((GOOD + line + "\n" + GOOD).encode())
    with pytest.raises(FormatError, match=f"^{re.escape(str(path))}:2: .*{BAD[line]}"):
        read_rules(path, village)
    with caplog.at_level(logging.WARNING, "kgwalk.rules"):
        assert len(read_rules(path, village, skip_bad=True)) == 2
    assert "1 of 3 rules skipped" in caplog.text
    assert re.search(f"{re.escape(str(path))}:2: .*{BAD[line]}", caplog.text)


def test_only_the_first_reasons_are_told(village: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rules.tsv"
    path.write_text("bad\n" * 8 + GOOD)
    assert len(read_rules(path, village, skip_bad=True)) == 1
    assert "8 of 9 rules skipped" in caplog.text
    assert caplog.text.count("expected 4 columns") == 5
    assert "and 3 more" in caplog.text
    caplog.clear()
    path.write_text(GOOD)
    read_rules(path, village, skip_bad=True)
    assert not caplog.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("X", 'the entity "X" would read as a variable'),
        ("me_myself_i", "AnyBURL's constant of that name"),
        ("a\tb", "names with tabs, line ends"),
        ("a\nb", "names with tabs, line ends"),
        ("", "expected a known entity"),
        ("ann", "would read as another rule"),
        ("c,Y", "it has two"),
    ],
)
def test_a_name_that_reads_otherwise_is_not_written(name: str, reason: str) -> None:
    relations = Names(["r"])
    rules, _, _ = _core.read_rules(b"1\tr(X,bob) <= \n", "file", Names(["ann", "X,c", "bob"]), relations)
    with pytest.raises(ValueError, match=f"^rule 0: .*{reason}"):
        _core.format_rules(rules, Names(["ann", "X,c", name]), relations)


def test_gzipped_files_are_read_by_content_and_written_without_a_time(village: Dataset, tmp_path: Path) -> None:
    for name, data in [
        ("plain", GOOD.encode()),
        ("packed", gzip.compress(GOOD.encode())),
        ("x.gz", gzip.compress(GOOD.encode())),
    ]:
        (tmp_path / name).write_bytes(data)
        rules = read_rules(tmp_path / name, village)
        assert rules.confidence.tolist() == [0.6]
    write_rules(tmp_path / "rules.gz", rules, village)
    written = (tmp_path / "rules.gz").read_bytes()
    assert gzip.decompress(written) == GOOD.encode()
    assert written[4:8] == bytes(4)  # RFC 1952: the time of modification
    assert equal(read_rules(tmp_path / "rules.gz", village), rules)


def test_a_write_that_fails_leaves_the_old_file(village: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("old")
    rules, _, _ = _core.read_rules(b"1\tr(X,a) <= \n", "file", Names(["b"] * 99 + ["a"]), Names(["r"]))
    with pytest.raises(IndexError, match="head_constant"):
        write_rules(path, rules, village)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "file", "count", "counted"),
    [
        ("WN18RR", "wn18rr/rnnlogic_rules.tsv.gz", 3057, 1285),
        ("FB15k-237", "fb15k-237/anyburl_rules.tsv.gz", 21017, 0),
    ],
)
def test_published_files_are_read_whole(
    name: str, file: str, count: int, counted: int, data_dir: Path, tmp_path: Path
) -> None:
    dataset = load(name)
    rules = read_rules(data_dir / file, dataset)
    assert len(rules) == count
    assert np.count_nonzero(rules.predictions) == counted
    write_rules(tmp_path / "again.gz", rules, dataset)
    assert equal(read_rules(tmp_path / "again.gz", dataset), rules)
    ours = gzip.decompress((tmp_path / "again.gz").read_bytes()).decode().splitlines()
    theirs = gzip.decompress((data_dir / file).read_bytes()).decode().splitlines()
    assert [line.rsplit("\t", 1)[1] for line in ours] == [line.rsplit("\t", 1)[1] for line in theirs]


def test_rules_whose_names_would_not_read_back_can_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An entity called as a variable must not cost a whole mining run."""
    family = load("Family")
    named = dataclasses.replace(family, entities=Names(["A", *family.entities.to_list()[1:]]))
    rules = rule_set({Rule(0, (1,), 0, 2): (1, 2), Rule(0, (1,), 3, 2): (1, 2)}, len(family.entities), 12)
    with pytest.raises(ValueError, match="read as a variable"):
        write_rules(tmp_path / "all.txt", rules, named)
    assert not (tmp_path / "all.txt").exists()
    assert write_rules(tmp_path / "some.txt", rules, named, skip_bad=True) == 1
    assert "1 rules left out" in caplog.text
    assert len(read_rules(tmp_path / "some.txt", named)) == 1
