"""RecommenderScorer: a trained recommender model as a Scorer, and its file."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.graph import Graph
from kgwalk.protocols import Ids, Offsets
from kgwalk.scorers.calibration import Calibration, ScoreCounts
from kgwalk.scorers.embedding import sorted_by_score
from kgwalk.scorers.recommenders import RECOMMENDERS, Neighbour, Objective, Recommender
from kgwalk.tensors import check_weights, load_tensors, reading, save_tensors

Floats = NDArray[np.float32]

#: Users whose scores of all items are held at once, and pairs scored at once.
_USERS, _PAIRS = 256, 1 << 15
#: Users of valid that the calibration is fitted to, at most.
_CALIBRATED_ON = 500
_NUMBERS = ("interact", "num_entities", "num_relations", "item_type", "first_item")


class RecommenderScorer:
    """Probabilities that users interact with items, by a recommender model; it knows no other facts.

    ``score`` and ``top_k`` give the model's scores through a logistic curve that is fitted on valid, as those of
    `EmbeddingScorer`: among all items that are not known of a user, a share ``p`` of those scored ``p`` are right.

    Args:
        model: trained.
        objective: what it was trained by.
        dataset: name of the dataset it was trained on.
        fingerprint: of that dataset.
        facts: ``Dataset.facts_fingerprint`` of the facts it was fitted on; on others it is refused.
        numbers: ids of that dataset: ``interact``, ``num_entities``, ``num_relations``, ``item_type``, ``first_item``.
        calibration: from the model's scores to probabilities.
        made_by: JSON-able, how the model came about.
    """

    def __init__(
        self,
        model: Recommender,
        objective: Objective,
        *,
        dataset: str,
        fingerprint: str,
        facts: str,
        numbers: Mapping[str, int],
        calibration: Calibration | None = None,
        made_by: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model.eval()
        self.objective = objective
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.facts = facts
        self.numbers = dict(numbers)
        self.calibration = calibration or Calibration()
        self.made_by = dict(made_by or {})

    @classmethod
    def of(
        cls,
        model: Recommender,
        objective: Objective,
        dataset: Recommendation,
        made_by: Mapping[str, Any] | None = None,
    ) -> RecommenderScorer:
        """A scorer of a model that was fitted on the training interactions of ``dataset``, not calibrated yet."""
        kind = ClickScorer if objective == "clicks" else RecommenderScorer
        return kind(
            model,
            objective,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            facts=dataset.facts_fingerprint,
            numbers={
                "interact": dataset.interact,
                "num_entities": dataset.graph.num_entities,
                "num_relations": dataset.graph.num_relations,
                "item_type": dataset.types.index(dataset.items),
                "first_item": dataset.items.first,
            },
            made_by=made_by,
        )

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def num_items(self) -> int:
        """Items there are."""
        return self.model.sizes["items"]

    @property
    def targets(self) -> range:
        """The entities that it can be asked about: the items."""
        return range(self.numbers["first_item"], self.numbers["first_item"] + self.num_items)

    def score(self, sources: Ids, relation: int, targets: Ids) -> Floats:
        """See ``kgwalk.protocols.Scorer``; sources are users, targets items, the relation that of interactions.

        Raises:
            ValueError: also of an entity that is no user, or no item.
        """
        self._check_relation(relation)
        return self.calibration(self.pair_scores(sources, targets))

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, Floats]:
        """See ``kgwalk.protocols.Scorer``; the targets are the items."""
        self._check_relation(relation)
        if entity_type is not None and entity_type != self.numbers["item_type"]:
            raise ValueError(f"{self.name} scores items, of type {self.numbers['item_type']}; got type {entity_type}")
        if not 0 < k <= self.num_items:
            raise ValueError(f"k must be from 1 to {self.num_items}, the items there are, got {k}")
        self._users(sources)
        best = np.empty((len(sources), k), np.int32)
        scores = np.empty((len(sources), k), np.float32)
        for begin in range(0, len(sources), _USERS):
            block = self.item_table(sources[begin : begin + _USERS])
            order = sorted_by_score(block)[:, :k]
            best[begin : begin + len(block)] = order + self.numbers["first_item"]
            scores[begin : begin + len(block)] = np.take_along_axis(block, order, 1)
        return best, self.calibration(scores)

    def pair_scores(self, users: Ids, items: Ids) -> Floats:
        """The model's own scores of pairs of entities, (n,).

        Raises:
            IndexError: an id out of range.
            ValueError: another shape or dtype, no user or no item; a score that is not finite.
        """
        rows, columns = self._users(users), self._items(items)
        if len(rows) != len(columns):
            raise ValueError(f"users and items: expected equal lengths, got {len(rows)} and {len(columns)}")
        parts = [np.empty(0, np.float32)]
        with torch.inference_mode():
            for begin in range(0, len(rows), _PAIRS):
                block = slice(begin, begin + _PAIRS)
                parts.append(self.model.pair_scores(rows[block], columns[block]).numpy())
        return self._finite(np.concatenate(parts))

    def item_table(self, users: Ids) -> Floats:
        """The model's own scores of all items, (n, num_items), for users (n,) int32; see `pair_scores`."""
        with torch.inference_mode():
            return self._finite(self.model.all_scores(self._users(users)).numpy())

    def newcomer_table(self, graph: Graph, offsets: Offsets, items: Ids) -> Floats:
        """As `item_table`, for users who were not there in training; see ``Recommender.newcomer_scores``."""
        self._items(items)
        with torch.inference_mode():
            return self._finite(self.model.newcomer_scores(graph, offsets, items).numpy())

    def attention(self, user: int, item: int) -> list[Neighbour]:
        """The neighbours that counted for a user and an item, both entities; see ``Recommender.attention``."""
        rows, columns = self._users(np.array([user], np.int32)), self._items(np.array([item], np.int32))
        return self.model.attention(int(rows[0]), int(columns[0]))

    def calibrate(self, dataset: Recommendation, seed: int = 0) -> None:
        """Fit the curve from scores to probabilities to users of valid; without any it stays as it is.

        True are a user's items in valid, false all that it interacts with neither there nor in train.
        """
        valid = dataset.splits.get("valid", np.empty((0, 3), np.int32))
        users = np.unique(valid[:, 0])
        if not len(users):
            return
        drawn = np.sort(np.random.default_rng(seed).permutation(users)[:_CALIBRATED_ON])
        table = self.item_table(drawn)
        true, known = np.zeros(table.shape, np.bool_), np.zeros(table.shape, np.bool_)
        for marks, rows in ((true, valid), (known, dataset.splits["train"])):
            own = rows[np.isin(rows[:, 0], drawn)]
            marks[np.searchsorted(drawn, own[:, 0]), own[:, 2] - self.numbers["first_item"]] = True
        counts = ScoreCounts(float(table.min()), float(table.max()))
        counts.add(table[true], table[~(true | known)])
        self.calibration = counts.fit()

    def save(self, path: Path) -> None:
        """Write weights and all that ``load`` needs to one safetensors file."""
        note = {
            "agent": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "facts": self.facts,
            "objective": self.objective,
            "numbers": self.numbers,
            "sizes": self.model.sizes,
            "model": dataclasses.asdict(self.model.config),
            "calibration": self.calibration._asdict(),
            "made_by": self.made_by,
        }
        save_tensors(path, self.model.state_dict(), note)

    @classmethod
    def load(cls, path: Path) -> RecommenderScorer:
        """The scorer in a file, whatever dataset it is for; ``kgwalk.scorers.load`` asks for one of a dataset.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or of no model that is known here.
        """
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note)

    @classmethod
    def _from_note(cls, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> RecommenderScorer:
        if note["agent"] not in RECOMMENDERS:
            raise ValueError(f"holds a model {note['agent']!r}; known are {', '.join(sorted(RECOMMENDERS))}")
        if note["objective"] not in get_args(Objective):
            raise ValueError(f"was trained by {note['objective']!r}; known are {', '.join(get_args(Objective))}")
        numbers = {key: note["numbers"][key] for key in _NUMBERS}
        if not isinstance(note["sizes"], dict):
            raise ValueError("its sizes are no whole numbers")
        for number in (*numbers.values(), *note["sizes"].values()):
            if type(number) is not int or not 0 <= number < 1 << 31:
                raise ValueError("its sizes are no whole numbers")
        kind = RECOMMENDERS[note["agent"]]
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            model = kind(note["sizes"], kind.Config(**note["model"]))
        sizes = model.sizes
        if (
            numbers["first_item"] != sizes["users"]
            or sizes["users"] + sizes["entities"] != numbers["num_entities"]
            or not 0 < sizes["items"] <= sizes["entities"]
        ):
            raise ValueError("its users and items do not fit its entities")
        if sizes["relations"] != numbers["num_relations"] or numbers["interact"] >= numbers["num_relations"]:
            raise ValueError("its interactions do not fit its relations")
        check_weights(model, tensors)
        calibration = Calibration.from_json(note["calibration"])
        if not isinstance(note["made_by"], dict):
            raise ValueError("its note does not tell how it was made")
        model.load_state_dict(tensors, assign=True)
        model.check_buffers()
        own = {key: str(note[key]) for key in ("dataset", "fingerprint", "facts")}
        scorer = ClickScorer if note["objective"] == "clicks" else RecommenderScorer
        return scorer(
            model, note["objective"], **own, numbers=numbers, calibration=calibration, made_by=note["made_by"]
        )

    def _finite(self, scores: Floats) -> Floats:
        if not np.isfinite(scores).all():
            raise ValueError(f"{self.name} has scores that are not finite: its weights have diverged")
        return scores

    def _check_relation(self, relation: int) -> None:
        relation = operator.index(relation)
        if not 0 <= relation < 2 * self.numbers["num_relations"]:
            raise IndexError(f"relation {relation} is outside [0, {2 * self.numbers['num_relations']})")
        if relation != self.numbers["interact"]:
            raise ValueError(f"{self.name} scores interactions, relation {self.numbers['interact']}; got {relation}")

    def _users(self, users: Ids) -> torch.Tensor:
        return self._places("users", "user", users, 0, self.model.sizes["users"])

    def _items(self, items: Ids) -> torch.Tensor:
        return self._places("items", "item", items, self.numbers["first_item"], self.num_items)

    def _places(self, key: str, kind: str, ids: Ids, first: int, count: int) -> torch.Tensor:
        if ids.ndim != 1 or ids.dtype != np.int32:
            raise ValueError(f"{key}: expected (n,) int32, got {ids.shape} {ids.dtype}")
        if len(ids) and not 0 <= ids.min() <= ids.max() < self.numbers["num_entities"]:
            raise IndexError(f"{key}: an entity id is outside [0, {self.numbers['num_entities']})")
        places = ids.astype(np.int64) - first
        wrong = (places < 0) | (places >= count)
        if wrong.any():
            raise ValueError(f"{key}: entity {ids[wrong][0]} is no {kind}")
        return torch.from_numpy(places)


class ClickScorer(RecommenderScorer):
    """A scorer of a model that was trained on labelled pairs: its scores are logits of a click among these."""

    def clicks(self, users: Ids, items: Ids) -> Floats:
        """Probabilities that pairs are positive where half of all are, (n,) float32; see `pair_scores`."""
        with np.errstate(over="ignore"):  # exp overflows to infinity, and the probability is 0
            return np.asarray(1 / (1 + np.exp(-self.pair_scores(users, items).astype(np.float64))), np.float32)
