"""The picture of attention: the item on the left, its neighbours to the right, their neighbours further right.

Importing this module imports matplotlib and networkx.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kgwalk.data.dataset import STAY_NAME
from kgwalk.envs.drawing import DPI, GREY, HIT, INK, PATH, short
from kgwalk.explain.picture import bezier, check_format, save_figure, write, write_title
from kgwalk.recommend.attention import NOTHING, Attention, Near, short_relation
from kgwalk.recommend.words import percent

# Inches.
CURVE, WORDS, NAME = 0.75, 1.75, 1.75  # from left to right: where lines fan out, what is on them, where they lead
COLUMN, ROW = CURVE + WORDS + NAME, 0.34
LEFT, RIGHT, TOP, BOTTOM = 1.6, 0.15, 1.15, 0.6
DOT = 0.075
WIDTHS = 0.7, 9.0  # points, of no weight and of all
OPACITY = 0.45


class _Spot(NamedTuple):
    x: float
    y: float


class _Row(NamedTuple):
    """A neighbour in the picture, or the others of an entity as one.

    Attributes:
        name: of the entity.
        relation: that leads there; empty if there is none to tell.
        share: among the neighbours of the same entity.
        spot: where it stands.
        children: what lies beyond it.
        plain: whether it is an entity.
    """

    name: str
    relation: str
    share: float
    spot: _Spot
    children: tuple[_Row, ...] = ()
    plain: bool = True


def save_attention_picture(attention: Attention, path: Path) -> None:
    """Draw what a model attends to into a file, which is written whole or not at all.

    Raises:
        ValueError: A name that ends in none of ``.png``, ``.svg`` and ``.pdf``, or nothing was looked at.
        OSError: The file cannot be written.
    """
    check_format(path)
    save_figure(draw_attention(attention), path)


def draw_attention(attention: Attention) -> Figure:
    """The picture as a matplotlib figure: a line is as wide as its neighbour's share.

    Raises:
        ValueError: Nothing was looked at.
    """
    if not attention.near.shown:
        raise ValueError(f"there is nothing to draw: {attention.model} looked at no neighbour of the item")
    columns, count = _depth(attention.near), _leaves(attention.near)
    size = (LEFT + COLUMN * columns + RIGHT, TOP + BOTTOM + ROW * (count - 1))
    figure = Figure(figsize=size, dpi=DPI * 1.5, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
    axes.set_axis_off()
    heights = iter(size[1] - TOP - ROW * np.arange(count))
    rows = _placed(attention.near, 1, heights)
    item = _Spot(LEFT, float(np.mean([rows[0].spot.y, rows[-1].spot.y])))
    _draw_rows(axes, rows, item)
    axes.scatter(*item, s=(DOT * 1.4 * 144) ** 2, color=HIT, zorder=4, edgecolors="white", linewidths=1.2)
    write(axes, item.x - 0.16, item.y, short(attention.item_label, 16, 3), INK, 10, "right", "center", "bold")
    write_title(axes, [(short(attention.heading, 80, 1), INK)], f"{attention.dataset}, {attention.model}", size[1])
    note = "the wider a line, the more its neighbour counts; shares are among the neighbours of the same entity"
    axes.text(0.3, 0.2, note, fontsize=7.5, color=GREY, style="italic", va="center")
    return figure


def _depth(near: Near) -> int:
    return 1 + max((_depth(one.near) for one in near.shown if one.near is not None), default=0)


def _leaves(near: Near) -> int:
    return sum(1 if one.near is None else _leaves(one.near) for one in near.shown) + bool(near.others)


def _placed(near: Near, column: int, heights: Iterator[float]) -> tuple[_Row, ...]:
    """Neighbours from top to bottom, each at the middle of what lies beyond it."""
    x, rows = LEFT + COLUMN * column - NAME, []
    for one in near.shown:
        children = () if one.near is None else _placed(one.near, column + 1, heights)
        y = float(np.mean([children[0].spot.y, children[-1].spot.y])) if children else float(next(heights))
        stays = one.relation == STAY_NAME
        relation, name = ("", NOTHING) if stays else (short_relation(one.relation), one.label)
        rows.append(_Row(name, relation, one.share, _Spot(x, y), children, not stays))
    if near.others:
        rows.append(_Row(f"{near.others:,} more", "", near.rest, _Spot(x, float(next(heights))), plain=False))
    return tuple(rows)


def _draw_rows(axes: Axes, rows: tuple[_Row, ...], begin: _Spot) -> None:
    """Lines from ``begin`` to each of the rows, what is there, and what lies beyond."""
    t = np.linspace(0, 1, 60)
    for row in rows:
        x, y = row.spot
        middle = (begin.x + x - WORDS) / 2
        curve = bezier([begin, (middle, begin.y), (middle, y), (x - WORDS, y)], t)
        line = np.concatenate([curve, [row.spot]])
        color = PATH if row.plain else GREY
        width = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * row.share
        axes.plot(*line.T, linewidth=width, color=color, alpha=OPACITY, solid_capstyle="butt", zorder=1 + row.share)
        told = f"{percent(row.share)}  {row.relation.replace('_', ' ')}".strip()
        above = y + width / 144 + 0.015
        write(axes, x - 0.14, above, short(told, 28, 1), color, 7.5, "right", "bottom")
        axes.scatter([x], [y], s=(DOT * 144) ** 2, color=INK if row.plain else GREY, zorder=4, edgecolors="white")
        name = write(axes, x + 0.14, y, short(row.name, 23, 1), INK if row.plain else GREY, 9, "left", "center")
        if row.children:
            (right, _), _ = axes.transData.inverted().transform(name.get_window_extent())[::-1]
            _draw_rows(axes, row.children, _Spot(float(right) + 0.08, y))
