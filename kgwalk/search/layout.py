"""Layouts: which relation a search may follow at each node of a prefix tree, and how many paths it may keep there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import ANY, BeamLayout

Per = Literal["query", "path"]
Final = Literal["keep", "expand"]


@dataclass(frozen=True)
class Layout:
    """A prefix tree of relations with budgets; made by `chain` and `tree`.

    Node 0 is the root, where walkers stand at the query's source; parents come before their children.

    Attributes:
        parents: parent of each node, -1 at the root.
        relations: relation that leads to the node, or ``ANY``; an ``ANY`` node is an only child.
        budgets: paths kept at the node; not read at the root.
        ends: whether paths end at the node. Leaves always do, an inner node does if a metapath ends there.
        per: whether budgets count per query, or per path that reaches the parent.
        final: what entities are scored on. ``"keep"``: the paths that are kept, last budget included. ``"expand"``: all
            moves of the last hop, so that an entity's score misses no path the earlier budgets let through; the budget
            of the last hop then only limits the paths that are handed back as explanations.
    """

    parents: tuple[int, ...]
    relations: tuple[int, ...]
    budgets: tuple[int, ...]
    ends: tuple[bool, ...]
    per: Per = "query"
    final: Final = "keep"

    def __post_init__(self) -> None:
        """Check that it is a tree.

        Raises:
            ValueError: if the tuples are no such tree, a budget is not positive, or ``per`` or ``final`` is unknown.
        """
        _check_choice("per", self.per, get_args(Per))
        _check_choice("final", self.final, get_args(Final))
        if len(self.ends) != len(self.parents):
            raise ValueError(f"ends: expected {len(self.parents)} flags, got {len(self.ends)}")
        self.compile()
        for node in set(range(1, len(self.parents))) - set(self.parents):
            if not self.ends[node]:
                raise ValueError(f"layout node {node} is a leaf, so paths must end there")
        if self.ends[0]:
            raise ValueError("a path of no hops cannot end at the root")

    def compile(self) -> BeamLayout:
        """The tree as the C++ core holds it."""
        return BeamLayout(
            np.array(self.parents, np.int32),
            np.array(self.relations, np.int32),
            np.array(self.budgets, np.int64),
            self.per == "path",
        )

    @property
    def depths(self) -> NDArray[np.int64]:
        """Hops from the root, (num_nodes,)."""
        depths = np.zeros(len(self.parents), np.int64)
        for node, parent in enumerate(self.parents[1:], 1):
            depths[node] = depths[parent] + 1
        return depths

    @property
    def hops(self) -> int:
        """Length of the longest path."""
        return int(self.depths.max())

    def inner(self) -> NDArray[np.bool_]:
        """Whether a node has children, (num_nodes,)."""
        inner = np.zeros(len(self.parents), np.bool_)
        inner[np.array(self.parents[1:], np.int64)] = True
        return inner


def chain(
    relation: int | Sequence[int],
    budget: int | Sequence[int],
    hops: int | None = None,
    *,
    per: Per = "query",
    final: Final = "keep",
) -> Layout:
    """A layout with one node per hop.

    ``chain(ANY, 128, hops=3)`` is a plain beam, ``chain(ANY, [25, 5, 1], per="path")`` is PGPR's (Xian et al. 2019,
    section 3.4).

    Args:
        relation: what may be followed, for all hops or for each; ``ANY`` for everything.
        budget: paths kept, for all hops or after each.
        hops: length of the paths; may be left out if a sequence says it.
        per: whether budgets count per query or per path.
        final: see `Layout`.

    Raises:
        ValueError: if lengths disagree, ``hops`` is missing or not positive, or a budget is not positive.
    """
    lengths = {len(x) for x in (relation, budget) if isinstance(x, Sequence)} | ({hops} if hops is not None else set())
    if len(lengths) != 1:
        raise ValueError(f"chain: relations, budgets and hops must agree on one length, got {sorted(lengths)}")
    n = lengths.pop()
    if n < 1:
        raise ValueError(f"chain: hops must be positive, got {n}")
    relations = tuple(relation) if isinstance(relation, Sequence) else (relation,) * n
    budgets = tuple(budget) if isinstance(budget, Sequence) else (budget,) * n
    ends = (False,) * n + (True,)
    return Layout(tuple(range(-1, n)), (ANY, *relations), (1, *budgets), ends, per, final)


def tree(
    metapaths: Mapping[tuple[int, ...], int | Sequence[int]], *, per: Per = "query", final: Final = "keep"
) -> Layout:
    """The prefix tree of metapaths, each with its budget; prefixes that metapaths share are walked once.

    Args:
        metapaths: relations hop by hop to the paths to keep: one number for every hop, or one for each hop. A node that
            metapaths share keeps the sum of their budgets per query, or the greatest of them per path.
        per: whether budgets count per query or per path.
        final: see `Layout`.

    Raises:
        ValueError: if there is no metapath, one is empty, its budgets do not fit it, or ``ANY`` has siblings.
    """
    parents, relations, budgets, ends = [-1], [ANY], [0], [False]
    nodes: dict[tuple[int, ...], int] = {}
    for metapath, budget in metapaths.items():
        steps = tuple(budget) if isinstance(budget, Sequence) else (budget,) * len(metapath)
        if not metapath or len(steps) != len(metapath):
            raise ValueError(f"tree: metapath {metapath} of {len(metapath)} hops has budgets for {len(steps)}")
        if min(steps) < 1:
            raise ValueError(f"tree: metapath {metapath}: a budget must be positive, got {min(steps)}")
        node = 0
        for hop, (relation, keep) in enumerate(zip(metapath, steps, strict=True), 1):
            parent, prefix = node, metapath[:hop]
            node = nodes.setdefault(prefix, len(parents))
            if node == len(parents):
                parents.append(parent)
                relations.append(relation)
                budgets.append(0)
                ends.append(False)
            budgets[node] = budgets[node] + keep if per == "query" else max(budgets[node], keep)
        ends[node] = True
    return Layout(tuple(parents), tuple(relations), (1, *budgets[1:]), tuple(ends), per, final)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
