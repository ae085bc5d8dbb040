"""The items at the end of a metapath, for many entities at once, as bit sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kgwalk._core import Expand
from kgwalk.data.recommendation.metapaths import EntityType
from kgwalk.protocols import Ids, Offsets

Bits = NDArray[np.uint8]

# Measured: listing an item and setting its bit, and joining a word of a set with another; all memory-bound.
_SECONDS_PER_ITEM = 50e-9
_SECONDS_PER_WORD = 25e-9
#: Bytes of gathered sets, or of unpacked ones, at a time.
_BYTES = 1 << 23


def item_sets(expand: Expand, entities: Ids, relations: Sequence[int], items: EntityType) -> Bits:
    """Which items each entity's walks along the relations end at, degrees uncut.

    Walks are not listed one by one: sets are made backwards from the last relation, one for each distinct entity on the
    way. While sets are small they are lists, and bits once that is cheaper.

    Args:
        expand: graph and overlay.
        entities: (n,) int32, where the walks begin.
        relations: followed in this order, at least one.
        items: entities that are no item are left out at the end.

    Returns:
        (n, ceil(len(items) / 64) * 8) uint8: item ``i`` of the type is bit ``i % 8`` of byte ``i // 8``.
    """
    hops: list[tuple[Offsets, NDArray[np.int64]]] = []
    frontier = np.ascontiguousarray(entities, np.int32)
    for relation in relations:
        offsets, _, tails = expand(frontier, np.array([relation], np.int32), capped=False)
        there = np.zeros(expand.num_entities, np.bool_)
        there[tails] = True
        frontier = np.flatnonzero(there).astype(np.int32)
        place = np.zeros(expand.num_entities, np.int64)
        place[frontier] = np.arange(len(frontier))
        hops.append((offsets, place[tails]))
    offsets, last = hops.pop()
    ends = frontier[last]
    is_item = (ends >= items.first) & (ends < items.last)
    listed = (_kept(offsets, is_item), ends[is_item] - np.int32(items.first))
    words = (len(items) + 63) // 64
    bits: Bits | None = None
    while hops:
        offsets, below = hops.pop()
        if bits is None:
            longer = int(np.diff(listed[0])[below].sum())
            if longer * _SECONDS_PER_ITEM <= len(below) * words * _SECONDS_PER_WORD:
                listed = _chained(offsets, below, listed)
                continue
            bits = _as_bits(*listed, words)
        bits = _joined(offsets, below, bits)
    return _as_bits(*listed, words) if bits is None else bits


def _kept(offsets: Offsets, keep: NDArray[np.bool_]) -> Offsets:
    """Offsets of rows of which some cells are kept."""
    return np.concatenate([[0], np.cumsum(keep)])[offsets]


def _chained(offsets: Offsets, below: NDArray[np.int64], lists: tuple[Offsets, Ids]) -> tuple[Offsets, Ids]:
    """Each row's lists one after another, repeats included."""
    starts, lengths = lists[0][below], np.diff(lists[0])[below]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    cells = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
    return ends[offsets], lists[1][cells]


def _as_bits(offsets: Offsets, members: Ids, words: int) -> Bits:
    """Lists as bit sets."""
    count = len(offsets) - 1
    bits = np.zeros((count, words * 8), np.uint8)
    step = max(1, _BYTES // (words * 64))
    for begin in range(0, count, step):
        end = min(count, begin + step)
        plain = np.zeros((end - begin, words * 64), np.bool_)
        rows = np.repeat(np.arange(end - begin), np.diff(offsets[begin : end + 1]))
        plain[rows, members[offsets[begin] : offsets[end]]] = True
        bits[begin:end] = np.packbits(plain, axis=1, bitorder="little")
    return bits


def _joined(offsets: Offsets, below: NDArray[np.int64], bits: Bits) -> Bits:
    """The union of each row's sets."""
    wide = bits.view(np.uint64)
    joined = np.zeros((len(offsets) - 1, wide.shape[1]), np.uint64)
    filled = np.flatnonzero(np.diff(offsets))
    step = max(1, _BYTES // (8 * wide.shape[1]))
    # Runs of whole rows of about `step` sets each; reduceat knows no empty rows.
    run = offsets[filled] // step
    for rows in np.split(filled, np.flatnonzero(np.diff(run)) + 1):
        if len(rows):
            first = offsets[rows[0]]
            gathered = wide[below[first : offsets[rows[-1] + 1]]]
            joined[rows] = np.bitwise_or.reduceat(gathered, offsets[rows] - first, axis=0)
    return joined.view(np.uint8)
