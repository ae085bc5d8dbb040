"""Templates and sentences: whose comes first, how relations are spoken of, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgwalk.data import Recommendation, bookshop
from kgwalk.data.recommendation.bookshop import METAPATHS
from kgwalk.recommend import Template, Templates
from kgwalk.recommend.phrases import Phrase, also, auxiliary, counted, phrase_of, plural
from kgwalk.recommend.templates import BOOKSHOP

from .conftest import CO_BUYERS, MADE, make_shop


def say(templates: Templates, metapath: str, *names: str) -> str:
    data = templates.dataset
    return templates.sentence([data.entity(name) for name in names], data.metapath(metapath), data.label(0))


@pytest.mark.parametrize(
    ("metapath", "names", "sentence", "words"),
    [
        (
            CO_BUYERS,
            "user/ada item/b user/bob item/c",
            "and bob, who buys it too, also buys “c”.",
            "other users of the",
        ),
        (MADE, "user/ada item/a maker/m item/d", "it is made by m, and so is “d”.", "made by the same maker"),
        ("buys genre ^genre", "user/bob item/c genre/g item/d", "“d” has the same genre, g.", "the same genre"),
        ("buys sequel", "user/bob item/c item/e", "“e” goes with it (sequel).", "what goes with it (sequel)"),
        ("buys part_of", "user/ada item/a item/b", "it is part of “b”.", "what it is part of"),
        ("buys ^part_of", "user/ada item/b item/a", "“a” is part of it.", "what is part of it"),
        (
            "buys ^buys buys made_by ^made_by",
            "user/bob item/b user/ada item/a maker/m item/d",
            "and ada, who buys it too, also buys “a”; “a” is made by m, and so is “d”.",
            "other users of the same items, then made by the same maker",
        ),
    ],
)
def test_sentences_of_relations(shop: Recommendation, metapath: str, names: str, sentence: str, words: str) -> None:
    templates = Templates(shop)
    said = say(templates, metapath, *names.split())
    assert said.endswith(sentence)
    assert said.startswith("ada buys “")
    assert templates.words(shop.metapath(metapath)).startswith(words)


def test_names_are_guessed_into_words(shop: Recommendation) -> None:
    assert phrase_of(shop, shop.relation("made_by")).verb == "is made by"
    assert phrase_of(shop, shop.relation("genre")) == Phrase("genre", "has the genre", "is the genre of")
    assert (also("has read"), also("likes"), auxiliary("belongs to")) == ("has also read", "also likes", "does")
    assert [plural(noun) for noun in ("category", "box", "series", "place of birth", "essay")] == [
        "categories",
        "boxes",
        "series",
        "places of birth",
        "essays",
    ]
    assert (counted(1, "related_product"), counted(1200, "book")) == ("1 related product", "1,200 books")


def test_every_metapath_of_the_bookshop_has_a_template() -> None:
    assert set(BOOKSHOP) == set(METAPATHS)
    shop = bookshop()
    templates = Templates(shop)
    reads, series = shop.metapath("reads followed_by"), shop.metapath("reads part_of ^part_of")
    assert templates.words(series) == "in a series they have begun"
    book = shop.items.first
    said = templates.sentence([0, book, book + 1], reads, "Leo Penn")
    assert said == f"Leo Penn has read “{shop.label(book)}”, and “{shop.label(book + 1)}” is the next volume."


def test_ones_own_templates_come_first(tmp_path: Path) -> None:
    (tmp_path / "templates.tsv").write_text(
        f"# metapath, sentence, words\n\n{MADE}\t{{user}} knows {{2}}, maker of {{1}}: try {{item}}!\tknown makers\n"
        f"{CO_BUYERS}\t{{3}} for {{user}}\n"
    )
    shop = make_shop(tmp_path)
    of_folder = Templates(shop)
    walk = ("user/ada", "item/a", "maker/m", "item/d")
    assert say(of_folder, MADE, *walk) == "ada knows m, maker of a: try d!"
    assert of_folder.words(shop.metapath(MADE)) == "known makers"
    assert of_folder.words(shop.metapath(CO_BUYERS)) == "other users of the same items"
    own = Templates(shop, {MADE: Template("{item}", "mine"), CO_BUYERS: "{item}!"})
    assert (say(own, MADE, *walk), own.words(shop.metapath(MADE))) == ("d", "mine")
    (tmp_path / "other.tsv").write_text(f"{MADE}\tof a file\n")
    of_file = Templates.of_file(shop, tmp_path / "other.tsv")
    assert say(of_file, MADE, *walk) == "of a file"
    assert say(of_file, CO_BUYERS, "user/ada", "item/b", "user/bob", "item/c") == "c for ada"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("buys made_by", "expected metapath, sentence and, if any, words"),
        ("buys made_by ^genre\tx", "metapath 'buys made_by \\^genre' does not type-check"),
        ("buys made_by\tx", "it ends at maker, not at an item"),
        ("buys painted_by ^painted_by\tx", "has no relation 'painted_by'"),
        (f"{MADE}\tx {{4}}", r"place \{4\}; a walk of 3 hops has \{user\}, \{1\}, \{2\}, \{3\}, \{item\}"),
        (f"{MADE}\tx {{}}", r"a place \{\}"),
        (f"{MADE}\tx {{1.real}}", r"a place \{1.real\}"),
        (f"{MADE}\tx {{item:>900}}", r"a place \{item:>900\}"),
        (f"{MADE}\tx {{item", "a brace too many or too few"),
    ],
)
def test_what_is_no_template_is_told_with_its_line(
    shop: Recommendation, tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text(f"# mine\n{line}\n")
    with pytest.raises(ValueError, match=rf"mine\.tsv:2: .*{message}"):
        Templates.of_file(shop, path)
    metapath, tab, sentence = line.partition("\t")
    if tab:
        with pytest.raises(ValueError, match=f"templates, '.*{message}"):
            Templates(shop, {metapath: sentence})
