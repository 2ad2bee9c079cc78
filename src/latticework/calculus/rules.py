"""The rules of matrix calculus by name: what a derivation cites, and what `latticework derive --rules` prints.

Sections are those of Parr & Howard, *The Matrix Calculus You Need For Deep Learning* (2018); rules for matrices, which
that paper has not, are those of Petersen & Pedersen, *The Matrix Cookbook* (2012).
"""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Parr & Howard 2018"
COOKBOOK = "Petersen & Pedersen 2012"


@dataclass(frozen=True)
class Rule:
    """A rule a step can follow.

    Attributes
    ----------
    id
        Short name.
    name
        What people call it.
    section
        Where it is from.
    statement
        The rule as text.
    latex
        The rule as LaTeX.
    condition
        When it holds; empty if always.
    """

    id: str
    name: str
    section: str
    statement: str
    latex: str
    condition: str = ""


def _paper(section: str) -> str:
    return f"{PAPER}, section {section}"


def _cookbook(equation: str) -> str:
    return f"{COOKBOOK}, {equation}"


_ALL = (
    # Scalar rules.
    Rule("constant", "constant rule", _paper("2"), "dc/dx = 0", r"\frac{d}{dx} c = 0", "c does not depend on x"),
    Rule("constant-multiple", "multiplication by a constant", _paper("2"), "d(c f)/dx = c df/dx",
         r"\frac{d}{dx}\left(c f\right) = c \frac{df}{dx}", "c does not depend on x"),
    Rule("power",
        "power rule", _paper("2"),
        "d(x^n)/dx = n x^(n-1)",
        r"\frac{d}{dx} x^n = n x^{n-1}",
        "n does not depend on x"),
    Rule("sum", "sum and difference rule", _paper("2"), "d(f + g)/dx = df/dx + dg/dx",
         r"\frac{d}{dx}\left(f \pm g\right) = \frac{df}{dx} \pm \frac{dg}{dx}"),
    Rule("product", "product rule", _paper("2"), "d(f g)/dx = f dg/dx + df/dx g",
         r"\frac{d}{dx}\left(f g\right) = f \frac{dg}{dx} + \frac{df}{dx} g"),
    Rule("quotient", "quotient rule", "by the product and the power rule", "d(f/g)/dx = (df/dx)/g - f (dg/dx)/g^2",
         r"\frac{d}{dx}\frac{f}{g} = \frac{1}{g}\frac{df}{dx} - \frac{f}{g^2}\frac{dg}{dx}", "g is not 0"),
    Rule("function", "derivative of a function", _paper("2"), "d f(x)/dx = f'(x)", r"\frac{d}{dx} f(x) = f'(x)",
         "f has a derivative at x"),
    # Gradients and Jacobians.
    Rule("gradient", "gradient", _paper("3"), "the gradient of f(x1, ..., xn) is the row [df/dx1, ..., df/dxn]",
         r"\nabla f(\mathbf{x}) = \left[\frac{\partial f}{\partial x_1}, \ldots, \frac{\partial f}{\partial "
         r"x_n}\right]",
         "f is a scalar"),
    Rule("jacobian", "Jacobian", _paper("4.1"), "dy/dx has dy_i/dx_j in row i and column j",
         r"\left(\frac{\partial \mathbf{y}}{\partial \mathbf{x}}\right)_{ij} = \frac{\partial y_i}{\partial x_j}"),
    Rule("identity", "identity", _paper("4.1"),
        "dx/dx = I; for a scalar 1",
        r"\frac{\partial \mathbf{x}}{\partial \mathbf{x}} = I"),
    # Element-wise operators.
    Rule("elementwise-binary", "element-wise binary operator", _paper("4.2"),
         "d(f(w) o g(x))/dw = diag(d(f_i o g_i)/dw_i)",
         r"\frac{\partial (\mathbf{f}(\mathbf{w}) \bigcirc \mathbf{g}(\mathbf{x}))}{\partial \mathbf{w}} = "
         r"\operatorname{diag}\left(\frac{\partial (f_i(w_i) \bigcirc g_i(x_i))}{\partial w_i}\right)",
         "the element-wise diagonal condition: f_i depends on w_i only and g_i on x_i only"),
    Rule("elementwise-function", "element-wise function", _paper("4.2"), "d f(x)/dx = diag(f'(x))",
         r"\frac{\partial f(\mathbf{x})}{\partial \mathbf{x}} = \operatorname{diag}(f'(x_i))",
         "the element-wise diagonal condition: element i depends on x_i only"),
    Rule("scalar-expansion", "scalar expansion", _paper("4.3"),
         "d(x + z)/dx = I, d(x + z)/dz = vector(1); d(x z)/dx = z I, d(x z)/dz = x",
         r"\frac{\partial (\mathbf{x} + z)}{\partial z} = \vec{1},\quad \frac{\partial (\mathbf{x} z)}{\partial "
         r"\mathbf{x}} = z I,"
         r"\quad \frac{\partial (\mathbf{x} z)}{\partial z} = \mathbf{x}", "z is a scalar"),
    Rule("sum-reduction",
        "vector sum reduction", _paper("4.4"),
        "d sum(f(x))/dx = [sum_i df_i/dx_1, ..., sum_i df_i/dx_n]",
         r"\frac{\partial}{\partial \mathbf{x}} \operatorname{sum}(\mathbf{f}(\mathbf{x})) = "
         r"\left[\sum_i \frac{\partial f_i}{\partial x_1}, \ldots, \sum_i \frac{\partial f_i}{\partial x_n}\right]"),
    # Chain rules.
    Rule("chain-single", "single-variable chain rule", _paper("4.5.1"), "dy/dx = (dy/du) (du/dx)",
         r"\frac{dy}{dx} = \frac{dy}{du}\frac{du}{dx}", "a single path leads from x to y in the data-flow graph"),
    Rule("chain-total", "single-variable total-derivative chain rule", _paper("4.5.2"),
         "df/dx = sum_i (df/du_i) (du_i/dx), where x itself is one of the u_i if f depends on it directly",
         r"\frac{\partial f(u_1, \ldots, u_{n+1})}{\partial x} = \sum_{i=1}^{n+1} \frac{\partial f}{\partial "
         r"u_i}\frac{\partial u_i}{\partial x}",
         "several paths lead from x to f in the data-flow graph"),
    Rule("chain-vector", "vector chain rule", _paper("4.5.3"), "d f(g(x))/dx = (df/dg) (dg/dx), a product of Jacobians",
         r"\frac{\partial}{\partial \mathbf{x}}\mathbf{f}(\mathbf{g}(\mathbf{x})) = "
         r"\frac{\partial \mathbf{f}}{\partial \mathbf{g}}\frac{\partial \mathbf{g}}{\partial \mathbf{x}}"),
    # The neuron and its loss.
    Rule("neuron", "neuron activation", _paper("5"),
         "d max(0, w'x + b)/dw = 0 where w'x + b <= 0, x' where w'x + b > 0; by b it is 0 or 1",
         r"\frac{\partial}{\partial \mathbf{w}}\max(0, \mathbf{w}\cdot\mathbf{x} + b) = "
         r"\begin{cases}\vec{0}^T & \mathbf{w}\cdot\mathbf{x} + b \leq 0\\ \mathbf{x}^T & \mathbf{w}\cdot\mathbf{x} "
         r"+ b > 0\end{cases}",
         "w'x + b is not 0; at 0, where there is no derivative, 0 is taken"),
    Rule("loss", "loss of a neuron, sample by sample", _paper("6"),
         "dC/dw = (2/N) sum over the samples i with w'x_i + b > 0 of e_i x_i', where e_i = w'x_i + b - y_i",
         r"\frac{\partial C}{\partial \mathbf{w}} = \frac{2}{N}\sum_{i:\ \mathbf{w}\cdot\mathbf{x}_i + b > 0} e_i "
         r"\mathbf{x}_i^T",
         "no w'x_i + b is 0; which case holds is asked for every sample, inside the sum"),
    # Matrices.
    Rule("matrix-product", "matrix product", _cookbook("equation 37"), "d(A B) = dA B + A dB",
         r"\partial(AB) = (\partial A) B + A (\partial B)"),
    Rule("inner-product", "inner product", _paper("5"), "d(w'x)/dw = x', d(w'x)/dx = w'",
         r"\frac{\partial \mathbf{w}^T\mathbf{x}}{\partial \mathbf{w}} = \mathbf{x}^T"),
    Rule("linear-map", "linear map", _paper("4.1"), "d(A x)/dx = A",
         r"\frac{\partial A\mathbf{x}}{\partial \mathbf{x}} = A", "A does not depend on x"),
    Rule("transpose", "transpose", _cookbook("equation 44"), "d(X') = (dX)'", r"\partial X^T = (\partial X)^T"),
    Rule("trace", "trace", _cookbook(
        "equation 99"),
        "d tr(X)/dX = I",
        r"\frac{\partial}{\partial X}\operatorname{tr}(X) = I"),
    Rule("inverse", "inverse", _cookbook("equation 40"), "d inv(X) = -inv(X) dX inv(X)",
         r"\partial X^{-1} = -X^{-1} (\partial X) X^{-1}", "X is invertible"),
    Rule("determinant", "determinant", _cookbook("equation 49"), "d det(X)/dX = det(X) inv(X)'",
         r"\frac{\partial \det X}{\partial X} = \det(X) X^{-T}", "X is invertible"),
    Rule("log-determinant", "logarithm of a determinant", _cookbook("equation 57"), "d log|det(X)|/dX = inv(X)'",
         r"\frac{\partial \log|\det X|}{\partial X} = X^{-T}", "X is invertible"),
    Rule("diagonal", "diagonal", "by linearity", "diag is linear: it places or takes the diagonal",
         r"\partial \operatorname{diag}(\mathbf{x}) = \operatorname{diag}(\partial \mathbf{x})"),
    Rule("kronecker", "Kronecker product and vec", _cookbook("section 10.2"), "vec(A X B) = kron(B', A) vec(X)",
         r"\operatorname{vec}(AXB) = (B^T \otimes A)\operatorname{vec}(X)"),
    Rule("blocks",
        "stacking and selecting", _paper("4.1"),
        "the derivative of stacked functions is their stacked derivatives",
         r"\frac{\partial}{\partial \mathbf{x}}\begin{bmatrix}\mathbf{f}\\ \mathbf{g}\end{bmatrix} = "
         r"\begin{bmatrix}\partial\mathbf{f}/\partial\mathbf{x}\\ \partial\mathbf{g}/\partial\mathbf{x}\end{bmatrix}"),
    Rule("norm", "norm", _cookbook("equation 129"), "d norm2(x)/dx = x'/norm2(x); d norm1(x)/dx = sign(x)'",
         r"\frac{\partial \|\mathbf{x}\|_2}{\partial \mathbf{x}} = \frac{\mathbf{x}^T}{\|\mathbf{x}\|_2}",
         "of norm2, x is not 0; of norm1, no element of x is 0"),
    Rule("softmax",
        "softmax and its logarithm",
        "by the quotient rule",
        "d softmax(z)/dz = diag(p) - p p', d logsumexp(z)/dz = p'",
         r"\frac{\partial \operatorname{softmax}(\mathbf{z})}{\partial \mathbf{z}} = \operatorname{diag}(\mathbf{p}) "
         r"- \mathbf{p}\mathbf{p}^T"),
    Rule("maximum", "maximum and minimum", _paper("5"),
         "the derivative is that of the argument that is taken: of a maximum the larger, of a minimum the smaller",
         r"\frac{\partial}{\partial z}\max(0, z) = \begin{cases}0 & z \leq 0\\ 1 & z > 0\end{cases}",
         "there is no tie; at one, 0 is taken of two arguments, and of elements each of the largest counts"),
    Rule("step", "steps and signs", "by definition", "what is constant almost everywhere has the derivative 0",
         r"\frac{d}{dx}\operatorname{sign}(x) = 0", "x is not where it jumps"),
    Rule("index-notation", "sums in index notation", "Laue, Mitterreiter & Giesen 2020",
         "a product of tensors is differentiated factor by factor",
         r"\partial\, (A_{s_1} B_{s_2}) = (\partial A_{s_1}) B_{s_2} + A_{s_1} (\partial B_{s_2})"),
    # Rewriting.
    Rule("stable-form", "stable form", "algebra", "log(1 + exp(x)) = softplus(x), log(det(X)) = logdet(X), ...",
         r"\log(1 + e^x) = \operatorname{softplus}(x)", "where the left side is defined"),
    Rule("named-form",
        "shorter form", "algebra",
        "the same value, written shorter",
        r"\sqrt{\mathbf{x}^T\mathbf{x}} = \|\mathbf{x}\|_2"),
    Rule("simplify",
        "collecting terms", "algebra",
        "equal terms are added up and common factors written once",
        r"AB + AC = A(B + C)"),
    Rule("symmetric",
        "structured matrix: symmetric", _cookbook(
        "section 2.8"),
        "for a symmetric X the derivative is G + G' - diag(diag(G))",
         r"\frac{df}{dX} = G + G^T - \operatorname{diag}(G)", "the entries X_ij and X_ji are one variable"),
    Rule("layout", "layout", _paper("4.1"), "numerator layout is the transpose of denominator layout",
         r"\left(\frac{\partial f}{\partial X}\right)_{\text{numerator}} = \left(\frac{\partial f}{\partial "
         r"X}\right)_{\text{denominator}}^T"),
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for rule in _ALL}

NOTATION = (
    ("x", "a scalar where declared so, otherwise a column vector"),
    ("X", "a matrix"),
    ("x'", "the transpose: of a column, a row"),
    ("X*Y", "the matrix product; with a scalar, the multiple"),
    ("x .* y, x ./ y, x.^2", "element by element"),
    ("diag(x)", "the matrix with x on its diagonal; of a matrix, its diagonal"),
    ("vector(1), eye", "the column of ones and the identity matrix, as large as needed"),
    ("(t > 0)", "1 where it holds, 0 elsewhere"),
    (
        "dy/dx",
        "the derivative in numerator layout: a row for each element of y, a column for each of x; "
        "of a scalar by a matrix X, dy/dX has the shape of X, and the answer in numerator layout is its transpose",
    ),
    ("<G, dU/dx>", "the sum over all elements of U of an element of G times the derivative of that of U"),
    ("kron(A, B), vec(X)", "the Kronecker product; the columns of X below each other"),
)
