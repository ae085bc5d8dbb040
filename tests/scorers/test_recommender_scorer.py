"""The scorer of recommenders: what it answers, what it refuses, and what its file may not say."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="recommenders need torch: pip install 'kgwalk[agents]'")

import torch

import kgwalk.data
from kgwalk import scorers
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.protocols import ClickScorer as ClickProtocol
from kgwalk.protocols import Scorer
from kgwalk.scorers import RECOMMENDERS, RecommenderScorer
from kgwalk.scorers.calibration import Calibration
from kgwalk.scorers.location import NAME
from kgwalk.scorers.recommender import ClickScorer
from kgwalk.scorers.recommenders import Kgcn, ReceptiveConfig, Recommender, Svd, SvdConfig
from kgwalk.tensors import load_tensors, save_tensors
from tests.scorers.recommenders.market import make_market, shaken
from tests.scorers.recommenders.tiny import make_tiny

Note = dict[str, Any]
SMALL: dict[str, dict[str, Any]] = {
    "cke": {"relation_dim": 2},
    "fm-transe": {"transe_dim": 2, "transe_epochs": 1},
    "kgat": {"layers": (3, 2)},
    "per": {},
    "ripplenet": {"memory": 4},
}


@pytest.fixture(scope="module")
def market() -> Recommendation:
    return make_market()


def small(name: str, dataset: Recommendation) -> Recommender:
    kind = RECOMMENDERS[name]
    return shaken(kind.of(dataset, kind.Config(**{"dim": 3, **SMALL.get(name, {})}), 0))


@pytest.fixture(scope="module", params=sorted(RECOMMENDERS))
def scorer(request: pytest.FixtureRequest, market: Recommendation) -> RecommenderScorer:
    return RecommenderScorer.of(small(request.param, market), "clicks", market, {"seed": 3})


@pytest.fixture(scope="module")
def kgcn(market: Recommendation) -> RecommenderScorer:
    return RecommenderScorer.of(small("kgcn", market), "clicks", market, {"seed": [3, None]})


def ids(*values: int) -> Any:
    return np.array(values, np.int32)


def everyone(dataset: Recommendation) -> Any:
    return np.arange(dataset.users.first, dataset.users.last, dtype=np.int32)


def all_items(dataset: Recommendation) -> Any:
    return np.arange(dataset.items.first, dataset.items.last, dtype=np.int32)


def test_scores_are_probabilities_and_lists_are_sorted(scorer: RecommenderScorer, market: Recommendation) -> None:
    assert isinstance(scorer, Scorer)
    assert isinstance(scorer, ClickProtocol)
    users, items = everyone(market), all_items(market)
    rows, columns = np.repeat(users, len(items)), np.tile(items, len(users))
    scores = scorer.score(rows, market.interact, columns)
    assert scores.shape == rows.shape
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    own = scorer.pair_scores(rows, columns)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-own)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(scorer.score(rows, market.interact, columns), scores)
    table = scorer.item_table(users)
    np.testing.assert_allclose(table.reshape(-1), own, rtol=1e-3, atol=1e-3)
    for k in (1, 4, len(items)):
        best, told = scorer.top_k(users, market.interact, k)
        assert best.shape == told.shape == (len(users), k)
        assert best.dtype == np.int32
        assert told.dtype == np.float32
        for row, (found, values) in enumerate(zip(best.tolist(), told.tolist(), strict=True)):
            order = sorted(items.tolist(), key=lambda i, row=row: (-table[row, i - items[0]], i))
            assert found == order[:k]
            assert values == sorted(values, reverse=True)
    place = market.types.index(market.items)
    np.testing.assert_array_equal(scorer.top_k(users, market.interact, 3, entity_type=place)[0], best[:, :3])


def test_of_nobody(scorer: RecommenderScorer, market: Recommendation) -> None:
    assert scorer.score(ids(), market.interact, ids()).shape == (0,)
    best, scores = scorer.top_k(ids(), market.interact, 2)
    assert best.shape == scores.shape == (0, 2)
    assert scorer.item_table(ids()).shape == (0, len(market.items))


def test_ties_by_id(market: Recommendation) -> None:
    model = Svd.of(market, SvdConfig(dim=3), 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    scorer = RecommenderScorer.of(model, "pairs", market)
    best, scores = scorer.top_k(everyone(market), market.interact, 5)
    assert best.tolist() == [all_items(market)[:5].tolist()] * len(market.users)
    assert (scores == 0.5).all()


def test_blocks_of_users_and_pairs_change_nothing(
    kgcn: RecommenderScorer, market: Recommendation, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = np.tile(everyone(market), 3)
    whole = kgcn.top_k(users, market.interact, 4), kgcn.score(users, market.interact, ids(7, 9, 10).repeat(7))
    monkeypatch.setattr("kgwalk.scorers.recommender._USERS", 2)
    monkeypatch.setattr("kgwalk.scorers.recommender._PAIRS", 5)
    monkeypatch.setattr("kgwalk.scorers.recommenders.receptive._CELLS", 1)
    parts = kgcn.top_k(users, market.interact, 4), kgcn.score(users, market.interact, ids(7, 9, 10).repeat(7))
    np.testing.assert_array_equal(parts[0][0], whole[0][0])
    np.testing.assert_allclose(parts[0][1], whole[0][1], rtol=1e-5)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-5)


def test_what_is_refused(kgcn: RecommenderScorer, market: Recommendation) -> None:
    interact, item = market.interact, market.items.first
    brand, last = market.items.last, market.graph.num_entities
    inverse = interact + market.graph.num_relations
    refused: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: kgcn.score(ids(-1), interact, ids(item)), IndexError, "users: an entity id is outside"),
        (lambda: kgcn.score(ids(0), interact, ids(last)), IndexError, "items: an entity id is outside"),
        (lambda: kgcn.score(ids(item), interact, ids(item)), ValueError, f"users: entity {item} is no user"),
        (lambda: kgcn.score(ids(0), interact, ids(0)), ValueError, "items: entity 0 is no item"),
        (lambda: kgcn.score(ids(0), interact, ids(brand)), ValueError, f"items: entity {brand} is no item"),
        (lambda: kgcn.score(ids(0, 1), interact, ids(item)), ValueError, "equal lengths, got 2 and 1"),
        (lambda: kgcn.score(ids(0)[None], interact, ids(item)), ValueError, "users: expected"),
        (lambda: kgcn.score(np.array([0]), interact, ids(item)), ValueError, "users: expected .* int64"),
        (lambda: kgcn.score(ids(0), interact, np.array([1.0])), ValueError, "items: expected .* float64"),
        (lambda: kgcn.score(ids(0), interact + 1, ids(item)), ValueError, "scores interactions, relation 0; got 1"),
        (lambda: kgcn.score(ids(0), inverse, ids(item)), ValueError, f"scores interactions, relation 0; got {inverse}"),
        (lambda: kgcn.score(ids(0), -1, ids(item)), IndexError, "relation -1 is outside"),
        (lambda: kgcn.score(ids(0), market.graph.stay, ids(item)), IndexError, "is outside"),
        (lambda: kgcn.score(ids(0), 0.5, ids(item)), TypeError, "integer"),  # type: ignore[arg-type]
        (lambda: kgcn.top_k(ids(0), interact, 2, entity_type=0), ValueError, "scores items, of type 1; got type 0"),
        (lambda: kgcn.top_k(ids(0), interact, 0), ValueError, "k must be from 1 to 9"),
        (lambda: kgcn.top_k(ids(0), interact, 10), ValueError, "k must be from 1 to 9"),
        (lambda: kgcn.top_k(ids(0), inverse, 2), ValueError, "scores interactions"),
        (lambda: kgcn.top_k(ids(item), interact, 2), ValueError, "is no user"),
        (lambda: kgcn.top_k(ids(0)[None], interact, 2), ValueError, "users: expected"),
        (lambda: kgcn.top_k(np.empty(0), interact, 2), ValueError, "users: expected .* float64"),  # type: ignore[arg-type]
        (lambda: kgcn.attention(0, 0), ValueError, "no item"),
        (lambda: kgcn.attention(item, item), ValueError, "no user"),
    ]
    for ask, kind, message in refused:
        with pytest.raises(kind, match=message):
            ask()


def test_weights_that_have_diverged(market: Recommendation) -> None:
    model = shaken(Svd.of(market, SvdConfig(dim=3), 0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(3e38)
    scorer = RecommenderScorer.of(model, "pairs", market)
    for ask in (
        lambda: scorer.score(ids(0), market.interact, ids(8)),
        lambda: scorer.top_k(ids(0), market.interact, 1),
        lambda: scorer.item_table(ids(0)),
    ):
        with pytest.raises(ValueError, match="svd has scores that are not finite"):
            ask()


def test_clicks_of_models_of_clicks_alone(market: Recommendation) -> None:
    model = shaken(Svd.of(market, SvdConfig(dim=3), 0))
    users, items = ids(0, 1, 2), all_items(market)[:3]
    scorer = RecommenderScorer.of(model, "clicks", market)
    assert isinstance(scorer, ClickScorer)
    scorer.calibration = Calibration(2.0, -3.0)  # of no concern to clicks
    expected = 1 / (1 + np.exp(-scorer.pair_scores(users, items).astype(np.float64)))
    np.testing.assert_allclose(scorer.clicks(users, items), expected, rtol=1e-6)
    with torch.no_grad():
        model.users.fill_(-40)
        model.items.fill_(40)
    assert scorer.clicks(users, items).tolist() == [0, 0, 0]
    assert scorer.score(users, market.interact, items).tolist() == [0, 0, 0]
    for objective in ("pairs", "softmax"):
        other = RecommenderScorer.of(model, objective, market)
        assert not isinstance(other, ClickProtocol)


def test_calibration_keeps_every_order(scorer: RecommenderScorer, market: Recommendation) -> None:
    users = everyone(market)
    table, before = scorer.item_table(users), scorer.top_k(users, market.interact, 9)[0]
    own = RecommenderScorer.of(scorer.model, "pairs", market)
    own.calibrate(market)
    assert own.calibration.slope > 0
    best, scores = own.top_k(users, market.interact, 9)
    np.testing.assert_array_equal(best, before)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(own.item_table(users), table)
    once = own.calibration
    own.calibrate(market)
    assert own.calibration == once


def test_calibration_is_of_valid(market: Recommendation) -> None:
    """A model that scores items of valid high, and others low, has a steep curve between."""
    model = Svd.of(market, SvdConfig(dim=len(market.users)), 0)
    assert isinstance(model, Svd)
    with torch.no_grad():
        model.users.copy_(torch.eye(len(market.users)))
        model.items.fill_(-1)
        for user, _, item in market.splits["valid"].tolist():
            model.items[item - market.items.first, user] = 1
        for user, _, item in market.splits["train"].tolist():
            model.items[item - market.items.first, user] = 1  # known: of no concern
    scorer = RecommenderScorer.of(model, "pairs", market)
    scorer.calibrate(market)
    valid = market.splits["valid"]
    assert scorer.score(valid[:, 0].copy(), market.interact, valid[:, 2].copy()).min() > 0.75
    assert scorer.calibration(np.array([-1], np.float32))[0] < 0.15
    before = scorer.calibration
    scorer.calibrate(dataclasses.replace(market, splits={**market.splits, "valid": valid[:0]}))
    assert scorer.calibration == before


def test_it_comes_back_bit_for_bit(scorer: RecommenderScorer, market: Recommendation, tmp_path: Path) -> None:
    for objective in ("clicks", "softmax"):
        own = RecommenderScorer.of(scorer.model, objective, market, {"seed": [3, None]})
        own.calibration = Calibration(0.1, 1 / 3)
        own.save(tmp_path / "x.safetensors")
        loaded = RecommenderScorer.load(tmp_path / "x.safetensors")
        assert type(loaded) is type(own)
        for key in ("name", "objective", "dataset", "fingerprint", "facts", "numbers", "calibration", "made_by"):
            assert getattr(loaded, key) == getattr(own, key), key
        assert loaded.model.config == own.model.config
        assert not loaded.model.training
        state = own.model.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in loaded.model.state_dict().items())
        np.testing.assert_array_equal(loaded.item_table(everyone(market)), own.item_table(everyone(market)))
        loaded.save(tmp_path / "y.safetensors")
        assert (tmp_path / "y.safetensors").read_bytes() == (tmp_path / "x.safetensors").read_bytes()
    loaded.calibrate(market)


def test_its_file_is_a_scorer_of_its_dataset_alone(
    kgcn: RecommenderScorer, market: Recommendation, tmp_path: Path
) -> None:
    kgcn.save(tmp_path / "run" / NAME)
    for path in (tmp_path / "run", str(tmp_path / "run"), tmp_path / "run" / NAME):
        loaded = scorers.load(path, market)
        assert isinstance(loaded, RecommenderScorer)
        assert loaded.name == "kgcn"
    other = make_market(1)
    assert len(other.users) == len(market.users)
    for dataset in (other, kgwalk.data.load("Family")):
        with pytest.raises(ValueError, match=f"{tmp_path / 'run' / NAME}: scorer kgcn was fitted on facts of Shop"):
            scorers.load(tmp_path / "run", dataset)
    with pytest.raises(FileNotFoundError, match="absent"):
        RecommenderScorer.load(tmp_path / "absent")


@pytest.fixture
def file(kgcn: RecommenderScorer, tmp_path: Path) -> Path:
    path = tmp_path / "scorer.safetensors"
    kgcn.save(path)
    return path


#: What is put in the place of an entry of the note, or of one within it, and what the message says of it.
LIES: list[tuple[str, Any, str]] = [
    ("agent", "gcn", "holds a model 'gcn'; known are cke"),
    ("agent", ["kgcn"], ""),
    ("agent", "ripplenet", ""),
    ("agent", "kgat", ""),
    ("objective", "hinge", "was trained by 'hinge'; known are clicks"),
    ("objective", ["clicks"], "was trained by"),
    ("objective", None, "was trained by None"),
    ("numbers", None, ""),
    ("numbers", [0, 1, 2, 3, 4], ""),
    ("numbers", {}, "its note lacks 'interact'"),
    ("numbers.interact", -1, "its sizes are no whole numbers"),
    ("numbers.interact", 10**6, "its interactions do not fit its relations"),
    ("numbers.first_item", 6, "its users and items do not fit its entities"),
    ("numbers.first_item", True, "its sizes are no whole numbers"),
    ("numbers.num_entities", 22, "its users and items do not fit its entities"),
    ("numbers.num_entities", 1 << 31, "its sizes are no whole numbers"),
    ("numbers.num_relations", 4, "its interactions do not fit its relations"),
    ("numbers.item_type", "1", "its sizes are no whole numbers"),
    ("sizes", None, "its sizes are no whole numbers"),
    ("sizes", [7, 9, 16, 5], "its sizes are no whole numbers"),
    ("sizes", "7", "its sizes are no whole numbers"),
    ("sizes", {}, "its note lacks 'users'"),
    ("sizes.users", 1 << 80, "its sizes are no whole numbers"),
    ("sizes.users", (1 << 31) - 1, "its users and items do not fit its entities"),
    ("sizes.users", 7.0, "its sizes are no whole numbers"),
    ("sizes.items", 0, "its users and items do not fit its entities"),
    ("sizes.items", 17, "its users and items do not fit its entities"),
    ("sizes.entities", (1 << 31) - 1, "its users and items do not fit its entities"),
    ("sizes.relations", (1 << 31) - 1, "its interactions do not fit its relations"),
    ("model", None, ""),
    ("model", [12], ""),
    ("model", "kgcn", ""),
    ("model", {"size": 12}, "size"),
    ("model.dim", 65536, "weights .*entities, .* do not have the shapes"),
    ("model.dim", 1 << 62, "dim must be"),
    ("model.dim", "3", "dim must be"),
    ("model.dim", None, "dim must be"),
    ("model.depth", 8, r"weights aggregators\.1"),
    ("model.neighbours", 1024, "weights field_entities, field_relations do not"),
    ("model.field", "chain", "weights field_entities, field_relations do not"),
    ("model.inverses", True, "weights relations do not have the shapes"),
    ("model.inverses", 1 << 40, "inverses must be true or false"),
    ("model.aggregator", ["sum"], "aggregator must be"),
    ("model.theta", "much", "theta must be"),
    ("model.l2", 10**400, "l2 must be a finite number"),
    ("calibration", {"slope": -1.0, "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", None, "its calibration is not of"),
    ("made_by", None, "does not tell how it was made"),
    ("made_by", "hand", "does not tell how it was made"),
    ("made_by", [1], "does not tell how it was made"),
]


def put(note: Note, key: str, value: Any) -> None:
    *outer, last = key.split(".")
    for part in outer:
        note = note[part]
    note[last] = value


@pytest.mark.parametrize(("key", "value", "message"), LIES, ids=lambda value: str(value)[:40])
def test_notes_that_lie(file: Path, key: str, value: Any, message: str, market: Recommendation) -> None:
    """Of sizes of 2^31 rows nothing is made: this test would not live to tell."""
    tensors, note = load_tensors(file)
    put(note, key, value)
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: .*{message}"):
        RecommenderScorer.load(file)
    with pytest.raises(ValueError, match=f"{file}: "):
        scorers.load(file, market)


def test_sizes_that_lie_alike_everywhere(file: Path) -> None:
    """Consistent with each other, so that only the tensors tell."""
    tensors, note = load_tensors(file)
    huge = (1 << 31) - 1
    note["sizes"] |= {"users": 7, "entities": huge - 7, "items": huge - 7, "relations": huge}
    note["numbers"] |= {"num_entities": huge, "num_relations": huge}
    note["model"] |= {"dim": 65536, "neighbours": 1024, "depth": 8, "aggregator": "concat", "inverses": True}
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: "):
        RecommenderScorer.load(file)


@pytest.mark.parametrize("name", sorted(RECOMMENDERS))
def test_huge_sizes_of_every_model(market: Recommendation, tmp_path: Path, name: str) -> None:
    model, path = small(name, market), tmp_path / "x.safetensors"
    RecommenderScorer.of(model, "clicks", market).save(path)
    for key in ("sizes", "model"):
        tensors, note = load_tensors(path)
        huge = {
            size: (1 << 31) - 1 if key == "sizes" else 1 << 16 for size, old in note[key].items() if type(old) is int
        }
        for size, value in huge.items():
            lied = {**note, key: {**note[key], size: value}}
            save_tensors(tmp_path / "y.safetensors", tensors, lied)
            try:
                loaded = RecommenderScorer.load(tmp_path / "y.safetensors")
            except ValueError as error:
                assert str(tmp_path / "y.safetensors") in str(error)  # noqa: PT017
            else:  # what tells nothing of a shape, such as how many facts a step has
                assert key == "model"
                assert loaded.item_table(ids(0)).shape == (1, len(market.items))


@pytest.mark.parametrize(
    "key",
    ["agent", "dataset", "fingerprint", "facts", "objective", "numbers", "sizes", "model", "calibration", "made_by"],
)
def test_notes_that_lack_something(file: Path, key: str, market: Recommendation) -> None:
    tensors, note = load_tensors(file)
    del note[key]
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: its note lacks '{key}'"):
        RecommenderScorer.load(file)
    with pytest.raises(ValueError, match=f"{file}: "):
        scorers.load(file, market)


def broken(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[-1] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("entities", None, "weights entities do not have the shapes"),
        ("field_entities", None, "weights field_entities do not have"),
        ("further", lambda _: torch.zeros(1), "weights further do not have the shapes"),
        ("entities", lambda t: t[:-1], "weights entities do not"),
        ("relations", lambda t: t[:, :-1], "weights relations do not"),
        ("entities", lambda t: t.double(), "weights entities do not"),
        ("field_entities", lambda t: t.long(), "weights field_entities do not"),
        ("field_entities", lambda t: t.float(), "weights field_entities do not"),
        ("users", broken(float("nan")), "weights users are not all finite"),
        ("aggregators.0.bias", broken(float("inf")), r"weights aggregators\.0\.bias are not all finite"),
        ("field_entities", broken(16), "field_entities holds numbers outside"),
        ("field_entities", broken(-1), "field_entities holds numbers outside"),
        ("field_relations", broken(6), "field_relations holds numbers outside"),
    ],
)
def test_weights_that_do_not_fit(
    file: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor] | None, message: str
) -> None:
    tensors, note = load_tensors(file)
    value = tensors.pop(key, None)
    if change is not None:
        tensors[key] = change(value)  # type: ignore[arg-type]
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: {message}"):
        RecommenderScorer.load(file)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_files(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=f"{file} is no whole safetensors file"):
        RecommenderScorer.load(file)


def test_a_header_that_promises_more_than_there_is(file: Path) -> None:
    whole = file.read_bytes()
    for length in (1 << 62, (1 << 64) - 1, len(whole) * 2):
        file.write_bytes(struct.pack("<Q", length) + whole[8:])
        with pytest.raises(ValueError, match=f"{file} is no whole safetensors file"):
            RecommenderScorer.load(file)


def test_entities_of_other_kinds_first_are_refused() -> None:
    tiny = make_tiny()
    backwards = dataclasses.replace(tiny, types=(tiny.types[1], tiny.types[0], *tiny.types[2:]))
    assert Kgcn.of(backwards, ReceptiveConfig(dim=2), 0).sizes["users"] == 4  # found by name, wherever they stand
    shifted = tiny.users._replace(first=1), tiny.items
    with pytest.raises(ValueError, match="expected the ids of users first"):
        Kgcn.of(dataclasses.replace(tiny, types=(*shifted, *tiny.types[2:])), ReceptiveConfig(dim=2), 0)
