"""Pictures of explanations: what is on them, and that all of it can be read."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from kgwalk._core import Expand
from kgwalk.data import Dataset, load
from kgwalk.explain import Answer, Explanation, Hop, PathInWords, explain_all
from kgwalk.explain.picture import draw, save_picture
from kgwalk.protocols import Ids, Ranked
from kgwalk.search.paths import Paths, Reached

Make = Callable[..., Any]


def hop(relation: str, entity: str, *, inverse: bool = False) -> Hop:
    return Hop(relation, inverse, entity, entity.title())


def path(probability: float, *hops: Hop) -> PathInWords:
    return PathInWords("Bob", hops, math.log(probability))


ANN = Answer(
    1,
    "ann",
    "Ann",
    -0.7,
    False,
    (
        path(0.36, hop("parent", "tom"), hop("sister_of", "ann")),
        path(0.04, hop("parent", "tom"), hop("parent", "ada"), hop("parent", "ann", inverse=True)),
    ),
)
EVE = Answer(2, "eve", "Eve", -2.25, True, ())
BOB = Explanation("bob", "Bob", "^aunt", (ANN, EVE))


def texts(figure: Figure) -> list[Text]:
    return list(figure.axes[0].texts)


def test_everything_has_its_name() -> None:
    told = [text.get_text() for text in texts(draw(BOB, title="Tiny, guided"))]
    assert {"Bob", "Tom", "Ada", "Ann", "Eve", "parent", "sister of", "parent\u207b\u00b9", "aunt\u207b\u00b9"} <= set(
        told
    )
    assert {"1", "score -0.700", "2", "score -2.250, a fact of the graph", "Tiny, guided"} <= set(told)


def test_probable_arrows_are_wide_and_dark() -> None:
    lines = sorted(draw(BOB).axes[0].lines, key=lambda line: line.get_linewidth())
    # From Bob to Tom lead both paths, from Tom to Ann the first, by Ada only the second.
    assert len(lines) == 4
    widths, opacities = [line.get_linewidth() for line in lines], [line.get_alpha() for line in lines]
    assert widths[0] == widths[1] < widths[2] < widths[3]
    assert opacities[0] == opacities[1] < opacities[2] < opacities[3]
    assert "0.4" in texts(draw(BOB))[-1].get_text()


def test_a_path_back_and_forth_counts_once_on_an_arrow() -> None:
    there_and_back = path(0.3, hop("r", "ann"), hop("r", "bob", inverse=True), hop("r", "ann"))
    figure = draw(Explanation("bob", "Bob", "aunt", (Answer(1, "ann", "Ann", -1.0, False, (there_and_back,)),)))
    assert len(figure.axes[0].lines) == 2
    assert texts(figure)[-1].get_text().endswith("the widest 0.3")


def test_names_are_no_formulas(tmp_path: Path) -> None:
    priced = Hop("costs_$", False, "a", "A$AP $\\frac")
    answer = Answer(1, "a", "A$AP $\\frac", -1.0, False, (path(0.3, priced),))
    save_picture(Explanation("$x$", "$x_$", "costs_$", (answer,)), tmp_path / "why.svg", title="$$")
    assert "<!-- A$AP $\\frac -->" in (tmp_path / "why.svg").read_text()


def test_relations_between_the_same_two_share_an_arrow() -> None:
    many = [path(0.1, hop(f"r{i}", "ann")) for i in range(5)]
    figure = draw(Explanation("bob", "Bob", "aunt", (Answer(1, "ann", "Ann", -1.0, False, tuple(many)),)))
    assert len(figure.axes[0].lines) == 1
    assert "r0\nr1\nand 3 more" in [text.get_text() for text in texts(figure)]


class Wanderer:
    """Answers with where random walks end; paths turn back, wait, and pass through other answers."""

    name = "wanderer"

    def __init__(self, dataset: Dataset, seed: int, hops: int = 3, walks: int = 400) -> None:
        self.dataset, self.seed, self.hops, self.walks = dataset, seed, hops, walks

    def answer(self, queries: Ids, graph: Any) -> Ranked:
        rng, expand = np.random.default_rng(self.seed), Expand(graph)
        entities = [np.repeat(queries[:, 0], self.walks)]
        relations = []
        for _ in range(self.hops):
            offsets, taken, tails = expand(np.ascontiguousarray(entities[-1]), np.array([-1], np.int32), None, False)
            chosen = offsets[:-1] + rng.integers(0, np.diff(offsets))
            relations.append(taken[chosen])
            entities.append(tails[chosen])
        count = len(queries)
        log_prob = np.sort(rng.normal(-4, 2, (count, self.walks)), axis=1)[:, ::-1].ravel()
        rows = np.repeat(np.arange(count, dtype=np.int32), self.walks)
        paths = Paths(rows, np.stack(entities, 1), np.stack(relations, 1), log_prob, graph.stay)
        reached = Reached.of_paths(paths, count)
        order = np.lexsort((-reached.logsumexp, np.repeat(np.arange(count), np.diff(reached.offsets))))
        return Ranked(reached.offsets, reached.entities[order], reached.logsumexp[order], paths)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_names_of_entities_stay_on_the_page_and_apart() -> None:
    family = load("Family")
    queries = family.queries("test")[:6, :2]
    for explanation in explain_all(Wanderer(family, 3), family, queries):
        figure = draw(explanation)
        page = figure.bbox
        labels = {explanation.label, *(answer.label for answer in explanation.answers)}
        labels |= {step.label for answer in explanation.answers for one in answer.paths for step in one.hops}
        boxes = []
        for text in texts(figure):
            box = text.get_window_extent()
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text.get_text()
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text.get_text()
            if text.get_text() in labels:
                boxes.append(box)
        assert len(boxes) >= len(labels)
        for one, other in combinations(boxes, 2):
            assert not one.overlaps(other)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".svg", ".pdf"])
def test_files_are_whole_and_the_same_for_the_same_explanation(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    save_picture(BOB, first)
    save_picture(BOB, second)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]
    if suffix.lower() == ".png":
        assert np.ptp(matplotlib.image.imread(first)) > 0.5


def test_what_cannot_be_drawn_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"picture\.jpg: cannot tell the format; expected .*\.png, \.svg"):
        save_picture(BOB, tmp_path / "picture.jpg")
    with pytest.raises(ValueError, match="no answer has a path"):
        save_picture(Explanation("bob", "Bob", "aunt", (EVE,)), tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_waiting_at_the_source_is_an_answer_too() -> None:
    stays = Explanation("bob", "Bob", "aunt", (Answer(1, "bob", "Bob", -1.0, False, (path(0.5),)),))
    assert {"Bob", "1", "score -1.000"} <= {text.get_text() for text in texts(draw(stays))}
