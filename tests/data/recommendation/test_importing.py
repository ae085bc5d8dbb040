"""One's own interactions and what is known of the items, from files to a dataset."""

import gzip
import hashlib
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kgwalk._core import FormatError
from kgwalk.cli import app
from kgwalk.data import DamagedFileError, MissingDataError, Recommendation, load
from kgwalk.data.recommendation.importing import import_interactions
from kgwalk.data.split import Shares, split_interactions

RATINGS = "userId,movieId,rating,when\n" + "".join(
    f"u{u},{10 + (u + i) % 9},{1 + (u * i) % 5},2020\n" for u in range(12) for i in range(7)
)
ITEMS = "movieId,title,genre,director\n" + "".join(
    f'{10 + i},"Film, the {i}th",{"Drama|Comedy" if i % 2 else "Drama"},{"Ann Lee" if i < 5 else ""}\n'
    for i in range(10)
)
FACTS = "10\tsequel_of\t11\n11\tset_in\tRome\n10\tsequel_of\t11\n12\tset_in\tRome\n"


@pytest.fixture
def files(tmp_path):
    for name, text in (("ratings.csv", RATINGS), ("items.csv", ITEMS), ("facts.tsv", FACTS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def imported(files, out="shop", **options):
    return import_interactions(
        files / "ratings.csv",
        files / out,
        facts=[files / "facts.tsv"],
        attributes=[files / "items.csv"],
        title_column="title",
        **options,
    )


def test_a_folder_is_made_that_loads_as_a_recommendation_set(files):
    done = imported(files)
    data = load(files / "shop")
    assert isinstance(data, Recommendation)
    assert [kind.name for kind in data.types] == ["user", "item", "genre", "director", "entity"]
    assert (len(data.users), len(data.items)) == (done.users, done.items) == (12, 10)
    assert data.relations.to_list() == ["interact", "genre", "director", "sequel_of", "set_in"]
    assert {split: len(rows) for split, rows in data.splits.items()} == done.rows
    assert done.rows["test"] == round(0.2 * 84)
    assert (len(data.entities), len(data.relations), data.graph.num_facts) == (
        data.card.entities,
        data.card.relations,
        data.card.facts,
    )
    assert data.graph.find(data.entity("item/10"), data.relation("sequel_of"), data.entity("item/11")) >= 0
    assert data.graph.find(data.entity("item/11"), data.relation("set_in"), data.entity("entity/Rome")) >= 0
    assert len(data.graph.slice(data.entity("item/11"), data.relation("genre"))) == 2
    assert done.duplicates == 1
    assert done.without_facts == 0
    assert done.cold == 1  # the tenth film, which nobody rated
    names = [data.metapath_name(path) for path in data.metapaths]
    assert names[:2] == ["interact ^interact interact", "interact genre ^genre"]
    assert "interact sequel_of" in names


def test_original_ids_are_kept_beside_the_data(files):
    imported(files)
    data = load(files / "shop")
    rows = gzip.decompress((files / "shop" / "entity_names.tsv.gz").read_bytes()).decode().splitlines()
    table = {row.split("\t")[0]: row.split("\t")[1:] for row in rows}
    assert set(table) == set(data.entities.to_list())
    assert table["item/12"] == ["Film, the 2th", "12"]
    assert table["user/u3"] == ["u3", "u3"]
    assert table["director/Ann Lee"] == ["Ann Lee", "Ann Lee"]
    assert data.label(data.entity("item/12")) == "Film, the 2th"
    assert data.entity("Ann Lee") == data.entity("director/Ann Lee")


def test_low_ratings_are_left_out(files):
    done = imported(files, min_rating=3)
    kept = re.findall(r"^(u\d+),(\d+),[345],", RATINGS, re.MULTILINE)
    assert done.below == 84 - len(kept)
    assert sum(done.rows.values()) == len(set(kept))


def test_the_same_files_and_seed_give_the_same_folder(files):
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        imported(files, out, seed=seed, name="shop")
    hashes = [
        {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (files / out).iterdir()} for out in "abc"
    ]
    assert {k: v for k, v in hashes[0].items() if k != "card.json"} == {
        k: v for k, v in hashes[1].items() if k != "card.json"
    }
    assert hashes[0]["test.txt.gz"] != hashes[2]["test.txt.gz"]


def test_parquet_with_lists_and_numbers_gives_what_csv_gives(files):
    imported(files, "text")
    pl.read_csv(files / "ratings.csv").write_parquet(files / "ratings.parquet")
    items = pl.read_csv(files / "items.csv").with_columns(pl.col("genre").str.split("|"))
    items.write_parquet(files / "items.parquet")
    import_interactions(
        files / "ratings.parquet",
        files / "columns",
        facts=[files / "facts.tsv"],
        attributes=[files / "items.parquet"],
        title_column="title",
    )
    assert load(files / "text").fingerprint == load(files / "columns").fingerprint


def test_splits_of_ones_own(files):
    imported(files, "three", split="70/10/20")
    assert set(load(files / "three").splits) == {"train", "valid", "test"}
    assert len(load(files / "three").splits["valid"]) == round(0.1 * 84)
    imported(files, "all", split="100/0/0")
    data = load(files / "all")
    assert set(data.splits) == {"train", "valid"}
    assert len(data.splits["valid"]) == 12


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.sampled_from(["80/0/20", "60/20/20", "100/0/0"]))
def test_everyone_keeps_a_training_interaction(users, split):
    array = np.array(users)
    try:
        sides = split_interactions(array, Shares.parse(split), 3)
    except ValueError:
        return
    assert sorted(np.concatenate(list(sides.values())).tolist()) == list(range(len(users)))
    assert set(array[sides["train"]].tolist()) == set(users)


BAD_FILES = {
    "no user column": (
        "ratings.csv",
        "who,item\na,b\n",
        FormatError,
        r"ratings\.csv: expected a column of users.*who, it",
    ),
    "no item column": (
        "ratings.csv",
        "user,what\na,b\n",
        FormatError,
        "a column of items, such as item; found user, what",
    ),
    "too few cells": ("ratings.csv", "user,item\na,1\nb\n", FormatError, r"ratings\.csv:3: expected 2 columns"),
    "an empty user": (
        "ratings.csv",
        "user,item\na,1\n,1\n",
        FormatError,
        r"ratings\.csv:3: expected a user and an item",
    ),
    "nothing but titles": ("ratings.csv", "user,item\n", FormatError, r"ratings\.csv: no rows"),
    "nothing": ("ratings.csv", "", FormatError, r"ratings\.csv: expected a first line"),
    "equal titles": ("ratings.csv", "user,item,Item\na,b,c\n", FormatError, "different column titles"),
    "an open quote": ("ratings.csv", 'user,item\na,"b\n', FormatError, r"ratings\.csv:\d"),
    "not UTF-8": ("ratings.csv", b"user,item\na,\xff\n", DamagedFileError, r"ratings\.csv:2: not UTF-8"),
    "a reserved attribute": (
        "items.csv",
        "movieId,title,interact\n10,x,1\n",
        FormatError,
        "'interact': the name is reserved",
    ),
    "an attribute called user": (
        "items.csv",
        "movieId,title,user\n10,x,1\n",
        FormatError,
        "'user': the name is reserved",
    ),
    "an attribute without item": ("items.csv", "movieId,title\n,x\n", FormatError, r"items\.csv:2: expected an item"),
    "no title": ("items.csv", "movieId,genre\n10,x\n", FormatError, "a column titled 'title'; found movieId, genre"),
    "a reserved relation": (
        "facts.tsv",
        "10\tinteract\t11\n",
        FormatError,
        r"facts\.tsv: no fact may have the relation",
    ),
    "a broken fact": ("facts.tsv", "10\tsequel_of\t11\n10\tx\n", FormatError, r"facts\.tsv.*2"),
    "a line end in a name": ("items.csv", 'movieId,title,genre\n10,x,"a\nb"\n', FormatError, "a tab or a line end"),
    "a rating that is no number": (
        "ratings.csv",
        "user,item,rating\na,10,nan\n",
        FormatError,
        r"csv:2: .*rating, got 'nan'",
    ),
    "a NUL": ("ratings.csv", "user,item\na,1\0\n", FormatError, r"ratings\.csv:2: .* NUL"),
    "a rating in words": ("ratings.csv", "user,item,rating\na,10,good\n", FormatError, r"csv:2: .*rating, got 'good'"),
}


@pytest.mark.parametrize(("file", "content", "error", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_what_is_wrong_is_said_and_nothing_is_made(files, file, content, error, message):
    (files / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=message):
        imported(files, min_rating=1 if "rating, got" in message else None)
    assert not (files / "shop").exists()
    assert not [path for path in files.iterdir() if path.name.startswith(".")]


def test_ids_and_titles_are_not_divided(files):
    (files / "ratings.csv").write_text(RATINGS.replace(",10,", ",10|b,"))
    (files / "items.csv").write_text('movieId,title,genre\n10|b,"One | Two",Drama|Comedy\n11,Three,Drama\n')
    imported(files)
    data = load(files / "shop")
    item = data.entity("item/10|b")
    assert data.label(item) == "One | Two"
    assert len(data.graph.slice(item, data.relation("genre"))) == 2
    assert "item/10" not in data.entities.to_list()


def test_lists_where_one_value_is_expected_are_refused(files):
    pl.DataFrame({"user": ["a", "b"], "item": [["10", "11"], ["12"]]}).write_parquet(files / "ratings.parquet")
    with pytest.raises(FormatError, match=r"row 1: expected a user and an item, found several: \['10', '11'\]"):
        import_interactions(files / "ratings.parquet", files / "shop", facts=[files / "facts.tsv"])
    assert not (files / "shop").exists()


def test_attributes_without_a_value_are_refused(files):
    (files / "items.csv").write_text("movieId,title,genre\n10,One,\n")
    with pytest.raises(ValueError, match="all empty"):
        import_interactions(
            files / "ratings.csv", files / "shop", attributes=[files / "items.csv"], title_column="title"
        )


def test_a_metapath_reads_as_it_is_written_where_names_have_blanks(files):
    (files / "items.csv").write_text(
        "movieId,title,Release,Release Year\n" + "".join(f"{i},t{i},r{i % 3},{i % 2}\n" for i in range(10, 19))
    )
    imported(files)
    data = load(files / "shop")
    names = [data.metapath_name(path) for path in data.metapaths]
    assert "interact Release Year ^Release Year" in names
    assert [data.metapath(name) for name in names] == list(data.metapaths)
    assert data.metapath("interact Release rev_Release") == data.metapath("interact Release ^Release")
    with pytest.raises(KeyError, match="no relation 'Year'"):
        data.metapath("interact Year ^Year")


def test_bad_arguments_are_refused(files):
    for options, message in (
        ({"split": "50/50"}, "expected train/valid/test"),
        ({"seed": -1}, "seed is -1"),
        ({"user_column": "movieId"}, "cannot be both"),
        ({"min_rating": 9}, "no interaction is rated 9"),
        ({"min_rating": float("nan")}, "min_rating is nan"),
        ({"delimiter": "ab"}, "delimiter 'ab': expected one character"),
    ):
        with pytest.raises(ValueError, match=message):
            imported(files, **options)
    with pytest.raises(ValueError, match="expected facts or attributes"):
        import_interactions(files / "ratings.csv", files / "shop")
    with pytest.raises(MissingDataError, match=r"absent\.csv"):
        import_interactions(files / "absent.csv", files / "shop", facts=[files / "facts.tsv"])
    (files / "ratings.csv").write_text("user,item\na,10\nb,11\n")
    with pytest.raises(ValueError, match="too few"):
        imported(files)
    imported(files, split="100/0/0")
    with pytest.raises(FileExistsError):
        imported(files, split="100/0/0")
    imported(files, split="100/0/0", overwrite=True)


def test_the_command_line(files, monkeypatch):
    monkeypatch.chdir(files)
    arguments = [
        "--interactions",
        "ratings.csv",
        "--attributes",
        "items.csv",
        "--title-column",
        "title",
        "--out",
        "shop",
    ]
    # Wide, so that no line is folded.
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["data", "import", "facts.tsv", *arguments])
    assert result.exit_code == 0, result.output
    for part in ("12 users, 10 items", "1 duplicate rows", "1 items have no training interaction"):
        assert part in result.output
    report = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["data", "report", "./shop"])
    assert "interact genre" in report.output
