"""Which rules a walk is an instance of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import VARIABLE, RuleSet

_Rules = NDArray[np.int64]

# Bodies are found by a polynomial hash modulo 2^64 and then compared, so that no length and no vocabulary is too large.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class RuleInstances:
    """The rules that a walk from a query's source to an answer is an instance of, looked up by the walk.

    Two forms of rules can be walked from X to Y, and each is looked for in both directions: along the walk for the
    query ``(source, relation, ?)``, and against it for ``(answer, inverse of relation, ?)``.

    - A cyclic rule ``h(X, Y) <- b1, ..., bn``, by the walk that follows its body.
    - A rule with constants ``h(X, c) <- b1(X, A), ..., bn(Z, d)``, by the walk along the body to d, back to some other
      X' of which the body is true as well, and from there by h to c: X' is an example of the rule. With one atom the
      walk is ``X -b-> d <-b- X' -h-> c``, two things that share an attribute. As in rule prediction, neither X nor X'
      is d or c; rules that name SELF have no such walk.

    Existential and zero rules say nothing of where to walk, and have no instances. Whether a rule was mined under
    object identity its set does not say: a walk that visits an entity twice counts as well.

    A look-up takes microseconds whatever the number of rules; those of a query relation are indexed when it is first
    asked about. Not for use from several threads at once.

    Args:
        rules: in the vocabulary of a graph with ``num_relations`` forward relations.
        num_relations: R.
    """

    def __init__(self, rules: RuleSet, num_relations: int) -> None:
        self.num_relations = num_relations
        self._rules = rules
        # Mined rules are in order of their heads already, and a stable sort sees that.
        self._order = np.argsort(rules.head, kind="stable")
        heads = np.arange(2 * num_relations + 1, dtype=np.int32)
        self._starts = np.searchsorted(rules.head, heads, sorter=self._order)
        self._of_head: dict[int, tuple[NDArray[np.uint64], _Rules]] = {}

    def of(self, relation: int, relations: Sequence[int], entities: Sequence[int]) -> list[int]:
        """Rules that a walk is an instance of, rising.

        Args:
            relation: of the query, in ``[0, 2R)``.
            relations: followed from source to answer; STAY (``2R``) may stand anywhere.
            entities: visited, source first; one more than ``relations``.

        Raises:
            ValueError: not one entity more than relations.
            IndexError: a relation out of range.
        """
        if len(entities) != len(relations) + 1:
            raise ValueError(f"expected one entity more than relations, got {len(entities)} and {len(relations)}")
        stay = 2 * self.num_relations
        if not 0 <= relation < stay:
            raise IndexError(f"expected a query relation in [0, {stay}), got {relation}")
        if any(not 0 <= step <= stay for step in relations):
            raise IndexError(f"expected relations in [0, {stay}], got {list(relations)}")
        steps = [step for step in relations if step != stay]
        seen = [entities[0], *(to for step, to in zip(relations, entities[1:], strict=True) if step != stay)]
        turned = [self._inverse(step) for step in reversed(steps)]
        found = self._along(relation, steps, seen) + self._along(self._inverse(relation), turned, seen[::-1])
        return sorted(found)

    def _along(self, head: int, steps: list[int], seen: list[int]) -> list[int]:
        found = self._look_up(head, VARIABLE, VARIABLE, steps)
        half = len(steps) // 2
        out, back = steps[:half], steps[half:-1]
        if half and steps[-1] == head and back == [self._inverse(step) for step in reversed(out)]:
            x, shared, example, constant = seen[0], seen[half], seen[-2], seen[-1]
            if x != example and not {x, example} & {shared, constant}:
                found += self._look_up(head, constant, shared, out)
        return found

    def _look_up(self, head: int, head_constant: int, body_constant: int, body: list[int]) -> list[int]:
        """The rules with exactly these parts."""
        if head not in self._of_head:
            self._of_head[head] = self._index(head)
        keys, rules = self._of_head[head]
        key = np.zeros(1, np.uint64)
        for part in (head_constant, body_constant, *body):
            key = _next(key, np.array([part]))
        first, last = (int(np.searchsorted(keys, key[0], side)) for side in ("left", "right"))
        return [
            rule
            for rule in rules[first:last].tolist()
            if (self._rules.head_constant[rule], self._rules.body_constant[rule]) == (head_constant, body_constant)
            and self._body(rule) == body
        ]

    def _index(self, head: int) -> tuple[NDArray[np.uint64], _Rules]:
        """Keys of the rules of one head that have walks, rising, and the rules."""
        source = self._rules
        rules = self._order[self._starts[head] : self._starts[head + 1]]
        ends, constants = source.head_constant[rules], source.body_constant[rules]
        lengths = source.body_offsets[rules + 1] - source.body_offsets[rules]
        walked = (lengths > 0) & ((ends == VARIABLE) | ((ends >= 0) & (constants >= 0)))
        rules, lengths = rules[walked], lengths[walked]
        keys = _next(_next(np.zeros(len(rules), np.uint64), ends[walked]), constants[walked])
        for depth in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > depth)
            keys[longer] = _next(keys[longer], source.body[source.body_offsets[rules[longer]] + depth])
        by_key = np.argsort(keys, kind="stable")
        return keys[by_key], rules[by_key]

    def _body(self, rule: int) -> list[int]:
        begin, end = self._rules.body_offsets[rule : rule + 2]
        body: list[int] = self._rules.body[begin:end].tolist()
        return body

    def _inverse(self, relation: int) -> int:
        return relation + self.num_relations if relation < self.num_relations else relation - self.num_relations


def _next(keys: NDArray[np.uint64], parts: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    return keys * _FACTOR + (parts + 2).astype(np.uint64)  # 2: VARIABLE is -1, and no part shall count nothing
