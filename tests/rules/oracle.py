"""Slow and obvious rules: every walk is enumerated, every variable written out. Judges the miner and the predictor.

A rule holds for X if some walk from X along its body does. What that means, exactly:

- A fact is never evidence for itself: a pair whose head is a fact needs a walk that uses neither the fact's edge nor
  its inverse. A pair whose head is no fact needs any walk.
- Under object identity the variables of a rule stand for different entities, none of them a constant of the rule.
- With or without it, X is never an entity that its rule names (head constant, or constant at the end of the body):
  what an entity does to itself is said with SELF, and only so. Hence a self-loop (e, r, e) is property (r, SELF) of e,
  said once: r is forward wherever a rule has SELF at its end.
- A cyclic rule's Y may be its X only without object identity.
- A zero rule holds for every entity with an edge that is not its constant.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

Fact = tuple[int, int, int]
Facts = frozenset[Fact]
Edge = tuple[int, int]

VARIABLE = -1
SELF = -2
KINDS = ("cyclic", "constant", "existential", "zero")


class Rule(NamedTuple):
    """A row of a rule set. The body is walked from X."""

    head: int
    body: tuple[int, ...]
    head_constant: int = VARIABLE
    body_constant: int = VARIABLE

    @property
    def kind(self) -> str:
        if self.head_constant == VARIABLE:
            return "cyclic"
        if not self.body:
            return "zero"
        return "existential" if self.body_constant == VARIABLE else "constant"


class Walk(NamedTuple):
    """Relations followed, entities visited (X first), forward facts used."""

    relations: tuple[int, ...]
    entities: tuple[int, ...]
    used: Facts


def inverse(relation: int, num_relations: int) -> int:
    return relation + num_relations if relation < num_relations else relation - num_relations


def forward(fact: Fact, num_relations: int) -> Fact:
    """A fact as stored: turned round if its relation is an inverse."""
    head, relation, tail = fact
    return fact if relation < num_relations else (tail, relation - num_relations, head)


@lru_cache(maxsize=16)
def edges(facts: Facts, num_relations: int) -> dict[int, list[Edge]]:
    """(relation, tail) of every entity that has an edge, inverse edges included."""
    rows: dict[int, list[Edge]] = defaultdict(list)
    for head, relation, tail in sorted(facts):
        rows[head].append((relation, tail))
        rows[tail].append((relation + num_relations, head))
    return dict(rows)


@lru_cache(maxsize=1024)
def walks(facts: Facts, num_relations: int, x: int, hops: int) -> list[Walk]:
    """All walks of so many hops from x."""
    if hops == 0:
        return [Walk((), (x,), frozenset())]
    return [
        Walk(
            (*walk.relations, relation),
            (*walk.entities, tail),
            walk.used | {forward((walk.entities[-1], relation, tail), num_relations)},
        )
        for walk in walks(facts, num_relations, x, hops - 1)
        for relation, tail in edges(facts, num_relations).get(walk.entities[-1], [])
    ]


def bodies(facts: Facts, num_relations: int, max_length: int) -> set[tuple[int, ...]]:
    """All chains of 1 to ``max_length`` directed relations that some walk follows."""
    return {
        walk.relations
        for x in edges(facts, num_relations)
        for hops in range(1, max_length + 1)
        for walk in walks(facts, num_relations, x, hops)
    }


def is_binding(rule: Rule, walk: Walk, *, object_identity: bool) -> bool:
    """Whether a walk along the rule's body is one that the rule means."""
    x, end = walk.entities[0], walk.entities[-1]
    if (
        rule.body
        and rule.body_constant != VARIABLE
        and end != (x if rule.body_constant == SELF else rule.body_constant)
    ):
        return False
    named = {c for c in (rule.head_constant, rule.body_constant) if c >= 0}
    if x in named:
        return False
    ends_in_constant = bool(rule.body) and rule.body_constant != VARIABLE
    variables = walk.entities[:-1] if ends_in_constant else walk.entities
    return not object_identity or (len(set(variables)) == len(variables) and not named & set(variables))


def bindings(
    rule: Rule, facts: Facts, num_relations: int, x: int, *, object_identity: bool, hidden: Fact | None = None
) -> Iterator[Walk]:
    """The walks from x that ground the rule's body without the hidden fact."""
    gone = None if hidden is None else forward(hidden, num_relations)
    for walk in walks(facts, num_relations, x, len(rule.body)):
        along = walk.relations == rule.body and gone not in walk.used
        if along and is_binding(rule, walk, object_identity=object_identity):
            yield walk


def groundings(
    rule: Rule, facts: Facts, num_relations: int, x: int, *, object_identity: bool, hidden: Fact | None = None
) -> set[int]:
    """The Y that a cyclic rule's body joins to x."""
    assert rule.kind == "cyclic"
    found = bindings(rule, facts, num_relations, x, object_identity=object_identity, hidden=hidden)
    return {walk.entities[-1] for walk in found}


def holds(
    rule: Rule, facts: Facts, num_relations: int, x: int, *, object_identity: bool, hidden: Fact | None = None
) -> bool:
    """Whether the body of a constant, existential or zero rule is true of x."""
    assert rule.kind != "cyclic"
    if x not in edges(facts, num_relations):
        return False
    return any(bindings(rule, facts, num_relations, x, object_identity=object_identity, hidden=hidden))


def bindings_to(
    rule: Rule, facts: Facts, num_relations: int, x: int, y: int, *, object_identity: bool, hidden: Fact | None = None
) -> list[Walk]:
    """The bindings behind one prediction."""
    found = bindings(rule, facts, num_relations, x, object_identity=object_identity, hidden=hidden)
    return [walk for walk in found if rule.kind != "cyclic" or walk.entities[-1] == y]


def predictions(
    rule: Rule, facts: Facts, num_relations: int, x: int, *, object_identity: bool
) -> Iterator[tuple[int, bool]]:
    """What the rule says of x: each entity in the head's second place, and whether that is a fact."""
    if rule.kind == "cyclic":
        ends = groundings(rule, facts, num_relations, x, object_identity=object_identity)
    elif holds(rule, facts, num_relations, x, object_identity=object_identity):
        ends = {x if rule.head_constant == SELF else rule.head_constant}
    else:
        ends = set()
    for y in sorted(ends):
        fact = (x, rule.head, y)
        if forward(fact, num_relations) not in facts:
            yield y, False
        elif any(bindings_to(rule, facts, num_relations, x, y, object_identity=object_identity, hidden=fact)):
            yield y, True


def counts(rule: Rule, facts: Facts, num_relations: int, *, object_identity: bool) -> tuple[int, int]:
    """Support and predictions: distinct pairs of a cyclic rule, distinct X of the others."""
    said = [
        is_fact
        for x in edges(facts, num_relations)
        for _, is_fact in predictions(rule, facts, num_relations, x, object_identity=object_identity)
    ]
    return sum(said), len(said)


def properties(facts: Facts, num_relations: int, x: int) -> set[Edge]:
    """What h(X, c) may say of x: (relation, tail), or (forward relation, SELF) for a self-loop."""
    about = edges(facts, num_relations).get(x, [])
    return {(r, SELF if t == x else t) for r, t in about if t != x or r < num_relations}


def mine(
    facts: Facts,
    num_relations: int,
    max_length: int,
    min_support: int = 1,
    kinds: Iterable[str] = KINDS,
    *,
    object_identity: bool = True,
) -> dict[Rule, tuple[int, int]]:
    """Every rule of these kinds with at least so much support (1 or more): its support and predictions.

    Cyclic rules have forward heads and bodies up to ``max_length``; constant and existential rules have directed heads
    (h(c, Y) is the inverse of h) and one atom; both are forward where they end in SELF.
    """
    assert min_support >= 1
    chosen = set(kinds)
    found: dict[Rule, tuple[int, int]] = {}
    if "cyclic" in chosen:
        found |= mine_cyclic(facts, num_relations, max_length, object_identity=object_identity)
    # A rule with support has an X of which both head and body are properties.
    tried: set[Rule] = set()
    for x in edges(facts, num_relations):
        about = properties(facts, num_relations, x)
        for head, constant in about:
            tried.add(Rule(head, (), constant))
            tried |= {Rule(head, (relation,), constant, end) for relation, end in about}
            tried |= {Rule(head, (relation,), constant) for relation, _ in edges(facts, num_relations)[x]}
    for rule in tried:
        if rule.kind in chosen:
            found[rule] = counts(rule, facts, num_relations, object_identity=object_identity)
    return {rule: found[rule] for rule in sorted(found) if found[rule][0] >= min_support}


def mine_cyclic(
    facts: Facts, num_relations: int, max_length: int, *, object_identity: bool
) -> dict[Rule, tuple[int, int]]:
    """`counts` of every cyclic rule, from one look at all walks."""
    pairs: dict[tuple[int, ...], dict[tuple[int, int], list[Facts]]] = defaultdict(lambda: defaultdict(list))
    for x in edges(facts, num_relations):
        for hops in range(1, max_length + 1):
            for walk in walks(facts, num_relations, x, hops):
                if not object_identity or len(set(walk.entities)) == hops + 1:
                    pairs[walk.relations][x, walk.entities[-1]].append(walk.used)
    found = {}
    for body, joined in pairs.items():
        for head in range(num_relations):
            said = [
                (x, head, y) in facts
                for (x, y), grounds in joined.items()
                if any((x, head, y) not in used for used in grounds)
            ]
            found[Rule(head, body)] = (sum(said), len(said))
    return found


def fired(
    rule: Rule, source: int, relation: int, facts: Facts, num_relations: int, *, object_identity: bool
) -> set[int]:
    """The answers that one rule gives to the query (source, relation, ?). Nothing is hidden.

    A zero rule h(X, c) answers (X, h, ?) with c, and does not answer (c, inverse of h, ?), which it would with
    everything; the other rules answer both ways round.
    """
    graph = (facts, num_relations)
    if rule.head == relation:
        if rule.kind == "cyclic":
            return groundings(rule, *graph, source, object_identity=object_identity)
        if holds(rule, *graph, source, object_identity=object_identity):
            return {source if rule.head_constant == SELF else rule.head_constant}
    elif rule.head == inverse(relation, num_relations):
        entities = edges(facts, num_relations)
        if rule.kind == "cyclic":
            return {x for x in entities if source in groundings(rule, *graph, x, object_identity=object_identity)}
        if rule.kind != "zero" and rule.head_constant in (source, SELF):
            asked = [source] if rule.head_constant == SELF else list(entities)
            return {x for x in asked if holds(rule, *graph, x, object_identity=object_identity)}
    return set()


def score(confidences: Iterable[float], how: str, k: int = 5) -> tuple[float, ...]:
    """What is compared, greater is better: lexicographically for max-plus, one number for the others."""
    best = sorted(confidences, reverse=True)
    if how == "max-plus":
        return tuple(best)
    if how == "noisy-or-k":
        best = best[:k]
    elif how != "noisy-or":
        raise ValueError(f"unknown aggregation {how!r}")
    return (1.0 - math.prod(1.0 - c for c in best),)


def answers(
    rules: Mapping[Rule, float],
    source: int,
    relation: int,
    facts: Facts,
    num_relations: int,
    how: str,
    k: int = 5,
    *,
    object_identity: bool = True,
) -> dict[int, tuple[tuple[float, ...], list[Rule]]]:
    """Candidates of (source, relation, ?): score and the rules that fired, by confidence. Each rule counts once."""
    by_answer: dict[int, list[Rule]] = defaultdict(list)
    for rule in rules:
        for y in fired(rule, source, relation, facts, num_relations, object_identity=object_identity):
            by_answer[y].append(rule)
    return {
        y: (score((rules[r] for r in rs), how, k), sorted(rs, key=lambda r: (-rules[r], r)))
        for y, rs in by_answer.items()
    }
