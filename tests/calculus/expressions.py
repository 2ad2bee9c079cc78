"""Random expressions over every operation of the language, written as a person would type them, and values for them."""

import random

import numpy as np

SHAPES = {
    "a": "",
    "b": "",
    "x": "n",
    "y": "n",
    "u": "m",
    "v": "m",
    "A": "m,n",
    "B": "m,n",
    "C": "n,m",
    "S": "n,n",
    "P": "m,m",
}
SMOOTH = ["sin", "cos", "tanh", "sigmoid", "softplus", "erf", "gelu", "atan", "tan", "sinh", "cosh"]
KINKED = ["relu", "abs"]
SIZES = {"n": 3, "m": 2}


def arrays_of(shapes, sizes, seed, positive=()):
    """Values drawn at random, most of them between -1 and 1, and 0.5 to 1.5 for those that have to be positive."""
    generator = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes.items():
        lengths = [eval_size(size, sizes) for size in shape.split(",")] if shape else []
        drawn = generator.normal(size=lengths) * 0.6
        found[name] = 0.5 + generator.random(lengths) if name in positive else drawn
    return found


def eval_size(size, sizes):
    """A size such as `n`, `3`, `n + 1` or `m*n` as a number."""
    total = 0
    for term in size.split("+"):
        product = 1
        for factor in term.split("*"):
            factor = factor.strip()
            product *= int(factor) if factor.isdigit() else sizes[factor]
        total += product
    return total


class Writer:
    """Writes random expressions of a given shape; the same seed writes the same ones."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def expression(self, depth):
        """An expression of any shape, at most `depth` operations deep."""
        kind = self.random.choices(["scalar", "column", "matrix"], [6, 3, 1])[0]
        size = self.random.choice("nm")
        if kind == "scalar":
            return self.scalar(depth)
        if kind == "column":
            written = self.column(size, depth)
            return written if self.random.random() < 0.8 else f"({written})'"
        return self.matrix(size, self.random.choice("nm"), depth)

    def pick(self, *options):
        return self.random.choice(options)()

    def number(self):
        return self.random.choice(["2", "3", "0.5", "1", "4"])

    def scalar(self, depth):
        if depth <= 0:
            return self.random.choice(["a", "b", "a", "b", self.number()])
        d = depth - 1
        size, other = self.random.choice(["nm", "mn"])
        s, v, w = (lambda: self.scalar(d)), (lambda: self.column(size, d)), (lambda: self.column(other, d))
        m, q = (lambda: self.matrix(size, other, d)), (lambda: self.matrix(size, size, d))
        return self.pick(
            lambda: f"({s()} + {s()})",
            lambda: f"({s()} - {s()})",
            lambda: f"{s()}*({s()})",
            lambda: f"{s()}/(2 + sin({s()}))",
            lambda: f"({s()})^{self.random.choice('23')}",
            lambda: f"-({s()})",
            lambda: f"(1 + ({s()})^2)^{self.random.choice(['0.5', '(-1)', 'a', '1.5'])}",
            lambda: self.function(s()),
            lambda: f"sum({v()})",
            lambda: f"sum({m()})",
            lambda: f"mean({v()})",
            lambda: f"mean({m()})",
            lambda: f"norm1({v()})",
            lambda: f"norm2({v()})^2",
            lambda: f"norm2(2 + ({m()}).^2)",
            lambda: f"max({v()})",
            lambda: f"min({m()})",
            lambda: f"tr({q()})",
            lambda: f"det(eye + 0.3*tanh({q()}))",
            lambda: f"logdet(3*eye + tanh({q()}))",
            lambda: f"log(det(3*eye + tanh({q()})))",
            lambda: f"({v()})'*({v()})",
            lambda: f"({v()})'*{m()}*({w()})",
            lambda: f"tr(({m()})'*{m()})",
            lambda: f"logsumexp({v()})",
            lambda: f"max({s()}, {s()})",
            lambda: f"min({s()}, 0)",
            lambda: f"({v()})[1]",
            lambda: f"({m()})[{size}, 1]",
            lambda: f"sum([{v()}; {w()}])",
            lambda: f"norm2([{v()}; {s()}])^2",
            lambda: f"(vec({m()}))'*kron({w()}, {v()})",
            lambda: f"({v()})'*inv(3*eye + tanh({q()}))*({v()})",
            lambda: f"({s()})*({s()} > 0)",
            lambda: f'einsum("i,ij,j->", {v()}, {m()}, {w()})',
            lambda: f"{s()}/{size}",
            lambda: f"({v()})'*softmax({v()})",
            lambda: f"-({v()})'*log_softmax({v()})",
            lambda: self.alike(s(), ""),
            lambda: f"{s()}*sum({self.alike(v())})",
            lambda: f"{s()}*sum({self.deviations(v())})",
            lambda: "({0})'*({0})".format(v()),
            lambda: "sqrt(exp({0})'*exp({0}))".format(v()),
            lambda: "{1}*sum(({0}) ./ ({0}))".format(self.square(size, d), s()),
            lambda: "{1}*sum(vec({0}) ./ vec({0}))".format(self.square(size, d), s()),
            lambda: f"sum(sqrt({self.square(size, d)}))",
            lambda: f"sum(({self.square(size, d)}).^0.5)",
            lambda: f"({v()})'*{self.both_ways(q())}*({v()})",
            lambda: "({0})'*{1}*({0})".format(v(), self.both_ways(q())),
            lambda: "(({1})'*({0} + {2}) - ({1})'*({0}))".format(v(), v(), s()),
            lambda: "sum((diag({1})*{0}) ./ {0})".format(f"(2 + sin({m()}))", v()),
            lambda: "({1})'*({0} ./ {0})*vector(1)".format(f"(2 + sin({m()}))", v()),
            lambda: f"sum({self.above_zero(m())})",
        )

    def column(self, size, depth):
        if depth <= 0:
            return self.random.choice({"n": ["x", "y"], "m": ["u", "v"]}[size])
        d = depth - 1
        other = "m" if size == "n" else "n"
        s, v, w = (lambda: self.scalar(d)), (lambda: self.column(size, d)), (lambda: self.column(other, d))
        m, q = (lambda: self.matrix(size, other, d)), (lambda: self.matrix(size, size, d))
        return self.pick(
            lambda: f"({v()} + {v()})",
            lambda: f"({v()} - {v()})",
            lambda: f"({v()} + {s()})",
            lambda: f"{s()}*({v()})",
            lambda: f"({v()}) .* ({v()})",
            lambda: f"({v()}) ./ (2 + sin({v()}))",
            lambda: f"({v()})/(2 + cos({s()}))",
            lambda: f"1 ./ (3 + tanh({v()}))",
            lambda: f"({v()}).^{self.random.choice('23')}",
            lambda: f"(1 + ({v()}).^2).^{self.random.choice(['0.5', '(-1)', 'a', 'sin(' + v() + ')'])}",
            lambda: f"-({v()})",
            lambda: self.function(v()),
            lambda: f"{m()}*({w()})",
            lambda: f"{q()}*({v()})",
            lambda: f"(({w()})'*({m()})')'",
            lambda: f"rowsum({m()})",
            lambda: f"colsum({self.matrix(other, size, d)})'",
            lambda: f"diag({q()})",
            lambda: f"diag({v()})*({v()})",
            lambda: f"softmax({v()})",
            lambda: f"log_softmax({v()})",
            lambda: f"logsumexp({m()})",
            lambda: f"max({v()}, {v()})",
            lambda: f"max({v()}, {s()})",
            lambda: f"min({v()}, {v()})",
            lambda: f"({m()})[:, 1]",
            lambda: f"(({self.matrix(other, size, d)})[1, :])'",
            lambda: f"[{v()}; {w()}][1:{size}]",
            lambda: f"kron({self.row(other, d)}, eye({size}))*vec({self.matrix(size, other, d)})",
            lambda: f"inv(3*eye + tanh({q()}))*({v()})",
            lambda: f"({v()} > {s()}) .* ({v()})",
            lambda: f"({v()})/norm2(2 + ({v()}).^2)",
            lambda: f"({v()} - mean({v()}))",
            lambda: f"({v()} + vector(1))",
            lambda: f"({v()} + {s()}*(vector(1)/({size} + 1)))",
            lambda: f"({v()} - 2*(-vector(1))/{self.number()})",
            lambda: self.alike(v()),
            lambda: self.deviations(v()),
            lambda: f"{self.both_ways(q())}*({v()})",
            lambda: f"sqrt({self.square(size, d)})*({v()})",
            lambda: "(({1}) .* ({0} + {2}) - ({1}) .* ({0}))".format(v(), v(), s()),
            lambda: "({1}*({0} + {2}) - {1}*({0}))".format(w(), m(), s()),
            lambda: f"({self.above_zero(v())})",
        )

    def row(self, size, depth):
        return f"({self.column(size, depth)})'"

    def matrix(self, rows, columns, depth):
        if depth <= 0:
            return self.random.choice(
                {"mn": ["A", "B", "C'"], "nm": ["C", "A'"], "nn": ["S", "S'"], "mm": ["P", "P'"]}[rows + columns]
            )
        d = depth - 1
        inner = self.random.choice("nm")
        s, m = (lambda: self.scalar(d)), (lambda: self.matrix(rows, columns, d))
        v, w = (lambda: self.column(rows, d)), (lambda: self.column(columns, d))
        q = lambda: self.matrix(rows, rows, d)  # noqa: E731
        options = [
            lambda: f"({m()} + {m()})",
            lambda: f"({m()} - {m()})",
            lambda: f"({s()}*({m()}))",
            lambda: f"({m()} + {s()})",
            lambda: f"(({m()}) .* ({m()}))",
            lambda: f"(({m()}) ./ (2 + sin({m()})))",
            lambda: f"(({m()}).^2)",
            lambda: self.function(m()),
            lambda: f"(({self.matrix(columns, rows, d)})')",
            lambda: f"({self.matrix(rows, inner, d)}*{self.matrix(inner, columns, d)})",
            lambda: f"(({v()})*({w()})')",
            lambda: f"(diag({v()})*({m()}))",
            lambda: f"softmax({m()})",
            lambda: f"log_softmax({m()})",
            lambda: f"(inv(3*eye + tanh({q()}))*({m()}))",
            lambda: f"(({v()})*vector(1)' + {m()})",
            lambda: f"reshape(vec({m()}), {rows}, {columns})",
            lambda: f"({m()} + {s()}*(matrix(1)/({rows} + 1)))",
            lambda: f"({self.alike(m())})",
            lambda: f"({self.above_zero(m())})",
        ]
        if rows == columns:
            options += [lambda: self.both_ways(m()), lambda: f"sqrt({self.square(rows, d)})"]
            options += [lambda: f"diag({v()})", lambda: f"(eye + {m()})", lambda: f"({m()})^2"]
        if rows + columns == "mn":
            options.append(lambda: f"([{self.row('n', d)}; {self.matrix('m', 'n', d)}][1:m, :])")
        return self.pick(*options)

    def alike(self, written, dot="."):
        """A product of powers of what is between -1 and 1 and of its functions, some the quotients of others."""
        t = f"tanh({written})"
        parts = [t, f"relu({t})", f"({t} > 0)", f"abs({t})", f"log(cosh({t}))", f"log(cos({t}))"]
        parts += [f"{name}({t})" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")]
        above = [self.power(part, dot) for part in self.random.choices(parts, k=self.random.choice([2, 3]))]
        below = self.random.choice(["", "", f" {dot}/ {self.power(f'cos({t})', dot)}", f" {dot}/ cosh({t})"])
        return f"({f' {dot}* '.join(above)}{below})"

    def power(self, written, dot):
        return self.random.choice([written, written, f"({written}){dot}^2"])

    def deviations(self, written):
        """Deviations from a mean, or what only looks like it."""
        return f"({self.random.choice(['', f'{written} + ', '2*'])}{written} - mean({written}))"

    def above_zero(self, written):
        """A function of a positive part, whose derivative is 0 wherever that is."""
        t = f"relu({written})"
        forms = [f"log(1 + {t})", f"sqrt({t} + 1)", f"(1 + {t}).^1.5", f"1 ./ (1 + {t})"]
        return self.random.choice(forms)

    def both_ways(self, written):
        """A sum of a square matrix and its transpose, which is symmetric if there are as many of both."""
        terms = self.random.choices([f"({written})", f"({written})'"], k=self.random.choice([2, 3]))
        return f"({' + '.join(terms)})"

    def square(self, size, depth):
        """A positive matrix that is a product of something with its own transpose."""
        inner = self.random.choice(["n", "m", ""])
        written = f"exp(tanh({self.matrix(size, inner, depth) if inner else self.column(size, depth)}))"
        return f"({written})*({written})'"

    def function(self, written):
        name = self.random.choice([*SMOOTH, *SMOOTH, *KINKED, "exp", "log", "sqrt"])
        if name in ("log", "sqrt"):
            return f"{name}(1.5 + sin({written}))"
        return f"{name}(tanh({written}))" if name in ("exp", "tan", "sinh", "cosh") else f"{name}({written})"


def small(expr, largest=120):
    """Whether an expression is short enough that thousands of them can be tried."""
    from latticework.calculus.tree import count

    return count(expr) <= largest
