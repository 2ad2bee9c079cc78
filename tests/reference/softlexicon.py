"""SoftLexicon, section 3.2 of Ma et al. 2020, one sentence, one character and one equation at a time."""

import torch


def soft_lexicon(words, counts, arcs, singles, single_counts):
    """e_s(B, M, E, S) of each character; `arcs` are (begin, end) with `end` exclusive, in the order of `words`.

    The set S holds the character itself, with the vector and the count given for it.
    """
    rows = []
    for i, single in enumerate(singles):
        # the words that begin here, that have the character in their middle, and that end here
        B = [k for k, (begin, end) in enumerate(arcs) if begin == i]
        M = [k for k, (begin, end) in enumerate(arcs) if begin < i < end - 1]
        E = [k for k, (begin, end) in enumerate(arcs) if end - 1 == i]
        # frequencies weigh, over all four sets together
        Z = single_counts[i] + sum(counts[k] for k in B + M + E)
        v = [torch.zeros_like(single) for _ in range(4)]
        for place, words_of_set in enumerate((B, M, E)):
            for k in words_of_set:
                v[place] = v[place] + 4 / Z * counts[k] * words[k]
        v[3] = 4 / Z * single_counts[i] * single
        # one beside the other
        rows.append(torch.cat(v))
    return rows
