"""What a process holds beside tensors: what is kept of them, and what depends on the products."""

import pytest
import torch

from srwizard.memory import kernels
from srwizard.memory.kernels import Product, cpu_scratch, generated, noting_products
from srwizard.memory.predict import predict
from srwizard.memory.resident import PRODUCT_CODE, PRODUCT_PAGES, heap_holes
from srwizard.memory.tracker import Event, StorageTracker
from srwizard.models.card import FREED_BLOCK
from tests.memory.test_predict import config


def test_the_heap_keeps_what_small_tensors_took_that_came_and_went() -> None:
    weights, passing, large = 1000, 500, 4 * FREED_BLOCK
    step = [Event(0, weights), Event(1, passing), Event(2, large), Event(1, -passing)]
    validation = [Event(3, 300), Event(3, -300)]
    assert heap_holes([*step, *validation], len(step), FREED_BLOCK) == passing
    assert heap_holes([*step, *validation], len(step), large) == 0.9 * passing


def test_products_are_counted_by_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    products: set[Product] = set()
    with StorageTracker(noting_products(cpu_scratch, products)):
        for rows in (3, 4, 4):
            torch.ones(rows, 5) @ torch.ones(5, 2)
            torch.ones(rows, 5).bfloat16() @ torch.ones(5, 2).bfloat16()
    assert len(products) == 4
    monkeypatch.setattr(kernels, "has_16_bit_kernels", lambda: True)
    assert generated(products) == 2
    monkeypatch.setattr(kernels, "has_16_bit_kernels", lambda: False)
    assert generated(products) == 0


def test_a_network_of_convolutions_alone_reads_no_pages_of_products() -> None:
    with_products, without = (predict(config(name)).fixed_bytes for name in ("FNO2d", "EDSR"))
    assert with_products["library_pages"] - without["library_pages"] == PRODUCT_PAGES


def test_code_is_generated_for_products_in_16_bits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "has_16_bit_kernels", lambda: True)
    assert predict(config("FNO2d")).fixed_bytes["product_code"] == 0
    assert predict(config("EDSR", use_amp=True)).fixed_bytes["product_code"] == 0
    assert predict(config("FNO2d", use_amp=True)).fixed_bytes["product_code"] >= PRODUCT_CODE
