"""What a walk is about: a graph, queries, and what may be seen of it. Shared by the single and vector environments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from pathlib import Path
from typing import Any, Literal, get_args
from weakref import WeakKeyDictionary

from kgwalk import _core, data
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.envs.scorer_option import scorer_option
from kgwalk.protocols import Ids
from kgwalk.scorers.pruning import pruned

Decision = Literal["edge", "split"]
Candidates = Literal["padded", "ragged", "index"]
QueryOrder = Literal["random", "sequential"]

MAX_HORIZON = 1024  # the core's own bound
MAX_INT32 = 2**31 - 1


def check_choice(name: str, value: object, choices: object) -> None:
    """Raise ValueError unless ``value`` is one of the words of a Literal type."""
    words = get_args(choices)
    if value not in words:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, words))}, got {value!r}")


def as_int(name: str, value: Any) -> int:
    """An argument that is an integer, numpy's too; a float is none. ValueError otherwise."""
    try:
        return index(value)
    except TypeError:
        raise ValueError(f"{name}: expected an integer, got {value!r}") from None


def check_int(name: str, value: Any, low: int, high: int) -> int:
    """An integer argument in [low, high]; ValueError otherwise."""
    number = as_int(name, value)
    if not low <= number <= high:
        raise ValueError(f"{name}: expected an integer in [{low}, {high}], got {number}")
    return number


def check_options(options: Mapping[str, Any] | None, *known: str) -> Mapping[str, Any]:
    """The options of a reset; ValueError if one is not known."""
    options = options or {}
    for key in options:
        if key not in known:
            raise ValueError(f"options: expected {' or '.join(map(repr, known))}, got {key!r}")
    return options


def _load(name: str, data_dir: str | Path | None) -> Dataset:
    if data_dir is not None:
        return data.load(name, data_dir)
    return _load_benchmark(name, os.environ.get("KGWALK_DATA"))


@lru_cache(maxsize=16)
def _load_benchmark(name: str, root: str | None) -> Dataset:
    """A process that makes many environments holds one graph. ``root`` only tells loads under two roots apart."""
    return data.load(name)


# Query tables and rules by dataset, shared by its environments: a process may hold hundreds of them.
_shared: WeakKeyDictionary[Dataset, dict[tuple[Any, ...], tuple[Ids, _core.ActionSets, Any]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Task:
    """Queries over one graph, and the rules of the walk.

    Attributes:
        dataset: where the queries come from.
        split: name of the query split.
        queries: (n, 3) int32: source, relation, target.
        actions: which moves are legal.
        horizon: hops of a walk.
        training: whether targets take part in what is legal (their own fact hidden); otherwise they only pay.
    """

    dataset: Dataset
    split: str
    queries: Ids
    actions: _core.ActionSets
    horizon: int
    training: bool

    @classmethod
    def make(
        cls,
        dataset: str | Dataset,
        *,
        data_dir: str | Path | None,
        split: str,
        directions: Directions | None,
        horizon: int | None,
        max_out_degree: int | None,
        hide_answers: bool,
        prune: Any = None,
    ) -> Task:
        """Load the dataset if it is named, and check the arguments.

        Raises:
            ValueError: an argument outside its choices, or no queries in the split.
            KeyError: the dataset has no such split.
        """
        if directions is not None:
            check_choice("directions", directions, Directions)
        if not isinstance(hide_answers, bool):
            raise ValueError(f"hide_answers: expected True or False, got {hide_answers!r}")
        if isinstance(dataset, str):
            dataset = _load(dataset, data_dir)
        elif not isinstance(dataset, Dataset):
            raise ValueError(f"dataset: expected a name or a loaded Dataset, got {dataset!r}")
        elif data_dir is not None:
            raise ValueError("data_dir goes with the name of a dataset, not with a loaded one")
        if directions is None:
            directions = "tail" if isinstance(dataset, Recommendation) else "both"
        scorer = None if prune is None else scorer_option("prune", prune, dataset)
        cap = dataset.card.max_out_degree if max_out_degree is None else max_out_degree
        cap = check_int("max_out_degree", cap, 0, MAX_INT32)
        horizon = check_int("horizon", dataset.card.horizon if horizon is None else horizon, 1, MAX_HORIZON)
        training = split == "train"
        if scorer is not None and cap == 0:
            raise ValueError("prune: expected a max_out_degree of at least 1 beside it, got 0, which shows all edges")
        key = (split, directions, cap, hide_answers, id(scorer))  # the table keeps the scorer, and so its id
        shared = _shared.setdefault(dataset, {})
        if key not in shared:
            graph = dataset.graph_for(split)
            expand = dataset.expand_for(split, cap) if scorer is None else pruned(graph, scorer, cap)
            actions = _core.ActionSets(expand, hide_fact=training, hide_answers=hide_answers)
            queries = dataset.queries(split, directions).view()
            queries.flags.writeable = False
            shared[key] = (queries, actions, scorer)
        queries, actions, _ = shared[key]
        if len(queries) == 0:
            raise ValueError(f"split {split!r} of {dataset.name} has no queries")
        return cls(dataset, split, queries, actions, horizon, training)

    @property
    def num_entities(self) -> int:
        """Entities of the graph."""
        return self.actions.graph.num_entities

    @property
    def stay(self) -> int:
        """Relation id of STAY, ``2R``."""
        return self.actions.graph.stay

    def walk(
        self,
        *,
        num_envs: int = 1,
        decision: Decision,
        candidates: Candidates,
        autoreset: str,
        query_order: QueryOrder,
        hit_reward: float,
        batched: bool,
    ) -> _core.Walk:
        """Walkers over this task, in C++."""
        check_choice("query_order", query_order, QueryOrder)
        check_choice("decision", decision, Decision)
        check_choice("candidates", candidates, Candidates)
        return _core.Walk(
            self.actions,
            self.queries,
            num_envs=check_int("num_envs", num_envs, 1, MAX_INT32),
            horizon=self.horizon,
            decision=decision,
            candidates=candidates,
            autoreset=autoreset,
            training=self.training,
            in_order=query_order == "sequential",
            hit_reward=hit_reward,
            batched=batched,
        )
