"""The picture of a comparison: recall over the length of lists on the left, clicks on the right.

Importing this module imports matplotlib and networkx.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kgwalk.envs.drawing import DPI, GREY, INK, PALE
from kgwalk.evaluation.comparison import Column, Comparison, Spread
from kgwalk.explain.picture import check_format, save_figure

AUC = Column("ctr", "auc", "AUC")
_RECALL = "recall@"
#: Colours that the colour-blind tell apart (Okabe and Ito), dark enough for words; then the same with other lines.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#2a9fd6", "#5b4b8a")
_LINES = ("-", "--", ":")
_MARKS = ("o", "s", "^")


class _Style(NamedTuple):
    color: str
    line: str
    mark: str


def save_comparison_picture(comparison: Comparison, path: Path) -> None:
    """Draw a comparison into a file, which is written whole or not at all.

    Raises:
        ValueError: A name that ends in none of ``.png``, ``.svg`` and ``.pdf``.
        OSError: The file cannot be written.
    """
    check_format(path)
    save_figure(draw_comparison(comparison), path)


def draw_comparison(comparison: Comparison) -> Figure:
    """The picture as a matplotlib figure: bands and bars are a standard deviation over seeds to either side."""
    models = comparison.models
    own = [model for model in models if model not in comparison.references]
    styles = {
        model: _Style(_COLORS[i % len(_COLORS)], _LINES[i // len(_COLORS) % 3], _MARKS[i // len(_COLORS) % 3])
        for i, model in enumerate(own)
    }
    styles |= {model: _Style(GREY, line, "") for model, line in zip(comparison.references, _LINES, strict=False)}
    figure = Figure(figsize=(12.5, max(4.6, 1.9 + 0.3 * len(models))), dpi=DPI * 1.5, facecolor="white")
    FigureCanvasAgg(figure)
    left = figure.add_axes((0.06, 0.13, 0.41, 0.68))
    right = figure.add_axes((0.69, 0.13, 0.28, 0.68))
    _draw_recall(left, comparison, styles)
    _draw_clicks(right, comparison, own, styles)
    figure.text(0.02, 0.93, comparison.heading, fontsize=15, color=INK, weight="bold", parse_math=False)
    if len(comparison.seeds) > 1:
        told = "bands and bars: standard deviation over seeds"
        figure.text(0.02, 0.885, told, fontsize=9, color=GREY)
    return figure


def _draw_recall(axes: Axes, comparison: Comparison, styles: Mapping[str, _Style]) -> None:
    cutoffs = _cutoffs(comparison)
    ends: dict[str, float] = {}
    for model, style in styles.items():
        spreads = [comparison.spread(model, Column("topk-all", f"{_RECALL}{k}", "")) for k in cutoffs]
        means = np.array([one.mean for one in spreads])
        apart = np.nan_to_num([one.deviation for one in spreads])
        behind = 1 if style.color == GREY else 3
        axes.plot(
            cutoffs, means, style.line, color=style.color, marker=style.mark, markersize=4, linewidth=1.7, zorder=behind
        )
        axes.fill_between(cutoffs, means - apart, means + apart, color=style.color, alpha=0.13, linewidth=0, zorder=1)
        if not math.isnan(means[-1]):
            ends[model] = float(means[-1])
    axes.set_xscale("log")
    axes.set_xticks(cutoffs, [str(k) for k in cutoffs])
    axes.minorticks_off()
    axes.set_xlim(cutoffs[0] * 0.9, cutoffs[-1] * 1.03)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("K, length of the list", color=INK)
    _dress(axes, "topk-all: recall@K")
    _write_names(axes, ends, cutoffs[-1], styles)


def _write_names(axes: Axes, ends: Mapping[str, float], last: int, styles: Mapping[str, _Style]) -> None:
    """Names of the lines to the right of their ends, moved apart where they would touch."""
    low, high = axes.get_ylim()
    inches = axes.get_window_extent().height / axes.figure.dpi
    gap = (high - low) * 0.17 / inches
    order = sorted(ends, key=lambda model: ends[model])
    for model, y in zip(order, apart([ends[model] for model in order], gap), strict=True):
        color = styles[model].color
        axes.annotate(
            model,
            (last, ends[model]),
            xytext=(1.06, (y - low) / (high - low)),
            textcoords=axes.transAxes,
            color=color,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "alpha": 0.7, "shrinkA": 1, "shrinkB": 2},
        )


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights, moved as little as need be so that neighbours are ``gap`` apart.

    >>> apart([0, 0, 5], 2)
    [-1.0, 1.0, 5.0]
    """
    groups: list[tuple[float, int]] = []  # the middle of each group and how many are in it
    for height in heights:
        middle, count = float(height), 1
        while groups and middle - groups[-1][0] < gap * (count + groups[-1][1]) / 2:
            other, more = groups.pop()
            middle, count = (middle * count + other * more) / (count + more), count + more
        groups.append((middle, count))
    return [middle + gap * (i - (count - 1) / 2) for middle, count in groups for i in range(count)]


def _draw_clicks(axes: Axes, comparison: Comparison, own: Sequence[str], styles: Mapping[str, _Style]) -> None:
    spreads = {model: comparison.spread(model, AUC) for model in own}
    rows = sorted((model for model in own if not math.isnan(spreads[model].mean)), key=lambda m: spreads[m].mean)
    for row, model in enumerate(rows):
        found, style = spreads[model], styles[model]
        error = np.nan_to_num(found.deviation)
        axes.errorbar(found.mean, row, xerr=error, color=style.color, marker=style.mark, markersize=6, capsize=3)
        axes.annotate(
            f"{found.mean:.3f}", (found.mean, row), (0, 6), textcoords="offset points", color=style.color, fontsize=8,
            ha="center",
        )  # fmt: skip
    axes.set_xlabel("area under the ROC curve", color=INK)
    _dress(axes, "ctr: AUC", title_pad=30)
    axes.set_yticks(range(len(rows)), rows)
    for label, model in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(styles[model].color)
        label.set_fontsize(9)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    for place, model in enumerate(comparison.references):
        _draw_reference(axes, model, comparison.spread(model, AUC), styles[model].line, place)
    axes.margins(x=0.12)


def _draw_reference(axes: Axes, model: str, found: Spread, line: str, place: int) -> None:
    if math.isnan(found.mean):
        return
    axes.axvline(found.mean, color=GREY, linestyle=line, linewidth=1.5, zorder=1)
    if not math.isnan(found.deviation):
        axes.axvspan(found.mean - found.deviation, found.mean + found.deviation, color=PALE, alpha=0.4, zorder=0)
    across, above = axes.get_xaxis_transform(), (0, 3 + 11 * place)
    style: dict[str, Any] = {"color": GREY, "fontsize": 8, "ha": "center", "va": "bottom"}
    axes.annotate(model, (found.mean, 1), above, xycoords=across, textcoords="offset points", **style)


def _dress(axes: Axes, title: str, title_pad: float = 8) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=title_pad)
    axes.grid(True, color=PALE, linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=9)


def _cutoffs(comparison: Comparison) -> list[int]:
    figures = comparison.measured[0].figures["topk-all"]
    return sorted(int(name.removeprefix(_RECALL)) for name in figures if name.startswith(_RECALL))
