"""The generated shop: the same everywhere, well-named, and better walked than ranked by popularity."""

import pickle

import numpy as np
import pytest
from scipy import sparse

from kgwalk.data import Recommendation, bookshop, load
from kgwalk.data.recommendation.bookshop import METAPATHS


def test_the_default_shop_is_always_the_same():
    data = bookshop()
    assert data.fingerprint.startswith("201841a69a87133b")
    assert bookshop(seed=1).fingerprint != data.fingerprint
    assert load("KGWalk-Bookshop") is data
    assert pickle.loads(pickle.dumps(data)) is data
    with pytest.raises(TypeError, match="made in memory"):
        pickle.dumps(bookshop(seed=1))


def test_its_size_is_that_of_a_small_shop():
    data = bookshop()
    assert isinstance(data, Recommendation)
    assert 200 <= len(data.users) <= 400
    assert 300 <= len(data.items) <= 600
    assert 3000 <= data.graph.num_facts <= 9000
    assert (len(data.entities), data.graph.num_facts) == (data.card.entities, data.card.facts)
    assert [kind.name for kind in data.types[:2]] == ["reader", "book"]
    assert [data.metapath_name(path) for path in data.metapaths] == list(METAPATHS)
    assert np.diff(data.graph.offsets).max() <= data.card.max_out_degree


def test_names_read_well_and_say_who_is_meant():
    data = bookshop()
    assert data.labels is not None
    assert len(set(data.labels)) == len(data.labels)
    assert not any("/" in label or any(c.isdigit() for c in label) for label in data.labels)
    reader = data.entity(data.label(data.users.first))
    assert reader == data.users.first
    assert data.entities[reader] == f"reader/{data.label(reader)}"


def test_new_books_are_known_but_unread_in_train():
    data = bookshop()
    read = np.unique(np.concatenate([data.queries("train"), data.queries("valid")])[:, 2])
    cold = np.setdiff1d(np.arange(data.items.first, data.items.last), read)
    assert len(cold) >= 10
    assert np.isin(data.queries("test")[:, 2], cold).any()
    author = data.relation("written_by")
    assert all(len(data.graph.slice(int(book), author)) == 1 for book in cold)


def test_walking_finds_more_than_popularity():
    data, users, items = bookshop(), bookshop().users, bookshop().items

    def matrix(rows):
        cells = (rows[:, 0] - users.first, rows[:, 2] - items.first)
        return np.asarray(sparse.csr_array((np.ones(len(rows)), cells), shape=(len(users), len(items))).todense())

    seen, test = matrix(np.concatenate([data.queries("train"), data.queries("valid")])), matrix(data.queries("test"))
    written = np.zeros((len(items), len(items)))
    author, by = data.relation("written_by"), data.relation("^written_by")
    for book in range(items.first, items.last):
        (writer,) = data.graph.slice(book, author)[:, 1]
        written[book - items.first, data.graph.slice(int(writer), by)[:, 1] - items.first] = 1

    def recall(scores):
        best = np.argsort(-np.where(seen > 0, -1, scores), axis=1, kind="stable")[:, :10]
        return np.take_along_axis(test, best, 1).sum() / test.sum()

    popular = recall(np.tile(seen.sum(0), (len(users), 1)))
    assert recall(seen @ written) > 2 * popular


@pytest.mark.parametrize("arguments", [{"readers": 10}, {"authors": 1000}])
def test_sizes_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="expected 20 to 1000 readers and 20 to 300 authors"):
        bookshop(**arguments)


def test_other_sizes_work():
    small = bookshop(seed=3, readers=20, authors=20)
    assert len(small.users) == 20
    assert small.metapaths
