"""Rounded sums written out in ways that narrow words can do: all give the same number, base + y / 2**shift, rounded."""
from __future__ import annotations

import ast
from typing import AbstractSet as Set

from quant import QFormat, rounding as quant_rounding

from .given import given
from .machine_words import WORD_BITS
from .rewrite import Fold, Node, call, called, copied, functions, is_number

Term = tuple[int, ast.expr]         # of a sum, with its sign
BLIND = ("floor", "nearest_up", "stochastic")       # roundings that do not look at the sum: they add something and shift


def shifted(x: Node, left: int) -> ast.expr:
    """x << left, or x >> -left."""
    return ast.BinOp(x, ast.LShift() if left >= 0 else ast.RShift(), ast.Constant(abs(left)))


def rounded(y: Node, base: Node, shift: int, fmt: QFormat) -> ast.expr:
    """base + y / 2**shift, rounded as ``fmt`` does.

    Two identities let narrow words do the work. With a + (b + c) for (a + b) + c only the last sum can leave the word,
    which processors clip in one instruction. And where a product loses more than 16 bits, its high half is enough:
    (y + c) >> s = ((y >> 16) + (c >> 16)) >> (s - 16) if c is a multiple of 2**16.
    """
    if shift == 0:
        return ast.BinOp(base, ast.Add(), y)
    if shift > 16 and _narrow_product(y, fmt) and fmt.rounding in ("floor", "nearest_up"):
        y, shift = shifted(y, -16), shift - 16
    full: Node = call(functions(quant_rounding)[fmt.rounding], y, ast.Constant(shift), ast.Name("rnd", ast.Load()), base)
    if isinstance(base, ast.BinOp) and isinstance(base.op, ast.Add):
        full = ast.BinOp(base.left, ast.Add(), ast.BinOp(base.right, ast.Add(), full.right))
    return full


def rounded_narrowly(y: Node, base: Node, shift: int, fmt: QFormat) -> ast.expr:
    """The same, of parts of the sum where that takes narrower words: what is rounded away is no number of its own then."""
    if is_number(base, 0) and called(y) == "max" and is_number(y.args[0], 0):
        return ast.Call(y.func, [y.args[0], rounded(y.args[1], base, shift, fmt)], [])      # all roundings are monotone and leave zero as it is
    return _in_two_steps(y, base, shift, fmt) or rounded(*_whole_part_apart(y, base, shift), shift, fmt)


def rounded_as_given(y: Node, base: Node, shift: int, fmt: QFormat, name: str) -> ast.expr:
    """The same where the shift is a number that the kernel is given; whether there is one at all, and the rounding, are written into it.

    Down and to the nearest number up differ in what they add.
    """
    if shift == 0:
        return ast.BinOp(base, ast.Add(), y)
    s = given(shift, f"shift of {name}")
    if fmt.rounding in ("floor", "nearest_up"):
        half = given((1 << shift) >> 1 if fmt.rounding == "nearest_up" else 0, f"what {name} adds before it shifts")
        part = ast.BinOp(ast.BinOp(y, ast.Add(), half), ast.RShift(), s)
    else:
        full = Fold().visit(call(functions(quant_rounding)[fmt.rounding], y, s, ast.Name("rnd", ast.Load()), base))
        if is_number(base, 0):
            return full
        part = full.right
    if isinstance(base, ast.BinOp) and isinstance(base.op, ast.Add):
        return ast.BinOp(base.left, ast.Add(), ast.BinOp(base.right, ast.Add(), part))
    return ast.BinOp(base, ast.Add(), part)


CHOSEN = ("floor", "nearest_up", "nearest_even", "stochastic")      # roundings that a kernel can be given, too
MOST_RANDOM = 31        # bits of a random number


def chosen_when_run(shift: int, rounding: str) -> bool:
    """Whether :func:`rounded_as_chosen` knows the rounding."""
    return rounding in CHOSEN and 0 <= shift <= MOST_RANDOM


def rounded_as_chosen(y: Node, base: Node, shift: int, fmt: QFormat, name: str) -> ast.expr:
    """The same for all roundings in CHOSEN at once, for names y and base: which one it is, too, is in the numbers that the kernel is given.

    (y + half - even (1 - q & 1) + (rnd >> k)) >> s with q = base + (y >> s); without random bits ``rnd`` is zero.
    """
    s, one = given(shift, f"shift of {name}"), ast.Constant(1)
    half = given((1 << shift) >> 1 if fmt.rounding.startswith("nearest") else 0, f"what {name} adds before it shifts")
    even = given(int(fmt.rounding == "nearest_even" and shift > 0), f"whether {name} looks for even numbers")
    random = ast.BinOp(ast.Name("rnd", ast.Load()), ast.RShift(), given(MOST_RANDOM - shift, f"random bits too many for {name}"))
    whole = ast.BinOp(base, ast.Add(), ast.BinOp(y, ast.RShift(), s))
    odd = ast.BinOp(ast.BinOp(one, ast.Sub(), ast.BinOp(whole, ast.BitAnd(), one)), ast.BitAnd(), even)
    total = ast.BinOp(ast.BinOp(ast.BinOp(y, ast.Add(), half), ast.Sub(), odd), ast.Add(), random)
    return Fold().visit(ast.BinOp(base, ast.Add(), ast.BinOp(total, ast.RShift(), s)))


def _narrow_product(y: Node, fmt: QFormat) -> bool:
    return fmt.word_bits <= WORD_BITS and isinstance(y, ast.BinOp) and isinstance(y.op, ast.Mult)


def _terms(total: ast.expr, sign: int = 1) -> list[Term]:
    """The terms of a sum, each with its sign."""
    if isinstance(total, ast.BinOp) and isinstance(total.op, (ast.Add, ast.Sub)):
        return _terms(total.left, sign) + _terms(total.right, sign if isinstance(total.op, ast.Add) else -sign)
    return [] if is_number(total, 0) else [(sign, total)]


def _sum(terms: list[Term]) -> ast.expr:
    """Their sum."""
    total: ast.expr = ast.Constant(0)
    for sign, term in terms:
        total = ast.BinOp(total, ast.Add() if sign > 0 else ast.Sub(), term)
    return Fold().visit(total)


def _shifts(term: Node) -> bool:
    """Whether a term is x << k."""
    return isinstance(term, ast.BinOp) and isinstance(term.op, ast.LShift)


def _scaled(term: Node, left: int) -> ast.expr:
    """A term shifted to the left, once."""
    if _shifts(term):
        return shifted(term.left, term.right.value + left)
    return Fold().visit(shifted(term, left))


def _split_term(term: Node, shift: int, base: list[Term]) -> tuple[Node, int] | None:
    """x and k of a term x << k with k < shift. If it has only the lowest shift - k bits of x, the others must be in ``base``: they are taken out."""
    if not (_shifts(term) and term.right.value < shift):
        return None
    x, k = term.left, term.right.value
    if not (isinstance(x, ast.BinOp) and isinstance(x.op, ast.BitAnd)):
        return x, k
    if not is_number(x.right, (1 << shift - k) - 1):
        return None
    others = ast.dump(shifted(x.left, k - shift))
    for entry in base:
        if entry[0] > 0 and ast.dump(entry[1]) == others:
            base.remove(entry)
            return x.left, k
    return None


def _in_two_steps(y: Node, base: Node, shift: int, fmt: QFormat) -> ast.expr | None:
    """base + y / 2**shift, rounded, where y has terms x << k and others, r: first r is rounded by k bits, then the sum of all.

        (r + c + (x << k)) >> shift = (((r + c) >> k) + x) >> (shift - k)

    An x whose lowest bits are in y and the others in base is one term of the second sum, which the rest of base joins. None where there is no such
    term, for roundings that look at the sum first, and where the second sum would need a wider word.
    """
    rest, split, left = [], [], _terms(base)
    for sign, term in _terms(y):
        found = _split_term(term, shift, left) if sign > 0 else None
        if found:
            split.append(found)
        else:
            rest.append((sign, term))
    if not rest or not split or fmt.rounding not in BLIND:
        return None
    k = min(k for _, k in split)
    if left and fmt.word_bits + shift - k > (30 if fmt.word_bits <= WORD_BITS else 62):
        return None
    r, c = _sum(rest), _added(fmt.rounding, shift)
    if k >= 16 and _narrow_product(r, fmt) and is_number(c):
        first = shifted(ast.BinOp(shifted(r, -16), ast.Add(), ast.Constant(c.value >> 16)), 16 - k)       # c is a multiple of 2**k
    else:
        first = shifted(ast.BinOp(r, ast.Add(), c), -k)
    narrow = [(1, first), *((sign, _scaled(term, shift - k)) for sign, term in left[1:])]
    wide = [(sign, _scaled(term, shift - k)) for sign, term in left[:1]]
    total = _sum([(1, _scaled(x, over - k)) for x, over in split])
    total = ast.BinOp(total, ast.Add(), _sum([*wide, (1, _sum(narrow))]))
    return Fold().visit(shifted(total, k - shift))


def factors(total: ast.expr) -> set[str]:
    """Names that are a factor of a product among the terms of a sum."""
    return {x.id for _, term in _terms(total) for x in _product(term) if isinstance(x, ast.Name)}


def products_apart(y: ast.expr, base: ast.expr, shift: int, names: Set[str], name: str = "") -> tuple[ast.expr, ast.expr]:
    """y and base, the whole part of each product of one of ``names`` moved to base, so that neither part needs as wide a word as the product:

        a b = (a >> shift) b 2**shift + (a & 2**shift - 1) b

    ``name``: of an update of a kernel that is given the shift.
    """
    s, mask = ((given(shift, f"shift of {name}"), given((1 << shift) - 1, f"bits that the shift of {name} loses")) if name else
               (ast.Constant(shift), ast.Constant((1 << shift) - 1)))
    below: list[Term] = []
    whole: list[Term] = []
    for sign, term in _terms(y):
        a = next((x for x in _product(term) if isinstance(x, ast.Name) and x.id in names), None)
        if a is None:
            below.append((sign, term))
        else:
            (b,) = (x for x in _product(term) if x is not a)
            below.append((sign, ast.BinOp(ast.BinOp(a, ast.BitAnd(), copied(mask)), ast.Mult(), b)))
            whole.append((sign, ast.BinOp(ast.BinOp(copied(a), ast.RShift(), copied(s)), ast.Mult(), copied(b))))
    return _sum(below), Fold().visit(ast.BinOp(base, ast.Add(), _sum(whole)))


def _product(term: Node) -> tuple[ast.expr, ...]:
    """The factors of a term that is a product."""
    return (term.left, term.right) if isinstance(term, ast.BinOp) and isinstance(term.op, ast.Mult) else ()


def _added(rounding: str, shift: int) -> Node:
    """What one of the roundings that do not look at the sum adds to it before it shifts."""
    y, rnd, zero = ast.Name("y", ast.Load()), ast.Name("rnd", ast.Load()), ast.Constant(0)
    total = Fold().visit(call(functions(quant_rounding)[rounding], y, ast.Constant(shift), rnd, zero)).left
    return total.right if isinstance(total, ast.BinOp) else zero


def _whole_part_apart(y: Node, base: Node, shift: int) -> tuple[ast.expr, ast.expr]:
    """y and base, the whole part of the last term of y moved to base: the sum that is rounded fits a narrower word."""
    if not (isinstance(y, ast.BinOp) and isinstance(y.op, ast.Add) and _shifts(y.right)):
        return y, base
    last: Node = y.right
    x, left = last.left, last.right.value
    if left >= shift:
        return y, base
    part = ast.BinOp(x, ast.BitAnd(), ast.Constant((1 << shift - left) - 1))
    return (ast.BinOp(y.left, ast.Add(), shifted(part, left)),
            Fold().visit(ast.BinOp(base, ast.Add(), shifted(copied(x), left - shift))))
