"""Search: what a policy believes, beyond the one walk it would take."""

from __future__ import annotations

from kgwalk._core import ANY
from kgwalk.search.answers import rank
from kgwalk.search.beam import search
from kgwalk.search.evidence import weigh_evidence
from kgwalk.search.items import fill_up, known_items, top_items
from kgwalk.search.layout import Layout, chain, tree
from kgwalk.search.merge import merge_waits
from kgwalk.search.metapath_layout import MetapathLayout, MetapathTree, allocate, metapath_layout, metapath_tree
from kgwalk.search.metapaths import FoundMetapaths, rank_paths, search_metapaths
from kgwalk.search.paths import Paths, Reached
from kgwalk.search.propagate import PrefixPolicy, Propagation, propagate
from kgwalk.search.prune import Prune
from kgwalk.search.rerank import rerank
from kgwalk.search.split_propagate import SplitPrefixPolicy, propagate_split

__all__ = [
    "ANY",
    "FoundMetapaths",
    "Layout",
    "MetapathLayout",
    "MetapathTree",
    "Paths",
    "PrefixPolicy",
    "Propagation",
    "Prune",
    "Reached",
    "SplitPrefixPolicy",
    "allocate",
    "chain",
    "fill_up",
    "known_items",
    "merge_waits",
    "metapath_layout",
    "metapath_tree",
    "propagate",
    "propagate_split",
    "rank",
    "rank_paths",
    "rerank",
    "search",
    "search_metapaths",
    "top_items",
    "tree",
    "weigh_evidence",
]
