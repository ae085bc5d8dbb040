"""The picture of a walk: the path from left to right, its surroundings in grey, the moves open now as a column.

Importing this module imports matplotlib and networkx.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import NamedTuple, TypeVar

import networkx as nx  # type: ignore[import-untyped, unused-ignore]
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kgwalk.envs.rendering import WalkView

SIZE = (11.0, 5.6)  # inches
DPI = 100
MAX_FAN = 8  # neighbours drawn around a node, half above and half below
MAX_COLUMN = 9  # moves drawn of those open now

INK, GREY, PALE = "#1f2933", "#7b8794", "#cbd2d9"
PATH, OPEN, HIT, MISS = "#2f6fde", "#e8820c", "#1e9e62", "#d64545"
OUTCOME = {True: HIT, False: MISS, None: OPEN}


Item = TypeVar("Item")


class Hop(NamedTuple):
    """A move between two different places of the picture."""

    start: int
    relation: int
    end: int


def as_picture(view: WalkView) -> NDArray[np.uint8]:
    """The walk drawn with names, (height, width, 3) uint8."""
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.84))
    axes.set_axis_off()
    axes.set_xlim(-0.62, view.horizon + 0.8)
    axes.set_ylim(-1.12, 1.12)
    axes.set_autoscale_on(False)
    spots: dict[int, tuple[float, float]] = {}
    for entity in view.entities.tolist():
        spots.setdefault(entity, (float(len(spots)), 0.0))
    here = int(view.entities[-1])
    taken = set(spots)
    for entity, (x, _) in spots.items():
        if entity != here or view.hit is not None:
            _draw_fan(axes, view, entity, x, taken)
    if view.hit is None:
        _draw_column(axes, view, spots[here][0], len(spots) - 0.14)
    _draw_path(axes, view, spots)
    _write_title(figure, view)
    canvas.draw()  # type: ignore[no-untyped-call, unused-ignore]
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call, unused-ignore]


def _draw_fan(axes: Axes, view: WalkView, anchor: int, x: float, taken: set[int]) -> None:
    """What lies around a node, in grey; entities already in the picture are left out, and drawn ones noted."""
    _, _, tails = view.task.actions.expand(np.array([anchor], np.int32), np.array([-1], np.int32))
    around = _spread([e for e in dict.fromkeys(tails.tolist()) if e not in taken], MAX_FAN)
    taken.update(around)
    above = (len(around) + 1) // 2
    for k, entity in enumerate(around):
        side, index, count = (1, k, above) if k < above else (-1, k - above, len(around) - above)
        to_x = x + 0.86 * ((index + 0.5) / count - 0.5)
        to_y = side * (0.62 + 0.26 * (index % 2))
        axes.plot([x, to_x], [0, to_y], color=PALE, linewidth=1.1, alpha=0.8, zorder=1)
        axes.scatter([to_x], [to_y], s=34, color=PALE, zorder=2, edgecolors="white", linewidths=0.8)
        vertical = "bottom" if side > 0 else "top"
        label = short(view.task.dataset.label(entity), 17, 2)
        axes.text(to_x, to_y + 0.05 * side, label, ha="center", va=vertical, fontsize=6.8, color=GREY, linespacing=1.05)


def _draw_column(axes: Axes, view: WalkView, start: float, x: float) -> None:
    """The moves open now, STAY apart, with the relation on top of the entity it leads to, if that is chosen with it."""
    data = view.task.dataset
    open_now = [move for move in view.moves if move.relation != view.task.stay]
    moves = _spread(open_now, MAX_COLUMN)
    heights = np.linspace(0.96, -0.96, len(moves)) if len(moves) > 1 else np.zeros(len(moves))
    for (_, relation, entity), y in zip(moves, heights.tolist(), strict=True):
        axes.plot([start, x], [0, y], color=OPEN, linewidth=1.2, alpha=0.5, zorder=1)
        axes.scatter([x], [y], s=46, color=OPEN, zorder=2, edgecolors="white", linewidths=0.8)
        name = short(_relation(view, relation), 30, 1)
        axes.text(x + 0.06, y + 0.012, name, va="bottom", fontsize=6.8, color=OPEN)
        if entity >= 0:
            axes.text(x + 0.06, y + 0.008, short(data.label(entity), 30, 1), va="top", fontsize=8, color=INK)
    hidden = len(open_now) - len(moves)
    if hidden > 0:
        axes.text(x + 0.06, -1.11, f"and {hidden} more", va="bottom", fontsize=7.5, color=GREY, style="italic")


def _draw_path(axes: Axes, view: WalkView, spots: dict[int, tuple[float, float]]) -> None:
    data, stay = view.task.dataset, view.task.stay
    here = int(view.entities[-1])
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(spots)
    visited = view.entities.tolist()
    hops = [Hop(*hop) for hop in zip(visited, view.relations.tolist(), visited[1:], strict=False) if hop[1] != stay]
    # Arcs are laid out on paper, where the units of the two axes differ.
    (left, low), (right, high) = axes.transData.transform([(0, 0), (1, 1)])
    unit_x, unit_y = float(right - left), float(high - low)
    for number, hop in enumerate(hops):
        (start, _), (end, _) = spots[hop.start], spots[hop.end]
        # Straight to the next spot; over others, or back, it must bend.
        bend = 0.0 if end - start == 1 else 0.35 + 0.12 * number
        nx.draw_networkx_edges(
            graph,
            spots,
            edgelist=[(hop.start, hop.end)],
            ax=axes,
            arrowsize=16,
            width=2.6,
            edge_color=PATH,
            node_size=520,
            connectionstyle=f"arc3,rad={bend}",
        )
        lift = 0.5 * bend * (start - end) * unit_x / unit_y
        name = short(_relation(view, hop.relation), 20, 2)
        _write(axes, (start + end) / 2, lift + 0.035, name, PATH, size=8, vertical="bottom")
    colors = [OUTCOME[view.hit] if entity == here else PATH for entity in graph]
    nx.draw_networkx_nodes(graph, spots, ax=axes, node_size=420, node_color=colors, edgecolors="white", linewidths=1.6)
    for entity, (x, _) in spots.items():
        _write(axes, x, -0.095, short(data.label(entity), 18, 3), INK, size=9.5, vertical="top", weight="bold")
    waits = Counter(
        start for start, relation in zip(visited, view.relations.tolist(), strict=False) if relation == stay
    )
    for entity, times in waits.items():
        note = "waited once" if times == 1 else f"waited {times} times"
        _write(axes, spots[entity][0], 0.1, note, GREY, size=7.5, vertical="bottom")


def _write(
    axes: Axes, x: float, y: float, text: str, color: str, *, size: float, vertical: str, weight: str = "normal"
) -> None:
    """Text on a white ground, over the lines."""
    box = {"boxstyle": "round,pad=0.18", "facecolor": "white", "edgecolor": "none", "alpha": 0.88}
    style = {"ha": "center", "va": vertical, "fontsize": size, "color": color, "weight": weight}
    axes.text(x, y, text, bbox=box, zorder=6, linespacing=1.05, **style)  # type: ignore[arg-type]


def _write_title(figure: Figure, view: WalkView) -> None:
    relation = short(_relation(view, int(view.query[1])), 34, 1)
    title = figure.text(0.03, 0.925, short(view.source, 34, 1), fontsize=15, color=INK, weight="bold")
    for text, color in ((f"  {relation}", PATH), ("  \u2192  ?", INK)):
        box = title.get_window_extent().transformed(figure.transFigure.inverted())
        title = figure.text(box.x1, 0.925, text, fontsize=15, color=color, weight="bold")
    color = {True: HIT, False: MISS, None: GREY}[view.hit]
    figure.text(0.97, 0.925, short(view.verdict, 40, 1), fontsize=12, color=color, ha="right", weight="bold")
    figure.text(0.031, 0.882, view.task.dataset.name, fontsize=9, color=GREY)


def _relation(view: WalkView, relation: int) -> str:
    """A relation's name without its path, the inverse raised: ``nominated for\u207b\u00b9``."""
    graph = view.task.actions.graph
    inverse = graph.num_relations <= relation < graph.stay
    name = view.task.dataset.relation_name(graph.inverse(relation) if inverse else relation)
    return name.rsplit("/", 1)[-1] + ("\u207b\u00b9" if inverse else "")


def _spread(items: list[Item], count: int) -> list[Item]:
    """At most ``count`` items, evenly from all, so that many relations are seen."""
    if len(items) <= count:
        return items
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, count).round()]


def short(text: str, width: int, lines: int) -> str:
    """``text`` broken into at most so many lines of about so many characters, the rest cut off."""
    spaced = text.replace("_", " ").strip()
    return "\n".join(textwrap.wrap(spaced, width, max_lines=lines, placeholder="\u2026")) or text
