"""A model that PyKEEN trained gives PyKEEN's predictions here, and what does not fit is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pykeen.models import ERModel
from pykeen.triples import TriplesFactory
from torch import nn

from kgwalk.data import Dataset, load
from kgwalk.scorers import from_pykeen
from kgwalk.scorers import load as load_scorer
from tests.pykeen.trained import SIZES, factory_of, make, named, train

# PyKEEN's training loop against PyKEEN's own and torch's parts.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Training instances are always shuffled:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true:UserWarning"),
]

TRAINED = [(name, inverse) for name in SIZES for inverse in (True, False) if inverse or name != "ConvE"]


@pytest.fixture(scope="module")
def family() -> Dataset:
    return load("Family")


def predictions(
    model: ERModel, factory: TriplesFactory, dataset: Dataset, queries: NDArray[np.int32]
) -> NDArray[np.float32]:
    """PyKEEN's scores of all entities for queries in both directions, columns in our order."""
    entities = torch.tensor([factory.entity_to_id[name] for name in dataset.entities.to_list()])
    relations = torch.tensor([factory.relation_to_id[name] for name in dataset.relations.to_list()])
    sources, asked = entities[queries[:, 0]], queries[:, 1]
    is_tail = torch.from_numpy(asked < len(relations))
    asked = relations[asked % len(relations)]
    scores = torch.empty(len(queries), len(entities))
    with torch.no_grad():
        scores[is_tail] = model.predict_t(torch.stack([sources, asked], 1)[is_tail])[:, entities]
        scores[~is_tail] = model.predict_h(torch.stack([asked, sources], 1)[~is_tail])[:, entities]
    return scores.numpy()


@pytest.mark.parametrize(("name", "inverse"), TRAINED)
def test_predictions_are_pykeens(name: str, inverse: bool, family: Dataset, tmp_path: Path) -> None:
    factory = factory_of(family, inverse=inverse)
    assert list(factory.entity_to_id) != family.entities.to_list(), "ids agree by themselves: nothing is tested"
    model = train(name, factory)
    queries = family.queries("valid", "both")
    scorer = from_pykeen(model, factory, family)
    scores = scorer.scores(queries)
    np.testing.assert_allclose(scores, predictions(model, factory, family, queries), rtol=1e-4, atol=1e-4)

    scorer.save(tmp_path / "scorer.safetensors")
    loaded = load_scorer(tmp_path / "scorer.safetensors", family)
    np.testing.assert_array_equal(loaded.scores(queries), scores)
    assert loaded.made_by["model"] == name
    probabilities = loaded.score_facts(queries)
    assert probabilities.std() > 0
    assert scorer.calibration == loaded.calibration != from_pykeen(model, factory, family, calibrate=False).calibration


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("TransE", {"scoring_fct_norm": 1}),
        ("TransE", {"scoring_fct_norm": 1, "power_norm": True}),
        ("TransE", {"power_norm": True}),
        ("TransR", {"power_norm": True}),
    ],
)
def test_powers_of_distances_keep_the_order(name: str, changes: dict[str, Any], family: Dataset) -> None:
    factory = factory_of(family)
    model = make(name, factory, **changes)
    queries = family.queries("valid", "both")[::5]
    theirs = predictions(model, factory, family, queries)
    squared = changes.get("power_norm") and model.interaction.p == 2
    scores = from_pykeen(model, factory, family, calibrate=False).scores(queries)
    np.testing.assert_allclose(scores, -np.sqrt(-theirs) if squared else theirs, rtol=1e-4, atol=1e-4)


def test_normalizers_hold(family: Dataset) -> None:
    factory = factory_of(family)
    kwargs: dict[str, Any] = {"interaction": "distmult", "relation_representations_kwargs": {"shape": 8}}
    kwargs["entity_representations_kwargs"] = {
        "shape": 8,
        "normalizer": nn.functional.normalize,
        "normalizer_kwargs": {"dim": -1},
    }
    model = ERModel(triples_factory=factory, random_seed=0, **kwargs)
    scorer = from_pykeen(model, factory, family, calibrate=False)
    torch.testing.assert_close(scorer.model.entities.norm(dim=1), torch.ones(len(family.entities)))
    queries = family.queries("valid", "both")[::5]
    np.testing.assert_allclose(scorer.scores(queries), predictions(model, factory, family, queries), atol=1e-5)


def test_what_is_in_no_training_fact_gets_zeros(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train.txt").write_text("a\tr\tb\nb\tr\tc\n")
    (tmp_path / "test.txt").write_text("a\ts\td\n")
    dataset = load(tmp_path)
    factory = factory_of(dataset)
    scorer = from_pykeen(make("DistMult", factory), factory, dataset)
    assert not scorer.model.entities[dataset.entity("d")].any()
    assert scorer.model.entities[dataset.entity("c")].any()
    relation = dataset.relation("s")
    assert not scorer.model.relations[[relation, dataset.graph.inverse(relation)]].any()
    assert "1 entities" in caplog.text
    assert "1 relations" in caplog.text


def test_fewer_facts_are_said(family: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    factory = factory_of(family)
    fewer = factory.clone_and_exchange_triples(factory.mapped_triples[3:])
    with caplog.at_level(logging.WARNING):
        from_pykeen(make("DistMult", fewer), fewer, family, calibrate=False)
    count = family.graph.num_facts
    assert f"{count - 3} of the {count} training facts" in caplog.text


@pytest.mark.parametrize("split", ["valid", "test"])
def test_facts_of_other_splits_are_a_leak(split: str, family: Dataset) -> None:
    leaked = family.splits[split][:2]
    leaked = leaked[np.argsort(named(family, leaked)[:, 0])]  # PyKEEN sorts facts by its ids
    factory = factory_of(family, further=leaked)
    head, relation, tail = named(family, leaked)[0]
    told = rf"2 of the {family.graph.num_facts + 2} facts .*\({head}, {relation}, {tail}\) of split {split}"
    with pytest.raises(ValueError, match=told):
        from_pykeen(make("DistMult", factory), factory, family)


def test_facts_with_other_ids_are_refused(family: Dataset) -> None:
    """The right names on the wrong ids: every fact of the model means another one."""
    factory = factory_of(family)
    names = list(factory.entity_to_id)
    turned = factory.to_core_triples_factory().with_labels(
        {name: (place + 1) % len(names) for place, name in enumerate(names)}, factory.relation_to_id
    )
    with pytest.raises(ValueError, match="are no training facts of Family, for instance"):
        from_pykeen(make("DistMult", turned), turned, family)


def renamed(factory: TriplesFactory, old: str, new: str) -> TriplesFactory:
    maps = (
        {new if key == old else key: own for key, own in m.items()}
        for m in (factory.entity_to_id, factory.relation_to_id)
    )
    return factory.to_core_triples_factory().with_labels(*maps)


def test_other_names_are_refused(family: Dataset) -> None:
    factory = factory_of(family)
    entity, relation = family.entities[0], family.relations[0]
    model = make("DistMult", factory)
    with pytest.raises(ValueError, match=r"Family lacks 1 of the model's \d+ entities: Zaphod"):
        from_pykeen(model, renamed(factory, entity, "Zaphod"), family)
    with pytest.raises(ValueError, match=r"Family lacks 1 of the model's \d+ relations: likes"):
        from_pykeen(model, renamed(factory, relation, "likes"), family)


def test_entities_of_training_facts_must_be_there(family: Dataset) -> None:
    factory = factory_of(family)
    facts = factory.triples
    without = facts[(facts[:, 0] != family.entities[0]) & (facts[:, 2] != family.entities[0])]
    fewer = TriplesFactory.from_labeled_triples(without)
    with pytest.raises(ValueError, match=f"lacks 1 entities of Family's training facts: {family.entities[0]}"):
        from_pykeen(make("DistMult", fewer), fewer, family)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("TransE", {"scoring_fct_norm": 3}, "TransE with p=3"),
    ("TransR", {"scoring_fct_norm": 1}, "TransR with p=1"),
    ("RotatE", {"relation_constrainer": None, "relation_initializer": nn.init.normal_}, "no rotation"),
    ("HolE", {"embedding_dim": 8}, "cannot take over a HolEInteraction; known are ComplEx"),
    ("ConvE", {"apply_batch_normalization": False}, "apply_batch_normalization=True"),
    ("ConvE", {"kernel_height": 2}, "kernel of 2 x 3"),
    ("ConvE", {"input_channels": 2, "embedding_width": None}, "2 input channels"),
    ("DistMult", {"embedding_dim": 1}, "dim must be"),
]


@pytest.mark.parametrize(("name", "changes", "told"), REFUSED)
def test_models_that_ours_cannot_hold(name: str, changes: dict[str, Any], told: str, family: Dataset) -> None:
    factory = factory_of(family, inverse=True)
    model = make(name, factory, **changes)
    with pytest.raises(ValueError, match=told):
        from_pykeen(model, factory, family)


def test_conve_needs_inverse_relations(family: Dataset) -> None:
    factory = factory_of(family)
    with pytest.raises(ValueError, match="create_inverse_triples=True"):
        from_pykeen(make("ConvE", factory), factory, family)


def test_weights_must_be_numbers(family: Dataset) -> None:
    factory = factory_of(family)
    model = make("DistMult", factory)
    with torch.no_grad():
        next(model.entity_representations.parameters())[3, 1] = torch.nan
    with pytest.raises(ValueError, match="entities of the model are not all finite"):
        from_pykeen(model, factory, family)


def test_the_factory_must_be_the_models_and_have_names(family: Dataset) -> None:
    factory = factory_of(family)
    model = make("DistMult", factory)
    with pytest.raises(ValueError, match="ids without names"):
        from_pykeen(model, factory.to_core_triples_factory(), family)
    fewer = TriplesFactory.from_labeled_triples(factory.triples[:20])
    with pytest.raises(ValueError, match="it is of another model"):
        from_pykeen(model, fewer, family)
