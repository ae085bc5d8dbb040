"""Finding a dataset's folder, reading it, and what is said when either fails."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from kgwalk._core import FormatError
from kgwalk.data import CARDS, DamagedFileError, MissingDataError, find_card, load
from kgwalk.data.family import family


def rows_of(data, split):
    return [(data.entities[h], data.relation_name(r), data.entities[t]) for h, r, t in data.queries(split).tolist()]


def test_a_folder_loads_with_ids_by_first_appearance(toy):
    data = load(toy)
    assert data.name == "toy"
    assert data.entities.to_list() == ["ada", "bob", "cy", "eve"]
    assert data.relations.to_list() == ["knows", "likes"]
    assert rows_of(data, "train")[3] == ("ada", "knows", "bob")
    assert rows_of(data, "test") == [("bob", "likes", "eve")]
    # The duplicate is merged in the graph, the self loop kept, and eve stands alone.
    assert data.graph.num_facts == 4
    assert data.graph.find(2, 0, 2) >= 0
    assert len(data.graph.slice(data.entity("eve"))) == 0


def test_head_queries_are_the_inverse(toy):
    data = load(toy)
    ((head, relation, tail),) = data.queries("test").tolist()
    assert data.queries("test", "head").tolist() == [[tail, data.graph.inverse(relation), head]]
    assert len(data.queries("train", "both")) == 10
    with pytest.raises(ValueError, match="tail, head or both"):
        data.queries("test", "sideways")
    with pytest.raises(KeyError, match="no split 'dev'; it has train, valid, test"):
        data.queries("dev")


def test_gzipped_crlf_and_plain_files_give_the_same_dataset(toy, tmp_path, write_files):
    plain = {file.name: file.read_text() for file in toy.iterdir()}
    zipped = write_files(tmp_path / "b" / "toy", {f"{name}.gz": text for name, text in plain.items()})
    crlf = write_files(tmp_path / "c" / "toy", {name: text.replace("\n", "\r\n") for name, text in plain.items()})
    unended = write_files(tmp_path / "d" / "toy", {name: text.rstrip("\n") for name, text in plain.items()})
    assert {load(folder).fingerprint for folder in (toy, zipped, crlf, unended)} == {load(toy).fingerprint}


@pytest.mark.parametrize("change", ["train", "valid", "names"])
def test_the_fingerprint_tells_datasets_apart(toy, change):
    before = load(toy).fingerprint
    if change == "names":
        for file in toy.iterdir():
            file.write_text(file.read_text().replace("bob", "bea"))
    else:
        (toy / f"{change}.txt").write_text("ada\tlikes\tbob\n")
    assert load(toy).fingerprint != before


BAD_LINES = {
    "two columns": (b"ada\tknows\tbob\nada\tknows\n", r"train\.txt.*2"),
    "four columns": (b"ada\tknows\tbob\nada\tknows\tbob\tx\n", r"train\.txt.*2"),
    "spaces for tabs": (b"ada knows bob\n", r"train\.txt.*1"),
    "empty name": (b"ada\t\tbob\n", r"train\.txt.*1"),
    "not UTF-8": (b"ada\tknows\tb\xffb\n", r"train\.txt.*1"),
    "empty file": (b"", r"train\.txt"),
}


@pytest.mark.parametrize(("content", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_malformed_file_is_named_with_its_line(toy, content, message):
    (toy / "train.txt").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        load(toy)


def test_a_gzip_file_cut_short_is_named(toy, write_files):
    (toy / "train.txt").unlink()
    write_files(toy, {"train.txt.gz": "ada\tknows\tbob\n" * 100})
    whole = (toy / "train.txt.gz").read_bytes()
    for cut in (whole[:-1], whole[:12], whole[: len(whole) // 2]):
        (toy / "train.txt.gz").write_bytes(cut)
        with pytest.raises(DamagedFileError, match=r"train\.txt\.gz.*cut short"):
            load(toy)


def test_gzip_data_with_a_flipped_byte_or_none_at_all_are_refused(toy):
    (toy / "train.txt").unlink()
    data = bytearray(gzip.compress(b"ada\tknows\tbob\n"))
    data[-6] ^= 1
    for content in (bytes(data), b"ada\tknows\tbob\n"):
        (toy / "train.txt.gz").write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"train\.txt\.gz: damaged or no gzip data"):
            load(toy)


def test_a_file_that_may_not_be_read_is_named(toy, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DamagedFileError, match=r"train\.txt: cannot be read \(Permission denied\)"):
        load(toy)


def test_a_folder_without_train_says_so(tmp_path):
    with pytest.raises(MissingDataError, match=r"no file train\.txt"):
        load(tmp_path)
    with pytest.raises(MissingDataError, match=r"no file train\.txt"):
        load("no/such/folder")


def test_an_absent_benchmark_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("KGWALK_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(MissingDataError) as error:
        load("WN18RR", data_dir=tmp_path / "mine")
    message = str(error.value)
    places = [tmp_path / "mine" / "wn18rr", tmp_path / "root" / "wn18rr", tmp_path / "cache"]
    assert [message.index(str(place)) for place in places] == sorted(message.index(str(place)) for place in places)
    for part in ("train.txt", "TimDettmers/ConvE", "KGWALK_DATA"):
        assert part in message


def test_folders_are_looked_for_in_order(tmp_path, monkeypatch, write_files):
    def kinship(root, relation):
        text = f"a\t{relation}\tb\nb\t_{relation}\ta\n"
        files = {"graph.txt": text, "train.txt": f"a\t{relation}\tb\n", "valid.txt": f"b\t{relation}\ta\n"}
        write_files(root, {**files, "test.txt": f"b\t{relation}\tb\n"})

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KGWALK_DATA", str(tmp_path / "root"))
    kinship(tmp_path / "cache" / "kgwalk" / "kinship", "cached")
    assert load("Kinship").relations.to_list() == ["cached"]
    kinship(tmp_path / "root" / "kinship", "rooted")
    assert load("Kinship").relations.to_list() == ["rooted"]
    kinship(tmp_path / "mine", "mine")
    assert load("Kinship", data_dir=tmp_path / "mine").relations.to_list() == ["mine"]
    # A folder that lacks a file is an error, not a reason to look further.
    (tmp_path / "root" / "kinship" / "test.txt").unlink()
    with pytest.raises(MissingDataError, match=r"no file test\.txt"):
        load("Kinship")


@pytest.mark.parametrize("alias", ["WN18RR", "wn18rr", "KGWalk-WN18RR", "kgwalk/WN18RR-v0", "kgwalk:KGWalk-WN18RR"])
def test_a_dataset_has_one_card_by_all_its_names(alias):
    assert find_card(alias) is CARDS["WN18RR"]


def test_an_unknown_name_gets_a_near_match():
    with pytest.raises(KeyError, match=r"did you mean FB15k-237\?"):
        load("FB15k237")
    with pytest.raises(KeyError, match="there are WN18RR"):
        load("qqqqqqqq")


def test_custom_needs_a_folder(toy):
    with pytest.raises(ValueError, match="data_dir"):
        load("KGWalk-Custom")
    assert load("KGWalk-Custom", data_dir=toy).fingerprint == load(toy).fingerprint


def test_valid_facts_that_the_graph_shows_are_kept_apart(toy):
    (toy / "valid.txt").write_text("ada\tknows\tbob\nada\tknows\tcy\n")
    data = load(toy)
    assert rows_of(data, "valid") == [("ada", "knows", "cy")]
    assert rows_of(data, "valid_published") == [("ada", "knows", "bob"), ("ada", "knows", "cy")]


def test_known_answers_of_valid_hold_no_test_fact(toy):
    data = load(toy)
    ada, bob, cy, eve = range(4)
    knows, likes = 0, 1
    assert data.known_for("train").slice(ada, knows)[:, 1].tolist() == [bob]
    assert data.known_for("valid").slice(ada, knows)[:, 1].tolist() == [bob, cy]
    assert len(data.known_for("valid").slice(bob, likes)) == 0
    assert data.known_for("test").slice(bob, likes)[:, 1].tolist() == [eve]
    assert data.known_for("test").slice(eve, likes + 2)[:, 1].tolist() == [bob]
    with pytest.raises(KeyError, match="no split"):
        data.known_for("dev")


def test_entities_and_relations_are_found_by_name_and_id(toy):
    data = load(toy)
    assert data.entity("cy") == data.entity(2) == data.entity(np.int32(2)) == 2
    assert data.relation("likes") == 1
    assert data.relation("^likes") == data.relation("likes^-1") == 3
    assert data.relation_name(3) == "^likes"
    assert data.relation("STAY") == data.graph.stay
    assert data.relation_name(data.graph.stay) == "STAY"
    with pytest.raises(KeyError, match="no entity 'adda'; did you mean ada"):
        data.entity("adda")
    with pytest.raises(KeyError, match="no relation 'Like'; did you mean likes"):
        data.relation("Like")
    for out_of_range in (-1, 4):
        with pytest.raises(IndexError, match=r"outside \[0, 4\)"):
            data.entity(out_of_range)
        with pytest.raises(IndexError):
            data.label(out_of_range)
    with pytest.raises(IndexError):
        data.relation_name(5)


def test_query_tables_cannot_be_written_by_accident(toy):
    with pytest.raises(ValueError, match="read-only"):
        load(toy).queries("train")[0, 0] = 1


def test_a_pickle_is_read_again_from_its_folder(toy):
    data = load(toy)
    blob = pickle.dumps(data)
    again = pickle.loads(blob)
    assert again.fingerprint == data.fingerprint
    assert again.graph.num_facts == data.graph.num_facts
    (toy / "test.txt").write_text("ada\tlikes\teve\n")
    with pytest.raises(ValueError, match=r"toy: .*fingerprints differ"):
        pickle.loads(blob)


def test_generated_sets_pickle_if_the_name_tells_all():
    assert pickle.loads(pickle.dumps(load("Family"))) is load("Family")
    with pytest.raises(TypeError, match="made in memory cannot be pickled"):
        pickle.dumps(family(seed=1))
