"""Datasets: cards, loading, one's own files, reports."""

from kgwalk.data.cards import Card, DataFile, Source
from kgwalk.data.catalog import CARDS, find_card
from kgwalk.data.dataset import Dataset, Directions
from kgwalk.data.family import family
from kgwalk.data.files import DamagedFileError, MissingDataError
from kgwalk.data.load import load
from kgwalk.data.new_user import NewUsers, new_users

__all__ = [
    "CARDS",
    "Card",
    "DamagedFileError",
    "DataFile",
    "Dataset",
    "Directions",
    "MissingDataError",
    "NewUsers",
    "Source",
    "family",
    "find_card",
    "load",
    "new_users",
]
