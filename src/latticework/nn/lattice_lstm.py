"""The lattice LSTM of Zhang & Yang 2018, section 3.2: characters read with all words of a lexicon that they form.

A character's gates (equation 11) are [o; i; c̃] = [σ; σ; tanh](W x + U h + b). A word that begins at b has, from the
state after b, a cell without output gate (13): [f; i; c̃] likewise, c_w = f c_b + i c̃; where it ends, e, an extra gate
(14): i_w = σ(W x_e + U c_w + b). There the cell of the character is Σ α_w c_w + α c̃ (15), with α the softmax of i and
all i_w in each dimension (16), whatever the cell before was. Where no word ends it is f c + i c̃.

Differs from the paper: that f is 1 - i, as in the published code that made the paper's tables; `forget="independent"`
is the paper's gate with weights of its own.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from latticework.core.checks import one_of
from latticework.core.errors import InputError
from latticework.nn.lattice import Lattice
from latticework.nn.lattice_cell import Inputs, Weights, char_weights, run, word_weights
from latticework.nn.lattice_gradient import LatticeRecurrence
from latticework.nn.linear import without_autocast

FORGET = ("coupled", "independent")


class LatticeLSTM(nn.Module):
    """A bidirectional LSTM over characters whose cells are also fed by words that end there.

    Parameters
    ----------
    char_size, word_size
        Widths of the embeddings of characters and words.
    hidden_size
        Width of the state of each direction.
    forget
        Where no word ends, how much of the last cell stays: "coupled", 1 - i, or "independent", a gate f of its own.

    Examples
    --------
    >>> import numpy as np
    >>> lattice = Lattice.of(np.array([3, 5]), np.array([1, 1]), np.array([0, 2]), np.array([2, 5]))
    >>> layer = LatticeLSTM(4, 6, 8)
    >>> layer(torch.randn(2, 5, 4), torch.randn(2, 6), lattice).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, char_size: int, word_size: int, hidden_size: int, *, forget: str = "coupled") -> None:
        super().__init__()
        one_of("forget", forget, FORGET)
        self.hidden_size = hidden_size
        self.forget = forget
        gates = 3 if forget == "coupled" else 4
        # Axes: direction; (f,) o, i, c̃ of characters, or f, i, c̃ of words; input.
        self.char_input = nn.Parameter(torch.empty(2, gates * hidden_size, char_size))
        self.char_hidden = nn.Parameter(torch.empty(2, gates * hidden_size, hidden_size))
        self.char_bias = nn.Parameter(torch.empty(2, gates * hidden_size))
        self.word_input = nn.Parameter(torch.empty(2, 3 * hidden_size, word_size))
        self.word_hidden = nn.Parameter(torch.empty(2, 3 * hidden_size, hidden_size))
        self.word_bias = nn.Parameter(torch.empty(2, 3 * hidden_size))
        self.extra_input = nn.Parameter(torch.empty(2, hidden_size, char_size))
        self.extra_cell = nn.Parameter(torch.empty(2, hidden_size, hidden_size))
        self.extra_bias = nn.Parameter(torch.empty(2, hidden_size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As the published code starts: orthogonal from the inputs, the identity from the state, no biases."""
        for inputs in (self.char_input, self.word_input, self.extra_input):
            for direction in inputs:
                nn.init.orthogonal_(direction)
        for hidden in (self.char_hidden, self.word_hidden, self.extra_cell):
            squares = nn.init.zeros_(hidden).view(2, -1, self.hidden_size, self.hidden_size)
            squares.diagonal(dim1=-2, dim2=-1).fill_(1)
        for bias in (self.char_bias, self.word_bias, self.extra_bias):
            nn.init.zeros_(bias)

    def forward(
        self, characters: Float[Tensor, "batch time char"], words: Float[Tensor, "words word"], lattice: Lattice
    ) -> Float[Tensor, "batch time twice_hidden"]:
        """States [→h; ←h] of all characters, and zeros in the padding.

        Parameters
        ----------
        characters
            Embeddings, padded at the end.
        words
            Embeddings, one for each word that was given to `Lattice.of`, in that order.
        lattice
            On the same device.

        Raises
        ------
        InputError
            If the lattice is of other sentences or other words.
        """
        batch, time = characters.shape[:2]
        inputs, weights = self._prepare(characters, words, lattice)
        if torch.is_grad_enabled() and any(each.requires_grad for each in (*inputs, *weights)):
            states: Tensor = LatticeRecurrence.apply(*inputs, *weights, lattice)  # type: ignore[no-untyped-call]
        else:
            with without_autocast(characters.device.type):
                rows = run(inputs, weights, lattice, keep=False).chars
            states = rows[..., -2 * self.hidden_size : -self.hidden_size]
        output = states.new_zeros(2 * batch * time, self.hidden_size)
        return output.index_copy_(0, _halves(inputs.places), states.flatten(0, 1)).view(
            batch, time, 2 * self.hidden_size
        )

    @torch.no_grad()
    def fusion_weights(
        self, characters: Float[Tensor, "batch time char"], words: Float[Tensor, "words word"], lattice: Lattice
    ) -> tuple[Float[Tensor, "two batch time"], Float[Tensor, "two words"]]:
        """The weights α of the characters themselves and of the words, [0] forward and [1] backward.

        They are means over the dimensions of the state. At each character they add up to 1 with those of the words that
        end there (backward: that begin there). Where there is no such word a character has 1, and in the padding 0.
        """
        batch, time = characters.shape[:2]
        with without_autocast(characters.device.type):
            inputs, weights = self._prepare(characters, words, lattice)
            trace = run(inputs, weights, lattice)
        own = trace.met.new_ones(lattice.time.numel())
        own[lattice.meetings] = char_weights(trace).mean(-1)
        of_chars = own.new_zeros(batch * time, 2)
        of_chars.view(-1)[_halves(inputs.places)] = own
        of_words = own.new_zeros(2, lattice.words + 1)
        real = lattice.meeting < len(lattice.meetings)
        of_words.scatter_(1, lattice.arc.where(real, lattice.words), word_weights(trace, lattice).mean(-1))
        return of_chars.T.reshape(2, batch, time), of_words[:, :-1]

    def _prepare(self, characters: Tensor, words: Tensor, lattice: Lattice) -> tuple[Inputs, Weights]:
        """Inputs, and weights of [x; 1; h] scaled as `run` wants them."""
        if len(words) != lattice.words:
            raise InputError(f"one embedding for each of the {lattice.words} words of the lattice, got {len(words)}")
        if characters.shape[0] != lattice.batch or characters.shape[1] < len(lattice.active):
            raise InputError(
                f"the lattice is of {lattice.batch} sentences, the longest of {len(lattice.active)} characters, got "
                f"embeddings of {characters.shape[0]} sentences of {characters.shape[1]}"
            )
        dtype = self.char_hidden.dtype
        places = lattice.sentence * characters.shape[1] + lattice.time
        scale = self.char_bias.new_ones(self.char_hidden.shape[1], 1)
        scale[-self.hidden_size :] = -2
        char = torch.cat([self.char_input, self.char_bias[..., None], self.char_hidden], -1)
        word = torch.cat([self.word_input, self.word_bias[..., None], self.word_hidden], -1)
        extra = torch.cat([self.extra_input, self.extra_bias[..., None], self.extra_cell * -0.5], -1)
        return (
            Inputs(characters.flatten(0, 1).to(dtype), words.to(dtype), places),
            Weights(char * scale, word * scale[-3 * self.hidden_size :], extra),
        )


def _halves(places: Int[Tensor, "two characters"]) -> Int[Tensor, " twice_characters"]:
    """Where each packed character stands in a padded batch of pairs, one for each direction."""
    return torch.stack([places[0] * 2, places[1] * 2 + 1]).flatten()
