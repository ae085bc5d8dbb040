"""Sums, log-sum-exp, log-softmax and entropy of rows: the compiled kernels against plain torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kgwalk import _core, ragged
from kgwalk import ragged_reference as reference

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
NAMES = ["segment_sum", "log_sum_exp", "log_softmax", "entropy"]


def draw(size: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return 3 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def inputs(name: str, offsets: NDArray[np.int64], seed: int = 0) -> torch.Tensor:
    values = draw(int(offsets[-1]), seed=seed)
    return reference.log_softmax(values, torch.from_numpy(offsets)) if name == "entropy" else values


def check_against_reference(name: str, values: torch.Tensor, offsets: NDArray[np.int64]) -> None:
    compiled_in = values.clone().requires_grad_()
    exact_in = values.double().requires_grad_()
    compiled = getattr(ragged, name)(compiled_in, offsets)
    exact = getattr(reference, name)(exact_in, torch.from_numpy(offsets))
    torch.testing.assert_close(compiled, exact.float(), rtol=2e-6, atol=2e-5 if name == "segment_sum" else 4e-6)
    grad = draw(len(exact), seed=1)
    compiled.backward(grad)
    exact.backward(grad.double())
    assert compiled_in.grad is not None
    assert exact_in.grad is not None
    torch.testing.assert_close(compiled_in.grad, exact_in.grad.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_matches_reference(name: str, offsets: NDArray[np.int64]) -> None:
    check_against_reference(name, inputs(name, offsets), offsets)


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(0, 40), max_size=30), name=st.sampled_from(NAMES), seed=st.integers(0, 99))
def test_matches_reference_on_drawn_rows(lengths: list[int], name: str, seed: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    check_against_reference(name, inputs(name, offsets, seed), offsets)


@pytest.mark.parametrize("name", NAMES)
def test_reference_gradients(name: str) -> None:
    function: Function = getattr(reference, name)
    offsets = torch.tensor([0, 3, 4, 9])
    values = draw(9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: function(v, offsets), (values,))


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_for_any_number_of_threads(name: str, offsets: NDArray[np.int64]) -> None:
    def run() -> tuple[torch.Tensor, torch.Tensor]:
        values = inputs(name, offsets).requires_grad_()
        out = getattr(ragged, name)(values, offsets)
        (grad,) = torch.autograd.grad(out, values, draw(len(out), seed=1))
        return out, grad

    alone = run()
    _core.set_num_threads(2)
    try:
        together = run()
    finally:
        _core.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_softmax_against_torch() -> None:
    logits = draw(12)
    offsets = np.array([0, 12])
    torch.testing.assert_close(ragged.log_softmax(logits, offsets), logits.log_softmax(0))
    torch.testing.assert_close(ragged.log_sum_exp(logits, offsets), logits.logsumexp(0, keepdim=True))


@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_extreme_logits_stay_finite(shift: float) -> None:
    logits = torch.tensor([0.0, 200.0, -200.0, 1.0]) + shift
    log_probs = ragged.log_softmax(logits, np.array([0, 3, 4]))
    torch.testing.assert_close(log_probs, torch.tensor([-200.0, 0.0, -400.0, 0.0]))


@pytest.mark.parametrize("library", [ragged, reference])
def test_masked_candidates_have_probability_zero(library: Function) -> None:
    offsets = torch.tensor([0, 3, 4, 6])
    logits = torch.tensor([1.0, -torch.inf, 1.0, 5.0, -torch.inf, -torch.inf], requires_grad=True)
    norm = library.log_sum_exp(logits, offsets)  # type: ignore[attr-defined]
    torch.testing.assert_close(norm, torch.tensor([1 + np.log(2), 5, -np.inf]).float())
    norm[:2].sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([0.5, 0, 0.5, 1, 0, 0]))

    kept, ends = logits[:4].detach().requires_grad_(), offsets[:3]
    entropy = library.entropy(library.log_softmax(kept, ends), ends)  # type: ignore[attr-defined]
    torch.testing.assert_close(entropy, torch.tensor([np.log(2), 0]).float())
    entropy.sum().backward()
    torch.testing.assert_close(kept.grad, torch.zeros(4), atol=1e-7, rtol=0)


@pytest.mark.parametrize("library", [ragged, reference])
def test_infinite_values(library: Function) -> None:
    offsets = torch.tensor([0, 2, 4])
    norm = library.log_sum_exp(torch.tensor([torch.inf, 0, 1, 1]), offsets)  # type: ignore[attr-defined]
    torch.testing.assert_close(norm, torch.tensor([torch.inf, 1 + np.log(2)]).float())
    entropy = library.entropy(torch.tensor([200.0, 0, 0, 90]), offsets)  # type: ignore[attr-defined]
    assert entropy.tolist() == [-torch.inf, -torch.inf]


def test_exponentials_to_two_units_in_the_last_place() -> None:
    """Through log-softmax's gradient of one row: ``0 - exp(log p)``, for every magnitude that is not denormal."""
    log_probs = -torch.cat([torch.logspace(-8, 1.94, 4_000), torch.zeros(1), torch.arange(88.0)])
    grad = torch.zeros(len(log_probs)).numpy()
    grad[-1] = 1
    one_row = np.array([0, len(log_probs)])
    got = -torch.from_numpy(_core.ragged_log_softmax_backward(log_probs.numpy(), grad, one_row))[:-1]
    exact = log_probs[:-1].double().exp()
    assert float(((got.double() - exact) / exact).abs().max()) < 2 * 2.0**-23


def test_not_a_number_is_not_hidden() -> None:
    log_probs = ragged.log_softmax(torch.tensor([0.0, torch.nan, 1.0]), np.array([0, 2, 3]))
    assert log_probs.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("name", NAMES)
def test_other_dtypes_and_strides(name: str) -> None:
    offsets = np.array([0, 2, 5])
    values = inputs(name, offsets)
    function: Callable[..., torch.Tensor] = getattr(ragged, name)
    expected = function(values, offsets)
    assert function(values.double(), offsets).dtype == torch.float64
    torch.testing.assert_close(function(values.double(), offsets).float(), expected)
    assert torch.equal(function(values.repeat_interleave(2)[::2], torch.from_numpy(offsets)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "offsets",
    [[], [1, 4], [0, 3], [0, 5], [0, 3, 2, 4], [-1, 4], [[0, 4]], np.array([0, 4], np.int32), [0.0, 4.0]],
    ids=str,
)
def test_bad_offsets(name: str, offsets: object, dtype: torch.dtype) -> None:
    array = np.asarray(offsets)
    if array.size == 0:
        array = array.astype(np.int64)
    with pytest.raises(ValueError, match="offsets"):
        getattr(ragged, name)(torch.zeros(4, dtype=dtype), array)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [torch.zeros(2, 2), torch.zeros(2, 2).double(), torch.zeros(4, dtype=torch.int64)])
def test_bad_values(name: str, values: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="expected"):
        getattr(ragged, name)(values, np.array([0, 4]))
