"""PTX, the assembly that CUDA kernels are compiled to, as NumPy functions of many threads at once.

:func:`parse` splits a kernel into basic blocks and writes each as a Python function on arrays with one element a thread.
Registers are unsigned words, as wide as their name says; an instruction's type says how it reads them. Known is what the
kernels of this package need; anything else is refused by name. :mod:`fxsim.engine.cuda.emulator.gpu` runs the blocks.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

REGISTERS = {"p": "bool_", "rs": "uint16", "r": "uint32", "rd": "uint64", "f": "float32", "fd": "float64"}     # %r12 -> uint32
SPECIAL = {"%tid.x": "tid", "%ctaid.x": "ctaid", "%ntid.x": "ntid", "%nctaid.x": "nctaid", "%dynamic_smem_size": "dynamic"}
NAME = re.compile(r"%(p|rs|rd|r|fd|f)\d+$")
COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<", "ls": "<=", "hi": ">", "hs": ">=", "equ": "==",
           "neu": "!=", "ltu": "<", "leu": "<=", "gtu": ">", "geu": ">="}


@dataclass
class Block:
    """Instructions that run one after the other. ``end``: None (falls through), "bar", "ret" or "bra"; ``target``: of a branch."""

    number: int
    lines: list[tuple[str, list[str]]] = field(default_factory=list)       # (opcode, operands)
    end: str | None = None
    target: str | None = None
    condition: str | None = None        # python expression, None for an unconditional branch
    run: Callable | None = None


@dataclass
class Kernel:
    """One parsed kernel. ``constants``: name -> bytes; ``shared``: name -> bytes of static shared memory (0: dynamic)."""

    blocks: list[Block]
    labels: dict[str, int]
    parameters: list[str]
    constants: dict[str, bytes]
    shared: dict[str, int]
    registers: dict[str, str]           # name -> NumPy type


def parse(text: str) -> Kernel:
    """The only entry of a PTX module. NotImplementedError names an instruction that is not known."""
    text = re.sub(r"//[^\n]*", "", text)
    constants = {name: _initial(size, values) for size, name, values in
                 re.findall(r"\.(?:const|global) \.align \d+ \.b8 (\w+)\[(\d+)\] = \{([^}]*)\}", text.replace("\n", " "))
                 for name, size in [(size, name)]}
    shared = {name: int(size or 0) for name, size in re.findall(r"\.shared \.align \d+ \.b8 (\w+)\[(\d*)\]", text)}
    head, body = text.split(".entry", 1)[1].split("{", 1)
    kernel = Kernel([Block(0)], {}, re.findall(r"\.param [^,)]*?(\w+)\s*[,)]", head), constants, shared, {})
    for line in body.rsplit("}", 1)[0].splitlines():
        _line(kernel, line.strip())
    outside = _read_elsewhere(kernel)
    for block in kernel.blocks:
        block.run = _compiled(block, outside, kernel)
    return kernel


def _initial(size: str, values: str) -> bytes:
    data = bytes(int(v) for v in values.split(","))
    return data + bytes(int(size) - len(data))


def _line(kernel: Kernel, line: str) -> None:
    block = kernel.blocks[-1]
    if not line or line.startswith((".reg", ".pragma", ".loc", "{", "}")):
        return
    if line.endswith(":"):
        if block.lines or block.end:
            block = _begin(kernel)
        kernel.labels[line[:-1]] = block.number
        return
    if block.end:
        block = _begin(kernel)
    found = re.match(r"(?:@(!?%p\d+)\s+)?(.*);$", line)
    if found is None:
        raise NotImplementedError(line)
    predicate, rest = found.groups()
    opcode, _, operands = rest.partition("\t") if "\t" in rest else rest.partition(" ")
    opcode, operands = opcode.strip(), [o.strip() for o in operands.split(",")] if operands.strip() else []
    if opcode.startswith("bra"):
        block.end, block.target = "bra", operands[0]
        block.condition = predicate and predicate.replace("!%", "~").replace("%", "")
    elif predicate:
        raise NotImplementedError(f"predicated {opcode}")
    elif opcode in ("bar.sync", "ret"):
        block.end = opcode[:3]
    else:
        block.lines.append((opcode, operands))


def _begin(kernel: Kernel) -> Block:
    kernel.blocks.append(Block(len(kernel.blocks)))
    return kernel.blocks[-1]


def _uses(block: Block) -> tuple[list[str], set[str]]:
    """Registers that a block writes, in order, and those that it reads before it has written them."""
    written: list[str] = []
    early: set[str] = set()
    for opcode, operands in block.lines:
        own = 0 if opcode.startswith(("st", "red")) else 1
        for operand in operands[own:]:
            early |= {r for r in re.findall(r"%(?:rs|rd|r|fd|f|p)\d+", operand) if r not in written}
        if own and NAME.match(operands[0]):
            written.append(operands[0])
    if block.condition:
        early |= {r for r in ["%" + block.condition.lstrip("~")] if r not in written}
    return written, early


def _read_elsewhere(kernel: Kernel) -> set[str]:
    """Registers whose value passes from one block to another."""
    found: set[str] = set()
    for block in kernel.blocks:
        written, early = _uses(block)
        found |= early
        kernel.registers |= {name: _register(name) for name in [*written, *early]}
    return found


def _compiled(block: Block, outside: set[str], kernel: Kernel) -> Callable:
    """The block as a Python function of the machine, its registers and the indices of its threads; returns who branches."""
    written, early = _uses(block)
    body = [f"{name[1:]} = R[{name!r}][i]" for name in sorted(early)]
    body += [_statement(opcode, operands, kernel) for opcode, operands in block.lines]
    body += [f"R[{name!r}][i] = {name[1:]}" for name in dict.fromkeys(written) if name in outside]
    body.append(f"return {block.condition or 'None'}")
    namespace: dict = {}
    exec(compile("def run(m, R, i):\n    " + "\n    ".join(body), f"<block {block.number}>", "exec"), _helpers(), namespace)
    return namespace["run"]


# ---- instructions ----------------------------------------------------------------------------------------------------
def numpy_type(ptx: str) -> str:
    """s32 -> int32, b64 -> uint64, f32 -> float32."""
    return {"s": "int", "u": "uint", "b": "uint", "f": "float"}[ptx[0]] + ptx[1:]


def _register(name: str) -> str:
    """The NumPy type of a register."""
    found = NAME.match(name)
    if found is None:
        raise NotImplementedError(name)
    return REGISTERS[found[1]]


def _value(operand: str, kind: str) -> str:
    """An operand as a Python expression of a PTX type."""
    if operand in SPECIAL:
        return f"m.{SPECIAL[operand]}[i]"
    if NAME.match(operand):
        register, name = _register(operand), operand[1:]
        return name if kind == "pred" else f"as_type({name}, {numpy_type(kind)!r}, {register!r})"
    if kind == "pred":
        return str(operand == "1")
    if operand.startswith("0f"):
        return f"np.uint32(0x{operand[2:]}).view(np.float32)"
    if operand.startswith("0d"):
        return f"np.uint64(0x{operand[2:]}).view(np.float64)"
    bits = int(kind[1:])
    number = f"np.uint{bits}({int(operand, 0) & ((1 << bits) - 1)})"
    return f"{number}.view(np.{numpy_type(kind)})"


def _address(operand: str) -> str:
    found = re.match(r"\[([%\w]+)\+?(-?\d+)?\]", operand)
    if found is None:
        raise NotImplementedError(operand)
    base, offset = found.groups()
    start = base[1:] if base.startswith("%") else f"np.uint64(m.symbols[{base!r}])"
    return f"{start} + np.uint64({int(offset or 0) & (1 << 64) - 1})"


def _statement(opcode: str, operands: list[str], kernel: Kernel) -> str:
    name, *rest = opcode.split(".")
    kind = rest[-1] if rest else ""
    if name in ("st", "red", "atom"):
        return _store(name, rest, operands)
    d = operands[0]
    target, register = d[1:], _register(d)

    def done(expression: str) -> str:
        return f"{target} = to_register({expression}, {register!r})"

    if name == "ld" and rest[0] == "param":
        return done(f"m.parameter({kernel.parameters.index(operands[1].strip('[]'))})")
    if name == "ld":
        space = "shared" if rest[0] == "shared" else "memory"
        return done(f"m.load(m.{space}, {_address(operands[1])}, {numpy_type(kind)!r}, i)")
    if name == "mov" and operands[1] in (*kernel.constants, *kernel.shared):
        return f"{target} = np.uint64(m.symbols[{operands[1]!r}])"
    if name == "cvta":
        return f"{target} = {operands[1][1:]}"
    if name == "cvt":
        to, source = rest[-2], rest[-1]
        trunc = "np.trunc" if "rzi" in rest else ""
        return done(f"{trunc}({_value(operands[1], source)}).astype(np.{numpy_type(to)})")
    if name == "setp":
        if len(rest) != 2 and "ftz" not in rest:
            raise NotImplementedError(opcode)
        a, b = (_value(o, kind) for o in operands[1:])
        return f"{target} = {a} {COMPARE[rest[0]]} {b}"
    if name == "selp":
        a, b = (_value(o, kind) for o in operands[1:3])
        return done(f"np.where({operands[3][1:]}, {a}, {b})")
    if kind == "pred":
        values = [_value(o, "pred") for o in operands[1:]]
        return f"{target} = " + {"mov": "{0}", "not": "~{0}", "and": "{0} & {1}", "or": "{0} | {1}", "xor": "{0} ^ {1}"}[name].format(*values)
    return done(_arithmetic(opcode, name, rest, kind, operands[1:]))


def _arithmetic(opcode: str, name: str, rest: list[str], kind: str, operands: list[str]) -> str:
    """Results may be wider or narrower than the register; to_register cuts them."""
    variant = next((r for r in rest if r in ("wide", "hi", "lo")), "")
    if name in ("shl", "shr"):
        return f"{name}({_value(operands[0], kind)}, {_value(operands[1], 'u32')})"
    if variant == "wide":
        bits = int(kind[1:])
        wide = f"np.{numpy_type(kind[0] + str(2 * bits))}"
        a, b = (f"{_value(o, kind)}.astype({wide})" for o in operands[:2])
        return f"{a} * {b}" + (f" + {_value(operands[2], kind[0] + str(2 * bits))}" if name == "mad" else "")
    values = [_value(o, kind) for o in operands]
    if variant == "hi" and name == "mul" and kind[1:] == "32":
        a, b = (f"{v}.astype(np.{numpy_type(kind[0] + '64')})" for v in values)
        return f"({a} * {b}) >> np.{numpy_type(kind[0] + '64')}(32)"
    if variant == "hi" and name == "mul":
        return "high_word({}, {})".format(*values)
    if variant == "hi":
        raise NotImplementedError(opcode)
    if name in ("fma", "mad") and kind[0] == "f":       # one rounding: exact in float64 but for rare double rounding
        return "({}.astype(np.float64) * {}.astype(np.float64) + {})".format(*values)
    plain = {"mov": "{0}", "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "mad": "{0} * {1} + {2}", "and": "{0} & {1}",
             "or": "{0} | {1}", "xor": "{0} ^ {1}", "not": "~{0}", "neg": "-{0}", "abs": "np.abs({0})", "min": "np.minimum({0}, {1})",
             "max": "np.maximum({0}, {1})", "ex2": "np.exp2({0})", "rcp": "np.float32(1) / {0}", "div": "divide({0}, {1})",
             "rem": "{0} - divide({0}, {1}) * {1}", "sqrt": "np.sqrt({0})"}
    if name not in plain:
        raise NotImplementedError(opcode)
    return plain[name].format(*values)


def _store(name: str, rest: list[str], operands: list[str]) -> str:
    kind = rest[-1]
    if "v2" in rest or "v4" in rest:
        raise NotImplementedError(".".join([name, *rest]))
    space = "shared" if "shared" in rest else "memory"
    if name == "st":
        value = _value(operands[1], kind if int(kind[1:]) > 8 else kind[0] + "16")
        return f"m.store(m.{space}, {_address(operands[0])}, {value}, {numpy_type(kind)!r}, i)"
    *_, address, value = operands
    return f"m.atomic({rest[-2]!r}, m.{space}, {_address(address)}, {_value(value, kind)}, {numpy_type(kind)!r}, i)"


def _helpers() -> dict:
    return {"np": np, "as_type": as_type, "to_register": to_register, "shl": shl, "shr": shr, "divide": divide, "high_word": high_word}


def as_type(x: np.ndarray, kind: str, register: str) -> np.ndarray:
    """A register's low bits, read as a NumPy type."""
    if register.startswith("float"):
        return x
    bits = int(re.sub(r"\D", "", kind))
    narrow = x.astype(f"uint{bits}") if f"uint{bits}" != register else x
    return narrow.view(kind)


def to_register(x: np.ndarray, register: str) -> np.ndarray:
    """A value cut or extended (by its sign, if it has one) to a register."""
    if register.startswith("float") or register == "bool_":
        return x.astype(register)
    if x.dtype.kind == "f":         # the bits of a float
        return x.view(f"uint{8 * x.dtype.itemsize}")
    bits = register[4:]
    return x.astype(("int" if x.dtype.kind == "i" else "uint") + bits, copy=False).view(register)


def high_word(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The high 64 bits of the product of 64-bit words."""
    x, y, low = a.astype(np.uint64), b.astype(np.uint64), np.uint64((1 << 32) - 1)
    (x1, x0), (y1, y0) = ((word >> np.uint64(32), word & low) for word in (x, y))
    middle = x1 * y0 + (x0 * y0 >> np.uint64(32))
    high = x1 * y1 + (middle >> np.uint64(32)) + ((middle & low) + x0 * y1 >> np.uint64(32))
    if a.dtype.kind == "u":
        return high
    return (high - np.where(a < 0, y, np.uint64(0)) - np.where(b < 0, x, np.uint64(0))).astype(np.int64)


def shl(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """PTX shifts by the width or more give 0."""
    width = x.dtype.itemsize * 8
    return np.where(n < width, x << np.minimum(n, width - 1).astype(x.dtype), 0).astype(x.dtype)


def shr(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The same to the right; the sign fills up."""
    width = x.dtype.itemsize * 8
    shifted = x >> np.minimum(n, width - 1).astype(x.dtype)
    return shifted if x.dtype.kind == "i" else np.where(n < width, shifted, 0).astype(x.dtype)


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Towards zero for integers."""
    if a.dtype.kind == "f":
        return a / b
    q = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -q, q) if a.dtype.kind == "i" else q
