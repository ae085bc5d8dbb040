"""One's own files: formats, the split, and that nothing is ever half-written."""

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgwalk._core import FormatError
from kgwalk.data import DamagedFileError, MissingDataError, importing, load
from kgwalk.data.importing import import_files
from kgwalk.data.split import Shares, split_rows, unseen
from kgwalk.data.verify import verify

FACTS = [(f"person {i}", ("knows", "likes")[i % 2], f"person {i * 7 % 40}") for i in range(40)]


def named(data):
    return {
        split: [(data.entities[h], data.relation_name(r), data.entities[t]) for h, r, t in data.queries(split).tolist()]
        for split in data.splits
    }


def tsv(facts, separator="\t"):
    return "".join(separator.join(fact) + "\n" for fact in facts)


def write_format(folder, suffix, facts=FACTS):
    path = folder / f"facts{suffix}"
    if suffix == ".parquet":
        pl.DataFrame(facts, schema=["head", "relation", "tail"], orient="row").write_parquet(path)
    else:
        text = tsv(facts, "," if ".csv" in suffix else "\t").encode()
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".csv", ".tsv.gz", ".csv.gz", ".parquet"])
def test_what_goes_in_comes_out(tmp_path, suffix):
    made = import_files([write_format(tmp_path, suffix)], tmp_path / "out", split="80/10/10", seed=3)
    data = load(made.folder)
    splits = named(data)
    assert {split: len(facts) for split, facts in splits.items()} == made.rows == {"train": 32, "valid": 4, "test": 4}
    assert sorted(fact for facts in splits.values() for fact in facts) == sorted(FACTS)
    assert (data.name, data.card.entities, data.card.relations) == ("out", 40, 2)
    assert {check.status for check in verify(made.folder)} == {"ok"}


def test_all_formats_give_the_same_dataset(tmp_path):
    prints = set()
    for suffix in (".tsv", ".csv.gz", ".parquet"):
        made = import_files([write_format(tmp_path, suffix)], tmp_path / suffix / "out")
        prints.add(load(made.folder).fingerprint)
    assert len(prints) == 1


def test_the_same_seed_gives_the_same_bytes_and_another_another_split(tmp_path):
    path = write_format(tmp_path, ".tsv")

    def digest(out, seed):
        folder = import_files([path], tmp_path / out / "set", seed=seed).folder
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}

    assert digest("a", 1) == digest("b", 1)
    assert digest("a2", 2)["train.txt.gz"] != digest("b2", 1)["train.txt.gz"]


@pytest.mark.parametrize("quoted", [False, True])
def test_titled_columns_may_stand_anywhere(tmp_path, quoted):
    path = tmp_path / "facts.csv"
    header = '"Object","weight","Subject","Predicate"\n' if quoted else "object,weight,subject,predicate\n"
    path.write_text(header + "".join(f'"{t}",1.5,{h},{r}\n' for h, r, t in FACTS))
    made = import_files([path], tmp_path / "out", split="100/0/0")
    assert named(load(made.folder)) == {"train": FACTS}


def test_quotes_commas_and_umlauts_survive(tmp_path):
    path = tmp_path / "facts.csv"
    path.write_text('"Brook, Ada",knows,"Bob ""the"" Müller"\n', encoding="utf-8")
    made = import_files([path], tmp_path / "out", split="100/0/0")
    assert named(load(made.folder))["train"] == [("Brook, Ada", "knows", 'Bob "the" Müller')]


def test_numbers_in_parquet_become_names(tmp_path):
    pl.DataFrame({"s": [1, 2], "p": ["a", "a"], "o": [2, 10]}).write_parquet(tmp_path / "n.parquet")
    made = import_files([tmp_path / "n.parquet"], tmp_path / "out", split="100/0/0")
    assert named(load(made.folder))["train"] == [("1", "a", "2"), ("2", "a", "10")]


def test_several_files_are_one_set_and_duplicates_are_counted(tmp_path):
    first, second = write_format(tmp_path, ".tsv"), write_format(tmp_path, ".parquet")
    steps = []
    made = import_files([first, second], tmp_path / "out", progress=lambda *step: steps.append(step))
    assert made.duplicates == len(FACTS)
    assert sum(made.rows.values()) == len(FACTS)
    assert steps == [(1, 2), (2, 2)]


def test_facts_that_no_walker_can_answer_are_counted(tmp_path):
    made = import_files([write_format(tmp_path, ".tsv")], tmp_path / "out", split="50/25/25")
    splits = named(load(made.folder))
    seen = {name for head, _, tail in splits["train"] for name in (head, tail)}
    for split in ("valid", "test"):
        lost = [fact for fact in splits[split] if not {fact[0], fact[2]} <= seen]
        assert made.unseen[split] == len(lost) > 0
    assert f"| {made.rows['test']} | {made.unseen['test']} |" in (made.folder / "README.md").read_text()


BAD = {
    "two columns": ("x.tsv", b"a\tb\n", FormatError, r"x\.tsv.*1"),
    "CSV short line": ("x.csv", b"head,relation,tail\na,b,c\na,b\n", FormatError, r"x\.csv.*3"),
    "empty": ("x.csv", b"", FormatError, r"x\.csv"),
    "only a header": ("x.csv", b"head,relation,tail\n", FormatError, r"x\.csv"),
    "not UTF-8": ("x.tsv", b"a\tb\t\xff\n", FormatError, r"x\.tsv.*1"),
    "tab in a name": ("x.csv", b'"a\tb",r,c\nd,r,e\n', FormatError, "holds a tab"),
    "no Parquet": ("x.parquet", b"PAR1nothing", DamagedFileError, r"x\.parquet"),
    "no known ending": ("x.xlsx", b"a", ValueError, r"x\.xlsx.*\.csv"),
}


@pytest.mark.parametrize(("name", "content", "error", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_named_and_leaves_nothing(tmp_path, name, content, error, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        import_files([tmp_path / name], tmp_path / "out", split="100/0/0")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("column", [["a", None], ["a", ""], ["a", "b\tc"]])
def test_a_bad_parquet_row_is_numbered(tmp_path, column):
    pl.DataFrame({"h": ["x", "y"], "r": ["r", "r"], "t": column}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(FormatError, match=r"x\.parquet: row 2"):
        import_files([tmp_path / "x.parquet"], tmp_path / "out", split="100/0/0")


def test_parquet_columns_must_be_titled_or_three(tmp_path):
    pl.DataFrame({"a": ["x"], "b": ["r"], "c": ["y"], "d": ["z"]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(FormatError, match=r"head, relation, tail.*found a, b, c, d"):
        import_files([tmp_path / "x.parquet"], tmp_path / "out")


def test_missing_files_and_none_at_all(tmp_path):
    with pytest.raises(MissingDataError, match=r"gone\.tsv"):
        import_files([tmp_path / "gone.tsv"], tmp_path / "out")
    with pytest.raises(ValueError, match="at least one file"):
        import_files([], tmp_path / "out")


def test_a_folder_that_is_there_is_not_touched_unasked(tmp_path):
    path = write_format(tmp_path, ".tsv")
    before = load(import_files([path], tmp_path / "out", seed=1).folder).fingerprint
    with pytest.raises(FileExistsError, match="out exists"):
        import_files([path], tmp_path / "out", seed=2)
    assert load(tmp_path / "out").fingerprint == before
    import_files([path], tmp_path / "out", seed=2, overwrite=True)
    assert load(tmp_path / "out").fingerprint != before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["facts.tsv", "out"]


@pytest.mark.parametrize("card", [None, "{}"])
def test_only_a_dataset_is_overwritten(tmp_path, card):
    path, thesis = write_format(tmp_path, ".tsv"), tmp_path / "out" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    if card is not None:
        (tmp_path / "out" / "card.json").write_text(card)
    with pytest.raises(FileExistsError, match="out is no dataset that kgwalk imported"):
        import_files([path], tmp_path / "out", overwrite=True)
    assert thesis.read_text() == "years of work"


def test_a_replacement_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch):
    path = write_format(tmp_path, ".tsv")
    before = load(import_files([path], tmp_path / "out", seed=1).folder).fingerprint
    rename = Path.rename

    def fail_for_new(self, target):
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="Input/output"):
        import_files([path], tmp_path / "out", seed=2, overwrite=True)
    assert load(tmp_path / "out").fingerprint == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["facts.tsv", "out"]


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seed is -1; expected 0 or more"):
        import_files([write_format(tmp_path, ".tsv")], tmp_path / "out", seed=-1)


def test_a_crash_while_writing_leaves_the_old_folder(tmp_path, monkeypatch):
    path = write_format(tmp_path, ".tsv")
    before = load(import_files([path], tmp_path / "out", seed=1).folder).fingerprint
    written = []

    def crash(target, content):
        written.append(target)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        target.write_bytes(content)

    monkeypatch.setattr(importing, "write_atomically", crash)
    for out in ("out", "new"):
        written.clear()
        with pytest.raises(OSError, match="No space"):
            import_files([path], tmp_path / out, seed=2, overwrite=True)
    assert load(tmp_path / "out").fingerprint == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["facts.tsv", "out"]


@pytest.mark.parametrize(
    "card",
    ["{", "[]", '{"format": "other"}', '{"format": "kgwalk-card-1"}'],
)
def test_a_broken_card_is_named(tmp_path, card):
    folder = import_files([write_format(tmp_path, ".tsv")], tmp_path / "out").folder
    (folder / "card.json").write_text(card)
    with pytest.raises(DamagedFileError, match=r"card\.json: no dataset card"):
        load(folder)


def test_a_card_cannot_lead_out_of_its_folder(tmp_path):
    folder = import_files([write_format(tmp_path, ".tsv")], tmp_path / "out").folder
    card = json.loads((folder / "card.json").read_text())
    card["graph"] = "../facts.tsv"
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(DamagedFileError, match="leads out of the folder"):
        load(folder)


@given(st.integers(4, 500), st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_split_covers_all_rows_once(rows, valid, test, seed):
    shares = Shares((100 - valid - test) / 100, valid / 100, test / 100)
    sizes = [round(rows * shares.valid), round(rows * shares.test)]
    if any(share and not size for share, size in zip((valid, test), sizes, strict=True)):
        with pytest.raises(ValueError, match="too few"):
            split_rows(rows, shares, seed)
        return
    parts = split_rows(rows, shares, seed)
    assert [len(part) for part in parts] == [rows - sum(sizes), *sizes]
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert all((np.diff(part) > 0).all() for part in parts)
    again = split_rows(rows, shares, seed)
    assert all((one == other).all() for one, other in zip(parts, again, strict=True))


@pytest.mark.parametrize("text", ["90/5", "90/5/6", "a/b/c", "0/50/50", "110/-5/-5", "", "90/5/5/0", "nan/5/5"])
def test_impossible_splits_are_refused(text):
    with pytest.raises(ValueError, match=r"90/5/5"):
        Shares.parse(text)


def test_shares_are_read_as_percent():
    assert Shares.parse("80/12.5/7.5") == Shares(0.8, 0.125, 0.075)


def test_unseen_looks_at_heads_and_tails():
    train = np.array([[0, 0, 1]], np.int32)
    rows = np.array([[0, 0, 1], [2, 0, 1], [0, 0, 2], [2, 0, 2]], np.int32)
    assert unseen(rows, train, 3) == 3
