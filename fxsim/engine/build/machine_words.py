"""Words of processors for the operations of update functions: as narrow as is proved enough, fused where processors have an operation for it."""
from __future__ import annotations

import ast

from .given import name_given
from .rewrite import Node, Operations, called


class Words:
    """Machine words: the constructor that each operation's result and each number is wrapped in.

    ``ranges``: operation -> (lowest, highest) value; ``bits``: widths to choose from, signed, narrowest first.
    ``operators``: syntax -> name of an operation on words, as in :data:`fxsim.engine.cpu.words.NAMES`; where it has none, or
    without it, the result of Python's operator is cut to the word. ``names``: values of the function's arguments.
    ``drop``: clips that never clip are left out.
    """

    def __init__(self, ranges: dict[int, tuple[int, int]], bits: tuple[int, ...] = (16, 32, 64), operators: dict | None = None,
                 names: dict[str, tuple[int, int]] | None = None, drop: bool = True):
        self.ranges, self.bits, self.operators, self.names, self.drop = ranges, bits, operators or {}, names or {}, drop

    @staticmethod
    def always(word: str, operators: dict | None = None) -> Words:
        """The same word for everything: floats, unsigned words."""
        return _Same(word, operators)

    def operation(self, number: int) -> str:
        return self._word(*self.ranges[number])

    def constant(self, value: int) -> str:
        return self._word(value, value)

    def _word(self, low: int, high: int) -> str:
        return f"I{next(b for b in self.bits if -(1 << (b - 1)) <= low and high < 1 << (b - 1))}"


class _Same(Words):
    """One word for everything."""

    def __init__(self, word: str, operators: dict | None):
        super().__init__({}, operators=operators)
        self.word = word

    def operation(self, number: int) -> str:
        return self.word

    def constant(self, value: int) -> str:
        return self.word


WORD_BITS = 16
WORD, WIDE = (-(1 << 15), (1 << 15) - 1), (-(1 << 31), (1 << 31) - 1)


def _fits(value: int, bits: int) -> bool:
    return -(1 << bits - 1) <= value < 1 << bits - 1


def _within(limits: tuple[int, int] | None, word: tuple[int, int] = WORD) -> bool:
    """Whether all values fit a word."""
    return limits is not None and word[0] <= limits[0] and limits[1] <= word[1]


def fused(node: Node) -> Node:
    """Products of 16-bit words written as the operations that processors have for them; other operations as they are."""
    name, operands = node.func.id, node.args
    if name == "mul32" and all(_within(getattr(x, "range", None)) for x in operands):
        return _renamed("narrowmul32", operands)
    if name == "shr16" and _is(operands[0], "narrowmul32") and getattr(operands[1], "bound", None) == WORD_BITS:
        return _renamed("mulhi16", operands[0].args)
    if name == "shr16" and (rounded := _rounding(*operands)):
        return rounded
    if name == "sub32" and (spike := _less_a_shifted(*operands)):
        return spike
    if name in ("add32", "sub32") and (factors := _factors(operands[0])) and (others := _other_factors(operands[0], operands[1], name == "sub32")):
        return _renamed("dot32", [*factors, *others])
    return node


def _other_factors(product: Node, x: Node, minus: bool) -> list[Node] | None:
    """Two 16-bit factors of the x in product + x or product - x: of a product, of a constant, of a narrow word and one."""
    if (bound := getattr(x, "bound", None)) is not None:
        power = min(1 << 14, bound & -bound) or 1
        factors = (power, (-bound if minus else bound) // power)
        return [_renamed("I16", [ast.Constant(n)]) for n in factors] if _within(factors) else None
    if minus:
        return None
    narrow = called(x).endswith("16") and _within(getattr(x, "range", None))
    return _factors(x) or ([x, _renamed("I16", [ast.Constant(1)])] if narrow else None)


def _low_bits(x: Node, mask: Node) -> Node:
    """Of a sum in 64 bits of which only the lowest bits are wanted, the sum of those of its terms: a word of 16 bits."""
    bound = getattr(mask, "bound", None) or 0
    if not _is(x, "add64") or not 0 < bound < 1 << WORD_BITS - 2 or bound & bound + 1:
        return x
    return _renamed("add16", [_renamed("and16", [_low_bits(term, mask), mask]) for term in x.args])


def _shifted(node: Node) -> Node:
    """A word of 16 bits that is shifted, as a product in 32 bits."""
    if not _is(node, "shl32"):
        return node
    x, shift = node.args[0], getattr(node.args[1], "bound", 0)
    narrow = isinstance(x, ast.Name) or called(x).endswith("16")
    if not narrow or not _within(getattr(x, "range", None)) or not 1 <= shift <= 14:
        return node
    product = _renamed("narrowmul32", [x, _renamed("I16", [ast.Constant(1 << shift)])])
    product.range = getattr(node, "range", None)
    return product


def _less_a_shifted(x: Node, y: Node) -> Node | None:
    """x + ... - (z << s) as x - (z << s), one instruction, + ...: sums in words do not depend on the order."""
    if not _is(y, "shl16") or not (s := getattr(y.args[1], "bound", 0)) or not _within(getattr(y.args[0], "range", None)):
        return None
    if _is(x, "add32"):
        first = _less_a_shifted(x.args[0], y)
        return first and _renamed("add32", [first, x.args[1]])
    if not _within(getattr(x, "range", None)):
        return None
    one, power = (_renamed("I16", [ast.Constant(n)]) for n in (1, -(1 << s)))
    return _renamed("dot32", [x, one, y.args[0], power])


def _rounding(x: Node, shift: Node) -> Node | None:
    """(x + 2**(s-1)) >> s as (x 2**(15-s) + 2**14) >> 15, one instruction."""
    s = getattr(shift, "bound", None) or 0
    if not 1 <= s <= 15 or not _is(x, "add16") or getattr(x.args[1], "bound", None) != 1 << s - 1:
        return None
    if not _within(getattr(x.args[0], "range", None)):
        return None
    return _renamed("mulround16", [x.args[0], _renamed("I16", [ast.Constant(1 << 15 - s)])])


def _factors(node: Node) -> list[Node] | None:
    """Two 16-bit factors of a product; one that is shifted out of 16 bits hands its shift to the other if that fits."""
    if _is(node, "narrowmul32"):
        return node.args
    if not _is(node, "mul32") or not _is(node.args[0], "shl32"):
        return None
    (factor, shift), other = node.args[0].args, node.args[1]
    if not hasattr(shift, "bound"):
        return None
    limits = [bound << shift.bound for bound in getattr(other, "range", None) or WORD]
    if not _within(getattr(factor, "range", None)) or not _within(tuple(limits)):
        return None
    shifted = _renamed("shl16", [other, shift])
    shifted.range = tuple(limits)
    return [factor, shifted]


def _is(node: Node, name: str) -> bool:
    return called(node) == name


def _renamed(name: str, operands: list[Node]) -> Node:
    return ast.Call(ast.Name(name, ast.Load()), list(operands), [])


class Wrap(Operations):
    """Wraps every number and every operation in a machine word's or float's constructor; drops clips that never clip.

    Where a sum is clipped just where a 16-bit word ends, and both terms fit one, the sum is taken in that word, saturating: one
    instruction for sixteen lanes.
    """

    def __init__(self, words: Words):
        super().__init__()
        self.words = words
        self.names: dict[str, tuple[int, int] | None] = {**words.names}

    def operation(self, node: Node, number: int) -> Node:
        if isinstance(node, ast.Call):
            if self._idle(node) and (self.words.drop or self._beyond(node.args[-1], number)):
                return node.args[0]
            if saturated := self._saturated(node) or self._cut(node) or self._cut_to_given(node, number):
                return saturated
            self._same_word(node.args, self.words.operation(number))
        word = self.words.operation(number)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.LShift, ast.RShift)) and hasattr(node.right, "limit"):
            by: Node = node.right
            by.func = ast.Name("I16", ast.Load())       # any word holds a shift
        if isinstance(node, ast.Call):
            name, operands = self.words.operators.get(called(node)), node.args
        else:
            name = self.words.operators.get(type(node.op))
            operands = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
        if name == "and":
            operands = [_low_bits(*operands), operands[1]]
        if name in ("add", "sub", "shl") and word == "I32":
            operands = [_shifted(self._wide(operand)) for operand in operands]
        wrapped: Node
        if name:
            wrapped = ast.Call(ast.Name(name + word.removeprefix("I"), ast.Load()), operands, [])
        else:
            wrapped = ast.Call(ast.Name(word, ast.Load()), [node], [])
        if name and "fused" in self.words.operators and WORD_BITS in self.words.bits:
            wrapped = fused(wrapped)
        wrapped.range = self.words.ranges.get(number)
        wrapped.terms = operands if name == "add" else self._halves(*operands) if name == "shl" else ()
        return wrapped

    def _halves(self, x: Node, shift: Node) -> list[Node] | tuple[()]:
        """A shift to the left as a sum of two terms of 16 bits, if it is one."""
        limits, left = getattr(x, "range", None), getattr(shift, "bound", 0) - 1
        if limits is None or left < 0 or not _within((limits[0] << left, limits[1] << left)):
            return ()
        half = _renamed(self.words.operators[ast.LShift] + "16", [x, _renamed("I16", [ast.Constant(left)])])
        half.range = (limits[0] << left, limits[1] << left)
        return [half, half]

    @classmethod
    def _wide(cls, node: Node) -> Node:
        """An operand in 32 bits: not cut to 16 bits just to be widened again."""
        if _is(node, "add16"):
            terms = [cls._wide(term) for term in node.args]
            if any(old is not new for old, new in zip(node.args, terms)):
                wide = _renamed("add32", [_shifted(_renamed("shl32", term.args) if _is(term, "shl16") else term) for term in terms])
                wide.range = node.range
                return wide
        if not (_is(node, "shr16") or _is(node, "and16")):
            return node
        source = node.args[0]
        narrow = _within(getattr(source, "range", None)) if isinstance(source, ast.Name) else not source.func.id.endswith("32")
        if narrow:
            return node
        wide = _renamed(node.func.id[:3] + "32", node.args)
        wide.range = node.range
        return wide

    def _saturated(self, node: Node) -> Node | None:
        """max(a + b, low) or min(max(a + b, low), high) as a saturating sum, if it is one; the outermost clip comes last."""
        if node.func.id not in ("min", "max") or not self.words.operators.get("saturating sum"):
            return None
        inner, bound = node.args[0], getattr(node.args[-1], "bound", None)
        bits, word = next(((bits, word) for bits, word in ((WORD_BITS, WORD), (2 * WORD_BITS, WIDE)) if bound in word), (0, WORD))
        low: Node = None
        if node.func.id == "min" and called(inner).startswith("max") and bound == word[1]:
            inner, low = inner.args[0], getattr(inner.args[-1], "bound", None)
            if low is None:
                return None
        elif bound != (word[1] if node.func.id == "min" else word[0]):
            return None
        terms, limits = getattr(inner, "terms", ()), getattr(inner, "range", None)
        if not terms or any(not _within(getattr(term, "range", None), word) for term in terms):
            return None
        if low is None and (limits is None or (limits[0] < word[0] if node.func.id == "min" else limits[1] > word[1])):
            return None         # the other end would be clipped too
        if bits > WORD_BITS and low != word[0]:
            return None
        total = _renamed(f"{self.words.operators['saturating sum']}{bits}", terms)
        total.range = word
        if low is None or low <= word[0]:
            return total
        return self._no_less(total, low)

    def _cut(self, node: Node) -> Node | None:
        """A clip of a word of 32 bits just where a word of 16 bits ends as a saturating cut, if it is one; the outermost clip comes last."""
        if node.func.id != "min" or not self.words.operators.get("saturating cut") or getattr(node.args[-1], "bound", None) != WORD[1]:
            return None
        inner, low = node.args[0], None
        if _is(inner, "max32"):
            inner, low = self._and_bound(*inner.args)
        elif (getattr(inner, "range", None) or (WORD[0] - 1,))[0] < WORD[0]:
            return None         # the other end would be clipped too
        if not called(inner).endswith("32") or low is not None and not _within((low, low)):
            return None
        cut = _renamed(self.words.operators["saturating cut"], [inner])
        cut.range = WORD
        return cut if low is None or low == WORD[0] else self._no_less(cut, low)

    def _cut_to_given(self, node: Node, number: int) -> Node:
        """A clip of a word of 32 bits to limits that are given and fit 16 bits: it is cut, or the sum is taken saturating, first."""
        inner, limit = node.args[0], getattr(node.args[-1], "limit", None)
        narrow = WORD_BITS in self.words.bits and self.words.operation(number) == "I16" and self.words.operators.get("saturating cut")
        if limit is None or not narrow:
            return None
        low: Node = None
        if node.func.id == "min" and _is(inner, "max32") and hasattr(inner.args[-1], "limit"):
            inner, low = inner.args
        if not called(inner).endswith("32"):
            return None
        terms = getattr(inner, "terms", ())
        if terms and all(_within(getattr(term, "range", None)) for term in terms):
            clipped = _renamed(self.words.operators["saturating sum"] + "16", terms)
        else:
            clipped = _renamed(self.words.operators["saturating cut"], [inner])
        for name, end in (("max", low), (node.func.id, node.args[-1])):
            if end is not None:
                end.func = ast.Name("I16", ast.Load())
                clipped = _renamed(self.words.operators[name] + "16", [clipped, end])
        clipped.range = self.words.ranges[number]
        return clipped

    @staticmethod
    def _and_bound(x: Node, y: Node) -> tuple[Node, int | None]:
        """Of two operands the one that is no constant, and the constant."""
        return (y, x.bound) if hasattr(x, "bound") else (x, getattr(y, "bound", None))

    def _no_less(self, x: Node, low: int) -> Node:
        """max(x, low) of a word of 16 bits."""
        clipped = _renamed(self.words.operators["max"] + "16", [x, _renamed("I16", [ast.Constant(low)])])
        clipped.range = (low, WORD[1])
        return clipped

    def visit_Compare(self, node: Node) -> Node:
        """a < b and a > b as 0 or 1."""
        self.generic_visit(node)
        if "fused" not in self.words.operators:
            return node
        left, right = node.left, node.comparators[0]
        compared = _renamed("less", [left, right] if isinstance(node.ops[0], ast.Lt) else [right, left])
        compared.range = (0, 1)
        return compared

    def visit_Name(self, node: Node) -> Node:
        node.range = self.names.get(node.id)
        return node

    def visit_Assign(self, node: Node) -> Node:
        self.generic_visit(node)
        self.names[node.targets[0].id] = getattr(node.value, "range", None)
        return node

    @staticmethod
    def _idle(node: Node) -> bool:
        """Whether max(x, bound) or min(x, bound) is x for all values that x can take."""
        limits = getattr(node.args[0], "range", None)
        bound = getattr(node.args[-1], "bound", getattr(node.args[-1], "limit", None))
        if limits is None or bound is None:
            return False
        return limits[0] >= bound if node.func.id == "max" else limits[1] <= bound

    def _beyond(self, limit: Node, number: int) -> bool:
        """Whether the word of an operation does not hold a limit that is given."""
        bits = int(self.words.operation(number).removeprefix("I"))
        return hasattr(limit, "limit") and not _fits(limit.limit, bits)

    @staticmethod
    def _same_word(arguments: list[Node], word: str) -> None:
        """Give constants the word of what they are compared with: Numba widens mixed words to 64 bits."""
        numbers = [a for a in arguments if hasattr(a, "bound") or hasattr(a, "limit")]
        words = [called(a)[-2:] for a in arguments if a not in numbers and called(a)[-2:].isdigit()]
        for argument in numbers:
            if words or hasattr(argument, "limit"):
                argument.func = ast.Name(f"I{words[0]}" if words else word, ast.Load())

    def visit_Constant(self, node: Node) -> Node:
        if not isinstance(node.value, int):
            return node
        wrapped: Node = ast.Call(ast.Name(self.words.constant(node.value), ast.Load()), [node], [])
        if name_given(node):        # nothing but clips may look at its value: others have others
            wrapped.func.id = "I64"
            wrapped.limit = node.value
            return wrapped
        wrapped.bound, wrapped.range = node.value, (node.value, node.value)
        return wrapped
