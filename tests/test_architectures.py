"""The benchmark networks have the size that their papers state, and are networks of the tracer's kind."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from boundcheck.network import Affine, Join, Relu, trace
from boundcheck.network.nonlinear import MaxPool

_FILE = Path(__file__).parents[1] / "benchmarks" / "architectures.py"


@pytest.fixture(scope="module")
def architectures():
    spec = importlib.util.spec_from_file_location("architectures", _FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["architectures"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["architectures"]


def test_the_small_inception_network_has_the_parameters_of_zhang_et_al(architectures):
    f, params, example = architectures.inception(seed=3)
    assert architectures.trainable(params) == architectures.INCEPTION_PARAMETERS == 1_649_402
    assert example.shape == (28, 28, 3)
    network = trace(f, params, example)
    assert network.classes == 10
    count = {
        kind: sum(isinstance(n.operation, kind) for n in network.nodes)
        for kind in (Affine, Relu, Join, MaxPool)
    }
    # 3 modules outside of blocks, 2 in each of 8 blocks, and the dense layer; the blocks and the two poolings join.
    assert count == {Affine: 20, Relu: 19, Join: 10, MaxPool: 2}
    assert sum(not piece.free for piece in network.affine) == 20
    assert [piece.biases for piece in network.affine][-1] == 10
    chain = network.chain(biases=True)
    assert chain
    assert [len(layer.learned) for layer in chain.layers] == [1, 2, 2, 1, 2, 2, 2, 2, 1, 2, 2, 1]


def test_resnet18_is_traced_with_every_normalization_folded(architectures):
    f, params, example = architectures.resnet18(seed=3)
    assert architectures.trainable(params) == 11_173_962
    network = trace(f, params, example)
    assert [type(n.operation) for n in network.nodes].count(Affine) == 21
    assert [type(n.operation) for n in network.nodes].count(Join) == 8
    assert len(network.nonlinear) == 17
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", ["inception", "resnet18"])
def test_traced_logits_are_the_function(architectures, name):
    f, params, example = getattr(architectures, name)(seed=1)
    x = np.random.default_rng(0).normal(size=(3, *example.shape)).astype(np.float32)
    logits, radius = trace(f, params, example).enclose(x)
    expected = np.asarray(jax.jit(jax.vmap(f, (None, 0)))(params, x))
    scale = np.abs(expected).max()
    assert np.abs(logits - expected).max() < 1e-4 * scale
    assert radius.max() < 1e-3 * scale


def test_every_norm_of_the_small_inception_network_is_known_to_one_in_a_thousand(architectures):
    network = trace(*architectures.inception(seed=2))
    cheap = network.spectral_norms()
    for piece, norm, wider in zip(network.affine, network.spectral_norms(gap=1e-3), cheap, strict=True):
        assert norm.hi <= norm.lo * (1 + 1e-3), piece.label
        assert norm.lo >= wider.lo
        assert norm.hi <= wider.hi
        assert piece.method
