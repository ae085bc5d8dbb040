"""Files of scorers: what comes back, and what is refused."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="embeddings need torch: pip install 'kgwalk[agents]'")

import torch

import kgwalk.data
from kgwalk import scorers
from kgwalk.data import Dataset
from kgwalk.scorers import EmbeddingScorer
from kgwalk.scorers.calibration import Calibration
from kgwalk.scorers.location import NAME
from kgwalk.tensors import load_tensors, save_tensors
from tests.scorers.plain_models import CASES, ENTITIES, RELATIONS, make

Note = dict[str, Any]


@pytest.fixture(scope="module")
def family() -> Dataset:
    return kgwalk.data.load("Family")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    scorer = EmbeddingScorer(
        make("conve"), dataset="Tiny", fingerprint="a", facts="b", type_offsets=[0, 5, ENTITIES], made_by={"seed": 3}
    )
    scorer.save(tmp_path / "scorer.safetensors")
    return tmp_path / "scorer.safetensors"


@pytest.mark.parametrize("case", CASES)
def test_it_comes_back_bit_for_bit(case: str, tmp_path: Path) -> None:
    own: Note = {"dataset": "Tiny", "fingerprint": "a", "facts": "b", "type_offsets": [0, 5, ENTITIES]}
    scorer = EmbeddingScorer(make(case), **own, calibration=Calibration(0.1, 1 / 3), made_by={"seed": [3, None]})
    scorer.save(tmp_path / "x.safetensors")
    loaded = EmbeddingScorer.load(tmp_path / "x.safetensors")
    for key in (*own, "calibration", "made_by", "name"):
        assert getattr(loaded, key) == getattr(scorer, key), key
    assert loaded.model.config == scorer.model.config
    facts = np.array(list(np.ndindex(ENTITIES, 2 * RELATIONS, ENTITIES)), np.int32)
    np.testing.assert_array_equal(loaded.score_facts(facts), scorer.score_facts(facts))
    np.testing.assert_array_equal(loaded.scores(facts[::50]), scorer.scores(facts[::50]))
    loaded.save(tmp_path / "y.safetensors")
    assert (tmp_path / "y.safetensors").read_bytes() == (tmp_path / "x.safetensors").read_bytes()


def test_nothing_is_where_it_was_looked_for(tmp_path: Path, family: Dataset) -> None:
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match=str(path)):
            scorers.load(path, family)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_files(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=f"{file} is no whole safetensors file"):
        EmbeddingScorer.load(file)


def test_a_header_that_promises_more_than_there_is(file: Path) -> None:
    whole = file.read_bytes()
    for length in (1 << 62, (1 << 64) - 1, len(whole) * 2):
        file.write_bytes(struct.pack("<Q", length) + whole[8:])
        with pytest.raises(ValueError, match=f"{file} is no whole safetensors file"):
            EmbeddingScorer.load(file)


#: What is put in the place of a note's entry, and what the message says of it.
LIES: list[tuple[str, Any, str]] = [
    ("agent", "gcn", "holds a model 'gcn'; known are complex"),
    ("agent", None, "None"),
    ("agent", ["conve"], ""),
    ("num_entities", 1 << 31, "its sizes are no whole numbers"),
    ("num_entities", (1 << 31) - 1, "its types do not divide up its entities"),
    ("num_entities", -1, "its sizes are no whole numbers"),
    ("num_entities", 13.0, "its sizes are no whole numbers"),
    ("num_entities", True, "its sizes are no whole numbers"),
    ("num_entities", "13", "its sizes are no whole numbers"),
    ("num_relations", (1 << 31) - 1, "weights relations do not have the shapes"),
    ("num_relations", 1 << 80, "its sizes are no whole numbers"),
    ("num_relations", 2, "weights relations do not have the shapes"),
    ("type_offsets", [0, 5, 12], "its types do not divide up its entities"),
    ("type_offsets", [0, 9, 5, 13], "its types do not divide up its entities"),
    ("type_offsets", [1, 13], "its types do not divide up its entities"),
    ("type_offsets", [13], "its types do not divide up its entities"),
    ("type_offsets", [], "its types do not divide up its entities"),
    ("type_offsets", [0, 5.0, 13], "its sizes are no whole numbers"),
    ("type_offsets", None, ""),
    ("type_offsets", "0,13", "its sizes are no whole numbers"),
    ("model", {"dim": 24, "height": 3, "channels": 2, "kernel": 2}, "weights entities, hidden.1.bias"),
    ("model", {"dim": 65536, "height": 4096, "channels": 4096, "kernel": 1}, "do not have the shapes"),
    ("model", {"dim": 1 << 62}, "dim must be"),
    ("model", {"dim": "12"}, "dim must be"),
    ("model", {"size": 12}, "size"),
    ("model", {"input_dropout": "much"}, ""),
    ("model", [12], ""),
    ("model", None, ""),
    ("calibration", {"slope": -1.0, "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": 0.0, "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": float("nan"), "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": float("inf"), "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": 1.0, "intercept": float("inf")}, "its calibration is no rising curve"),
    ("calibration", {"slope": 1e300, "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": 1.0, "intercept": -1e300}, "its calibration is no rising curve"),
    ("calibration", {"slope": 10**400, "intercept": 0.0}, "its calibration is no rising curve"),
    ("calibration", {"slope": "steep", "intercept": 0.0}, ""),
    ("calibration", {"steepness": 1.0}, "steepness"),
    ("calibration", [1.0, 0.0], ""),
    ("calibration", None, ""),
    ("made_by", None, "does not tell how it was made"),
    ("made_by", "hand", "does not tell how it was made"),
]


@pytest.mark.parametrize(("key", "value", "message"), LIES, ids=lambda value: str(value)[:40])
def test_notes_that_lie(file: Path, key: str, value: Any, message: str) -> None:
    """Sizes of 2^31 rows are refused too, with nothing of that size made: this test would not live to tell."""
    tensors, note = load_tensors(file)
    note[key] = value
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: .*{message}"):
        EmbeddingScorer.load(file)


@pytest.mark.parametrize(
    "key",
    [
        "agent",
        "dataset",
        "fingerprint",
        "facts",
        "num_entities",
        "num_relations",
        "type_offsets",
        "model",
        "calibration",
        "made_by",
    ],
)
def test_notes_that_lack_something(file: Path, key: str) -> None:
    tensors, note = load_tensors(file)
    del note[key]
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: its note lacks '{key}'"):
        EmbeddingScorer.load(file)


def broken(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[-1] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("entities", None, "weights entities do not have the shapes"),
        ("hidden.3.running_mean", None, r"weights hidden\.3\.running_mean do not"),
        ("further", lambda _: torch.zeros(1), "weights further do not have the shapes"),
        ("entities", lambda t: t[:-1], "weights entities do not"),
        ("relations", lambda t: t[:, :-1], "weights relations do not"),
        ("entities", lambda t: t.double(), "weights entities do not"),
        ("entities", lambda t: t.to(torch.float16), "weights entities do not"),
        ("relations", broken(float("nan")), "weights relations are not all finite"),
        ("picture.2.weight", broken(float("inf")), r"weights picture\.2\.weight are not all finite"),
        ("picture.3.running_var", broken(-1.0), r"weights picture\.3\.running_var are no variances"),
    ],
)
def test_weights_that_do_not_fit(
    file: Path, key: str, change: Callable[[torch.Tensor], torch.Tensor] | None, message: str
) -> None:
    tensors, note = load_tensors(file)
    value = tensors.pop(key, None)
    if change is not None:
        tensors[key] = change(value)
    save_tensors(file, tensors, note)
    with pytest.raises(ValueError, match=f"{file}: {message}"):
        EmbeddingScorer.load(file)


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    save_file({"entities": torch.zeros(2, 2)}, str(path))
    with pytest.raises(ValueError, match=f"{path} was not written by kgwalk"):
        EmbeddingScorer.load(path)


@pytest.fixture
def trained(family: Dataset, tmp_path: Path) -> Path:
    """In place of a run: its scorer's file, in its folder."""
    scorer = EmbeddingScorer.of(make("complex", family.graph.num_entities, family.graph.num_relations), family)
    scorer.save(tmp_path / "run" / NAME)
    return tmp_path / "run"


def test_file_and_folder_are_the_same(trained: Path, family: Dataset) -> None:
    facts = family.queries("test", "both")
    for path in (trained, str(trained), trained / NAME):
        loaded = scorers.load(path, family)
        np.testing.assert_array_equal(loaded.score_facts(facts), scorers.load(trained, family).score_facts(facts))


def test_a_file_of_other_facts_is_refused(trained: Path, family: Dataset) -> None:
    facts = family.splits["train"]
    fewer = kgwalk.Graph.from_triples(facts[1:], len(family.entities), len(family.relations))
    other = dataclasses.replace(family, name="Fewer", graph=fewer, test_graph=fewer)
    with pytest.raises(
        ValueError,
        match=f"{trained / NAME}: scorer complex was fitted on facts of Family .* the training facts of Fewer",
    ):
        scorers.load(trained, other)


def test_a_file_of_other_names_is_refused(trained: Path, family: Dataset) -> None:
    names = kgwalk._core.Names([name[::-1] for name in family.entities.to_list()])
    with pytest.raises(ValueError, match="fitted on facts of Family"):
        scorers.load(trained, dataclasses.replace(family, entities=names))


def test_other_held_out_facts_over_the_same_training_facts_are_no_hindrance(trained: Path, family: Dataset) -> None:
    splits = {**family.splits, "valid": family.splits["test"], "test": family.splits["valid"]}
    other = dataclasses.replace(family, splits=splits, fingerprint="f" * 64)
    assert scorers.load(trained, other).name == "complex"


def test_a_model_of_another_size_is_no_scorer_of_a_dataset(family: Dataset) -> None:
    with pytest.raises(ValueError, match="the model has 13 entities and 3 relations, but Family has 219 and 15"):
        EmbeddingScorer.of(make("complex"), family)


def test_weights_too_large_for_scores_are_told(tmp_path: Path) -> None:
    model = make("distmult")
    with torch.no_grad():
        model.entities.fill_(3e38)
        model.relations.fill_(3e38)
    scorer = EmbeddingScorer(model, dataset="Tiny", fingerprint="a", facts="b", type_offsets=[0, ENTITIES])
    ids = np.array([1], np.int32)
    for ask in (
        lambda: scorer.score(ids, 0, ids),
        lambda: scorer.top_k(ids, 0, 2),
        lambda: scorer.scores(np.array([[1, 0, -1]], np.int32)),
    ):
        with pytest.raises(ValueError, match=r"distmult has no finite score for \(source, relation, target\) \[1, 0, "):
            ask()


def test_a_relation_is_a_whole_number(file: Path) -> None:
    scorer = EmbeddingScorer.load(file)
    ids = np.array([1], np.int32)
    np.testing.assert_array_equal(scorer.score(ids, np.int64(1), ids), scorer.score(ids, 1, ids))
    with pytest.raises(TypeError, match="integer"):
        scorer.score(ids, 1.9, ids)  # type: ignore[arg-type]
