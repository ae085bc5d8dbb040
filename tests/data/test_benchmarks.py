"""The real benchmark files against their READMEs, and no test fact where one walks."""

import numpy as np
import pytest

from kgwalk._core import Expand
from kgwalk.data import CARDS, load
from kgwalk.data.dataset import contains
from kgwalk.data.files import DamagedFileError
from kgwalk.data.reach import hops_to_answer
from kgwalk.data.report import report
from kgwalk.data.verify import verify

NAMES = [name for name, card in CARDS.items() if not card.embedded]
SPLITS = {
    "WN18RR": {"train": 86835, "valid": 3034, "test": 3134},
    "FB15k-237": {"train": 272115, "valid": 17535, "test": 20466},
    "NELL-995": {"train": 8747, "valid": 543, "test": 3992, "test_seen": 2818},
    "Countries-S1": {"train": 1111, "valid": 11, "test": 24, "valid_published": 24},
    "Countries-S2": {"train": 118, "valid": 11, "test": 24, "valid_published": 24},
    "Countries-S3": {"train": 34, "valid": 18, "test": 24, "valid_published": 24},
    "Kinship": {"train": 8544, "valid": 1068, "test": 1074},
    "Amazon-Beauty": {"train": 134643, "valid": 15201, "test": 48658},
    "Amazon-Cellphones": {"train": 134175, "valid": 15873, "test": 44391},
    "LastFM": {"train": 15756, "valid": 1767, "test": 3473},
    "MovieLens-1M": {"train": 295571, "valid": 5938, "test": 75377},
    "Book-Crossing": {"train": 53801, "valid": 2097, "test": 13975},
}


@pytest.fixture(scope="module", params=NAMES)
def data(request, load_real):
    return load_real(request.param)


def test_counts_are_those_of_the_readme(data):
    card = data.card
    assert {split: len(rows) for split, rows in data.splits.items()} == SPLITS[data.name]
    assert (len(data.entities), len(data.relations), data.graph.num_facts) == (
        card.entities,
        card.relations,
        card.facts,
    )
    assert data.graph.num_edges == 2 * card.facts


def test_no_held_out_fact_is_an_edge_of_a_walking_graph(data):
    for split in data.splits:
        if split.startswith("test"):
            graphs = (data.graph, data.test_graph)
        elif split == "valid":
            graphs = (data.graph,)
        else:
            continue
        for graph in graphs:
            assert not contains(graph, data.queries(split)).any()


def test_every_answer_is_filtered_on_test(data):
    known = data.known_for("test")
    for split in data.splits:
        assert contains(known, data.queries(split)).all()
        assert all(known.find(*row) >= 0 for row in data.queries(split, "head")[:1000].tolist())


def test_small_sets_are_not_cut_by_their_default_cap(data):
    if data.name.startswith(("Countries", "Kinship")):
        assert np.diff(data.graph.offsets).max() <= data.card.max_out_degree


def test_the_files_are_those_of_the_cards(data, benchmarks):
    assert {check.status for check in verify(data.name, benchmarks)} == {"ok"}


def test_verify_tells_changed_damaged_and_missing_files(benchmarks, tmp_path, write_files):
    source = benchmarks / "countries_s2"
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "test.txt.gz").unlink()
    write_files(tmp_path, {"valid.txt.gz": "a\tb\tc\n"})
    (tmp_path / "train.txt.gz").write_bytes((source / "train.txt.gz").read_bytes()[:-4])
    with pytest.raises(FileNotFoundError, match=r"test\.txt"):
        verify("Countries-S2", tmp_path)
    write_files(tmp_path, {"test.txt.gz": "a\tb\tc\n"})
    found = {check.file: check.status for check in verify("Countries-S2", tmp_path)}
    assert found == {
        "graph.txt": "ok",
        "train.txt": "damaged",
        "valid.txt": "changed",
        "test.txt": "changed",
        "full_graph.txt": "ok",
    }


def test_wn18rr_has_labels_and_near_matches(benchmarks):
    data = load("WN18RR", data_dir=benchmarks)
    reform = data.entity("land_reform.n.01")
    assert data.entities[reform] == "00260881"
    assert data.label(reform) == "land_reform.n.01"
    with pytest.raises(KeyError, match=r"did you mean .*land_reform\.n\.01"):
        data.entity("landreform.n.01")


def test_fb15k_237_labels_that_several_entities_bear_are_refused(benchmarks):
    data = load("FB15k-237", data_dir=benchmarks)
    labels = data.labels
    double = next(label for label in labels if labels.count(label) > 1)
    with pytest.raises(KeyError, match=r"entities are called .*/m/"):
        data.entity(double)


def test_a_labels_file_with_too_few_columns_is_named(benchmarks, tmp_path, write_files):
    for file in (benchmarks / "wn18rr").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "entity_names.tsv.gz").unlink()
    write_files(tmp_path, {"entity_names.tsv": "00260881\tland_reform.n.01\n00260622\n"})
    with pytest.raises(DamagedFileError, match=r"entity_names\.tsv:2"):
        load("WN18RR", data_dir=tmp_path).label(0)


def test_nell_995_walks_valid_facts_on_test_only(benchmarks):
    data = load("NELL-995", data_dir=benchmarks)
    assert len(np.unique(data.queries("train")[:, 1])) == 12
    assert data.graph_for("valid") is data.graph
    assert data.graph_for("test_seen") is data.test_graph
    assert data.test_graph.num_facts == data.graph.num_facts + 543


def test_kinship_has_each_inverse_once(benchmarks):
    data = load("Kinship", data_dir=benchmarks)
    assert not any(name.startswith("_") for name in data.relations.to_list())
    facts = {tuple(row) for row in data.queries("train").tolist()}
    assert all(data.graph.find(*fact) >= 0 for fact in facts)
    assert data.graph.num_facts == len(facts)


@pytest.mark.parametrize(
    ("name", "split", "percent"),
    [
        ("WN18RR", "test", [35.0, 44.3, 65.7]),
        ("NELL-995", "test_seen", [41.0, 58.2, 94.7]),
    ],
)
def test_answers_are_as_far_away_as_was_measured_before(benchmarks, name, split, percent):
    data = load(name, data_dir=benchmarks)
    hops = hops_to_answer(Expand(data.graph), data.queries(split), max_hops=3)
    within = [round(100 * float(np.mean((hops > 0) & (hops <= length))), 1) for length in (1, 2, 3)]
    assert within == percent


def test_the_report_knows_the_traps_of_wn18rr(benchmarks):
    found = report(load("WN18RR", data_dir=benchmarks))
    assert (found.entities, found.connected, found.self_loops, found.duplicates) == (40943, 40559, 7, 0)
    assert (round(found.degree_mean, 3), found.degree_median, found.degree_max) == (4.282, 3, 482)
    assert {pair.relation for pair in found.inverse_pairs} == {
        "_derivationally_related_form",
        "_verb_group",
        "_similar_to",
    }
    assert (found.splits["test"].unseen, found.splits["valid"].unseen) == (210, 210)
    assert found.splits["test"].within_capped < found.splits["test"].within
