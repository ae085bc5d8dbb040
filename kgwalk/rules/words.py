"""One rule for a reader: as AnyBURL writes it, and in words."""

from __future__ import annotations

from kgwalk import _core
from kgwalk._core import SELF, VARIABLE, RuleSet
from kgwalk.data.dataset import Dataset

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVW"


def rule_text(rules: RuleSet, i: int, dataset: Dataset) -> str:
    """AnyBURL's text of rule ``i``: ``born_in(X,Y) <= lives_in(X,A), part_of(A,Y)``.

    Raises:
        IndexError: There is no such rule, or it has ids that the dataset does not have.
        ValueError: Its body has more than 16 atoms.
    """
    return _core.format_rule(rules, i, dataset.entities, dataset.relations)


def rule_words(rules: RuleSet, i: int, dataset: Dataset) -> str:
    """Rule ``i`` in words: ``X born in Y if X lives in A and A part of Y``.

    Relations by `relation_words`, constants by their readable label. A rule without a body ends in "always".

    Raises:
        IndexError: There is no such rule, or it has ids that the dataset does not have.
    """
    if not 0 <= i < len(rules):
        raise IndexError(f"rule {i} is not in [0, {len(rules)})")
    body = rules.body[rules.body_offsets[i] : rules.body_offsets[i + 1]].tolist()
    head, head_constant, body_constant = int(rules.head[i]), int(rules.head_constant[i]), int(rules.body_constant[i])
    count = len(dataset.relations)
    about = "X" if head < count else "Y"

    def place(constant: int, variable: str) -> str:
        if constant == VARIABLE:
            return variable
        return about if constant == SELF else dataset.label(constant)

    def atom(relation: int, start: str, end: str) -> str:
        if relation >= count:
            relation, start, end = relation - count, end, start
        return f"{start} {relation_words(dataset.relation_name(relation))} {end}"

    met = [about, *(_LETTERS[k % len(_LETTERS)] + "'" * (k // len(_LETTERS)) for k in range(len(body)))]
    if head_constant == VARIABLE:
        met[-1] = "Y"
    elif body:
        met[-1] = place(body_constant, met[-1])
    conclusion = atom(head, about, place(head_constant, "Y"))
    if not body:
        return f"{conclusion} always"
    return f"{conclusion} if " + " and ".join(atom(r, met[k], met[k + 1]) for k, r in enumerate(body))


def relation_words(name: str) -> str:
    """A relation's name without what only machines need.

    Underscores become blanks (``_born_in``: "born in"), NELL's ``concept:`` goes, and of a Freebase path only the last
    part stays, of a path through a mediator the last of either half (``/tv/tv_program/regular_cast./tv/role/actor``:
    "regular cast actor").
    """
    words = name.removeprefix("concept:")
    if words.startswith("/"):
        words = " ".join(half.rstrip("/").rsplit("/", 1)[-1] for half in words.split("./"))
    return " ".join(words.replace("_", " ").split()) or name
