"""What a recommendation consists of, with names instead of ids: as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kgwalk.explain.words import Answer, Explanation, PathInWords
from kgwalk.recommend.phrases import counted


@dataclass(frozen=True)
class Reason:
    """A walk to an item.

    Attributes:
        sentence: What it says.
        metapath: Names of the relations it follows, ``^name`` against its direction.
        path: Its entities and relations, with its probability.
        steps: What to write on its arrows, hop by hop, each in the direction that is walked.
    """

    sentence: str
    metapath: tuple[str, ...]
    path: PathInWords
    steps: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        path = self.path.to_json()
        del path["rules"]
        return {"sentence": self.sentence, "metapath": " ".join(self.metapath), **path}


@dataclass(frozen=True)
class Recommended:
    """An item in a list.

    Attributes:
        rank: Place in the list, from 1.
        entity: Its name.
        label: Its readable name.
        score: That of whoever put it there; scores of different origin are not comparable.
        by: Who put it there: the agent, the scorer that fills up, or ``popularity``.
        reasons: Walks that lead there, the weightiest first; none if it is unexplained.
    """

    rank: int
    entity: str
    label: str
    score: float
    by: str
    reasons: tuple[Reason, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether a walk leads there."""
        return bool(self.reasons)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rank": self.rank,
            "entity": self.entity,
            "label": self.label,
            "score": self.score if math.isfinite(self.score) else None,
            "explained": self.explained,
            "by": self.by,
            "paths": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True)
class MetapathShare:
    """What walks along one metapath say for a list.

    Attributes:
        metapath: Names of its relations.
        words: What to call it.
        share: Of the weight of all explained items of the list, in [0, 1].
        walks: Walks along it that the graph has from the user to items of the list.
        items: Items of the list that such walks lead to.
        leads: Ranks of the items for which it weighs most.
    """

    metapath: tuple[str, ...]
    words: str
    share: float
    walks: int
    items: int
    leads: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "metapath": " ".join(self.metapath),
            "words": self.words,
            "share": self.share,
            "walks": self.walks,
            "items": self.items,
            "leads": list(self.leads),
        }


@dataclass(frozen=True)
class LayoutNode:
    """A node in the layout tree of a user: a prefix of metapaths.

    Attributes:
        step: The relation that leads here in words; empty at the root.
        kind: What walks meet here, in the plural; the user at the root.
        share: Of the weight of the list, by all walks through here.
        children: The heaviest first.
        metapath: The metapath that ends here; None inside the tree.
    """

    step: str
    kind: str
    share: float
    children: tuple[LayoutNode, ...] = ()
    metapath: MetapathShare | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "step": self.step,
            "kind": self.kind,
            "share": self.share,
            "metapath": None if self.metapath is None else " ".join(self.metapath.metapath),
            "children": [child.to_json() for child in self.children],
        }


@dataclass(frozen=True)
class Recommendations:
    """A list of items for one user, with its reasons.

    Attributes:
        user: Name of the user; empty for one who is new to the graph.
        label: What the user is called.
        dataset: Name of the dataset.
        agent: Name of the agent.
        user_type: What users are called, for instance ``reader``.
        item_type: What items are called, for instance ``book``.
        interaction: The relation from users to items in words: "has read".
        has: Readable names of what the user has.
        items: Those that are explained first, then the others; none that the user has.
        metapaths: What leads to them, by share; empty if nothing is explained.
        layout: The same as a tree; None if nothing is explained.
        notes: What there is to know of this list: why it is short, or who filled it up.
    """

    user: str
    label: str
    dataset: str
    agent: str
    user_type: str
    item_type: str
    interaction: str
    has: tuple[str, ...]
    items: tuple[Recommended, ...]
    metapaths: tuple[MetapathShare, ...] = ()
    layout: LayoutNode | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The list for whoever runs the shop: how it comes about as a whole, then each item with its sentences."""
        return "\n".join([*self._head(), *self._body()])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "user": self.user or None,
            "label": self.label,
            "dataset": self.dataset,
            "agent": self.agent,
            "has": list(self.has),
            "items": [item.to_json() for item in self.items],
            "metapaths": [one.to_json() for one in self.metapaths],
            "layout": None if self.layout is None else self.layout.to_json(),
            "notes": list(self.notes),
        }

    def explanation(self) -> Explanation:
        """The explained items and their walks as the answers to a query, in plain words, to be drawn as one graph."""
        answers = tuple(
            Answer(item.rank, item.entity, item.label, item.score, False, tuple(map(_plain, item.reasons)))
            for item in self.items
            if item.explained
        )
        return Explanation(self.user or self.label, self.label, "recommended", answers)

    def _head(self) -> Iterator[str]:
        has = f"{self.label} {self.interaction} {counted(len(self.has), self.item_type)}"
        explained = sum(item.explained for item in self.items)
        told = f"{counted(len(self.items), self.item_type)} recommended, {explained} of them with a reason"
        yield f"{has}. {told}."
        if self.metapaths:
            yield ""
            yield "What speaks for them"
            for one in self.metapaths:
                leads = f" (the best reason for {numbers(one.leads)})" if one.leads else ""
                yield f"  {percent(one.share):>6}  {one.words}{leads}"

    def _body(self) -> Iterator[str]:
        for item in self.items:
            if item.rank == 1 or item.explained:
                yield ""
            mark = "" if item.explained else f"  (unexplained: by {item.by})"
            yield f"{item.rank:>3}. {item.label}{mark}"
            for reason in item.reasons:
                yield f"     {reason.sentence}"
        if self.notes:
            yield ""
            yield from self.notes


def percent(share: float) -> str:
    """A share for people: "61 %", "< 1 %"; only all is "100 %"."""
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 - 1e-9 else f"{100 * share:.0f} %"


def numbers(places: tuple[int, ...]) -> str:
    """Rising places in short: "no. 1-3, 7"."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return "no. " + ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def _plain(reason: Reason) -> PathInWords:
    """A path whose relations read in the direction that is walked."""
    hops = tuple(
        type(hop)(step, False, hop.entity, hop.label) for step, hop in zip(reason.steps, reason.path.hops, strict=True)
    )
    return PathInWords(reason.path.source, hops, reason.path.log_prob)
