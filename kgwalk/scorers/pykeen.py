"""Models that PyKEEN trained, taken over as scorers. Needs the extra ``kge``."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgwalk._core import Names
from kgwalk.data.dataset import Dataset, contains
from kgwalk.protocols import Ids
from kgwalk.scorers.embedding import EmbeddingScorer

try:
    from pykeen.models import ERModel
    from pykeen.triples import CoreTriplesFactory
    from pykeen.version import get_version

    from kgwalk.scorers.pykeen_weights import weights_of
except ImportError as error:
    raise ImportError(f"from_pykeen needs {error.name}, which is not installed: pip install 'kgwalk[kge]'") from error

logger = logging.getLogger(__name__)

#: Names and facts that an error message lists.
_NAMED = 5


def from_pykeen(
    model: ERModel, factory: CoreTriplesFactory, dataset: Dataset, *, calibrate: bool = True
) -> EmbeddingScorer:
    """The scorer of a model that PyKEEN trained on the training facts of ``dataset``.

    Rows are matched by name, whatever ids PyKEEN gave. Inverse relations are taken if PyKEEN trained them
    (``create_inverse_triples=True``), else made so that ``(t, inverse of r, h)`` scores as ``(h, r, t)`` does. Entities
    and relations that occur in no training fact and that the factory does not know get zeros: their scores mean
    nothing.

    Scores before calibration are PyKEEN's own (``score_t``), but for models with ``power_norm`` and ``p=2``, which
    square the distance: the order is the same.

    Args:
        model: TransE, TransR (``p=2``), DistMult, ComplEx, ConvE or RotatE of ``pykeen.models``, or an ``ERModel`` with
            one of their interactions. It is put into evaluation mode.
        factory: of the training facts, with names (``TriplesFactory``).
        dataset: what the scorer is for.
        calibrate: fit the curve from scores to probabilities on valid.

    Raises:
        ValueError: another kind or shape of model; names that are not those of ``dataset``; a fact that is no training
            fact of ``dataset``, be it of another dataset or of its valid or test split; a weight that is not finite.
        ImportError: PyKEEN is not installed.
    """
    if not hasattr(factory, "entity_to_id"):
        raise ValueError(
            "the factory has ids without names: pass the TriplesFactory, or give it names by factory.with_labels(...)"
        )
    for key, ours in (("num_entities", factory.num_entities), ("num_real_relations", factory.real_num_relations)):
        if getattr(model, key) != ours:
            raise ValueError(f"the model has {key} {getattr(model, key)}, the factory {ours}: it is of another model")
    graph = dataset.graph
    in_fact = np.zeros(graph.num_relations, np.bool_)
    in_fact[graph.edges[graph.edges[:, 0] < graph.num_relations, 0]] = True
    entities = _matched(factory.entity_to_id, dataset.entities, np.diff(graph.offsets) > 0, "entities", dataset)
    relations = _matched(factory.relation_to_id, dataset.relations, in_fact, "relations", dataset)
    _check_facts(factory.mapped_triples, entities, relations, dataset)

    weights = weights_of(model)
    state = dict(weights.layers)
    for key, table in weights.entities.items():
        state[key] = _placed(table, entities, graph.num_entities)
    rows = [_placed(table, relations, graph.num_relations) for table in (weights.forward, weights.inverse)]
    state["relations"] = torch.cat(rows)
    broken = sorted(key for key, value in state.items() if not bool(torch.isfinite(value).all()))
    if broken:
        raise ValueError(f"{', '.join(broken)} of the model are not all finite numbers")
    with torch.device("meta"):
        made = weights.kind(graph.num_entities, graph.num_relations, weights.config)
    made.load_state_dict(state, assign=True)
    scorer = EmbeddingScorer.of(made, dataset, {"pykeen": get_version(), "model": type(model).__name__})
    if calibrate:
        scorer.calibrate(dataset)
    return scorer


def _matched(
    theirs: Mapping[str, int], ours: Names, needed: NDArray[np.bool_], what: str, dataset: Dataset
) -> NDArray[np.int64]:
    """Our id of each of PyKEEN's ids, -1 where it has no name.

    Args:
        theirs: PyKEEN's id of each name.
        ours: names by our id.
        needed: by our id, whether PyKEEN must have it.
        what: for messages.
        dataset: for messages.
    """
    found = {name: ours.find(name) for name in theirs}
    unknown = [name for name, own in found.items() if own < 0]
    if unknown:
        raise ValueError(f"{dataset.name} lacks {len(unknown)} of the model's {len(theirs)} {what}: {_some(unknown)}")
    absent = np.ones(len(ours), np.bool_)
    absent[list(found.values())] = False
    missing = np.flatnonzero(absent & needed)
    if len(missing):
        names = [ours[int(own)] for own in missing[:_NAMED]]
        raise ValueError(
            f"the model lacks {len(missing)} {what} of {dataset.name}'s training facts: {_some(names, len(missing))}"
        )
    if absent.any():
        logger.warning("%d %s of %s have no vector in the model: zeros", absent.sum(), what, dataset.name)
    ids = np.full(max(theirs.values(), default=-1) + 1, -1)
    ids[list(theirs.values())] = list(found.values())
    return ids


def _check_facts(triples: Tensor, entities: NDArray[np.int64], relations: NDArray[np.int64], dataset: Dataset) -> None:
    """Refuse a model that saw other facts than the training facts."""
    ids = triples.cpu().numpy()
    facts = np.column_stack([entities[ids[:, 0]], relations[ids[:, 1]], entities[ids[:, 2]]]).astype(np.int32)
    foreign = facts[(facts < 0).any(1) | ~contains(dataset.graph, facts)]
    if len(foreign):
        raise ValueError(
            f"{len(foreign)} of the {len(facts)} facts that the model was trained on are no training facts of "
            f"{dataset.name}, for instance {_told(foreign[0], dataset)}: it is of another dataset, or has seen facts "
            "that it would be asked about"
        )
    distinct = len(np.unique(facts, axis=0))
    if distinct < dataset.graph.num_facts:
        logger.warning(
            "the model was trained on %d of the %d training facts of %s",
            *(distinct, dataset.graph.num_facts, dataset.name),
        )


def _told(fact: Ids, dataset: Dataset) -> str:
    """A fact by its names, and the splits it is in."""
    names = ((dataset.entities, fact[0]), (dataset.relations, fact[1]), (dataset.entities, fact[2]))
    told = "(" + ", ".join(table[int(own)] if own >= 0 else "?" for table, own in names) + ")"
    splits = [name for name, rows in dataset.splits.items() if bool((rows == fact).all(1).any())]
    return told + (f" of split {' and '.join(splits)}" if splits else "")


def _some(names: list[str], count: int | None = None) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if (count or len(names)) > _NAMED else "")


def _placed(table: Tensor, ids: NDArray[np.int64], count: int) -> Tensor:
    """Rows of PyKEEN's table where our ids want them, (count, d), zeros where there are none."""
    placed = table.new_zeros(count, table.shape[1])
    named = torch.from_numpy(np.flatnonzero(ids >= 0))
    placed[torch.from_numpy(ids)[named]] = table[named]
    return placed
