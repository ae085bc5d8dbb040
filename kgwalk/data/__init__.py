"""Datasets: cards, loading, one's own files, reports."""

from kgwalk.data.bookshop import bookshop
from kgwalk.data.cards import Card, DataFile, Source
from kgwalk.data.catalog import CARDS, find_card
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.data.family import family
from kgwalk.data.files import DamagedFileError, MissingDataError
from kgwalk.data.load import load
from kgwalk.data.metapaths import EntityType
from kgwalk.data.new_user import NewUsers, new_users
from kgwalk.data.reachability import reachability
from kgwalk.data.recommendation import Recommendation

__all__ = [
    "CARDS",
    "Card",
    "DamagedFileError",
    "DataFile",
    "Dataset",
    "Directions",
    "EntityType",
    "MissingDataError",
    "NewUsers",
    "Recommendation",
    "Source",
    "bookshop",
    "family",
    "find_card",
    "load",
    "new_users",
    "reachability",
]
