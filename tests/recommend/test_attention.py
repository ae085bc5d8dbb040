"""What a model attends to, in words, as JSON and as a picture, from a stand-in whose numbers one can follow."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from kgwalk.data import Recommendation, load
from kgwalk.recommend.attention import attend, short_relation
from kgwalk.recommend.attention_picture import draw_attention, save_attention_picture
from kgwalk.recommend.find import find_one


class Edge(NamedTuple):
    head: int
    relation: int
    entity: int
    weight: float
    hop: int


class Attentive:
    """Says what it is told, in names."""

    name = "kgcn"

    def __init__(self, dataset: Recommendation, *edges: tuple[str, str, str, float, int]) -> None:
        self.edges = [
            Edge(dataset.entity(head), dataset.relation(relation), dataset.entity(entity), weight, hop)
            for head, relation, entity, weight, hop in edges
        ]
        self.asked: list[tuple[int, int]] = []

    def attention(self, user: int, item: int) -> Sequence[Edge]:
        self.asked.append((user, item))
        return self.edges


@pytest.fixture
def scorer(shop: Recommendation) -> Attentive:
    return Attentive(
        shop,
        ("item/d", "made_by", "maker/m", 0.25, 1),
        ("item/d", "genre", "genre/g", 0.75, 1),
        # Forward relations, as of a model that does not tell directions apart; weights of the whole hop.
        ("genre/g", "genre", "item/c", 0.4, 2),
        ("genre/g", "genre", "item/d", 0.4, 2),
        ("maker/m", "made_by", "item/a", 0.2, 2),
    )


def test_shares_are_among_neighbours_of_the_same_entity(shop: Recommendation, scorer: Attentive) -> None:
    found = attend(scorer, shop, "ada", "d")
    assert scorer.asked == [(shop.entity("user/ada"), shop.entity("item/d"))]
    assert str(found).splitlines() == [
        "What ada attends to of d (kgcn):",
        "    75 %  genre → g",
        "         50 %  ^genre → c",
        "         50 %  ^genre → d",
        "    25 %  made_by → m",
        "        100 %  ^made_by → a",
    ]


def test_what_is_left_out_is_told(shop: Recommendation, scorer: Attentive) -> None:
    found = attend(scorer, shop, "ada", "d", k=1)
    assert str(found).splitlines()[1:] == [
        "    75 %  genre → g",
        "         50 %  ^genre → c",
        "         50 %  1 more",
        "    25 %  1 more",
    ]
    told = found.to_json()["near"]
    assert (told["others"], told["rest"]) == (1, 0.25)
    assert told["shown"][0]["near"]["shown"][0]["relation"] == "^genre"
    assert told["shown"][0]["weight"] == 0.75


def test_an_entity_is_opened_once(shop: Recommendation) -> None:
    twice = Attentive(
        shop,
        ("item/d", "made_by", "maker/m", 0.6, 1),
        ("item/d", "genre", "maker/m", 0.4, 1),
        ("maker/m", "made_by", "item/a", 1.0, 2),
    )
    assert len(str(attend(twice, shop, "ada", "d")).splitlines()) == 4


def test_an_entity_of_which_nothing_is_known(shop: Recommendation) -> None:
    alone = Attentive(shop, ("item/f", "STAY", "item/f", 1.0, 1), ("item/f", "STAY", "item/f", 1.0, 2))
    found = attend(alone, shop, "ada", "f")
    assert str(found).splitlines()[1:] == ["   100 %  nothing is known of it"]
    assert "nothing is known of it" in {text.get_text() for text in draw_attention(found).axes[0].texts}


def test_refuses(shop: Recommendation, scorer: Attentive) -> None:
    with pytest.raises(ValueError, match="object has no attention to show"):
        attend(object(), shop, "ada", "d")
    with pytest.raises(KeyError, match="is no item"):
        attend(scorer, shop, "ada", "user/bob")
    with pytest.raises(ValueError, match="k must be 1 or more"):
        attend(scorer, shop, "ada", "d", k=0)
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_attention(attend(Attentive(shop), shop, "ada", "d"))


def test_the_picture_holds_names_relations_and_shares(shop: Recommendation, scorer: Attentive, tmp_path: Path) -> None:
    found = attend(scorer, shop, "ada", "d")
    axes = draw_attention(found).axes[0]
    texts = {text.get_text() for text in axes.texts}
    assert {"d", "g", "m", "75 %  genre", "25 %  made by", "50 %  ^genre", "100 %  ^made by"} <= texts
    assert {"What ada attends to of d", "Shop, kgcn"} <= texts
    widths = sorted({round(line.get_linewidth(), 3) for line in axes.lines})
    assert len(widths) == 4, "one of each share"
    for name in ("a.svg", "b.svg"):
        save_attention_picture(found, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(ValueError, match="cannot tell the format"):
        save_attention_picture(found, tmp_path / "a.gif")


def test_relations_are_short_in_the_picture() -> None:
    assert short_relation("^music.artist.origin") == "^origin"
    assert short_relation("/film/film/genre") == "genre"


def test_needs_no_torch() -> None:
    program = (
        "import sys, kgwalk.recommend.attention, kgwalk.recommend.attention_picture; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_example_of_the_docs_is_there(data_dir: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recommenders.md").read_text()
    user, item = re.findall(r'attention runs/last-fm\S+ (\S+) "(.*?)"', page)[0]
    music = load("LastFM", data_dir=data_dir)
    assert find_one(music, music.users, user) < find_one(music, music.items, item)
