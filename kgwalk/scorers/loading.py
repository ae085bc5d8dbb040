"""Scorers from files, held against the dataset they are to score."""

from __future__ import annotations

from pathlib import Path

from kgwalk.data.dataset import Dataset
from kgwalk.scorers.embedding import EmbeddingScorer
from kgwalk.scorers.facts import check_fitted_on
from kgwalk.scorers.linear import LINEAR, LinearScorer
from kgwalk.scorers.location import scorer_file
from kgwalk.scorers.recommender import RecommenderScorer
from kgwalk.scorers.recommenders import RECOMMENDERS
from kgwalk.tensors import load_tensors

#: Whatever a file of a scorer may hold.
AnyScorer = EmbeddingScorer | LinearScorer | RecommenderScorer


def read_scorer(file: Path) -> AnyScorer:
    """The scorer in a file, whatever dataset it is for.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged or of no known model.
    """
    name = load_tensors(file)[1].get("agent")
    if name in LINEAR:
        return LinearScorer.load(file)
    if isinstance(name, str) and name in RECOMMENDERS:
        return RecommenderScorer.load(file)
    return EmbeddingScorer.load(file)


def load(path: Path | str, dataset: Dataset) -> AnyScorer:
    """The scorer in a file, or in the folder of its training run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, of no known model, or was fitted on other facts than the training facts of
            ``dataset``: its ids would mean other things, or it may have seen facts that it is asked about.
    """
    file = scorer_file(path)
    scorer = read_scorer(file)
    try:
        check_fitted_on(scorer, dataset)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return scorer
