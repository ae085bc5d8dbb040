"""Search: what a policy believes, beyond the one walk it would take."""

from __future__ import annotations

from kgwalk._core import ANY
from kgwalk.search.answers import rank
from kgwalk.search.beam import search
from kgwalk.search.layout import Layout, chain, tree
from kgwalk.search.paths import Paths, Reached, merge_stay

__all__ = ["ANY", "Layout", "Paths", "Reached", "chain", "merge_stay", "rank", "search", "tree"]
