"""Asks an agent for a list of items, fills it up, and says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.metapath_walks import count_metapaths
from kgwalk.data.recommendation.metapaths import Metapath
from kgwalk.data.recommendation.new_user import new_users
from kgwalk.explain.explainer import Routes, path_in_words, walks_behind
from kgwalk.protocols import Agent, Ids, MetapathWalker, ProfileScorer, Scorer
from kgwalk.recommend.find import find_one
from kgwalk.recommend.phrases import counted, step_words
from kgwalk.recommend.shares import layout_of, metapath_shares
from kgwalk.recommend.templates import Template, Templates
from kgwalk.recommend.words import Reason, Recommendations, Recommended
from kgwalk.scorers.facts import check_fitted_on, scorer_name
from kgwalk.search import known_items

Walk = tuple[list[int], Metapath, float]  # entities, relations, log-probability
POPULARITY = "popularity"
#: Walks of an item that count where an agent weighs metapaths by its walks.
_ALL = 1 << 30


class _User(NamedTuple):
    """Who is recommended items: entity, name, label, the graph to walk and the items the user has in it or beside."""

    entity: int
    name: str
    label: str
    expand: Expand
    known: Ids


class _Entry(NamedTuple):
    """An item of a list before it has names."""

    entity: int
    score: float
    by: str


def recommend(
    agent: Agent,
    dataset: Recommendation,
    user: str | int,
    *,
    k: int = 10,
    paths: int = 1,
    fill: Scorer | None = None,
    templates: Templates | Mapping[str, str | Template] | Path | None = None,
    split: str = "test",
) -> Recommendations:
    """Recommend items to a user, and say why.

    The list has k items that the user does not have: those that the agent's walks lead to, in the agent's order, then
    the agent's others, then those of ``fill``, or else the most popular ones. What has no walk is unexplained, and says
    so.

    Args:
        agent: Whatever recommends items of the dataset.
        dataset: Users, items and what is known of them.
        user: Name, label or id of a user.
        k: Length of the list.
        paths: Walks to give for each item.
        fill: Fills up a list that is short.
        templates: What walks shall say: by metapath, or a file of such; see `Templates`.
        split: Whose graph to walk. On a test split the items of valid are the user's too.

    Raises:
        KeyError: There is no such user, or no such split.
        IndexError: An id that is no user's.
        ValueError: ``k`` or ``paths`` is below 1, a scorer of another dataset, a template that cannot be used.
    """
    return Recommender(agent, dataset, fill=fill, templates=templates, split=split).to(user, k=k, paths=paths)


class Recommender:
    """`recommend` for one user after another.

    Args:
        agent: Whatever recommends items of the dataset.
        dataset: Users, items and what is known of them.
        fill: Fills up lists that are short.
        templates: What walks shall say.
        split: Whose graph to walk.

    Raises:
        KeyError: The dataset has no such split.
        ValueError: A scorer of another dataset, or a template that cannot be used.
    """

    def __init__(
        self,
        agent: Agent,
        dataset: Recommendation,
        *,
        fill: Scorer | None = None,
        templates: Templates | Mapping[str, str | Template] | Path | None = None,
        split: str = "test",
    ) -> None:
        if fill is not None:
            check_fitted_on(fill, dataset)
        self.agent = agent
        self.dataset = dataset
        self.fill = fill
        self.graph = dataset.graph_for(split)
        self.split = split
        if isinstance(templates, Path):
            templates = Templates.of_file(dataset, templates)
        self.templates = templates if isinstance(templates, Templates) else Templates(dataset, templates)

    def to(self, user: str | int, *, k: int = 10, paths: int = 1) -> Recommendations:
        """A list for a user of the dataset; see `recommend`."""
        data = self.dataset
        entity = find_one(data, data.users, user)
        parts = ["train", *(["valid"] if self.split.startswith("test") and "valid" in data.splits else [])]
        own = [data.splits[part][data.splits[part][:, 0] == entity, 2] for part in parts]
        _, walked = known_items(self.graph, np.array([entity], np.int32), data.interact)
        known = np.unique(np.concatenate([walked, *own])).astype(np.int32)
        notes = [] if len(walked) else [f"{data.label(entity)} has nothing that a walk could begin with."]
        someone = _User(entity, data.entities[entity], data.label(entity), Expand(self.graph), known)
        return self._recommend(someone, k, paths, notes)

    def to_new(self, items: Iterable[str | int], *, name: str = "", k: int = 10, paths: int = 1) -> Recommendations:
        """A list for someone who is not in the graph: an overlay adds the user, and nothing is retrained.

        Args:
            items: What the user has: names, labels or ids of items.
            name: What to call the user; "The new reader", say, if empty.
            k: Length of the list.
            paths: Walks to give for each item.

        Raises:
            KeyError: There is no such item.
            ValueError: No items; an agent or a scorer that knows only the users it was trained with; as `recommend`.
        """
        data = self.dataset
        known = np.unique([find_one(data, data.items, item) for item in items]).astype(np.int32)
        if not len(known):
            raise ValueError(f"nothing is known of this new user: give at least one {data.items.name}")
        new = new_users(data, [known.tolist()])
        expand = new.graph if self.graph is data.graph else Expand(self.graph, new.overlay)
        label = name or f"The new {data.users.name.replace('_', ' ')}"
        degrees = np.diff(self.graph.offsets)
        bare = [data.label(item) for item in known.tolist() if not degrees[item]]
        notes = [f"Nothing is known of {one}: no walk leads on from there." for one in bare]
        return self._recommend(_User(int(new.users[0]), "", label, expand, known), k, paths, notes)

    def _recommend(self, user: _User, k: int, paths: int, notes: list[str]) -> Recommendations:
        if k < 1 or paths < 1:
            raise ValueError(f"k and paths must be 1 or more, got {k} and {paths}")
        data = self.dataset
        free = len(data.items) - len(user.known)
        if k > free:
            notes.append(
                f"{user.label} does not have {counted(free, data.items.name)} of {len(data.items):,}: "
                f"all are listed, {k:,} were asked for."
            )
        entries, walks, metapaths, weights = self._ask(user, min(k, free), paths)
        explained = len(walks)
        others = len(entries) - explained
        entries += self._filled(user, [entry.entity for entry in entries], min(k, free) - len(entries))
        notes += _notes(self.agent.name, explained, others, [entry.by for entry in entries[explained + others :]])
        shares = {}
        if explained:
            sources = np.full(explained, user.entity, np.int32)
            targets = np.array([entry.entity for entry in entries[:explained]], np.int32)
            counts = count_metapaths(user.expand, metapaths, sources, targets)
            shares = metapath_shares(data, self.templates, metapaths, weights, counts)
        return Recommendations(
            user=user.name,
            label=user.label,
            dataset=data.name,
            agent=self.agent.name,
            user_type=data.users.name,
            item_type=data.items.name,
            interaction=step_words(data, data.interact),
            has=tuple(map(data.label, user.known.tolist())),
            items=tuple(
                Recommended(
                    rank=rank,
                    entity=data.entities[entry.entity],
                    label=data.label(entry.entity),
                    score=entry.score,
                    by=entry.by,
                    reasons=tuple(self._reason(user, walk) for walk in (walks[rank - 1] if rank <= explained else ())),
                )
                for rank, entry in enumerate(entries, 1)
            ),
            metapaths=tuple(shares.values()),
            layout=layout_of(data, shares, user.label) if shares else None,
            notes=tuple(notes),
        )

    def _ask(
        self, user: _User, k: int, paths: int
    ) -> tuple[list[_Entry], list[list[Walk]], list[Metapath], NDArray[np.float64]]:
        """What the agent lists, at most k; walks of the first of them; metapaths and what each weighs for these."""
        data = self.dataset
        query = np.array([[user.entity, data.interact, -1]], np.int32)
        graph = user.expand if user.entity >= self.graph.num_entities else self.graph
        try:
            ranked = self.agent.answer(query, graph)
        except IndexError as error:
            if graph is self.graph:
                raise
            raise ValueError(f"{self.agent.name} knows only users that it was trained with ({error})") from error
        wanted = (ranked.entities >= data.items.first) & (ranked.entities < data.items.last)
        wanted &= ~np.isin(ranked.entities, user.known)
        entities, scores = ranked.entities[wanted].tolist(), ranked.scores[wanted].tolist()
        listed = [_Entry(entity, score, self.agent.name) for entity, score in zip(entities, scores, strict=True)]
        asked = np.array([[user.entity, data.interact, entry.entity] for entry in listed[:k]], np.int32).reshape(-1, 3)
        told = self.agent.reasons(asked, graph, paths) if isinstance(self.agent, MetapathWalker) else None
        if told is not None:
            routes = Routes(told.paths)
            found = [list(_walks(routes, row, entry.entity, paths)) for row, entry in enumerate(listed[:k])]
            has = [row for row, walks in enumerate(found) if walks]
            rest = [entry for row, entry in enumerate(listed[:k]) if not found[row]]
            chosen = [listed[row] for row in has]
            return chosen + rest, [found[row] for row in has], list(told.metapaths), told.weights[has]
        routes = Routes(walks_behind(self.agent, ranked, query, graph))
        everything = [list(_walks(routes, 0, entry.entity, _ALL)) for entry in listed]
        has = [row for row, walks in enumerate(everything) if walks][:k]
        rest = [entry for entry, walks in zip(listed, everything, strict=True) if not walks][: k - len(has)]
        metapaths, weights = _weighed([everything[row] for row in has])
        return [listed[row] for row in has] + rest, [everything[row][:paths] for row in has], metapaths, weights

    def _filled(self, user: _User, taken: Sequence[int], missing: int) -> list[_Entry]:
        """Further items for a list that lacks some."""
        if missing < 1:
            return []
        data = self.dataset
        if self.fill is None:
            by = POPULARITY
            items = np.arange(data.items.first, data.items.last, dtype=np.int32)
            offsets, _ = known_items(self.graph, items, self.graph.inverse(data.interact))
            scores = np.diff(offsets).astype(np.float64)
        else:
            by = scorer_name(self.fill)
            items, scores = self._scored(self.fill, user)
        free = ~np.isin(items, [*user.known.tolist(), *taken])
        order = np.lexsort((items[free], -scores[free]))[:missing]
        chosen, values = items[free][order].tolist(), scores[free][order].tolist()
        return [_Entry(entity, score, by) for entity, score in zip(chosen, values, strict=True)]

    def _scored(self, scorer: Scorer, user: _User) -> tuple[Ids, NDArray[np.float64]]:
        """All items and a scorer's scores of them for a user."""
        data = self.dataset
        if isinstance(scorer, ProfileScorer):
            of_items = scorer.item_scores(np.array([0, len(user.known)], np.int64), user.known)
            return np.arange(data.items.first, data.items.last, dtype=np.int32), of_items[0].astype(np.float64)
        place = data.types.index(data.items)
        source = np.array([user.entity], np.int32)
        try:
            best, scores = scorer.top_k(source, data.interact, len(data.items), entity_type=place)
        except IndexError as error:
            if user.entity < self.graph.num_entities:
                raise
            raise ValueError(
                f"{scorer_name(scorer)} knows only users that it was fitted on: it cannot fill up the list of a new one"
            ) from error
        return best[0], scores[0].astype(np.float64)

    def _reason(self, user: _User, walk: Walk) -> Reason:
        data = self.dataset
        entities, metapath, log_prob = walk
        # The user's own name stands at the beginning: an overlay's users have none in the dataset.
        path = path_in_words([data.users.first, *entities[1:]], list(metapath), log_prob, data)
        return Reason(
            sentence=self.templates.sentence(entities, metapath, user.label),
            metapath=tuple(map(data.relation_name, metapath)),
            path=type(path)(user.label, path.hops, log_prob),
            steps=tuple(step_words(data, relation) for relation in metapath),
        )


def _walks(routes: Routes, row: int, entity: int, limit: int) -> Iterable[Walk]:
    """The best walks to an item, waiting stripped."""
    for entities, relations, log_prob in routes.to(row, entity, limit):
        hops = len(relations)
        while hops and relations[hops - 1] == routes.stay:
            hops -= 1
        yield entities[: hops + 1], tuple(relations[:hops]), log_prob


def _weighed(items: Sequence[Sequence[Walk]]) -> tuple[list[Metapath], NDArray[np.float64]]:
    """The metapaths of walks, and the summed probability of each item's walks along each, (items, metapaths).

    In units of the most probable walk: only proportions matter, and logarithms of long walks are far below 0.
    """
    place: dict[Metapath, int] = {}
    most = max((log_prob for walks in items for _, _, log_prob in walks), default=0.0)
    rows = []
    for row, walks in enumerate(items):
        for _, metapath, log_prob in walks:
            rows.append((row, place.setdefault(metapath, len(place)), log_prob - most))
    weights = np.zeros((len(items), len(place)))
    for row, column, log_prob in rows:
        weights[row, column] += np.exp(log_prob)
    return list(place), weights


def _notes(agent: str, explained: int, others: int, fillers: Sequence[str]) -> list[str]:
    """What a list has beside items with a reason."""
    notes = []
    if others and not explained:
        notes.append(f"{agent} does not walk: what it recommends has no reason.")
    elif others:
        notes.append(f"{agent} recommends {others} without a walk to them.")
    if fillers:
        listed = explained + others
        told = f"{agent} lists {listed}" if listed else f"{agent} finds nothing to recommend"
        notes.append(f"{told}; the list is filled up by {fillers[0]}.")
    return notes
