"""A program written as the code of a function, for NumPy, PyTorch or JAX."""

from __future__ import annotations

import itertools
import keyword
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from latticework.calculus.backends import check_language, sums_up
from latticework.calculus.dimensions import ONE, Dim
from latticework.calculus.expression import Expr
from latticework.calculus.program import Program, SizeOf, program
from latticework.calculus.registers import Instruction, Places
from latticework.calculus.templates import HELPER_OF, HELPERS, HELPERS_OF, IMPORTS, LIBRARY, OWN, WRITTEN
from latticework.calculus.text import labels
from latticework.core.errors import InputError

_TAKEN = frozenset(("np", "torch", "jax", "jnp", "math", *HELPERS))  # names that the code itself uses


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
    if not name.isidentifier() or keyword.iskeyword(name) or name in _TAKEN:
        raise InputError(f"name={name[:40]!r} is not a name that a function can have")
    found = program(root, parameters)
    names = _names(found)
    head = f"def {name}({', '.join(names[parameter] for parameter in found.variables)}):\n"
    body = [f"{names[size]} = {_told(told, names)}" for size, told in found.sizes.items()]
    body += _body(found, _Writer(found, language, names))
    imports, helpers = IMPORTS[language], _helpers(found, language)
    if language == "numpy" and any(each.op in ("erf", "gelu") for each in found.instructions):
        imports = "import math\n\n" + imports
    function = head + "".join(f"    {line}\n" for line in body)
    return "\n\n".join([imports, *helpers, function])


def _names(found: Program) -> dict[str, str]:
    """Names for variables and sizes that clash with nothing in the code."""
    names: dict[str, str] = {}
    for name in dict.fromkeys([*found.variables, *found.sizes]):
        safe = f"_{name.lstrip('_')}" if name.startswith("__") else name
        while safe in names.values() or safe in _TAKEN or keyword.iskeyword(safe):
            safe += "_"
        names[name] = safe
    return names


def _letters(taken: set[str]) -> Iterator[str]:
    """Names for registers: a, b, ..., z, aa, ab, ..."""
    for length in itertools.count(1):
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=length):
            name = "".join(letters)
            if name not in taken and not keyword.iskeyword(name):
                yield name


def _told(told: SizeOf, names: Mapping[str, str]) -> str:
    """The size from the length of an axis: `X.shape[0]`, or `W.shape[1] - 1` where that axis is n + 1."""
    length, offset = f"{names[told.parameter]}.shape[{told.axis}]", told.offset
    shifted = f"{length} - {offset}" if offset > 0 else f"{length} + {-offset}" if offset else length
    return shifted if told.slope == 1 else f"({shifted}) // {told.slope}"


def _helpers(found: Program, language: str) -> list[str]:
    """The functions that the code calls, written out."""
    used = {HELPER_OF.get(each.op, each.op) for each in found.instructions}
    return [text for helper, text in HELPERS_OF[language].items() if helper in used]


def _body(found: Program, writer: _Writer) -> list[str]:
    body: list[str] = []
    registers = _letters({*writer.names.values(), *_TAKEN})
    written: list[str] = []
    for each in found.instructions:
        inputs = [written[register] for register in each.inputs]
        body += writer.checks(each, inputs)
        line = writer.line(each, inputs)
        if each.op in ("var", "number"):
            written.append(line)
        else:
            written.append(next(registers))
            body.append(f"{written[-1]} = {line}")
    return [*body[:-1], f"return {line}"]


class _Writer:
    """Writes the lines of one function."""

    def __init__(self, found: Program, language: str, names: Mapping[str, str]) -> None:
        self.language = language
        self.library = LIBRARY[language]
        self.join = f"{self.library}.{'cat' if language == 'torch' else 'concatenate'}"
        self.names = names
        self.model = None if found.model is None else names[found.model]
        # New arrays have the type of a parameter, for which whole numbers may be given.
        none = "torch.float64" if language == "torch" else "float"
        self.dtype = none if self.model is None else f"{self.library}.result_type({self.model}, 0.0)"
        self.device = f", device={self.model}.device" if language == "torch" and self.model is not None else ""
        self.like = f", dtype={self.dtype}{self.device}"
        self.checked: set[Dim] = set()  # what is not below 0

    def checks(self, each: Instruction, inputs: Sequence[str]) -> list[str]:
        """What refuses sizes for which an axis has not the places that are taken of it; nothing where it has them."""
        lines: list[str] = []
        for axis, places in enumerate(Places.all_of(each)):
            if places is None:
                continue
            low, high = places.ends
            uncertain = [
                (one, other)
                for one, other in ((ONE, low), (low, high), (high, places.length))
                if not one.fits_in(other) and other - one not in self.checked
            ]
            self.checked.update(other - one for one, other in uncertain)
            if uncertain:
                length = f"{inputs[0]}.shape[{axis}]" if each.op == "index" else self._size(places.length)
                told = {ONE: "1", low: self._size(low), high: self._size(high)} | {places.length: length}
                holds = " and ".join(f"{told[one]} <= {told[other]}" for one, other in uncertain)
                first, last = (self._size(end) if end.known is not None else f"{{{told[end]}}}" for end in (low, high))
                lines.append(f"if not ({holds}):" if len(uncertain) > 1 else f"if not {holds}:")
                message = f"the places {first} to {last} are outside an axis of {{{length}}} elements"
                lines.append(f'    raise ValueError(f"{message}")')
        return lines

    def line(self, each: Instruction, inputs: Sequence[str]) -> str:
        """What is on the right of the equals sign."""
        op, data, xp = each.op, each.data, self.library
        if op == "var":
            return self.names[data]
        if op == "number":
            return repr(data) if data >= 0 else f"({data!r})"  # -3 ** 4 is -81
        template = OWN[self.language].get(op) or WRITTEN.get(op)
        if template is not None:
            return template.format(*inputs, xp=xp)
        if op == "compare":
            return self._cast(f"{inputs[0]} {data} {inputs[1]}")
        if op == "stack":
            return f"{self.join}([{', '.join(inputs)}], {data})"
        if op == "pad":
            return self._padded(inputs[0], *data)
        if op == "index":
            return f"{inputs[0]}[{', '.join(map(self._slice, data))}]"
        if op == "einsum":
            *ins, out = labels((*data[0], data[1]))
            optimize = ", optimize=True" if self.language == "numpy" and sums_up(data) else ""
            return f'{xp}.einsum("{",".join(ins)}->{out}", {", ".join(inputs)}{optimize})'
        if op == "size":
            return self._size(data)
        if op == "unvec":
            rows, columns = map(self._size, data)
            return f"{inputs[0]}.reshape({columns}, {rows}).T"
        if op == "full":
            return f"{xp}.full({data}, {inputs[0]}{self.like})"
        return self._constant(op, data)

    def _padded(self, inner: str, length: Dim, low: Dim, width: Dim) -> str:
        """Zeros above and below."""

        def zeros(rows: Dim) -> list[str]:
            if rows.known == 0:
                return []
            shape = f"({self._size(rows)}, *{inner}.shape[1:])"
            torch = self.language == "torch"
            return [f"{inner}.new_zeros({shape})" if torch else f"{self.library}.zeros({shape}, {inner}.dtype)"]

        parts = [*zeros(low - ONE), inner, *zeros(length - low - width + ONE)]
        return f"{self.join}([{', '.join(parts)}])"

    def _constant(self, op: str, data: Any) -> str:
        xp, like = self.library, self.like
        if op in ("ones", "zeros"):
            sizes = ", ".join(map(self._size, data))
            return f"{xp}.{op}(({sizes}{',' if len(data) == 1 else ''}){like})"
        if op == "eye":
            return f"{xp}.eye({self._size(data)}{like})"
        if op == "unit":
            length, place = data
            return self._cast(f"{xp}.arange({self._size(length)}{self.device}) == {self._place(place)}")
        if op == "embed":
            length, low, width = data
            places = f"{self._place(low)}, {self._size(low + width - ONE)}"
            rows = f"{xp}.arange({self._size(length)}{self.device})[:, None]"
            return self._cast(f"{rows} == {xp}.arange({places}{self.device})")
        if op == "pairing":
            rows, columns = map(self._size, data)
            simple = not set("* ") & set(rows + columns)
            whole = f"{rows} * {columns}" if simple else f"({rows}) * ({columns})"
            axes = "permute(0, 2, 1)" if self.language == "torch" else "transpose(0, 2, 1)"
            return f"{xp}.eye({whole}{like}).reshape({whole}, {columns}, {rows}).{axes}"
        raise InputError(f"{op} cannot be exported")

    def _cast(self, flags: str) -> str:
        """Truth values as numbers of the wanted type."""
        if self.language == "torch":
            return f"({flags}).to({self.dtype})"
        return f"{self.library}.asarray({flags}, {self.dtype})"

    def _size(self, size: Dim) -> str:
        return str(size.replace({name: Dim.symbol(self.names[name]) for name in size.symbols}))

    def _place(self, size: Dim) -> str:
        """A 1-based place as a 0-based one."""
        return self._size(size - ONE)

    def _slice(self, places: Places | None) -> str:
        if places is None:
            return ":"
        low, high = places.low, places.high
        return self._place(low) if high is None else f"{self._place(low)}:{self._size(high)}"
