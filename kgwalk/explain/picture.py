"""The picture of an explanation: the paths to all answers as one graph, from the source on the left to the answers.

Importing this module imports matplotlib and networkx.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from kgwalk.data.dataset import INVERSE
from kgwalk.envs.drawing import DPI, GREY, HIT, INK, PATH, short
from kgwalk.explain.layered import Layered, layered
from kgwalk.explain.words import Answer, Explanation
from kgwalk.files import atomic_path
from kgwalk.rules.words import relation_words

FORMATS = (".png", ".svg", ".pdf")
Points = NDArray[np.float64]  # (n, 2), inches

# Inches.
COLUMN, ROW = 2.1, 0.78
LEFT, RIGHT, TOP, BOTTOM = 1.0, 2.65, 1.05, 0.6
DOT, BADGE = 0.055, 0.14  # radii of entities on the way, and of the ends
WIDTHS = 0.8, 4.2  # points, of the least and the most probable edge
OPACITIES = 0.35, 0.95
PLACES = (0.5, 0.41, 0.59, 0.32, 0.68, 0.23, 0.77, 0.16, 0.84)  # of a name along its arrow, best first
MOST_NAMES = 3


class Drawn(NamedTuple):
    """An arrow: all relations that lead from one entity to another in one direction."""

    relations: dict[str, None]  # in order of first use
    probability: float


def save_picture(explanation: Explanation, path: Path, *, title: str = "", heading: str = "") -> None:
    """Draw an explanation into a file, which is written whole or not at all.

    Args:
        explanation: Of an agent whose answers have paths.
        path: Ends in ``.png``, ``.svg`` or ``.pdf``; equal explanations make equal files.
        title: Small print, such as the names of dataset and agent.
        heading: What to write on top in place of the question; scores are then left out too.

    Raises:
        ValueError: Another extension, or no answer has a path.
        OSError: The file cannot be written.
    """
    check_format(path)
    save_figure(draw(explanation, title=title, heading=heading), path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; equal figures make equal files.

    Raises:
        ValueError: A name that ends in none of `FORMATS`.
        OSError: The file cannot be written.
    """
    suffix = check_format(path)
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
    with rc_context({"svg.hashsalt": "kgwalk"}), atomic_path(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], metadata=undated)


def check_format(path: Path) -> str:
    """The format that a file's name asks for, as one of `FORMATS`.

    Raises:
        ValueError: none of them.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path}: cannot tell the format; expected a name ending in {', '.join(FORMATS)}")
    return suffix


def draw(explanation: Explanation, *, title: str = "", heading: str = "") -> Figure:
    """The picture as a matplotlib figure; arguments as of `save_picture`.

    Arrows go the way that is walked; ``name\u207b\u00b9`` is an edge walked against its relation. An arrow is the wider
    and darker, the greater the summed probability of the paths along it.

    Raises:
        ValueError: No answer has a path.
    """
    if not any(answer.paths for answer in explanation.answers):
        raise ValueError("there is nothing to draw: no answer has a path (only agents that walk give paths)")
    arrows = _arrows(explanation)
    answers = {answer.entity: answer for answer in explanation.answers}
    layout = layered(explanation.source, list(arrows), list(answers))
    heights = [y for _, y in layout.spots.values()] + [y for route in layout.routes.values() for _, y in route]
    columns = max(x for x, _ in layout.spots.values())
    size = (LEFT + COLUMN * columns + RIGHT, TOP + BOTTOM + ROW * (max(heights) - min(heights)))
    layout = _in_inches(layout, min(heights))

    figure = Figure(figsize=size, dpi=DPI * 1.5, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
    axes.set_axis_off()
    radii = dict.fromkeys([explanation.source, *answers], BADGE)
    taken = _draw_nodes(axes, explanation, layout, answers, scores=not heading)
    _draw_arrows(axes, arrows, layout, radii, taken)
    words = [(short(heading, 90, 1), INK)] if heading else _question(explanation)
    write_title(axes, words, title, size[1])
    most = max(arrow.probability for arrow in arrows.values()) if arrows else 1.0
    note = f"the wider an arrow, the more probable the paths along it; the widest {most:.2g}"
    if heading:
        note = "the wider an arrow, the more of the reasons go along it"
    axes.text(0.3, 0.2, note, fontsize=7.5, color=GREY, style="italic", va="center")
    return figure


def _arrows(explanation: Explanation) -> dict[tuple[str, str], Drawn]:
    """The arrows between entities in order of first use, paths that share one added up."""
    arrows: dict[tuple[str, str], Drawn] = {}
    for path in (path for answer in explanation.answers for path in answer.paths):
        entities = [explanation.source, *(hop.entity for hop in path.hops)]
        # A path that goes back and forth uses an arrow twice, and counts once.
        for arrow in dict.fromkeys(pairwise(entities)):
            before = arrows.setdefault(arrow, Drawn({}, 0.0))
            arrows[arrow] = Drawn(before.relations, before.probability + math.exp(path.log_prob))
        for arrow, hop in zip(pairwise(entities), path.hops, strict=True):
            arrows[arrow].relations[short(_relation(hop.relation, hop.inverse), 24, 1)] = None
    return arrows


def _in_inches(layout: Layered, lowest: float) -> Layered:
    def spot(place: tuple[float, float]) -> tuple[float, float]:
        return LEFT + COLUMN * place[0], BOTTOM + ROW * (place[1] - lowest)

    return Layered(
        {node: spot(place) for node, place in layout.spots.items()},
        {edge: [spot(place) for place in route] for edge, route in layout.routes.items()},
    )


def _draw_nodes(
    axes: Axes, explanation: Explanation, layout: Layered, answers: dict[str, Answer], *, scores: bool
) -> list[Bbox]:
    """The entities with their names; gives the places that are taken by now."""
    labels = {explanation.source: explanation.label}
    for answer in explanation.answers:
        labels.update({hop.entity: hop.label for path in answer.paths for hop in path.hops})
        labels[answer.entity] = answer.label
    goes_on = {start for start, _ in layout.routes}
    taken = []
    for node, (x, y) in layout.spots.items():
        name, found = str(node), answers.get(str(node))
        radius = BADGE if found or name == explanation.source else DOT
        color = HIT if found else PATH if name == explanation.source else INK
        size = (radius * 72 * 2) ** 2  # scatter takes points squared
        axes.scatter([x], [y], s=size, color=color, zorder=4, edgecolors="white", linewidths=1.2)
        taken.append(Bbox([[x - radius, y - radius], [x + radius, y + radius]]).transformed(axes.transData))
        if found:
            middle: dict[str, Any] = {"ha": "center", "va": "center_baseline", "weight": "bold"}
            axes.text(x, y - 0.005, str(found.rank), color="white", fontsize=9, zorder=6, **middle)
        if found and name not in goes_on and name != explanation.source:
            level = "bottom" if scores else "center"
            label = write(axes, x + 0.22, y, short(labels[name], 28, 1), INK, 9.5, "left", level, weight="bold")
            below, beside = y, ("left", "top")
            x += 0.22
        else:
            weight = "bold" if radius == BADGE else "normal"
            label = write(axes, x, y - radius - 0.03, short(labels[name], 20, 2), INK, 8.5, "center", "top", weight)
            (_, bottom), _ = axes.transData.inverted().transform(label.get_window_extent())
            below, beside = bottom - 0.03, ("center", "top")
        if found and scores:
            taken.append(write(axes, x, below, _verdict(found), GREY, 7.5, *beside).get_window_extent())
        taken.append(label.get_window_extent())
    return taken


def _draw_arrows(
    axes: Axes, arrows: dict[tuple[str, str], Drawn], layout: Layered, radii: Mapping[str, float], taken: list[Bbox]
) -> None:
    most = max((arrow.probability for arrow in arrows.values()), default=1.0)
    begins, ends = Counter(start for start, _ in layout.routes), Counter(end for _, end in layout.routes)
    # Names of probable arrows get the better places.
    for (start, end), arrow in sorted(arrows.items(), key=lambda item: -item[1].probability):
        share = math.sqrt(arrow.probability / most) if most > 0 else 1.0
        width, opacity = (low + (high - low) * share for low, high in (WIDTHS, OPACITIES))
        route = layout.routes.get((start, end))
        curve = _onwards(route) if route else _back(layout.spots[start], layout.spots[end])
        head = 0.07 + 0.022 * width
        shaft = curve[_distance(curve, layout.spots[end]) >= radii.get(end, DOT) + 0.03]
        shaft = shaft[_distance(shaft, layout.spots[start]) >= radii.get(start, DOT)]
        shaft, tip = shaft[_distance(shaft, shaft[-1]) >= head], shaft[-1]
        along = (tip - shaft[-1]) / np.linalg.norm(tip - shaft[-1])
        across = np.array([-along[1], along[0]]) * head * 0.55
        style: dict[str, Any] = {"color": PATH, "alpha": opacity, "zorder": 1 + share}
        axes.plot(*shaft.T, linewidth=width, solid_capstyle="butt", **style)
        axes.fill(*np.array([shaft[-1] + across, shaft[-1] - across, tip]).T, linewidth=0, **style)
        # Arrows that fan out are apart near their ends, those that come together near their beginnings.
        apart = 0.08 * np.sign(begins[start] - ends[end]) if route else 0.0
        _name(axes, curve, list(arrow.relations), float(apart), taken)


def _name(axes: Axes, curve: Points, relations: list[str], shift: float, taken: list[Bbox]) -> None:
    """Writes the relations of an arrow on it, where least is in the way."""
    lines = (
        relations if len(relations) <= MOST_NAMES else [*relations[: MOST_NAMES - 1], f"and {len(relations) - 2} more"]
    )
    written = write(axes, 0, 0, "\n".join(lines), PATH, 7.5, "center", "center")
    tried: list[tuple[float, int, tuple[float, float], Bbox]] = []
    for place in PLACES:
        written.set_position(tuple(curve[int((place + shift) * (len(curve) - 1))]))
        box = written.get_window_extent()
        covered = sum(_common(box, other) for other in taken)
        tried.append((covered, len(tried), written.get_position(), box))
        if covered == 0:
            break
    _, _, position, box = min(tried, key=lambda one: one[:2])
    written.set_position(position)
    taken.append(box)


def _onwards(route: Sequence[tuple[float, float]]) -> Points:
    """A curve through the places of a route, level wherever it crosses a column."""
    t = np.linspace(0, 1, 60)
    parts = []
    for (x0, y0), (x1, y1) in pairwise(route):
        parts.append(bezier([(x0, y0), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1)], t))
    return np.concatenate(parts)


def _back(start: tuple[float, float], end: tuple[float, float]) -> Points:
    """An arc to an earlier column, or within one; a loop from a place to itself."""
    t = np.linspace(0, 1, 90)
    (x0, y0), (x1, y1) = start, end
    if start == end:
        return bezier([start, (x0 - 0.6, y0 + 0.7), (x0 + 0.6, y0 + 0.7), end], t)
    lift = 0.2 + 0.12 * math.hypot(x1 - x0, y1 - y0)
    lean = -lift if x0 == x1 else 0.0
    return bezier([start, (x0 + lean, y0 + lift), (x1 + lean, y1 + lift), end], t)


def bezier(corners: Sequence[tuple[float, float]], t: NDArray[np.float64]) -> Points:
    """Points of a cubic curve of four corners, at each of ``t`` in [0, 1]."""
    a, b, c, d = np.array(corners)[:, None, :]
    s, t = (1 - t)[:, None], t[:, None]
    points: Points = s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d
    return points


def _distance(points: Points, place: Sequence[float] | Points) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.linalg.norm(points - np.asarray(place), axis=1)
    return distance


def _common(a: Bbox, b: Bbox) -> float:
    """Area that two boxes share."""
    shared = Bbox.intersection(a, b)
    return float(shared.width * shared.height) if shared is not None else 0.0


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    color: str,
    size: float,
    horizontal: str,
    vertical: str,
    weight: str = "normal",
) -> Text:
    """Text on a white ground, over the lines."""
    box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    style: dict[str, Any] = {"ha": horizontal, "va": vertical, "fontsize": size, "color": color, "weight": weight}
    # A name may well have two dollar signs.
    return axes.text(x, y, text, bbox=box, zorder=5, linespacing=1.1, parse_math=False, **style)


def write_title(axes: Axes, words: Sequence[tuple[str, str]], small: str, height: float) -> None:
    """Coloured words on top of a page of so many inches, and small print below them."""
    x, y = 0.3, height - 0.42
    for text, color in words:
        written = axes.text(x, y, text, fontsize=15, color=color, weight="bold", parse_math=False)
        x = axes.transData.inverted().transform(written.get_window_extent())[1][0] + 0.16
    if small:
        axes.text(0.3, y - 0.22, small, fontsize=9, color=GREY, parse_math=False)


def _question(explanation: Explanation) -> list[tuple[str, str]]:
    inverse = explanation.relation.startswith(INVERSE)
    relation = _relation(explanation.relation.removeprefix(INVERSE), inverse)
    return [(short(explanation.label, 34, 1), INK), (short(relation, 34, 1), PATH), ("\u2192  ?", INK)]


def _relation(name: str, inverse: bool) -> str:
    """A relation in words, the inverse raised, as in the pictures of walks."""
    return relation_words(name) + ("\u207b\u00b9" if inverse else "")


def _verdict(answer: Answer) -> str:
    score = f"score {answer.score:.3f}"
    return f"{score}, a fact of the graph" if answer.known else score
