"""A walk for people: as text, and drawn on its neighbourhood.

matplotlib and networkx are imported when the first picture is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk import _core
from kgwalk.envs.task import Task
from kgwalk.protocols import Ids

MAX_LISTED = 12
"""Candidates that the text lists."""


class Move(NamedTuple):
    """What an action stands for; entity -1 where it only chooses a relation."""

    action: int
    relation: int
    entity: int


@dataclass(frozen=True)
class WalkView:
    """A walk at one moment, ready to be shown.

    Attributes:
        task: what is walked.
        query: ids of source, relation and target; a target of -1 is not known.
        entities: ids visited, source first.
        relations: ids followed.
        moves: open now, by rising action; none when the walk has ended.
        horizon: hops of a walk.
        hit: whether an ended walk met its target; None while it goes on.
    """

    task: Task
    query: tuple[int, int, int]
    entities: Ids
    relations: Ids
    moves: list[Move]
    horizon: int
    hit: bool | None

    @classmethod
    def of(cls, task: Task, walk: _core.Walk, env: int) -> WalkView:
        """What environment ``env`` shows."""
        row, entities, relations = walk.path(env)
        source, relation, target = (int(x) for x in task.queries[row])
        ended = len(relations) == task.horizon
        columns = (column.tolist() for column in walk.moves(env))
        return cls(
            task=task,
            query=(source, relation, target),
            entities=entities,
            relations=relations,
            moves=[] if ended else [Move(*move) for move in zip(*columns, strict=True)],
            horizon=task.horizon,
            hit=bool(entities[-1] == target) if ended else None,
        )

    @property
    def source(self) -> str:
        """Name of the query's source."""
        return self.task.dataset.label(self.query[0])

    @property
    def relation(self) -> str:
        """Name of the query's relation."""
        return self.task.dataset.relation_name(self.query[1])

    @property
    def verdict(self) -> str:
        """How far the walk is, or how it ended."""
        if self.hit is None:
            return f"hop {len(self.relations)} of {self.horizon}"
        target = self.task.dataset.label(self.query[2]) if self.query[2] >= 0 else "an unknown target"
        return f"hit {target}" if self.hit else f"missed {target}"


def render(task: Task, walk: _core.Walk, env: int, mode: str) -> str | NDArray[np.uint8]:
    """The walk of one environment in a render mode, ``"ansi"`` or ``"rgb_array"``."""
    view = WalkView.of(task, walk, env)
    if mode == "ansi":
        return as_text(view)
    from kgwalk.envs.drawing import as_picture

    return as_picture(view)


def as_text(view: WalkView) -> str:
    """The query, the path so far, and the first moves open now."""
    data = view.task.dataset
    path = data.label(int(view.entities[0]))
    for relation, entity in zip(view.relations.tolist(), view.entities[1:].tolist(), strict=True):
        path += f" --{data.relation_name(relation)}--> {data.label(entity)}"
    lines = [f"({view.source}, {view.relation}, ?)  {view.verdict}", path]
    shown = view.moves[:MAX_LISTED]
    for action, relation, entity in shown:
        leads_to = f" -> {data.label(entity)}" if entity >= 0 else ""
        lines.append(f"  {action:>3}  {data.relation_name(relation)}{leads_to}")
    if len(view.moves) > len(shown):
        lines.append(f"       and {len(view.moves) - len(shown)} more")
    return "\n".join(lines)
