"""Compares an answer with the model's, where ids that the server derives must only be consistent."""

from merge import Members
from values import ANY, is_number, order


class Mismatch(Exception):
    pass


class Unifier:
    """Holds which derived id of the server stands for which token of the model."""

    def __init__(self):
        self.real = {}
        self.token = {}

    def unify(self, expected, real, path="answer"):
        """Raises Mismatch where real is not what was expected."""
        if expected is ANY:
            return
        if isinstance(expected, str) and expected.startswith("~"):
            self.bind(expected, real, path)
        elif isinstance(expected, dict) and isinstance(real, dict):
            for name in list(expected) + [name for name in real if name not in expected]:
                if name not in expected or (name not in real and expected[name] is not ANY):
                    raise Mismatch(f"{path}.{name} is {'missing' if name in expected else 'unexpected'}")
                self.unify(expected[name], real.get(name), f"{path}.{name}")
        elif isinstance(expected, list) and isinstance(real, list):
            if isinstance(expected, Members):
                expected, real = self.align(expected, real)
            if len(expected) != len(real):
                raise Mismatch(f"{path} has {len(real)} elements, expected {len(expected)}")
            for index, (a, b) in enumerate(zip(expected, real)):
                self.unify(a, b, f"{path}[{index}]")
        else:
            number = is_number(real) and isinstance(expected, (int, type(real))) and not isinstance(expected, bool)
            if not (number and expected == real) and order(expected) != order(real):
                raise Mismatch(f"{path} is {real!r}, expected {expected!r}")

    def bind(self, token, real, path):
        """The first sight of a token fixes its id; a kind of token never shares an id."""
        kind = token[:2]
        known = self.real.get(token)
        if not isinstance(real, str) or (known or real) != real or self.token.get((kind, real), token) != token:
            raise Mismatch(f"{path} is {real!r}, which is not the id answered before")
        self.real[token], self.token[kind, real] = real, token

    def align(self, expected, real):
        """Both in one order: of the members of one instant, those with ids as they are, the others by content after them."""
        mine, theirs, start = [], [], 0
        for at in sorted(set(expected.ats)):
            group = [(id, member) for id, member, other in zip(expected.ids, expected, expected.ats) if other == at]
            loose = [order(member) for id, member in group if not isinstance(id, str)]
            part, start = real[start:start + len(group)], start + len(group)
            mine += [member for id, member in group if isinstance(id, str)] + \
                sorted((member for id, member in group if not isinstance(id, str)), key=order)
            theirs += [member for member in part if order(member) not in loose] + \
                sorted((member for member in part if order(member) in loose), key=order)
        return mine, theirs + real[start:]

    def translate(self, value):
        """A request as the model has to see it: ids learnt from the server become tokens."""
        if isinstance(value, str):
            return self.token.get(("~r", value), value)
        if isinstance(value, list):
            return [self.translate(member) for member in value]
        if isinstance(value, dict):
            return {name: self.translate(member) for name, member in value.items()}
        return value
