from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from boundcheck import weights
from boundcheck.errors import RunError
from boundcheck.models import MLPSpec, build, split

SPEC = MLPSpec(name="mlp", hidden=(5,))


def params(seed: int = 0):
    return split(build(SPEC, (3, 2, 1), 4, jax.random.key(seed)))[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def stored(path: Path, **changes: np.ndarray | None) -> Path:
    arrays = weights.flatten(params())
    names = {"weight": "layers[0].weight", "bias": "layers[1].bias", "foreign": "layers[2].weight"}
    for key, array in changes.items():
        if array is None:
            del arrays[names[key]]
        else:
            arrays[names[key]] = array
    path.write_bytes(safetensors.numpy.save(arrays))
    return path


def test_every_bit_survives(path: Path):
    tree = params()
    bits = np.array([0x80000000, 0x00000001, 0x7F7FFFFF, 0x3F800001, 0xFF7FFFFF], np.uint32).view(np.float32)
    tree = jax.tree.map(np.array, tree)
    tree.layers[0].bias[:] = bits
    weights.save(path, tree)
    loaded = weights.load(path, params(1))
    for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(loaded), strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


def test_names_are_readable_paths(path: Path):
    weights.save(path, params())
    assert sorted(safetensors.numpy.load_file(path)) == [
        "layers[0].bias",
        "layers[0].weight",
        "layers[1].bias",
        "layers[1].weight",
    ]


def test_scalars_dictionaries_and_transposed_arrays_survive(path: Path):
    tree = {"a": [np.float32(3), np.arange(6, dtype=np.float32).reshape(2, 3).T]}
    weights.save(path, tree)
    loaded = weights.load(path, tree)
    assert loaded["a"][0].shape == ()
    assert np.array_equal(loaded["a"][1], tree["a"][1])


def test_shapes_alone_suffice_to_load(path: Path):
    weights.save(path, params())
    like = jax.eval_shape(params)
    assert np.array_equal(weights.load(path, like).layers[0].weight, params().layers[0].weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": None}, r"holds no tensor 'layers\[0\].weight'; float32 \[5, 6\] is needed"),
        (
            {"foreign": np.zeros(3, np.float32)},
            r"holds a tensor 'layers\[2\].weight', which the network lacks",
        ),
        ({"bias": np.zeros(3, np.float32)}, r"'layers\[1\].bias' is float32 \[3\]; float32 \[4\] is needed"),
        ({"bias": np.zeros(4)}, r"'layers\[1\].bias' is float64 \[4\]; float32 \[4\] is needed"),
        ({"bias": np.array([0, 1, np.nan, 2], np.float32)}, r"'layers\[1\].bias' contains nan or infinity"),
        ({"weight": np.full((5, 6), -np.inf, np.float32)}, r"'layers\[0\].weight' contains nan or infinity"),
    ],
)
def test_a_wrong_tensor_is_named(path: Path, changes: dict[str, np.ndarray | None], message: str):
    with pytest.raises(RunError, match=message):
        weights.load(stored(path, **changes), params())


def test_a_missing_file_is_named(path: Path):
    with pytest.raises(
        RunError, match=r"weights.safetensors is missing; a safetensors file of weights is needed"
    ):
        weights.load(path, params())


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int):
    weights.save(path, params())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match="is not a whole safetensors file"):
        weights.load(path, params())


def test_a_foreign_file_is_refused(path: Path):
    path.write_bytes(b"PK\x03\x04 this is an archive of something else, as its first bytes say")
    with pytest.raises(RunError, match="is not a whole safetensors file"):
        weights.load(path, params())


def test_a_directory_is_refused(path: Path):
    path.mkdir()
    with pytest.raises(RunError, match="is not a whole safetensors file"):
        weights.load(path, params())
