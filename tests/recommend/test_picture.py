"""Pictures of recommendations: what is on them, and that all of it can be read."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from kgwalk.data import Recommendation
from kgwalk.recommend import LayoutNode, MetapathShare, Recommendations, recommend
from kgwalk.recommend.picture import BAND, draw_layout, save_layout_picture, save_paths_picture
from tests.evaluation.conftest import ListAgent

from .conftest import Guide


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_everything_has_its_name(shop: Recommendation, guide: Guide) -> None:
    told = texts(draw_layout(recommend(guide, shop, "ada", k=2)))
    assert {"What speaks for these 2 items for ada", "Shop, guide", "ada", "2 items", "makers", "users"} <= set(told)
    assert {"60 %", "made by the same maker", "leads to 1 of the 2, the best reason for no. 1", "40 %"} <= set(told)
    assert told.count("buys") == 2
    assert {"is made by", "made by\u207b\u00b9", "buys\u207b\u00b9"} <= set(told)


def test_bands_are_as_wide_as_shares(shop: Recommendation, guide: Guide) -> None:
    found = recommend(guide, shop, "ada", k=2)
    bands = draw_layout(found).axes[0].patches
    widths = [band.get_path().vertices[0, 1] - band.get_path().vertices[-2, 1] for band in bands]
    # All goes by the items that Ada has; then two ways of two steps each.
    assert widths == pytest.approx([BAND, *[0.6 * BAND] * 2, *[0.4 * BAND] * 2])


def many(count: int) -> Recommendations:
    """A list with so many metapaths, long names among them."""
    shares = [0.5**place for place in range(1, count)]
    shares.append(1 - sum(shares))
    leaves = [
        LayoutNode(
            f"step {place}",
            "items",
            share,
            metapath=MetapathShare(
                (f"r{place}",), f"a very long name of a way that nobody reads {place}", share, 1, 1, ()
            ),
        )
        for place, share in enumerate(shares)
    ]
    forks = tuple(
        LayoutNode(f"is somehow or other linked to {i}", f"kinds of things {i}", leaf.share, (leaf,))
        for i, leaf in enumerate(leaves)
    )
    root = LayoutNode("", "A reader with $ and a long name", 1.0, (LayoutNode("has read", "books", 1.0, forks),))
    metapaths = tuple(leaf.metapath for leaf in leaves if leaf.metapath is not None)
    return Recommendations(
        "user/1", root.kind, "Shop", "guide", "user", "book", "has read", ("x",), (), metapaths, root
    )


def test_nothing_is_cut_off_and_names_stay_apart(shop: Recommendation, guide: Guide) -> None:
    for found in (many(8), many(3), recommend(guide, shop, "ada", k=4)):
        figure = draw_layout(found)
        page, boxes = figure.bbox, []
        for text in figure.axes[0].texts:
            box = text.get_window_extent()
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text.get_text()
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text.get_text()
            boxes.append((box, text.get_text()))
        for (one, name), (other, second) in combinations(boxes, 2):
            assert not one.overlaps(other), (name, second)


def test_of_many_ways_the_heaviest_are_drawn() -> None:
    told = texts(draw_layout(many(11)))
    assert sum(text.startswith("a very long name") for text in told) == 8
    assert any("3 ways more, together < 1 %, not drawn" in text for text in told)


def test_paths_are_drawn_in_plain_words(shop: Recommendation, guide: Guide, tmp_path: Path) -> None:
    save_paths_picture(recommend(guide, shop, "ada", k=3, paths=2), tmp_path / "why.svg")
    drawn = (tmp_path / "why.svg").read_text()
    for text in ("Why these 2 items for ada", "ada", "bob", "is made by", "d", "c"):
        assert f"<!-- {text} -->" in drawn, text
    assert "score" not in drawn


@pytest.mark.parametrize("save", [save_paths_picture, save_layout_picture])
def test_what_cannot_be_drawn_leaves_no_file(shop: Recommendation, guide: Guide, tmp_path: Path, save: object) -> None:
    assert callable(save)
    with pytest.raises(ValueError, match=r"x\.jpg: cannot tell the format"):
        save(recommend(guide, shop, "ada"), tmp_path / "x.jpg")
    with pytest.raises(ValueError, match="no item has a reason"):
        save(recommend(ListAgent(lambda *_: ()), shop, "ada"), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_lists_make_equal_files(shop: Recommendation, guide: Guide, tmp_path: Path, suffix: str) -> None:
    found = recommend(guide, shop, "ada")
    for name in ("a", "b"):
        save_layout_picture(replace(found), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
