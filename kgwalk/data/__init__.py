"""Datasets: cards, loading, one's own files, reports."""

from kgwalk.data.cards import Card, DataFile, Source
from kgwalk.data.catalog import CARDS, find_card
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.data.family import family
from kgwalk.data.files import DamagedFileError, MissingDataError
from kgwalk.data.load import load
from kgwalk.data.recommendation.bookshop import bookshop
from kgwalk.data.recommendation.dataset import Recommendation
from kgwalk.data.recommendation.labelled import LabelledRecommendation, labelled
from kgwalk.data.recommendation.metapaths import EntityType
from kgwalk.data.recommendation.new_user import NewUsers, new_users
from kgwalk.data.recommendation.reachability import reachability
from kgwalk.data.stored import StoredDataset, open_dataset

__all__ = [
    "CARDS",
    "Card",
    "DamagedFileError",
    "DataFile",
    "Dataset",
    "Directions",
    "EntityType",
    "LabelledRecommendation",
    "MissingDataError",
    "NewUsers",
    "Recommendation",
    "Source",
    "StoredDataset",
    "bookshop",
    "family",
    "find_card",
    "labelled",
    "load",
    "new_users",
    "open_dataset",
    "reachability",
]
