"""Bits of a classifier: stored, rounded, and as a compressed file that gives the weights back."""

import lzma
import math
from fractions import Fraction

import numpy as np
import pytest

from boundcheck.quantities import Study, file_bits, parameter_bits, quantized_bits
from boundcheck.quantities.description import compressed
from boundcheck.run import stored_arrays


def decoded(file, like):
    """The arrays of a compressed file, from the shapes and dtypes of the architecture alone."""
    data, arrays = lzma.decompress(file), []
    for _, array in stored_arrays(like):
        size = array.size * array.itemsize
        planes = np.frombuffer(data[:size], np.uint8).reshape(array.itemsize, array.size)
        arrays.append(np.ascontiguousarray(planes.T).view(array.dtype).reshape(array.shape))
        data = data[size:]
    assert data == b""
    return arrays


def test_the_file_gives_the_weights_back_bit_by_bit(small_run):
    arrays = decoded(compressed(small_run), small_run.params)
    for (_, array), again in zip(stored_arrays(small_run.params), arrays, strict=True):
        assert array.tobytes() == again.tobytes()


@pytest.mark.parametrize("shape", [(), (1,), (4, 3, 2)])
def test_arrays_of_every_shape(small_run, shape):
    rng = np.random.default_rng(1)
    params = {"a": rng.normal(size=shape), "b": rng.normal(size=shape).astype(np.float16), "c": np.arange(3)}
    run = small_run.with_params(params)
    for (_, array), again in zip(stored_arrays(params), decoded(compressed(run), params), strict=True):
        assert array.tobytes() == again.tobytes()


def test_bits_of_the_three_codes(small_run):
    study = Study(small_run, Fraction(1, 20))
    size = len(compressed(small_run))
    bits = study.measure(file_bits).value
    assert float(bits.lo) == pytest.approx(8 * size + math.log2(size * (size + 1)), rel=1e-14)
    assert float(bits.hi - bits.lo) < 1e-20
    assert study.measure(parameter_bits).value.contains(32 * 96)
    assert study.measure(quantized_bits).value.contains(8 * 96 + 64)


def test_weights_that_repeat_make_a_short_file(small_run):
    flat = {name: np.ones((200, 200), np.float32) for name in small_run.params}
    assert len(compressed(small_run.with_params(flat))) < 500


def test_the_prior_over_files_sums_to_at_most_one():
    """256^l files of l bytes, each with weight 2^-8l / (l (l + 1))."""
    assert sum(Fraction(1, length * (length + 1)) for length in range(1, 2000)) < 1
