"""The rule parser against every reading of a text, found slowly: a rule is what exactly one reading makes it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from kgwalk import _core
from kgwalk._core import SELF, VARIABLE, FormatError, Names, RuleSet

LETTERS = ("A", "B", "X", "Y")
Atom = tuple[int, str | int, str | int]
Rule = tuple[int, int, tuple[int, ...], int]

# Few letters and the signs of the format, so that names hold one another.
name = st.lists(st.sampled_from(["a", "r", "X", "Y", ",", "(", ")", ", ", " <= ", "), ", "r("]), min_size=1, max_size=4)
names = st.lists(name.map("".join), min_size=1, max_size=5, unique=True)


def atoms(entities: list[str], relations: list[str]) -> dict[str, set[Atom]]:
    """Every atom there is by its text."""
    terms: list[tuple[str, str | int]] = [(letter, letter) for letter in LETTERS]
    terms += [(text, i) for i, text in enumerate(entities) if text not in (*LETTERS, "me_myself_i")]
    terms.append(("me_myself_i", SELF))
    found: dict[str, set[Atom]] = {}
    for (r, relation), (left, x), (right, y) in itertools.product(enumerate(relations), terms, terms):
        if isinstance(x, str) or isinstance(y, str):
            found.setdefault(f"{relation}({left},{right})", set()).add((r, x, y))
    return found


def readings(text: str, known: dict[str, set[Atom]], depth: int = 0) -> Iterator[list[Atom]]:
    if depth > 0 and not text:
        yield []
        return
    for written, meanings in known.items():
        if not text.startswith(written):
            continue
        rest = text[len(written) :]
        if depth == 0:
            ends = [rest[4:]] if rest.startswith(" <= ") else [""] if rest == " <=" else []
        else:
            ends = [""] if not rest else [rest[2:]] if rest.startswith(", ") and len(rest) > 2 else []
        for end in ends:
            for others in readings(end, known, depth + 1):
                yield from ([atom, *others] for atom in meanings)


def rule_of(head: Atom, body: list[Atom], count: int) -> Rule | None:
    """The first order of the atoms that is a walk from the head's variable."""
    relation, left, right = head
    if isinstance(left, str):
        start, constant = left, right
    else:
        assert isinstance(right, str)
        start, constant, relation = right, left, relation + count
    end = constant if isinstance(constant, str) and constant != start else None
    head_constant = VARIABLE if end else SELF if isinstance(constant, str) else constant
    if end and not body:
        return None
    for order in itertools.permutations(body):
        walked = walk(order, start, end, count)
        if walked is not None:
            return (relation, head_constant, *walked)
    return None


def walk(order: tuple[Atom, ...], start: str, end: str | None, count: int) -> tuple[tuple[int, ...], int] | None:
    met: list[str | int] = [start]
    steps = []
    for relation, left, right in order:
        if left == met[-1]:
            steps.append(relation)
            met.append(right)
        elif right == met[-1]:
            steps.append(relation + count)
            met.append(left)
        else:
            return None
    last = met[-1]
    inner = met[:-1]
    if len(set(inner)) != len(inner) or not all(isinstance(place, str) for place in inner) or end in inner:
        return None
    if end:
        return (tuple(steps), VARIABLE) if last == end else None
    if not order:
        return (), VARIABLE
    if last == start:
        return tuple(steps), SELF
    if last in inner:
        return None
    return tuple(steps), VARIABLE if isinstance(last, str) else last


@st.composite
def texts(draw: st.DrawFn, entities: list[str], relations: list[str]) -> str:
    """Head and up to three atoms whose arguments are letters and names, most often a chain."""
    terms = st.sampled_from([*entities, "me_myself_i", *LETTERS])
    places = draw(st.sampled_from(["XY", "XAY", "XABY", "X", "XA", "XAB", "XX", "BAX"]))
    pairs = [*itertools.pairwise(places)]
    if draw(st.booleans()) and pairs:
        pairs[-1] = (pairs[-1][0], draw(terms))
    written = []
    for left, right in [("X", "Y" if places[-1] == "Y" else draw(terms)), *pairs]:
        both = (left, right) if draw(st.booleans()) else (right, left)
        written.append(f"{draw(st.sampled_from(relations))}({both[0]},{both[1]})")
    return f"{written[0]} <= {', '.join(written[1:])}"


def pieces(text: str, before: str, behind: str) -> st.SearchStrategy[list[str]]:
    """Some pieces of a text that stand between two of these signs."""
    begins = [i + 1 for i, sign in enumerate(text) if sign in before]
    ends = [i for i, sign in enumerate(text) if sign in behind]
    return st.lists(st.sampled_from([text[b:e] for b in begins for e in ends if b < e]), max_size=4)


def unique(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))


@given(names, names, st.data())
def test_a_rule_is_what_one_reading_makes_it(entities: list[str], relations: list[str], data: st.DataObject) -> None:
    text = data.draw(texts(entities, relations))
    # Pieces of the text as further names make it readable in further ways.
    entities = unique(entities + data.draw(pieces(text, "(,", ",)")))
    relations = unique(relations + data.draw(pieces(" " + text, " ", "(")))
    rules = set()
    for head, *body in readings(text, atoms(entities, relations)):
        rules.add(rule_of(head, body, len(relations)))
    rules.discard(None)
    try:
        read, _, _ = _core.read_rules(f"1\t{text}".encode(), "file", Names(entities), Names(relations))
    except FormatError as error:
        assert len(rules) != 1, f"{text!r} was refused: {error}"  # noqa: PT017
    else:
        assert rules == {only(read)}


def only(rules: RuleSet) -> Rule:
    (head,), (head_constant,), (body_constant,) = rules.head, rules.head_constant, rules.body_constant
    return int(head), int(head_constant), tuple(rules.body.tolist()), int(body_constant)
