"""Matrices that follow from sizes alone are made once, and are nobody else's."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from srwizard.models import constants, fourier
from srwizard.models.constants import kept

CPU = torch.device("cpu")


@pytest.fixture
def made() -> list[tuple[int, torch.dtype]]:
    """What `numbers` has been asked to make."""
    return []


@pytest.fixture
def numbers(made: list[tuple[int, torch.dtype]]) -> object:
    @kept
    def numbers(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        made.append((size, dtype))
        return torch.arange(size, dtype=dtype, device=device)

    return numbers


def test_once_for_each_size_and_type(numbers, made) -> None:  # type: ignore[no-untyped-def]
    asked = [(3, torch.float32), (3, torch.float32), (3, torch.float64), (4, torch.float32)]
    found = [numbers(*key, CPU) for key in (*asked, *asked)]
    assert made == [asked[0], asked[2], asked[3]]
    assert found[0] is found[1]
    assert [(len(one), one.dtype) for one in found[:4]] == asked


def test_not_more_than_so_many(numbers, made) -> None:  # type: ignore[no-untyped-def]
    for size in range(constants.MOST_KEPT + 1):
        numbers(size, torch.float32, CPU)
    numbers(0, torch.float32, CPU)
    assert len(made) == constants.MOST_KEPT + 2


def test_a_fake_one_is_never_kept_for_a_real_run(numbers, made) -> None:  # type: ignore[no-untyped-def]
    for _time in range(2):
        with FakeTensorMode():
            assert isinstance(numbers(3, torch.float32, CPU), FakeTensor)
        assert not isinstance(numbers(3, torch.float32, CPU), FakeTensor)
    assert len(made) == 3  # by each mode, and once for real


def test_one_that_was_made_for_inference_serves_in_training(numbers) -> None:  # type: ignore[no-untyped-def]
    with torch.inference_mode():
        numbers(3, torch.float32, CPU)
    weight = torch.ones(3, requires_grad=True)
    (weight * numbers(3, torch.float32, CPU)).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [0, 1, 2]


def test_a_recorded_graph_has_its_own(numbers) -> None:  # type: ignore[no-untyped-def]
    def double(x: Tensor) -> Tensor:
        return x * numbers(x.shape[0], x.dtype, x.device)

    expected = double(torch.ones(4))
    for _time in range(2):
        graph = make_fx(double)(torch.ones(4))
        assert torch.equal(graph(torch.ones(4)), expected)
    symbolic = make_fx(double, tracing_mode="symbolic")(torch.ones(4))
    assert torch.equal(symbolic(torch.ones(7)), double(torch.ones(7)))


class Operators(TorchDispatchMode):
    """Counts operators."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_spectral_layer_makes_its_waves_once() -> None:
    x = torch.randn(1, 2, 32, 48)
    counts = []
    with Operators() as mode:
        for _time in range(3):
            before = mode.count
            y = fourier.field_by_products(fourier.spectrum_by_products(x, 4, 5), 32, 48)
            counts.append(mode.count - before)
    assert counts[0] > counts[1] + 30
    assert counts[1] == counts[2]
    expected = fourier.field_by_fft(fourier.spectrum_by_fft(x, 4, 5), 32, 48)
    assert torch.allclose(y, expected, atol=1e-5)
