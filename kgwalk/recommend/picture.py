"""Pictures of a list: what speaks for it as the user's layout tree, and the walks to its items.

Importing this module imports matplotlib and networkx.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kgwalk.envs.drawing import DPI, GREY, HIT, INK, PATH, short
from kgwalk.explain.picture import bezier, check_format, save_figure, save_picture, write, write_title
from kgwalk.recommend.phrases import counted
from kgwalk.recommend.words import LayoutNode, Recommendations, numbers, percent

# Inches.
COLUMN, ROW = 2.35, 0.72
CURVE = 1.05  # of a column; the rest of it is straight, with room for words
LEFT, RIGHT, TOP, BOTTOM = 1.1, 4.4, 1.25, 0.85
DOT = 0.075
BAND = 0.42  # what all of a list's weight is wide
THINNEST = 0.012
MOST = 8  # metapaths drawn; the others are told of below

Place = tuple[float, float]


def save_paths_picture(recommendations: Recommendations, path: Path) -> None:
    """Draw the walks to the items of a list as one graph, in plain words, into a file.

    Raises:
        ValueError: A name that ends in none of ``.png``, ``.svg`` and ``.pdf``, or no item is explained.
        OSError: The file cannot be written.
    """
    check_format(path)
    _check_explained(recommendations)
    said = f"Why these {_items(recommendations)} for {recommendations.label}"
    save_picture(recommendations.explanation(), path, title=_small(recommendations), heading=said)


def save_layout_picture(recommendations: Recommendations, path: Path) -> None:
    """Draw what speaks for a list into a file, which is written whole or not at all.

    Raises:
        ValueError: A name that ends in none of ``.png``, ``.svg`` and ``.pdf``, or no item is explained.
        OSError: The file cannot be written.
    """
    check_format(path)
    save_figure(draw_layout(recommendations), path)


def draw_layout(recommendations: Recommendations) -> Figure:
    """The layout tree as a matplotlib figure: a band is as wide as the share of the list's weight that goes along it.

    Raises:
        ValueError: No item is explained.
    """
    root = _check_explained(recommendations)
    kept, left_out = _heaviest(root, MOST)
    leaves = list(_leaves(kept))
    depth = max(_depth(kept), 1)
    size = (LEFT + COLUMN * depth + RIGHT, TOP + BOTTOM + ROW * (len(leaves) - 1))
    figure = Figure(figsize=size, dpi=DPI * 1.5, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
    axes.set_axis_off()
    heights = {id(leaf): size[1] - TOP - ROW * row for row, leaf in enumerate(leaves)}
    spots = _spots(kept, 0, depth, heights)
    _draw_bands(axes, kept, spots)
    _draw_nodes(axes, kept, spots, recommendations)
    title = f"What speaks for these {_items(recommendations)} for {recommendations.label}"
    write_title(axes, [(short(title, 90, 1), INK)], _small(recommendations), size[1])
    note = "the wider a band, the more of the reasons go along it"
    if left_out:
        note += f"; {counted(len(left_out), 'way')} more, together {percent(sum(left_out))}, not drawn"
    axes.text(0.3, 0.2, note, fontsize=7.5, color=GREY, style="italic", va="center")
    return figure


def _check_explained(recommendations: Recommendations) -> LayoutNode:
    if recommendations.layout is None:
        raise ValueError("there is nothing to draw: no item has a reason (only agents that walk give reasons)")
    return recommendations.layout


def _items(recommendations: Recommendations) -> str:
    return counted(sum(item.explained for item in recommendations.items), recommendations.item_type)


def _small(recommendations: Recommendations) -> str:
    return f"{recommendations.dataset}, {recommendations.agent}"


def _heaviest(root: LayoutNode, most: int) -> tuple[LayoutNode, list[float]]:
    """The tree of the metapaths of the greatest shares, and the shares of the others."""
    shares = sorted((leaf.share for leaf in _leaves(root)), reverse=True)
    if len(shares) <= most:
        return root, []
    kept = {id(leaf) for leaf in sorted(_leaves(root), key=lambda leaf: -leaf.share)[:most]}
    return _pruned(root, kept), shares[most:]


def _pruned(node: LayoutNode, kept: set[int]) -> LayoutNode:
    if not node.children:
        return node
    children = [child for child in node.children if any(id(leaf) in kept for leaf in _leaves(child))]
    return LayoutNode(node.step, node.kind, node.share, tuple(_pruned(child, kept) for child in children))


def _leaves(node: LayoutNode) -> list[LayoutNode]:
    return [leaf for child in node.children for leaf in _leaves(child)] if node.children else [node]


def _depth(node: LayoutNode) -> int:
    return 1 + max(map(_depth, node.children)) if node.children else 0


def _spots(node: LayoutNode, column: int, last: int, heights: Mapping[int, float]) -> dict[int, Place]:
    """Places of nodes: leaves in the last column, the others at the weighted mean of what they lead to."""
    if not node.children:
        return {id(node): (LEFT + COLUMN * last, heights[id(node)])}
    spots: dict[int, Place] = {}
    for child in node.children:
        spots.update(_spots(child, column + 1, last, heights))
    below = [spots[id(child)][1] for child in node.children]
    spots[id(node)] = LEFT + COLUMN * column, float(np.average(below, weights=[c.share for c in node.children]))
    return spots


def _width(share: float) -> float:
    return max(BAND * share, THINNEST)


def _draw_bands(axes: Axes, node: LayoutNode, spots: Mapping[int, Place]) -> None:
    """The steps that lead on from a node, side by side where they begin."""
    x, y = spots[id(node)]
    t = np.linspace(0, 1, 60)
    top = y + sum(_width(child.share) for child in node.children) / 2
    for child in node.children:
        to_x, to_y = spots[id(child)]
        width = _width(child.share)
        start, top = top - width / 2, top - width
        middle = x + CURVE / 2
        curve = bezier([(x, start), (middle, start), (middle, to_y), (x + CURVE, to_y)], t)
        curve = np.concatenate([curve, [(to_x, to_y)]])
        half = np.array([0, width / 2])
        sides = np.concatenate([curve + half, (curve - half)[::-1]])
        axes.fill(*sides.T, color=PATH, alpha=0.3, linewidth=0, zorder=1)
        at = x + (CURVE + COLUMN) / 2, to_y + width / 2 + 0.03
        write(axes, *at, short(child.step, 24, 1), PATH, 8, "center", "bottom")
        _draw_bands(axes, child, spots)


def _draw_nodes(axes: Axes, root: LayoutNode, spots: Mapping[int, Place], recommendations: Recommendations) -> None:
    total = len(recommendations.items)
    first = counted(len(recommendations.has), recommendations.item_type)

    def visit(node: LayoutNode, depth: int) -> None:
        x, y = spots[id(node)]
        color = HIT if node.metapath is not None else INK if depth else PATH
        axes.scatter([x], [y], s=(DOT * 144) ** 2, color=color, zorder=4, edgecolors="white", linewidths=1.2)
        if node.metapath is None:
            name = first if depth == 1 else node.kind
            below = y - max(_width(node.share) / 2, DOT) - 0.04
            # Bands fan out to the right of a fork.
            aside = ("right", x + DOT) if depth and len(node.children) > 1 else ("center", x)
            weight = "normal" if depth else "bold"
            write(axes, aside[1], below, short(name, 20, 2), INK, 9, aside[0], "top", weight)
        else:
            told = node.metapath
            axes.text(x + 0.2, y + 0.02, percent(told.share), fontsize=11, color=HIT, weight="bold", va="bottom")
            words = short(told.words, 42, 1)
            axes.text(x + 0.85, y + 0.02, words, fontsize=9.5, color=INK, weight="bold", va="bottom", parse_math=False)
            led = f"leads to {told.items} of the {total}"
            led += f", the best reason for {numbers(told.leads)}" if told.leads else ""
            axes.text(x + 0.85, y - 0.03, short(led, 52, 1), fontsize=8, color=GREY, va="top")
        for child in node.children:
            visit(child, depth + 1)

    visit(root, 0)
