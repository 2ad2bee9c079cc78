"""The paper as lessons: its sections in our words, their examples derived by the engine, and exercises that it marks.

Follows Parr & Howard, *The Matrix Calculus You Need For Deep Learning* (2018), section by section.
"""

from __future__ import annotations

from latticework.calculus.lessons import Example, Exercise, Lesson
from latticework.core.errors import InputError
from latticework.core.words import shortened


def lesson(name: str) -> Lesson:
    """A section of the paper as a lesson.

    Parameters
    ----------
    name
        One of `LESSONS`: "scalar-rules", "partials", "jacobian", "element-wise", "scalar-expansion", "sum-reduction",
        "chain-single", "chain-total", "chain-vector", "neuron", "loss".

    Raises
    ------
    InputError
        If there is no such lesson.

    Examples
    --------
    >>> lesson("scalar-expansion").exercise.check("sum(x)").verdict
    'wrong'
    """
    if not isinstance(name, str) or name not in LESSONS:
        raise InputError(f"there is no lesson {shortened(name, most=40)}: expected one of {', '.join(LESSONS)}")
    return LESSONS[name]


_SECTIONS = (
    Lesson(
        "scalar-rules",
        "Scalar derivative rules",
        "2",
        "A derivative says how fast a function changes when its argument does: df/dx is the slope of f at x.",
        (
            "Everything later is built from a handful of rules for functions of one variable. Think of d/dx as an "
            "operator that is pushed inwards: through sums, past constant factors, until it meets something simple.",
        ),
        ("constant", "constant-multiple", "power", "sum", "product", "quotient"),
        (
            Example(
                "9*(x + x^2)",
                "x",
                {"x": ""},
                "The constant 9 goes before the operator; then the sum and the power rule.",
            ),
        ),
        Exercise("Differentiate 5*x^3 - 2*x by x.", "5*x^3 - 2*x", "x", {"x": ""}, "one power rule a term"),
    ),
    Lesson(
        "partials",
        "Partial derivatives and gradients",
        "3",
        "The scalar rules; with several variables all but one are held fixed like constants.",
        (
            "A function of several variables has a derivative by each of them, its partial derivatives. Collected in "
            "a row they are the gradient, which tells everything about small changes of the function.",
        ),
        ("gradient",),
        (
            Example("3*x^2*y", "x", {"x": "", "y": ""}, "With y held fixed, 3*y is a constant factor."),
            Example("3*x^2*y", "y", {"x": "", "y": ""}, "With x held fixed, 3*x^2 is one."),
            Example("3*x[1]^2*x[2]", "x", {"x": "2"}, "Both at once: x and y are the elements of one vector."),
        ),
        Exercise("Differentiate 2*x + y^8 by y.", "2*x + y^8", "y", {"x": "", "y": ""}, "2*x does not depend on y"),
    ),
    Lesson(
        "jacobian",
        "The Jacobian",
        "4.1",
        "Gradients are rows. A vector of m functions is a column y; its variables are the n elements of a column x.",
        (
            "Put the gradients of m functions below each other: that is the Jacobian, with a row for each function "
            "and a column for each variable. This is the numerator layout; other texts use its transpose.",
            "The shape follows from what is above and below: scalar by vector is a row, vector by scalar a column, "
            "vector by vector a matrix. The identity function has the identity matrix.",
        ),
        ("jacobian", "identity", "linear-map", "blocks"),
        (
            Example(
                "[3*x[1]^2*x[2]; 2*x[1] + x[2]^8]",
                "x",
                {"x": "2"},
                "Two functions of two variables: the gradient of each is a row.",
            ),
            Example("x", "x", {"x": "n"}, "The identity: y_i depends on x_i alone, with slope 1."),
        ),
        Exercise(
            "What is the Jacobian of A*x?", "A*x", "x", {"A": "m,n", "x": "n"}, "element i of A*x is row i of A times x"
        ),
    ),
    Lesson(
        "element-wise",
        "Element-wise binary operators",
        "4.2",
        "The Jacobian; the operators .* and ./ act on each pair of elements by itself.",
        (
            "If element i of the result depends on element i of the argument alone, everything off the diagonal of "
            "the Jacobian is zero. That is the element-wise diagonal condition: the Jacobian is diag of the "
            "derivatives of the elements.",
        ),
        ("elementwise-binary", "elementwise-function"),
        (
            Example("w + x", "w", {"w": "n", "x": "n"}, "Each element has slope 1: the identity."),
            Example("w - x", "x", {"w": "n", "x": "n"}, "By what is subtracted: minus the identity."),
            Example("w .* x", "w", {"w": "n", "x": "n"}, "The other factor, on the diagonal."),
            Example("w ./ x", "x", {"w": "n", "x": "n"}, "The quotient rule, element by element."),
        ),
        Exercise(
            "Differentiate w ./ x by w.",
            "w ./ x",
            "w",
            {"w": "n", "x": "n"},
            "x is held fixed: each element is w_i times 1/x_i",
        ),
    ),
    Lesson(
        "scalar-expansion",
        "Scalar expansion",
        "4.3",
        "Element-wise operators; a scalar beside a vector stands for a vector with that element everywhere.",
        (
            "x + z means x + 1z. By x it is an element-wise operator as before; by z every element of the result "
            "moves, so that the derivative is a column with an entry for each.",
        ),
        ("scalar-expansion",),
        (
            Example("x + z", "x", {"x": "n", "z": ""}, "By the vector: the identity."),
            Example("x + z", "z", {"x": "n", "z": ""}, "By the scalar: a column of ones."),
            Example("x*z", "x", {"x": "n", "z": ""}, "By the vector: z on the diagonal."),
            Example("x*z", "z", {"x": "n", "z": ""}, "By the scalar: each element has its own slope x_i."),
        ),
        Exercise("Differentiate x/z by z.", "x/z", "z", {"x": "n", "z": ""}, "every element is x_i times z^(-1)"),
    ),
    Lesson(
        "sum-reduction",
        "Vector sum reduction",
        "4.4",
        "Gradients; a sum of functions has the sum of their derivatives.",
        (
            "Adding up the elements of a vector makes a scalar of it: its derivative by a vector is a row, in which "
            "the derivatives of all elements are added up column by column. Losses of all kinds are such sums.",
        ),
        ("sum-reduction",),
        (
            Example("sum(x)", "x", {"x": "n"}, "Every element counts once: a row of ones."),
            Example("sum(x*z)", "x", {"x": "n", "z": ""}, "Every element counts z times."),
            Example("sum(x*z)", "z", {"x": "n", "z": ""}, "By the scalar: all of x added up."),
        ),
        Exercise(
            "Differentiate sum(x.^2) by x.", "sum(x.^2)", "x", {"x": "n"}, "a row; element i is the derivative of x_i^2"
        ),
    ),
    Lesson(
        "chain-single",
        "The single-variable chain rule",
        "4.5.1",
        "The scalar rules; f(g(x)) is a function within a function.",
        (
            "Nested expressions are taken apart: (1) name intermediate variables, innermost first, each with a single "
            "operation; (2) differentiate each by the one before; (3) multiply; (4) put back what the names stand for.",
            "That is all there is to it if a single path leads from x to the result. Multiplying from x on is forward "
            "differentiation, from the result back it is backward differentiation; the product is the same.",
        ),
        ("chain-single", "function"),
        (
            Example("sin(x^2)", "x", {"x": ""}, "u1 = x^2 and y = sin(u1)."),
            Example("log(sin(x^3)^2)", "x", {"x": ""}, "A deeper nest: three intermediate variables, four factors."),
        ),
        Exercise("Differentiate exp(cos(x)) by x.", "exp(cos(x))", "x", {"x": ""}, "u1 = cos(x), y = exp(u1)"),
    ),
    Lesson(
        "chain-total",
        "The single-variable total-derivative chain rule",
        "4.5.2",
        "The single-variable chain rule, and partial derivatives.",
        (
            "In x + x^2 the variable reaches the sum on two paths. Changing x moves the result through both, so that "
            "the effects add up: a term for each intermediate variable, and one for x itself where the result depends "
            "on it directly.",
            "It is called a total derivative because all paths count. With a single path it is the chain rule of "
            "before.",
        ),
        ("chain-total",),
        (
            Example("x + x^2", "x", {"x": ""}, "Two paths: directly, and through u1 = x^2."),
            Example("sin(x + x^2)", "x", {"x": ""}, "The same within a sine."),
            Example("x*x^2", "x", {"x": ""}, "Two paths into a product."),
        ),
        Exercise(
            "Differentiate x^2*exp(x) by x.",
            "x^2*exp(x)",
            "x",
            {"x": ""},
            "two paths into the product, a term for each",
        ),
    ),
    Lesson(
        "chain-vector",
        "The vector chain rule",
        "4.5.3",
        "Jacobians, and the chain rules for scalars.",
        (
            "For vectors the rule looks as for scalars, but the factors are Jacobians and their order matters: an m "
            "by k matrix times a k by n matrix. The sum over paths is inside the matrix product.",
            "Where both factors are element-wise they are diagonal, and so is their product.",
        ),
        ("chain-vector",),
        (
            Example("[log(x^2); sin(3*x)]", "x", {"x": ""}, "A vector of functions of one variable: a column."),
            Example("sin(A*x)", "x", {"A": "m,n", "x": "n"}, "A diagonal Jacobian times A."),
        ),
        Exercise(
            "Differentiate exp(A*x) by x.",
            "exp(A*x)",
            "x",
            {"A": "m,n", "x": "n"},
            "diag(exp(u)) times du/dx with u = A*x",
        ),
    ),
    Lesson(
        "neuron",
        "The neuron",
        "5",
        "The vector chain rule, sum reduction; w'x is sum(w .* x).",
        (
            "A neuron is max(0, w'x + b). Inside it is an affine function of the weights; around it a function that "
            "lets positive numbers through and nothing else. Where it is silent its gradient is zero, where it speaks "
            "it is that of w'x + b.",
            "At exactly zero there is no derivative; 0 is taken, as everybody does.",
        ),
        ("inner-product", "neuron", "maximum"),
        (
            Example("sum(w .* x)", "w", {"w": "n", "x": "n"}, "The weighted sum, element by element."),
            Example("w'*x + b", "w", {"w": "n", "x": "n", "b": ""}, "The affine function by the weights."),
            Example("relu(w'*x + b)", "w", {"w": "n", "x": "n", "b": ""}, "The neuron by its weights."),
            Example("relu(w'*x + b)", "b", {"w": "n", "x": "n", "b": ""}, "The neuron by its bias: 0 or 1."),
        ),
        Exercise(
            "Differentiate sigmoid(w'*x + b) by w.",
            "sigmoid(w'*x + b)",
            "w",
            {"w": "n", "x": "n", "b": ""},
            "the derivative of the sigmoid s is s*(1 - s)",
        ),
    ),
    Lesson(
        "loss",
        "The gradient of a loss",
        "6",
        "The neuron; a mean is a sum over N samples divided by N.",
        (
            "The samples x_1, ..., x_N are the rows of X. The loss is the mean squared distance of the neuron's "
            "answers from the targets. Its gradient is a sum over the samples in which the neuron speaks, each with "
            "its error e_i as weight.",
            "Which case holds is a question to each sample, so that it stands inside the sum. (The last line of the "
            "paper's derivation prints the cases around the sum, which would ask one question of all samples.)",
            "Training walks against the gradient: w becomes w minus a small rate times the gradient, and b likewise.",
        ),
        ("loss",),
        (
            Example(
                "mean((y - relu(X*w + b)).^2)",
                "w",
                {"X": "N,n", "w": "n", "b": "", "y": "N"},
                "By the weights: a weighted sum of the rows of X.",
            ),
            Example(
                "mean((y - relu(X*w + b)).^2)",
                "b",
                {"X": "N,n", "w": "n", "b": "", "y": "N"},
                "By the bias: the same sum without the samples.",
            ),
        ),
        Exercise(
            "Differentiate the loss of a linear unit, mean((X*w - y).^2), by w.",
            "mean((X*w - y).^2)",
            "w",
            {"X": "N,n", "w": "n", "y": "N"},
            "without a kink all samples count",
        ),
        reference=True,
    ),
)
LESSONS: dict[str, Lesson] = {each.name: each for each in _SECTIONS}
