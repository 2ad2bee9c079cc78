"""Unknown sizes, settled by every two sizes that must be equal."""

from __future__ import annotations

from dataclasses import dataclass, field

from latticework.calculus.dimensions import Dim


def _without_common_factor(difference: Dim) -> Dim:
    """Sizes are not 0, so that ?·m = n·m says ? = n."""
    first, *others = (symbols for symbols, _ in difference.terms)
    for name in first:
        if all(name in symbols for symbols in others):
            rest = []
            for symbols, coefficient in difference.terms:
                place = symbols.index(name)
                rest.append((symbols[:place] + symbols[place + 1 :], coefficient))
            return _without_common_factor(Dim.sum(rest))
    return difference


@dataclass
class Sizes:
    """What is known of the unknown sizes, whose names begin with a question mark."""

    found: dict[str, Dim] = field(default_factory=dict)
    made: int = 0

    def new(self) -> Dim:
        """Another unknown size."""
        self.made += 1
        return Dim.symbol(f"?{self.made}")

    def match(self, left: Dim, right: Dim) -> bool:
        """Whether two sizes can be equal; if so they are from now on."""
        difference = self.settled(left) - self.settled(right)
        if not difference.terms:
            return True
        difference = _without_common_factor(difference)
        for symbols, coefficient in difference.terms:
            if len(symbols) == 1 and symbols[0].startswith("?") and abs(coefficient) == 1:
                rest = Dim(tuple(term for term in difference.terms if term[0] != symbols))
                if symbols[0] in rest.symbols:
                    continue
                value = Dim.number(-coefficient) * rest
                if value.known is not None and value.known < 1:
                    return False
                self.found = {name: size.replace({symbols[0]: value}) for name, size in self.found.items()}
                self.found[symbols[0]] = value
                return True
        return False

    def settled(self, size: Dim) -> Dim:
        """The size with what was found in the place of unknown ones."""
        return size.replace(self.found)
