"""What kernels hold beside their tensors while they run, which no tensor tracker can see.

CPU. oneDNN computes convolutions in blocked layouts: channels in blocks as wide as a vector
register, padded to whole blocks. Tensors in the usual order [B, C, H, W] are copied into that
layout and back, so that at the peak of a convolution copies of input, output and weights are
alive (seen with ONEDNN_VERBOSE=1: `reorder ... abcd -> aBcd16b`; PyTorch's part of it is in
aten/src/ATen/native/mkldnn/Conv.cpp). Channels-last tensors are computed on as they are.

Where the CPU has nothing for 16 bits, PyTorch's own kernels compute convolutions and products in
them: on the columns of all images (im2col; ConvolutionMM2d.cpp), and products are summed up in
32 bits beside the result (CPUBlas.cpp).

Arithmetic on operands of two types converts one of them first, as a whole.

CUDA. cuDNN computes in the channels-last order on tensor cores, and copies tensors in the usual
order into it and back (`nchwToNhwcKernel` in profiles); which convolutions it does so for is not
told, so this is an allowance. A transform from half spectrum to field overwrites its input, so
PyTorch copies it first (aten/src/ATen/native/cuda/SpectralOps.cpp); cuFFT's own work area is
"typically" as large as the data (NVIDIA, cuFFT library user's guide, section 2.8), larger for
sizes with big prime factors.
"""

import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from srwizard.memory.tracker import Scratch

Product = tuple[Any, ...]
"""An operator, the bytes of an element of its result, the shapes of its operands."""

BLOCK = {"AVX512": 16, "AVX2": 8}
"""Channels in a block by CPU capability: one register of 32-bit numbers."""
FIRST_LAYER_CHANNELS = 3
"""Inputs of so few channels are read in plain order by kernels wider than 1 x 1."""
MOST_TRANSPOSED = 4
"""Images that oneDNN transposes at a time: one in each thread, of many threads about 4 (seen with 1
to 16); the others share in the channels."""
UNEQUAL_CHANNELS = 4
"""Input and output channels that differ by such a factor are shared in by more threads."""

aten = torch.ops.aten
PRODUCTS = frozenset({aten.mm.default, aten.addmm.default, aten.addmm.out, aten.mm.out})
ALL_PRODUCTS = PRODUCTS | {aten.bmm.default, aten.baddbmm.default, aten.addmm_.default}
ARITHMETIC = frozenset(
    {aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.add_.Tensor}
)


def cpu_scratch(operator: Any, arguments: tuple[Any, ...], result: Any, *, threads: int = 2) -> int:
    """Return what a CPU kernel holds beside its tensors, in bytes above those live after it.

    Args:
        operator: of ATen.
        arguments: of the operator.
        result: of the operator.
        threads: that the kernel may use, which decides between libraries.
    """
    if operator is aten.convolution.default:
        source, weight = arguments[:2]
        if _by_onednn(weight, threads):
            if arguments[6]:  # transposed: two copies of the result (seen, not traced)
                return 2 * _bytes(result)
            return _convolution(source, weight, result)
        return _columns_forward(source, weight, result, threads)
    if operator is aten.convolution_backward.default:
        gradient, source, weight = arguments[:3]
        if _by_onednn(weight, threads):
            return _convolution_backward(gradient, source, weight, result, threads)
        return _columns_backward(gradient, source, weight, result, threads)
    if operator in PRODUCTS:
        return _sums(result)
    if operator in ARITHMETIC:
        return _promoted(arguments, result)
    return 0


def cuda_scratch(operator: Any, arguments: tuple[Any, ...], result: Any) -> int:
    """Return what a CUDA kernel takes from PyTorch's allocator beside its tensors, in bytes."""
    if operator in (aten._fft_r2c.default, aten._fft_c2c.default):
        return _bytes(result)
    if operator is aten._fft_c2r.default:
        return _bytes(arguments[0]) + _bytes(result)
    if operator is aten.convolution.default and arguments[8] == 1:
        return _copied(*arguments[:2], result)
    if operator is aten.convolution_backward.default and arguments[9] == 1:
        # The gradients of the input and of the weights are computed one after the other.
        gradient, source, weight = arguments[:3]
        to_source, to_weight = result[:2]
        return max(
            _copied(gradient, weight, *([] if to_source is None else [to_source])),
            _copied(gradient, source, *([] if to_weight is None else [to_weight])),
        )
    return 0


def _copied(*tensors: Tensor) -> int:
    """Return the bytes of what cuDNN copies into its own order; of one pixel it is any order."""
    return sum(_bytes(part) for part in tensors if not _is_channels_last(part))


def noting_products(scratch: Scratch, products: set[Product]) -> Scratch:
    """Return `scratch`, which also notes what different products of matrices it is asked for."""

    def noted(operator: Any, arguments: tuple[Any, ...], result: Any) -> int:
        if operator in ALL_PRODUCTS:
            shapes = (part.shape for part in arguments if isinstance(part, Tensor))
            products.add((operator, result.element_size(), *shapes))
        return scratch(operator, arguments, result)

    return noted


def generated(products: Iterable[Product]) -> int:
    """Return how many products oneDNN generates code for: those in 16 bits."""
    return sum(size == 2 for _, size, *_ in products) if has_16_bit_kernels() else 0


def _by_onednn(weight: Tensor, threads: int) -> bool:
    """Return whether oneDNN computes a convolution.

    One of 1 x 1 in 32 bits and a single thread is a plain matrix product in PyTorch's own
    kernel (`use_mkldnn` in aten/src/ATen/native/Convolution.cpp, ConvolutionMM2d.cpp).
    """
    if weight.element_size() == 2:
        return has_16_bit_kernels()
    return threads > 1 or weight[0, 0].numel() > 1


@functools.cache
def has_16_bit_kernels() -> bool:
    """Return whether oneDNN computes in bfloat16 on this CPU."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _columns_forward(source: Tensor, weight: Tensor, result: Tensor, threads: int) -> int:
    """Return the bytes of the columns of all images, and of the sums of those in work."""
    window = weight[0, 0].numel()
    columns = 0 if window == 1 else _columns(source, result, window)
    return columns + min(threads, len(source)) * _sums(result) // len(source)


def _columns_backward(
    gradient: Tensor,
    source: Tensor,
    weight: Tensor,
    results: tuple[Tensor | None, ...],
    threads: int,
) -> int:
    """Return the bytes of the gradient of columns and its sums, or of all columns."""
    window = weight[0, 0].numel()
    columns = _columns(source, gradient, window)
    wide = 3 if source.element_size() == 2 else 1  # with sums in 32 bits
    in_work = wide * columns * min(threads, len(source)) // len(source)
    stages = [0 if window == 1 else columns]
    if results[0] is not None:
        stages.append(in_work)
    return max(stages)


def _columns(source: Tensor, result: Tensor, window: int) -> int:
    """Return the bytes of what is under the window at each point of the result."""
    points = result[0, 0].numel()
    return len(source) * source.shape[1] * window * points * source.element_size()


def _sums(result: Tensor) -> int:
    """Return the bytes of a product in 32 bits that is rounded to 16 when it is complete."""
    return 0 if result.element_size() != 2 or has_16_bit_kernels() else 4 * result.numel()


def _convolution(source: Tensor, weight: Tensor, result: Tensor) -> int:
    if _channels_last(source, weight):
        return _blocked(weight)
    blocked_result = _blocked(result)
    # First the copies that are computed on, then the result in both layouts.
    computing = _source_copy(source, weight) + _blocked(weight) + blocked_result - _bytes(result)
    return max(computing, blocked_result)


def _convolution_backward(
    gradient: Tensor,
    source: Tensor,
    weight: Tensor,
    results: tuple[Tensor | None, ...],
    threads: int,
) -> int:
    transposed = _transposed(gradient, source, weight, threads)
    if _channels_last(source, weight):
        copied = 0 if _is_channels_last(gradient) else _bytes(gradient)
        return _blocked(weight) + transposed + copied
    source_gradient, weight_gradient = results[0], results[1]
    after = sum(_bytes(part) for part in results if part is not None)
    copied = _blocked(gradient) + (0 if gradient.is_contiguous() else _bytes(gradient))
    stages = [0]
    if source_gradient is not None:
        blocked = _blocked(source_gradient)
        stages.append(copied + _blocked(weight) + blocked - after)
        stages.append(blocked + _bytes(source_gradient) - after)
    if weight_gradient is not None:
        # The gradient of the input is there by now; those of the weights come last.
        stages.append(copied + _source_copy(source, weight) + _blocked(weight) + transposed)
    return max(stages)


def _transposed(gradient: Tensor, source: Tensor, weight: Tensor, threads: int) -> int:
    """Return the bytes of oneDNN's work area for the weights' gradient in 16 bits.

    The kernel wants points, not channels, in pairs: it transposes images of input and of gradient
    (jit_avx512_core_bf16_conv_bwd_weights, `tr_src` and `tr_diff_dst`). Those for 1 x 1 and for
    inputs of few channels do not.
    """
    if source.element_size() != 2 or weight[0, 0].numel() == 1:
        return 0
    if source.shape[1] <= FIRST_LAYER_CHANNELS:
        return 0
    images = min(threads, MOST_TRANSPOSED)
    fewer, more = sorted((source.shape[1], gradient.shape[1]))
    if not (_channels_last(source, weight) and fewer < _block() < more):
        # Padded to blocks; with channels last a few of them are not.
        fewer, more = sorted((_blocks(source), _blocks(gradient)))
    if more >= UNEQUAL_CHANNELS * fewer:
        images = max(1, images // 2)
    return images * (_blocked(source) + _blocked(gradient)) // len(source)


def _promoted(arguments: tuple[Any, ...], result: Tensor) -> int:
    """Return the bytes of the copies of operands in 16 bits that are computed on in 32 bits.

    CPU kernels take one type only (TensorIterator); under autocast operands differ.
    """
    return sum(
        part.numel() * result.element_size()
        for part in arguments
        if isinstance(part, Tensor) and part.dim() > 0 and part.dtype != result.dtype
    )


def _source_copy(source: Tensor, weight: Tensor) -> int:
    """Return the bytes of the input's copy in blocked layout, and of one to make it contiguous."""
    plain = source.shape[1] <= FIRST_LAYER_CHANNELS and weight[0, 0].numel() > 1
    copy = 0 if plain else _blocked(source)
    return copy + (0 if source.is_contiguous() else _bytes(source))


def _channels_last(source: Tensor, weight: Tensor) -> bool:
    return _is_channels_last(source) or _is_channels_last(weight)


def _is_channels_last(tensor: Tensor) -> bool:
    """Return whether channels stand last in memory, and not in the usual order just as well."""
    return (
        tensor.dim() == 4
        and tensor.is_contiguous(memory_format=torch.channels_last)
        and not tensor.is_contiguous()
    )


def _blocked(tensor: Tensor) -> int:
    """Return the bytes of a tensor whose second dimension is padded to whole blocks.

    For weights [out, in, ...] both leading dimensions are; the difference is small.
    """
    return _bytes(tensor) // max(tensor.shape[1], 1) * _blocks(tensor) * _block()


def _blocks(tensor: Tensor) -> int:
    """Return the number of blocks of channels."""
    return -(-tensor.shape[1] // _block())


def _block() -> int:
    return BLOCK.get(torch.backends.cpu.get_cpu_capability(), 1)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
