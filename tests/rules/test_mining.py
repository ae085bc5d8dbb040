"""mine(): budgets, Ctrl-C, and that a run can be had again. What the miner counts is judged elsewhere."""

from __future__ import annotations

import signal

import pytest

from kgwalk.data import Dataset, family
from kgwalk.rules import Mined, MiningConfig, mine
from tests.rules.oracle import Rule
from tests.rules.rule_sets import counts_of

CONFIG = MiningConfig(max_length=2)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return family()


def found(mined: Mined) -> list[tuple[Rule, tuple[int, int]]]:
    return list(counts_of(mined.rules).items())


def test_without_a_budget_everything_is_exact(dataset: Dataset) -> None:
    mined = mine(dataset.graph, CONFIG)
    assert mined.exact
    assert mined.stopped == "done"
    assert mined.rounds == mined.total_rounds > 2
    assert mined.seconds > 0
    assert len(mined.errors) == len(mined.rules) > 100
    assert not mined.errors.any()


def test_fewer_rounds_find_less(dataset: Dataset) -> None:
    first = mine(dataset.graph, CONFIG, rounds=1)
    assert (first.rounds, first.stopped, first.exact) == (1, "rounds", False)
    assert len(first.errors) == len(first.rules)
    assert found(first) != found(mine(dataset.graph, CONFIG))


def test_more_rounds_than_there_are_end_when_all_is_exact(dataset: Dataset) -> None:
    mined = mine(dataset.graph, CONFIG, rounds=10_000)
    assert mined.stopped == "done"


def test_a_budget_of_seconds_is_had_again_by_its_rounds(dataset: Dataset) -> None:
    hurried = mine(dataset.graph, CONFIG, seconds=1e-9)
    assert (hurried.rounds, hurried.stopped) == (1, "seconds")
    assert found(mine(dataset.graph, CONFIG, rounds=hurried.rounds)) == found(hurried)


def test_ctrl_c_keeps_what_was_found(dataset: Dataset) -> None:
    def interrupt(rounds: int, total: int, seconds: float) -> None:
        if rounds == 2:
            signal.raise_signal(signal.SIGINT)

    mined = mine(dataset.graph, CONFIG, progress=interrupt)
    assert (mined.rounds, mined.stopped, mined.exact) == (2, "interrupted", False)
    assert found(mined) == found(mine(dataset.graph, CONFIG, rounds=2))


def test_progress_tells_every_round(dataset: Dataset) -> None:
    told: list[tuple[int, int, float]] = []
    mined = mine(dataset.graph, CONFIG, progress=lambda *now: told.append(now))
    *before, last = [rounds for rounds, _, _ in told]
    assert before == list(range(1, len(told)))
    assert last == mined.total_rounds
    assert {total for _, total, _ in told} == {mined.total_rounds}
    seconds = [spent for _, _, spent in told]
    assert seconds == sorted(seconds)


def test_forms_can_be_left_out(dataset: Dataset) -> None:
    mined = mine(dataset.graph, MiningConfig(max_length=1, constants=False, existential=False, zero=False))
    assert {rule.kind for rule, _ in found(mined)} == {"cyclic"}
    mined = mine(dataset.graph, MiningConfig(cyclic=False, constants=False, existential=False))
    assert {rule.kind for rule, _ in found(mined)} == {"zero"}


@pytest.mark.parametrize(
    "run", [{"rounds": 0}, {"seconds": 0.0}, {"seconds": float("nan")}, {"seed": -1}, {"seed": 1 << 64}, {"seed": 0.5}]
)
def test_a_run_that_means_nothing_is_refused(dataset: Dataset, run: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(run))}: expected"):
        mine(dataset.graph, CONFIG, **run)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "setting",
    [
        *({"max_length": 0}, {"max_length": 2.5}, {"min_support": 0}, {"min_confidence": 1.5}),
        *({"max_length": 1 << 31}, {"min_support": 1 << 63}),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}: expected"):
        MiningConfig(**setting)
