"""Random image programs are traced to the same function."""

# Arrays of fractions have no types, and the generator defines one function a branch.
# pyright: reportRedeclaration=false, reportCallIssue=false, reportAssignmentType=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from independent import assert_same_function, conv, max_pool, normal, sum_pool

from boundcheck.network import Chain
from boundcheck.network.nonlinear import Nonlinearity

# Random programs ------------------------------------------------------------------------------------------------


class Program:
    """A random image program: a list of steps on maps, each with its weights."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        self.params, self.steps = [], []
        shape = (*map(int, rng.integers(3, 7, 2)), int(rng.integers(1, 4)))
        self.example = np.zeros(shape, np.float32)
        shapes = [shape]
        for _ in range(int(rng.integers(3, 8))):
            shapes.append(self.step(shapes))
        self.classes = int(rng.integers(2, 4))
        self.dense = self.weight(int(np.prod(shapes[-1])), self.classes)

    def weight(self, *shape):
        self.params.append(normal(*shape, seed=int(self.rng.integers(2**31))))
        return len(self.params) - 1

    def choose(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def step(self, shapes):
        """Add a step on the newest map, maybe with an older one; the new shape."""
        h, w, c = shapes[-1]
        kind = self.choose(
            *["conv"] * 5,
            "scale",
            "relu",
            "relu",
            "leaky",
            "tanh",
            "clip",
            "max",
            "mean",
            "skip",
            "join",
            "pad",
        )
        last = len(shapes) - 1
        older = [i for i, s in enumerate(shapes[:-1]) if s[:2] == (h, w)]
        if kind == "conv":
            size = [int(self.rng.integers(1, 4)) for _ in range(2)]
            stride, dilation = self.choose(1, 1, 2), self.choose(1, 1, 2)
            groups = self.choose(1, 1, c)
            out = groups * int(self.rng.integers(1, 3)) if groups > 1 else int(self.rng.integers(1, 5))
            kernel = self.weight(*size, c // groups, out)
            bias = self.weight(1, out) if self.rng.random() < 0.5 else None
            pad = tuple(
                (int(self.rng.integers(-1, 3)) + dilation, int(self.rng.integers(0, 3)) + dilation)
                for _ in "hw"
            )

            def apply(p, maps):
                y = conv(maps[last], p[kernel], stride, groups, dilation, pad)
                return y if bias is None else y + p[bias][0]

        elif kind == "scale":
            field = self.choose((c,), (1, 1, c), (h, 1, 1), (h, w, c))
            a, b = self.weight(*field), self.weight(*field)

            def apply(p, maps):
                return maps[last] * p[a] + p[b]

        elif kind in ("relu", "leaky", "tanh", "clip"):
            functions = {
                "relu": jax.nn.relu,
                "leaky": lambda v: jax.nn.leaky_relu(v, 0.25),
                "tanh": jnp.tanh,
                "clip": lambda v: jnp.clip(v, 0.125, 0.75),
            }

            def apply(p, maps):
                return functions[kind](maps[last])

        elif kind in ("max", "mean"):
            size, stride, pad = self.choose(2, 3), self.choose(1, 2), self.choose("SAME", "VALID")

            def apply(p, maps):
                if kind == "max":
                    return max_pool(maps[last], size, stride, pad)
                return sum_pool(maps[last], size, stride, pad) / 4

            if pad == "VALID" and min(h, w) < 3:
                return self.step(shapes)
        elif kind == "skip" and older:
            other = self.choose(*older)
            minus, flip = self.rng.random() < 0.5, self.rng.random() < 0.3

            def apply(p, maps):
                a, b = maps[last], maps[other]
                b = b[..., :1] if b.shape[-1] != a.shape[-1] else b
                b = jnp.broadcast_to(b[::-1] if flip else b, a.shape)
                return a - b if minus else (jnp.maximum(a, b) if flip else a + b)

        elif kind == "join" and older:
            other, first = self.choose(*older), self.rng.random() < 0.5

            def apply(p, maps):
                parts = [maps[other], maps[last]]
                return jnp.concatenate(parts if first else parts[::-1], axis=-1)

        else:
            how = self.choose("zero", "one", "wrap", "flip", "rows", "repeat", "transpose", "gather", "roll")

            def apply(p, maps):
                v = maps[last]
                around = ((1, 1), (0, 1), (0, 0))
                return {
                    "zero": lambda: jnp.pad(v, around),
                    "one": lambda: jnp.pad(v, around, constant_values=1),
                    "wrap": lambda: jnp.pad(v, around, mode="wrap"),
                    "flip": lambda: v[:, ::-1],
                    "rows": lambda: v[1:],
                    "repeat": lambda: jnp.repeat(v, 2, axis=0)[:8],
                    "transpose": lambda: v.transpose(1, 0, 2),
                    "gather": lambda: v[:, jnp.array([1, 0, 1])],
                    "roll": lambda: jnp.roll(v, 1, axis=1),
                }[how]()

        maps = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
        try:
            after = jax.eval_shape(apply, self.params, maps).shape
        except (ValueError, TypeError):
            after = (0,)
        if min(after) < 2 - (len(after) == 3 and after[2] == 1) or np.prod(after) > 400:
            return self.step(shapes)
        self.steps.append((kind, apply))
        return after

    def __call__(self, p, x):
        maps = [x]
        for _, apply in self.steps:
            maps.append(apply(p, maps))
        return maps[-1].reshape(-1) @ p[self.dense]


@pytest.mark.parametrize("seed", range(64))
def test_random_image_programs_are_traced_to_the_same_function(seed):
    program = Program(seed)
    network = assert_same_function(program, program.params, program.example, seed=seed)
    assert network.classes == program.classes
    learned = [piece for piece in network.affine if piece.learned]
    assert learned
    chain = network.chain(biases=True)
    if not isinstance(network.nodes[1].operation, Nonlinearity):
        assert isinstance(chain, Chain)
