"""The report on a set small enough to count by hand."""

import json

import pytest

from kgwalk.data import load
from kgwalk.data.report import report


def test_the_report_counts_what_one_can_count_by_hand(toy):
    found = report(load(toy), max_out_degree=3, splits=["train", "valid", "test"])
    assert (found.entities, found.connected, found.relations, found.facts) == (4, 3, 2, 4)
    assert (found.duplicates, found.self_loops) == (1, 1)
    # ada: knows, likes^-1; bob: knows, knows^-1; cy: knows, knows^-1 (twice: bob and itself), likes.
    assert (found.degree_mean, found.degree_median, found.degree_max) == (8 / 3, 2, 4)
    assert (found.capped_entities, found.edges_lost) == (1, 1 / 8)
    train, valid, test = (found.splits[split] for split in ("train", "valid", "test"))
    assert (train.rows, train.duplicates, train.in_graph, train.self_loops) == (5, 1, 5, 1)
    # Without their own edge: the loop stays where it is, all others go round the triangle.
    assert train.within == (0.2, 1.0, 1.0, 1.0)
    assert (valid.rows, valid.in_graph, valid.unseen, valid.within) == (1, 0, 0, (1.0, 1.0, 1.0, 1.0))
    assert (test.unseen, test.within) == (1, (0.0, 0.0, 0.0, 0.0))


def test_relations_that_undo_each_other_are_found(tmp_path, write_files):
    symmetric = "".join(f"p{i}\tmet\tp{i + 1}\np{i + 1}\tmet\tp{i}\n" for i in range(4))
    inverse = "".join(f"p{i}\tabove\tq{i}\n" for i in range(10))
    mostly = "".join(f"q{i}\tbelow\tp{i}\n" for i in range(8)) + "x\tbelow\ty\ny\tbelow\tz\n"
    folder = write_files(tmp_path, {"train.txt": symmetric + inverse + mostly + "x\tmet\tx\n"})
    found = report(load(folder)).inverse_pairs
    assert [(pair.relation, pair.inverse, pair.share) for pair in found] == [
        ("met", "met", 1.0),
        ("above", "below", 0.8),
        ("below", "above", 0.8),
    ]


def test_the_report_is_json_and_uses_the_cards_cap(toy):
    found = report(load(toy))
    assert json.loads(json.dumps(found.to_dict()))["splits"]["test"]["rows"] == 1
    assert found.max_out_degree == load(toy).card.max_out_degree
    assert list(found.splits) == ["valid", "test"]
    with pytest.raises(KeyError, match="no split"):
        report(load(toy), splits=["dev"])


def test_progress_names_the_split(toy):
    steps = []
    report(load(toy), progress=lambda *step: steps.append(step))
    assert {what for what, _, _ in steps} >= {"test"}
