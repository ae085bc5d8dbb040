"""EmbeddingScorer: a trained embedding model as a Scorer, and its file."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kgwalk._core import rank_order
from kgwalk.data.dataset import Dataset
from kgwalk.protocols import Ids
from kgwalk.scorers.calibration import Calibration, ScoreCounts
from kgwalk.scorers.models import MODELS, EmbeddingModel
from kgwalk.scorers.raw_scores import raw_scores
from kgwalk.tensors import check_weights, load_tensors, reading, save_tensors

Floats = NDArray[np.float32]

#: Queries whose scores of all entities are held at once.
_QUERIES = 256
#: Queries of valid that the calibration is fitted to, at most, in each direction.
_CALIBRATED_ON = 500


class EmbeddingScorer:
    """Probabilities of facts by an embedding model.

    The model's own scores are of any size. ``score`` turns them into probabilities by a logistic curve that is fitted
    on valid: among all entities that are not known answers yet, a share ``p`` of those scored ``p`` are true. Most
    wrong answers are therefore near 0, and few right ones are near 1. The curve rises, so it changes no order.

    Args:
        model: trained.
        dataset: name of the dataset it was trained on.
        fingerprint: of that dataset.
        facts: ``Dataset.facts_fingerprint`` of the facts it was fitted on; on others it is refused.
        type_offsets: first entity of each type, and the number of entities.
        calibration: from the model's scores to probabilities.
        made_by: JSON-able, how the model came about.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        *,
        dataset: str,
        fingerprint: str,
        facts: str,
        type_offsets: Sequence[int],
        calibration: Calibration | None = None,
        made_by: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model.eval()
        self.dataset = dataset
        self.fingerprint = fingerprint
        self.facts = facts
        self.type_offsets = list(type_offsets)
        self.calibration = calibration or Calibration()
        self.made_by = dict(made_by or {})

    @classmethod
    def of(cls, model: EmbeddingModel, dataset: Dataset, made_by: Mapping[str, Any] | None = None) -> EmbeddingScorer:
        """A scorer of a model that was fitted on the training facts of ``dataset``, not calibrated yet."""
        graph = dataset.graph
        if (model.num_entities, model.num_relations) != (graph.num_entities, graph.num_relations):
            raise ValueError(
                f"the model has {model.num_entities} entities and {model.num_relations} relations, but {dataset.name} "
                f"has {graph.num_entities} and {graph.num_relations}"
            )
        return cls(
            model,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            facts=dataset.facts_fingerprint,
            type_offsets=graph.type_offsets,
            made_by=made_by,
        )

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    def score(self, sources: Ids, relation: int, targets: Ids) -> Floats:
        """See ``kgwalk.protocols.Scorer``."""
        relation = operator.index(relation)
        self._check(relation, sources=sources, targets=targets)
        if sources.shape != targets.shape:
            raise ValueError(f"sources and targets: expected equal lengths, got {len(sources)} and {len(targets)}")
        return self.score_facts(np.stack([sources, np.full_like(sources, relation), targets], axis=1))

    def score_facts(self, facts: Ids) -> Floats:
        """Probabilities of facts (n, 3) int32 of whatever relations, (n,) in [0, 1].

        Raises:
            IndexError: an id out of range.
            ValueError: another shape or dtype; a score that is not finite.
        """
        if facts.ndim != 2 or facts.shape[1] != 3 or facts.dtype != np.int32:
            raise ValueError(f"facts: expected (n, 3) int32, got {facts.shape} {facts.dtype}")
        for column in (0, 2):
            self._check(0, entities=facts[:, column])
        for relation in (facts[:, 1].min(initial=0), facts[:, 1].max(initial=0)):
            self._check(int(relation))
        return self.calibration(self._finite(raw_scores(self.model, facts), facts))

    def top_k(self, sources: Ids, relation: int, k: int, *, entity_type: int | None = None) -> tuple[Ids, Floats]:
        """See ``kgwalk.protocols.Scorer``. Equal are answers whose scores are, before they become probabilities."""
        relation = operator.index(relation)
        self._check(relation, sources=sources)
        first, last = self._range(entity_type)
        if not 0 < k <= last - first:
            raise ValueError(f"k must be from 1 to {last - first}, the targets there are, got {k}")
        queries = np.stack([sources, np.full_like(sources, relation), np.full_like(sources, -1)], axis=1)
        best = np.empty((len(sources), k), np.int32)
        scores = np.empty((len(sources), k), np.float32)
        for begin, block in self._blocks(queries, slice(first, last)):
            order = sorted_by_score(block)[:, :k]
            best[begin : begin + len(block)] = order + first
            scores[begin : begin + len(block)] = np.take_along_axis(block, order, 1)
        return best, self.calibration(scores)

    def scores(self, queries: Ids, among: slice = slice(None)) -> Floats:
        """The model's own scores of all entities, (n, num_entities), or of the range ``among`` of them.

        Args:
            queries: (n, 3) int32: source, relation, target; targets are not read.
            among: the entities that are scored, such as those of one type.

        Raises:
            IndexError: an id out of range.
            ValueError: another shape or dtype; a score that is not finite.
        """
        if queries.ndim != 2 or queries.shape[1] != 3 or queries.dtype != np.int32:
            raise ValueError(f"queries: expected (n, 3) int32, got {queries.shape} {queries.dtype}")
        self._check(0, sources=queries[:, 0])
        for relation in (queries[:, 1].min(initial=0), queries[:, 1].max(initial=0)):
            self._check(int(relation))
        ids = torch.from_numpy(queries.astype(np.int64))
        with torch.inference_mode():
            return self._finite(self.model.all_scores(ids[:, 0], ids[:, 1], among).numpy(), queries)

    def calibrate(self, dataset: Dataset, seed: int = 0) -> None:
        """Fit the curve from scores to probabilities to queries of valid; a dataset without valid leaves it as it is.

        True are the targets of the queries drawn, false all entities that are not known to answer them in train or
        valid.
        """
        if not len(dataset.splits.get("valid", ())):
            return
        queries = dataset.queries("valid", "both")
        draw = np.random.default_rng(seed).permutation(len(queries))
        queries = queries[np.sort(draw[: 2 * _CALIBRATED_ON])]
        known = dataset.known_for("valid")
        low, high = np.inf, -np.inf
        for _, block in self._blocks(queries):
            low, high = min(low, float(block.min())), max(high, float(block.max()))
        counts = ScoreCounts(low, high)
        for begin, block in self._blocks(queries):
            own = queries[begin : begin + len(block)]
            true = block[np.arange(len(own)), own[:, 2]]
            # The query's own target is one of the known answers.
            answers = [known.slice(int(source), int(relation))[:, 1] for source, relation, _ in own]
            rows = np.repeat(np.arange(len(own)), [len(some) for some in answers])
            other = np.ones(block.shape, bool)
            other[rows, np.concatenate(answers)] = False
            counts.add(true, block[other])
        self.calibration = counts.fit()

    def save(self, path: Path) -> None:
        """Write weights and all that ``load`` needs to one safetensors file."""
        note = {
            "agent": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "facts": self.facts,
            "num_entities": self.model.num_entities,
            "num_relations": self.model.num_relations,
            "type_offsets": self.type_offsets,
            "model": dataclasses.asdict(self.model.config),
            "calibration": self.calibration._asdict(),
            "made_by": self.made_by,
        }
        save_tensors(path, self.model.state_dict(), note)

    @classmethod
    def load(cls, path: Path) -> EmbeddingScorer:
        """The scorer in a file, whatever dataset it is for; ``kgwalk.scorers.load`` asks for one of a dataset.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is damaged, or of no model that is known here.
        """
        tensors, note = load_tensors(path)
        with reading(path):
            return cls._from_note(tensors, note)

    @classmethod
    def _from_note(cls, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> EmbeddingScorer:
        if note["agent"] not in MODELS:
            raise ValueError(f"holds a model {note['agent']!r}; known are {', '.join(sorted(MODELS))}")
        kind = MODELS[note["agent"]]
        sizes = {key: note[key] for key in ("num_entities", "num_relations")}
        offsets = note["type_offsets"]
        numbers = [*sizes.values(), *offsets]
        if any(type(number) is not int or not 0 <= number < 1 << 31 for number in numbers):
            raise ValueError("its sizes are no whole numbers")
        if len(offsets) < 2 or offsets != sorted(offsets) or offsets[0] != 0 or offsets[-1] != sizes["num_entities"]:
            raise ValueError("its types do not divide up its entities")
        with torch.device("meta"):  # shapes only: a note that lies about sizes makes nothing large
            model = kind(**sizes, config=kind.Config(**note["model"]))
        check_weights(model, tensors)
        negative = [key for key, value in tensors.items() if key.endswith("running_var") and bool((value < 0).any())]
        if negative:
            raise ValueError(f"weights {', '.join(negative)} are no variances")
        calibration = Calibration.from_json(note["calibration"])
        if not isinstance(note["made_by"], dict):
            raise ValueError("its note does not tell how it was made")
        model.load_state_dict(tensors, assign=True)
        own = {key: str(note[key]) for key in ("dataset", "fingerprint", "facts")}
        return cls(model, **own, type_offsets=offsets, calibration=calibration, made_by=note["made_by"])

    def _finite(self, scores: Floats, facts: Ids) -> Floats:
        """The scores, if all are finite: finite weights may be so large that their products are not."""
        for score, fact in zip(scores, facts, strict=True) if not np.isfinite(scores).all() else ():
            if not np.isfinite(score).all():
                raise ValueError(f"{self.name} has no finite score for (source, relation, target) {fact.tolist()}")
        return scores

    def _blocks(self, queries: Ids, among: slice = slice(None)) -> Iterator[tuple[int, Floats]]:
        """Scores of all entities, or a range of them, for blocks of queries, each with the row it begins at."""
        for begin in range(0, len(queries), _QUERIES):
            yield begin, self.scores(queries[begin : begin + _QUERIES], among)

    def _range(self, entity_type: int | None) -> tuple[int, int]:
        if entity_type is None:
            return 0, self.model.num_entities
        if not 0 <= entity_type < len(self.type_offsets) - 1:
            raise IndexError(f"entity type {entity_type} is outside [0, {len(self.type_offsets) - 1})")
        return self.type_offsets[entity_type], self.type_offsets[entity_type + 1]

    def _check(self, relation: int, **entities: Ids) -> None:
        """Refuse what is no relation, and arrays that are not (n,) int32 of entities."""
        if not 0 <= relation < 2 * self.model.num_relations:
            raise IndexError(f"relation {relation} is outside [0, {2 * self.model.num_relations})")
        for key, ids in entities.items():
            if ids.ndim != 1 or ids.dtype != np.int32:
                raise ValueError(f"{key}: expected (n,) int32, got {ids.shape} {ids.dtype}")
            if len(ids) and not 0 <= ids.min() <= ids.max() < self.model.num_entities:
                raise IndexError(f"{key}: an entity id is outside [0, {self.model.num_entities})")


def sorted_by_score(scores: Floats) -> NDArray[np.int64]:
    """Columns of (n, m) in falling order of their score, equal ones by column, (n, m)."""
    count, width = scores.shape
    columns = np.tile(np.arange(width, dtype=np.int32), count)
    order = rank_order(np.arange(count + 1) * width, columns, scores.astype(np.float64).reshape(-1))
    rows = np.arange(count)[:, None] * width
    columns_in_order: NDArray[np.int64] = order.reshape(count, width) - rows
    return columns_in_order
