"""Operations as lines of code: what NumPy, PyTorch and JAX write the same, what not, and the helpers this needs."""

from __future__ import annotations

# What is written the same in all three; {0}, {1} are registers and {xp} the library.
WRITTEN = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "pow": "{0} ** {1}",
    "matmul": "{0} @ {1}",
    "outer": "{0}[:, None] * {1}",
    "scale_rows": "{0}[:, None] * {1}",
    "gram": "({0}.T * {1}) @ {0}",
    "scale_columns": "{0} * {1}",
    "T": "{0}.T",
    "own": "{xp}.copy({0})",
    "sum": "{0}.sum()",
    "mean": "{0}.mean()",
    "rowsum": "{0}.sum(1)",
    "colsum": "{0}.sum(0)",
    "max": "{0}.max()",
    "min": "{0}.min()",
    "norm1": "{xp}.abs({0}).sum()",
    "norm2": "{xp}.linalg.norm({0})",
    "tr": "{xp}.trace({0})",
    "det": "{xp}.linalg.det({0})",
    "logdet": "{xp}.linalg.slogdet({0})[1]",
    "inv": "{xp}.linalg.inv({0})",
    "solve": "{xp}.linalg.solve({0}, {1})",
    "diag": "{xp}.diag({0})",
    "diagonal": "{xp}.diag({0})",
    "vec": "{0}.T.reshape(-1)",
    "kron": "{xp}.kron({0}, {1})",
    "as_row": "{0}[None, :]",
    "as_column": "{0}[:, None]",
    "as_vector": "{xp}.reshape({0}, (1,))",
    "as_one": "{xp}.reshape({0}, (1, 1))",
    "exp": "{xp}.exp({0})",
    "log": "{xp}.log({0})",
    "sin": "{xp}.sin({0})",
    "cos": "{xp}.cos({0})",
    "tan": "{xp}.tan({0})",
    "sinh": "{xp}.sinh({0})",
    "cosh": "{xp}.cosh({0})",
    "tanh": "{xp}.tanh({0})",
    "asin": "{xp}.arcsin({0})",
    "acos": "{xp}.arccos({0})",
    "atan": "{xp}.arctan({0})",
    "sqrt": "{xp}.sqrt({0})",
    "abs": "{xp}.abs({0})",
    "sign": "{xp}.sign({0})",
    "maximum": "{xp}.where({0} >= {1}, {0}, {1})",
    "minimum": "{xp}.where({0} <= {1}, {0}, {1})",
}
# What is not; helpers are written above the function that needs them.
OWN: dict[str, dict[str, str]] = {
    "numpy": {
        "relu": "np.maximum({0}, 0)",
        "softplus": "np.logaddexp(0, {0})",
        "sigmoid": "sigmoid({0})",
        "sigmoid_of_negative": "sigmoid(-{0})",
        "softmax": "softmax({0})",
        "log_softmax": "log_softmax({0})",
        "logsumexp": "logsumexp({0})",
        "erf": "erf({0})",
        "gelu": "{0} * (1 + erf({0} / 2**0.5)) / 2",
        "add_diagonal": "add_diagonal({0}.copy(), {1})",
        "onto_diagonal": "add_diagonal({0}, {1})",
        "gram": "gram({0}, {1})",
    },
    "torch": {
        "relu": "torch.relu({0})",
        "softplus": "torch.logaddexp({0}, torch.zeros_like({0}))",
        "sigmoid": "torch.sigmoid({0})",
        "sigmoid_of_negative": "torch.sigmoid(-{0})",
        "softmax": "torch.softmax({0}, -1)",
        "log_softmax": "torch.log_softmax({0}, -1)",
        "logsumexp": "torch.logsumexp({0}, -1)",
        "erf": "torch.erf({0})",
        "gelu": "torch.nn.functional.gelu({0})",
        "gram": "gram({0}, {1})",
        "own": "{0}.clone()",
        "kron": "torch.kron({0}.contiguous(), {1}.contiguous())",
        "add_diagonal": "torch.diagonal_scatter({0}, torch.diagonal({0}) + {1})",
        "onto_diagonal": "torch.diagonal_scatter({0}, torch.diagonal({0}) + {1})",
    },
    "jax": {
        "relu": "jnp.maximum({0}, 0)",
        "softplus": "jnp.logaddexp({0}, 0)",
        "sigmoid": "jax.nn.sigmoid({0})",
        "sigmoid_of_negative": "jax.nn.sigmoid(-{0})",
        "softmax": "jax.nn.softmax({0}, -1)",
        "log_softmax": "jax.nn.log_softmax({0}, -1)",
        "logsumexp": "jax.nn.logsumexp({0}, -1)",
        "erf": "jax.scipy.special.erf({0})",
        "gelu": "jax.nn.gelu({0}, approximate=False)",
        "add_diagonal": "{0}.at[jnp.diag_indices({0}.shape[0])].add({1})",
        "onto_diagonal": "{0}.at[jnp.diag_indices({0}.shape[0])].add({1})",
    },
}
HELPERS = {
    "sigmoid": (
        "def sigmoid(x):\n"
        "    with np.errstate(over='ignore'):\n"
        "        e = np.exp(-x)\n"
        "    e += 1\n"
        "    return 1 / e\n"
    ),
    "softmax": (
        "def softmax(x):\n"
        "    e = np.exp(x - x.max(-1, keepdims=True))\n"
        "    e /= e.sum(-1, keepdims=True)\n"
        "    return e\n"
    ),
    "log_softmax": (
        "def log_softmax(x):\n"
        "    shifted = x - x.max(-1, keepdims=True)\n"
        "    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))\n"
    ),
    "logsumexp": (
        "def logsumexp(x):\n"
        "    top = x.max(-1)\n"
        "    return top + np.log(np.exp(x - top[..., None]).sum(-1))\n"
    ),
    "erf": (
        "def erf(x):\n"
        "    return np.vectorize(math.erf, otypes=[np.result_type(x, 0.0)])(x)\n"
    ),
    "add_diagonal": (
        "def add_diagonal(x, v):\n"
        "    x = x.astype(np.result_type(x, v), copy=False)\n"
        "    np.einsum('ii->i', x)[...] += v\n"
        "    return x\n"
    ),
    "gram": (
        "def gram(x, v):\n"
        "    x = np.sqrt(v)[:, None] * x\n"
        "    return x.T @ x  # which NumPy sees to be symmetric: half the work\n"
    ),
}  # fmt: skip
TORCH_HELPERS = {
    "gram": (
        "def gram(x, v):\n"
        "    half = x.shape[1] // 2\n"
        "    scaled = x.T * v\n"
        "    left, corner = scaled @ x[:, :half], scaled[half:] @ x[:, half:]\n"
        "    return torch.cat([left, torch.cat([left[half:].T, corner])], 1)  # symmetric: three quarters of the work\n"
    ),
}  # fmt: skip
HELPERS_OF = {"numpy": HELPERS, "torch": TORCH_HELPERS, "jax": {}}
# Of operations whose helper has another name.
HELPER_OF = {"gelu": "erf", "onto_diagonal": "add_diagonal", "sigmoid_of_negative": "sigmoid"}
IMPORTS = {
    "numpy": "import numpy as np\n",
    "torch": "import torch\n",
    "jax": "import jax\nimport jax.numpy as jnp\n",
}
LIBRARY = {"numpy": "np", "torch": "torch", "jax": "jnp"}
