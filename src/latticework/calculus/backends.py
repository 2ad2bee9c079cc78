"""How a program is called and how it is written: NumPy, PyTorch and JAX.

Every operation is here twice, as a function and as a line of code. The functions are called directly; nothing that a
user typed is ever evaluated.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.evaluate import erf
from latticework.calculus.expression import Expr
from latticework.calculus.program import Instruction, Program, program, spent_inputs
from latticework.calculus.text import labels
from latticework.core.errors import InputError, require

LANGUAGES = ("numpy", "torch", "jax")

# What is written the same in all three; {0}, {1} are registers and {xp} the library.
_WRITTEN = {
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
    "copy": "{0}",
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
    "as_vector": "{0}.reshape(1)",
    "as_one": "{0}.reshape(1, 1)",
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
_OWN: dict[str, dict[str, str]] = {
    "numpy": {
        "scalar": "np.asarray({0}, float)",
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
        "scalar": "torch.tensor({0}, dtype=torch.float64)",
        "relu": "torch.relu({0})",
        "softplus": "torch.logaddexp({0}, torch.zeros_like({0}))",
        "sigmoid": "torch.sigmoid({0})",
        "sigmoid_of_negative": "torch.sigmoid(-{0})",
        "softmax": "torch.softmax({0}, -1)",
        "log_softmax": "torch.log_softmax({0}, -1)",
        "logsumexp": "torch.logsumexp({0}, -1)",
        "erf": "torch.erf({0})",
        "gelu": "torch.nn.functional.gelu({0})",
        "add_diagonal": "torch.diagonal_scatter({0}, torch.diagonal({0}) + {1})",
        "onto_diagonal": "torch.diagonal_scatter({0}, torch.diagonal({0}) + {1})",
    },
    "jax": {
        "scalar": "jnp.asarray({0}, float)",
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
_HELPERS = {
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
    "erf": "erf = np.vectorize(math.erf, otypes=[float])\n",
    "add_diagonal": (
        "def add_diagonal(x, v):\n"
        "    np.einsum('ii->i', x)[...] += v\n"
        "    return x\n"
    ),
    "gram": (
        "def gram(x, v):\n"
        "    x = np.sqrt(v)[:, None] * x\n"
        "    return x.T @ x  # which NumPy sees to be symmetric: half the work\n"
    ),
}  # fmt: skip
_NEEDS = {"gelu": "erf", "onto_diagonal": "add_diagonal", "sigmoid_of_negative": "sigmoid"}
_IMPORTS = {
    "numpy": "import numpy as np\n",
    "torch": "import torch\n",
    "jax": "import jax\nimport jax.numpy as jnp\n",
}
_LIBRARY = {"numpy": "np", "torch": "torch", "jax": "jnp"}
_LIBRARIES = ("np", "torch", "jax", "jnp", "math")
_KEYWORDS = frozenset((*_LIBRARIES, *_HELPERS))


def source(root: Expr, language: str, *, name: str = "derivative", parameters: Mapping[str, Expr] | None = None) -> str:
    """The code of a function that computes an expression.

    Parameters
    ----------
    root
        What to compute.
    language
        "numpy", "torch" or "jax".
    name
        Of the function.
    parameters
        Variables that it takes, in order; those of the expression if missing.

    Raises
    ------
    InputError
        If there is no such language, or a size that no parameter tells.

    Examples
    --------
    >>> from latticework.calculus.parser import parse
    >>> print(source(parse("X'*(X*w - y)", {"X": "N,n", "w": "n", "y": "N"}), "numpy", name="gradient"))
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def gradient(X, w, y):
        a = X.T
        b = X @ w
        c = b - y
        return a @ c
    <BLANKLINE>
    """
    check_language(language)
    found = program(root, parameters)
    return _written(found, language, name)


def check_language(language: str) -> None:
    """Refuse a language that code cannot be written in."""
    if language not in LANGUAGES:
        raise InputError(f"language={language!r}: expected one of {', '.join(LANGUAGES)}")


def _written(found: Program, language: str, name: str) -> str:
    names = _names(found, language)
    own = _OWN[language]
    body: list[str] = []
    helpers: set[str] = set()
    written: dict[int, str] = {}
    for size, (parameter, axis, dim) in found.sizes.items():
        body.append(f"{names[size]} = {_told(f'{names[parameter]}.shape[{axis}]', dim, size)}")
    registers = _register_names(found, set(names.values()) | _KEYWORDS)
    last = len(found.instructions) - 1
    plain = _plain_numbers(found)
    like = _like(found, language, names) or (", dtype=torch.float64" if language == "torch" else "")

    def as_array(register: int) -> str:
        return f"{_LIBRARY[language]}.asarray({written[register]}{like})"

    for place, each in enumerate(found.instructions):
        strict = _needs_arrays(each, language, plain)
        inputs = [as_array(register) if strict and register in plain else written[register] for register in each.inputs]
        line = _line(each, inputs, language, found, names)
        if language == "numpy" and each.op in own:
            helper = _NEEDS.get(each.op, each.op)
            helpers |= {helper} & _HELPERS.keys()
        if place == last:
            body.append(f"return {line}")
        elif each.op in ("var", "number"):
            written[place] = line
        else:
            written[place] = next(registers)
            body.append(f"{written[place]} = {line}")
    imports = _IMPORTS[language]
    if "erf" in helpers:
        imports = "import math\n\n" + imports
    blocks = [_HELPERS[helper] for helper in _HELPERS if helper in helpers]
    parameters = ", ".join(names[parameter] for parameter in found.variables)
    function = f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in body)
    return "\n\n".join([imports, *blocks, function])


def _told(length: str, dim: Dim, size: str) -> str:
    """The size from the length of an axis: `X.shape[0]`, or `W.shape[1] - 1` where that axis is n + 1."""
    slope = next(coefficient for symbols, coefficient in dim.terms if symbols == (size,))
    offset = next((coefficient for symbols, coefficient in dim.terms if not symbols), 0)
    shifted = f"{length} - {offset}" if offset > 0 else f"{length} + {-offset}" if offset else length
    return shifted if slope == 1 else f"({shifted}) // {slope}"


def _names(found: Program, language: str) -> dict[str, str]:
    """Names for variables and sizes that clash with nothing in the code."""
    import keyword

    taken: set[str] = set()
    names: dict[str, str] = {}
    for name in [*found.variables, *found.sizes]:
        if name in names:
            continue
        safe = name
        while safe in taken or safe in _KEYWORDS or keyword.iskeyword(safe) or safe.startswith("__"):
            safe = f"{safe.strip('_')}_"
        taken.add(safe)
        names[name] = safe
    return names


def _register_names(found: Program, taken: set[str]) -> Any:
    import itertools
    import keyword

    letters = "abcdefghijklmnopqrstuvwxyz"
    for length in itertools.count(1):
        for letter in itertools.product(letters, repeat=length):
            name = "".join(letter)
            if name not in taken and not keyword.iskeyword(name):
                yield name


def _line(each: Instruction, inputs: Sequence[str], language: str, found: Program, names: Mapping[str, str]) -> str:
    xp = _LIBRARY[language]
    op, data = each.op, each.data
    if op == "var":
        return names[data]
    if op == "number":
        return repr(data)
    template = _OWN[language].get(op) or _WRITTEN.get(op)
    if template is not None:
        return template.format(*inputs, xp=xp)
    if op == "compare":
        first = _first(found)
        if language == "torch" and first is not None:
            return f"({inputs[0]} {data} {inputs[1]}).to({names[first]}.dtype)"
        return f"({inputs[0]} {data} {inputs[1]}) + 0.0"
    if op == "stack":
        function = "cat" if language == "torch" else "concatenate"
        return f"{xp}.{function}([{', '.join(inputs)}], {data})"
    if op == "index":
        return f"{inputs[0]}[{', '.join(_slice(spec, names) for spec in data)}]"
    if op == "einsum":
        *ins, out = labels((*data[0], data[1]))
        optimize = ", optimize=True" if language == "numpy" and _contracts(data) else ""
        return f'{xp}.einsum("{",".join(ins)}->{out}", {", ".join(inputs)}{optimize})'
    if op == "size":
        return _size(data, names)
    if op == "unvec":
        rows, columns = (_size(size, names) for size in data)
        return f"{inputs[0]}.reshape({columns}, {rows}).T"
    like = _like(found, language, names)
    if op in ("ones", "zeros"):
        sizes = ", ".join(_size(size, names) for size in data)
        return f"{xp}.{op}(({sizes}{',' if len(data) == 1 else ''}){like})"
    if op == "eye":
        return f"{xp}.eye({_size(data, names)}{like})"
    if op == "unit":
        return f"{xp}.eye({_size(data[0], names)}{like})[:, {_place(data[1], names)}]"
    if op == "embed":
        length, low, width = data
        return f"{xp}.eye({_size(length, names)}{like})[:, {_slice((low, low + width - ONE), names)}]"
    if op == "pairing":
        rows, columns = (_size(size, names) for size in data)
        whole = f"({rows}) * ({columns})" if "*" in rows + columns or " " in rows + columns else f"{rows} * {columns}"
        axes = "permute(0, 2, 1)" if language == "torch" else "transpose(0, 2, 1)"
        return f"{xp}.eye({whole}{like}).reshape({whole}, {columns}, {rows}).{axes}"
    raise InputError(f"{op} cannot be exported")


_ARITHMETIC = frozenset(["number", "size", "add", "sub", "mul", "div", "neg", "pow", "copy"])
_METHODS = frozenset(["as_vector", "as_one", "sum", "mean", "max", "min"])  # that only arrays have


def _plain_numbers(found: Program) -> set[int]:
    """Registers that hold a number of Python's, not an array."""
    plain: set[int] = set()
    for place, each in enumerate(found.instructions):
        if each.op in _ARITHMETIC and plain.issuperset(each.inputs):
            plain.add(place)
    return plain


def _needs_arrays(each: Instruction, language: str, plain: set[int]) -> bool:
    """Whether an instruction cannot take a number of Python's."""
    if each.op == "scalar":
        return False
    if each.op in _METHODS:
        return True
    if language != "torch" or each.op in _ARITHMETIC:
        return False
    return each.op not in ("compare", "maximum", "minimum") or plain.issuperset(each.inputs)


def _contracts(data: Any) -> bool:
    """Whether an einsum adds anything up; one that does not has only one order."""
    inputs, output = data
    return {label for labels in inputs for label in labels} != set(output)


def _like(found: Program, language: str, names: Mapping[str, str]) -> str:
    """New arrays have the type of the first parameter that is an array."""
    first = _first(found)
    if first is None:
        return ""
    device = f", device={names[first]}.device" if language == "torch" else ""
    return f", dtype={names[first]}.dtype{device}"


def _first(found: Program) -> str | None:
    """The first parameter that is an array, or else the first."""
    arrays = [name for name, node in found.variables.items() if node.rank]
    return next(iter([*arrays, *found.variables]), None)


def _size(size: Dim, names: Mapping[str, str]) -> str:
    return str(size.replace({name: Dim.symbol(names[name]) for name in size.symbols}))


def _place(size: Dim, names: Mapping[str, str]) -> str:
    """A 1-based place as a 0-based one."""
    return _size(size - ONE, names)


def _slice(spec: tuple[Dim, Dim | None] | None, names: Mapping[str, str]) -> str:
    if spec is None:
        return ":"
    low, high = spec
    return _place(low, names) if high is None else f"{_place(low, names)}:{_size(high, names)}"


def function(root: Expr, language: str, *, parameters: Mapping[str, Expr] | None = None) -> Callable[..., Any]:
    """A function that computes an expression, by the same operations as `source` writes.

    It takes the variables by position or by name: arrays, or lists of numbers.

    Raises
    ------
    InputError
        If there is no such language.
    MissingExtraError
        If the library is not installed.
    """
    check_language(language)
    found = program(root, parameters)
    return _called(found, language)


def _called(found: Program, language: str) -> Callable[..., Any]:
    xp, convert = _library(language)
    operations = _operations(language, xp)
    names, first = list(found.variables), _first(found)
    ranks = [(name, node.rank) for name, node in found.variables.items()]
    spent = spent_inputs(found) if language == "numpy" else {}
    given: list[tuple[int, str]] = []  # registers of variables
    start: list[Any] = [None] * len(found.instructions)  # registers of numbers, and empty ones
    plain = _plain_numbers(found)

    def as_array(value: Any, like: Any) -> Any:
        if language == "torch":
            return xp.as_tensor(value, dtype=xp.float64) if like is None else like.new_tensor(value)
        return xp.asarray(value, dtype=None if like is None else like.dtype)

    steps = []
    for place, each in enumerate(found.instructions):
        if each.op == "var":
            given.append((place, each.data))
        elif each.op == "number":
            start[place] = each.data
        else:
            kind, run = operations(each)
            if place in spent and place not in plain and each.op in _UFUNCS:
                run = _onto(_UFUNCS[each.op], spent[place]) if kind == 2 else _onto_itself(_UFUNCS[each.op])
            numbers = {k for k, register in enumerate(each.inputs) if register in plain}
            if numbers and _needs_arrays(each, language, plain):
                kind, run = 0, _on_arrays(kind, run, numbers, as_array)
            one, two, *_ = (*each.inputs, 0, 0)
            steps.append((place, kind, run, one, two, each.inputs))

    def derivative(*args: Any, **named: Any) -> Any:
        arrays = dict(zip(names, args, strict=False))
        if named or len(args) != len(names):
            if len(args) > len(names) or arrays.keys() & named.keys() or arrays.keys() | named.keys() != set(names):
                got = ", ".join(named) or "no names"
                raise InputError(f"the function takes {', '.join(names)}; got {len(args)} values and {got}")
            arrays.update(named)
        for name, rank in ranks:
            array = arrays[name] = convert(arrays[name])
            if array.ndim != rank:
                shape = found.variables[name].shape_text
                raise InputError(f"{name} is a {shape}, got an array of shape {tuple(array.shape)}")
        sizes = {size: _length(arrays[name].shape[axis], dim, size) for size, (name, axis, dim) in found.sizes.items()}
        values = start.copy()
        for place, name in given:
            values[place] = arrays[name]
        for place, kind, run, one, two, inputs in steps:
            if kind == 2:
                values[place] = run(values[one], values[two])
            elif kind == 1:
                values[place] = run(values[one])
            else:
                like = None if first is None else arrays[first]
                values[place] = run(sizes, like, *[values[register] for register in inputs])
        return values[-1]

    derivative.__doc__ = f"Takes {', '.join(names)}."
    return derivative


def _on_arrays(
    kind: int, run: Callable[..., Any], numbers: set[int], as_array: Callable[[Any, Any], Any]
) -> Callable[..., Any]:
    """The function in its context, with arrays in the place of numbers of Python's."""

    def converted(sizes: Any, like: Any, *inputs: Any) -> Any:
        given = [as_array(value, like) if place in numbers else value for place, value in enumerate(inputs)]
        return run(*given) if kind else run(sizes, like, *given)

    return converted


def _scale_rows(a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(a[:, None], b, out=out)


# What NumPy can write over an operand that is needed no more: new memory costs as much as a sum.
_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "scale_rows": _scale_rows,
    "scale_columns": np.multiply,
    **{name: getattr(np, name) for name in ["exp", "log", "sin", "cos", "tanh", "sqrt"]},
}


def _onto_itself(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: ufunc(a, out=a) if type(a) is np.ndarray else ufunc(a)


def _onto(ufunc: Callable[..., Any], places: tuple[int, ...]) -> Callable[..., Any]:
    """The operation, written over the operand at one of the places that has the shape and the type of the result."""

    def run(a: Any, b: Any) -> Any:
        for place in places:
            spent, other = (b, a) if place else (a, b)
            if type(spent) is np.ndarray:
                if type(other) is np.ndarray:
                    fits = other.dtype == spent.dtype and other.ndim <= spent.ndim
                else:
                    fits = type(other) in (int, float) or getattr(other, "dtype", None) == spent.dtype
                if fits:
                    return ufunc(a, b, out=spent)
        return ufunc(a, b)

    return run


def _length(length: int, dim: Dim, size: str) -> int:
    slope = next(coefficient for symbols, coefficient in dim.terms if symbols == (size,))
    offset = next((coefficient for symbols, coefficient in dim.terms if not symbols), 0)
    return (int(length) - offset) // slope


def _library(language: str) -> tuple[Any, Callable[[Any], Any]]:
    if language == "numpy":
        return np, _as_floats
    if language == "torch":
        torch = require("torch", extra="all", purpose="exporting to PyTorch")
        return torch, lambda value: value if isinstance(value, torch.Tensor) else torch.as_tensor(_as_floats(value))
    jnp = require("jax.numpy", extra="jax", purpose="exporting to JAX")
    return jnp, lambda value: value if hasattr(value, "at") else jnp.asarray(_as_floats(value))


def _as_floats(value: Any) -> Any:
    if type(value) is np.ndarray and value.dtype.kind in "fc":
        return value
    array = np.asarray(value)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


def _operations(language: str, xp: Any) -> Callable[[Instruction], tuple[int, Callable[..., Any]]]:
    """For an instruction, the number of its inputs and its function of them.

    The number is 0 for a function that takes the sizes and an array of the wanted type before them.
    """

    def options(like: Any) -> dict[str, Any]:
        if like is None:
            return {}
        return {"dtype": like.dtype, **({"device": like.device} if language == "torch" else {})}

    plain: dict[str, Callable[..., Any]] = {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "neg": operator.neg,
        "pow": operator.pow,
        "matmul": operator.matmul,
        "outer": lambda a, b: a[:, None] * b,
        "scale_rows": lambda a, b: a[:, None] * b,
        "gram": lambda a, v: (a.T * v) @ a,
        "scale_columns": lambda a, b: a * b,
        "T": lambda a: a.T,
        "copy": lambda a: a,
        "sum": lambda a: a.sum(),
        "mean": lambda a: a.mean(),
        "rowsum": lambda a: a.sum(1),
        "colsum": lambda a: a.sum(0),
        "max": lambda a: a.max(),
        "min": lambda a: a.min(),
        "norm1": lambda a: xp.abs(a).sum(),
        "norm2": lambda a: xp.linalg.norm(a),
        "tr": xp.trace,
        "det": xp.linalg.det,
        "logdet": lambda a: xp.linalg.slogdet(a)[1],
        "inv": xp.linalg.inv,
        "solve": xp.linalg.solve,
        "diag": xp.diag,
        "diagonal": xp.diag,
        "vec": lambda a: a.T.reshape(-1),
        "kron": xp.kron,
        "as_row": lambda a: a[None, :],
        "as_column": lambda a: a[:, None],
        "as_vector": lambda a: _array(xp, a).reshape(1),
        "as_one": lambda a: _array(xp, a).reshape(1, 1),
        "maximum": lambda a, b: xp.where(a >= b, a, b),
        "minimum": lambda a, b: xp.where(a <= b, a, b),
        **{op: getattr(xp, _WRITTEN[op].split(".")[1].split("(")[0]) for op in _ELEMENTARY},
        **_special(language, xp),
    }

    def of(each: Instruction) -> tuple[int, Callable[..., Any]]:
        return (len(each.inputs), plain[each.op]) if each.op in plain else (0, in_context(each))

    def in_context(each: Instruction) -> Callable[..., Any]:
        op, data = each.op, each.data
        if op == "size":
            return lambda sizes, like: data.value(sizes)
        if op == "compare":
            compare: Callable[[Any, Any], Any] = {
                ">": lambda a, b: a > b,
                "<": lambda a, b: a < b,
                ">=": lambda a, b: a >= b,
                "<=": lambda a, b: a <= b,
                "==": lambda a, b: a == b,
            }[data]
            if language == "torch":
                return lambda sizes, like, a, b: compare(a, b).to(like.dtype)
            return lambda sizes, like, a, b: compare(a, b) + 0.0
        if op == "stack":
            join = xp.cat if language == "torch" else xp.concatenate
            return lambda sizes, like, *parts: join(list(parts), data)
        if op == "index":
            return lambda sizes, like, a: a[tuple(_places(spec, sizes) for spec in data)]
        if op == "einsum":
            *ins, out = labels((*data[0], data[1]))
            spec = f"{','.join(ins)}->{out}"
            extra = {"optimize": True} if language == "numpy" and _contracts(data) else {}
            return lambda sizes, like, *inputs: xp.einsum(spec, *inputs, **extra)
        if op == "unvec":
            rows, columns = data
            return lambda sizes, like, a: a.reshape(columns.value(sizes), rows.value(sizes)).T
        if op in ("ones", "zeros"):
            make = getattr(xp, op)
            return lambda sizes, like: make(tuple(size.value(sizes) for size in data), **options(like))
        if op == "eye":
            return lambda sizes, like: xp.eye(data.value(sizes), **options(like))
        if op == "unit":
            return lambda sizes, like: xp.eye(data[0].value(sizes), **options(like))[:, data[1].value(sizes) - 1]
        if op == "embed":
            length, low, width = data
            return lambda sizes, like: xp.eye(length.value(sizes), **options(like))[
                :, low.value(sizes) - 1 : low.value(sizes) - 1 + width.value(sizes)
            ]
        if op == "pairing":

            def pairing(sizes: Any, like: Any) -> Any:
                rows, columns = (size.value(sizes) for size in data)
                whole = xp.eye(rows * columns, **options(like)).reshape(rows * columns, columns, rows)
                return whole.permute(0, 2, 1) if language == "torch" else whole.transpose(0, 2, 1)

            return pairing
        raise InputError(f"{op} cannot be exported")

    return of


_ELEMENTARY = ["exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "sqrt", "abs", "sign"]


def _array(xp: Any, value: Any) -> Any:
    return value if hasattr(value, "reshape") else xp.asarray(value)


def _places(spec: tuple[Dim, Dim | None] | None, sizes: Mapping[str, int]) -> Any:
    if spec is None:
        return slice(None)
    low, high = spec
    first = low.value(sizes) - 1
    return first if high is None else slice(first, high.value(sizes))


def _special(language: str, xp: Any) -> dict[str, Callable[..., Any]]:
    if language == "torch":
        return {
            "scalar": lambda a: xp.tensor(a, dtype=xp.float64),
            "relu": xp.relu,
            "softplus": lambda a: xp.logaddexp(a, xp.zeros_like(a)),
            "sigmoid": xp.sigmoid,
            "sigmoid_of_negative": lambda a: xp.sigmoid(-a),
            "softmax": lambda a: xp.softmax(a, -1),
            "log_softmax": lambda a: xp.log_softmax(a, -1),
            "logsumexp": lambda a: xp.logsumexp(a, -1),
            "erf": xp.erf,
            "gelu": xp.nn.functional.gelu,
            "add_diagonal": lambda a, v: xp.diagonal_scatter(a, xp.diagonal(a) + v),
            "onto_diagonal": lambda a, v: xp.diagonal_scatter(a, xp.diagonal(a) + v),
        }
    if language == "jax":
        jax = require("jax", extra="jax", purpose="exporting to JAX")
        return {
            "scalar": lambda a: xp.asarray(a, float),
            "relu": lambda a: xp.maximum(a, 0),
            "softplus": lambda a: xp.logaddexp(a, 0),
            "sigmoid": jax.nn.sigmoid,
            "sigmoid_of_negative": lambda a: jax.nn.sigmoid(-a),
            "softmax": lambda a: jax.nn.softmax(a, -1),
            "log_softmax": lambda a: jax.nn.log_softmax(a, -1),
            "logsumexp": lambda a: jax.nn.logsumexp(a, -1),
            "erf": jax.scipy.special.erf,
            "gelu": lambda a: jax.nn.gelu(a, approximate=False),
            "add_diagonal": lambda a, v: a.at[xp.diag_indices(a.shape[0])].add(v),
            "onto_diagonal": lambda a, v: a.at[xp.diag_indices(a.shape[0])].add(v),
        }
    return {
        "scalar": lambda a: np.asarray(a, float),
        "relu": lambda a: np.maximum(a, 0),
        "softplus": lambda a: np.logaddexp(0, a),
        "sigmoid": lambda a: _sigmoid_of_negative(-a),
        "sigmoid_of_negative": _sigmoid_of_negative,
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "logsumexp": _logsumexp,
        "erf": erf,
        "gelu": lambda a: a * (1 + erf(np.asarray(a / math.sqrt(2)))) / 2,
        "add_diagonal": lambda a, v: _add_diagonal(a.copy(), v),
        "onto_diagonal": _add_diagonal,
        "gram": _gram,
    }


def _sigmoid_of_negative(x: Any) -> Any:
    with np.errstate(over="ignore"):
        e = np.exp(x)
    e += 1
    return np.divide(1, e, out=e) if type(e) is np.ndarray and e.ndim else 1 / e


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    e /= e.sum(-1, keepdims=True)
    return e


def _log_softmax(x: Any) -> Any:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _logsumexp(x: Any) -> Any:
    top = x.max(-1)
    return top + np.log(np.exp(x - top[..., None]).sum(-1))


def _add_diagonal(x: Any, v: Any) -> Any:
    np.einsum("ii->i", x)[...] += v
    return x


def _gram(x: Any, v: Any) -> Any:
    x = np.sqrt(v)[:, None] * x
    return x.T @ x  # which NumPy sees to be symmetric: half the work
