"""Rules for readers."""

from __future__ import annotations

import pytest

from kgwalk import _core
from kgwalk._core import RuleSet
from kgwalk.data import Dataset
from kgwalk.rules import rule_text, rule_words
from kgwalk.rules.words import relation_words

SPOUSE = "/people/person/spouse_s./people/marriage/spouse"
WORDS = {
    "born_in(X,Y) <= concept:livesin(X,A), _part_of(A,Y)": "X born in Y if X livesin A and A part of Y",
    "born_in(X,Y) <= concept:livesin(A,X), _part_of(Y,A)": "X born in Y if A livesin X and Y part of A",
    f"born_in(X,Y) <= {SPOUSE}(X,A), born_in(A,Y)": "X born in Y if X spouse s spouse A and A born in Y",
    "born_in(X,Paris, Texas) <= born_in(bob,X)": "X born in Paris, Texas if bob born in X",
    "born_in(ann,Y) <= _part_of(Y,A)": "ann born in Y if Y part of A",
    "born_in(X,ann) <= _part_of(X,A), _part_of(A,B)": "X born in ann if X part of A and A part of B",
    "born_in(me_myself_i,Y) <= born_in(Y,me_myself_i)": "Y born in Y if Y born in Y",
    "born_in(X,bob) <= ": "X born in bob always",
    "born_in(bob,Y) <= ": "bob born in Y always",
}


@pytest.fixture(scope="module")
def rules(village: Dataset) -> RuleSet:
    text = "".join(f"0.5\t{rule}\n" for rule in WORDS)
    return _core.read_rules(text.encode(), "file", village.entities, village.relations)[0]


def test_every_form_reads_as_a_sentence(rules: RuleSet, village: Dataset) -> None:
    for i, (text, words) in enumerate(WORDS.items()):
        assert rule_text(rules, i, village) == text
        assert rule_words(rules, i, village) == words


@pytest.mark.parametrize("bad", [-1, len(WORDS)])
def test_a_rule_that_is_not_there_is_an_index_error(bad: int, rules: RuleSet, village: Dataset) -> None:
    with pytest.raises(IndexError, match=str(bad)):
        rule_text(rules, bad, village)
    with pytest.raises(IndexError, match=str(bad)):
        rule_words(rules, bad, village)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_derivationally_related_form", "derivationally related form"),
        ("concept:athleteplaysforteam", "athleteplaysforteam"),
        ("/people/person/place_of_birth", "place of birth"),
        ("/tv/tv_program/regular_cast./tv/regular_tv_appearance/actor", "regular cast actor"),
        ("located in", "located in"),
        ("___", "___"),
        ("/", "/"),
    ],
)
def test_relations_lose_what_machines_need(name: str, words: str) -> None:
    assert relation_words(name) == words
