"""How the functions of a kernel are compiled; update functions as single operations of Numba, which would take most of its time to infer
the types of each step."""
from __future__ import annotations

import ast
import inspect
import textwrap
from types import SimpleNamespace
from typing import Any, Callable

from llvmlite import binding
from numba import _dynfunc, typeof
from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager
from numba.core.dispatcher import Dispatcher
from numba.core.typed_passes import IRLegalization, NativeLowering, NoPythonBackend, NopythonTypeInference, PreLowerStripPhis
from numba.core.untyped_passes import FixupArgs, IRProcessing, ReconstructSSA, TranslateByteCode
from numba.extending import intrinsic

from fxsim.engine.build.rewrite import Node

from .lanes import Kind


class Part(JITCodeLibrary):
    """Code that a kernel takes in whole: it is neither optimised nor translated by itself, which would take most of the time.

    Functions that are not forced into their callers stay functions: in one with all others LLVM's searches end before they find what may be
    kept in registers, and pattern generation took up to 1.25 times as long.
    """

    def _optimize_functions(self, ll_module: binding.ModuleRef) -> None:
        ll_module.data_layout = self._codegen._data_layout
        for function in ll_module.functions:
            if not function.is_declaration and b"alwaysinline" not in b" ".join(function.attributes):
                function.add_function_attribute("noinline")

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


def _never_called(library: Part, fndesc: Any, env: Any) -> Any:
    """What Numba knows a function by."""
    return _dynfunc.make_function(fndesc.lookup_module(), fndesc.qualname.split(".")[-1], "", 0, env, (library,))


class Inlined(Compiler):
    """Numba's compiler for functions that only ever are part of a kernel.

    They are told that array arguments never overlap (C's ``restrict``): without it LLVM guards each loop over lanes by
    comparisons of all addresses, which cost more than the loop. And nothing is made that only Python would call: it takes a
    third of the time. They allocate nothing, so no references are counted: each is an atomic operation.
    """

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, args: tuple[Any, ...], return_type: Any, flags: Any, locals: dict[str, Any]):
        flags.noalias = True
        flags.nrt = False
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)
        target, codegen = self.state.targetctx, targetctx.codegen()           # a copy of its own
        target.get_executable = _never_called
        target.codegen = lambda: SimpleNamespace(create_library=lambda name: Part(codegen, name))

    def define_pipelines(self) -> list[PassManager]:
        # Numba's own list goes over each function thirty times, for closures, array expressions and literals that kernels do not have.
        passes = PassManager("kernels")
        for one in (TranslateByteCode, FixupArgs, IRProcessing, ReconstructSSA, NopythonTypeInference, PreLowerStripPhis, IRLegalization,
                    NativeLowering, NoPythonBackend):
            passes.add_pass(one, one.__name__)
        passes.finalize()
        return [passes]


Emit = Callable[[Any, Any, dict[str, Any]], Any]        # (context, builder, values of variables) -> value
CONSTRUCTORS = {"I16": types.int16, "I32": types.int32, "I64": types.int64, "U32": types.uint32}


def update(function: Callable) -> Any:
    """An operation that does what a function does whose body is assignments and a result, of nothing but operations on words and numbers
    and calls of functions of the kernel."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    body: list[Node] = list(tree.body)
    names, scope = [argument.arg for argument in tree.args.args], function.__globals__

    def make(context: Any, *given: Kind) -> tuple[Any, Callable]:
        kinds, steps = dict(zip(names, given)), []
        for statement in body:
            value = statement.value
            kind, emit = _typed(value, kinds, scope, context)
            target: Node = statement.targets[0] if isinstance(statement, ast.Assign) else None
            name = target.id if target else ""
            kinds[name] = kind
            steps.append((name, emit))

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = dict(zip(names, arguments))
            for name, emit in steps:
                values[name] = emit(context, builder, values)
            return values[""]
        return kinds[""](*given), codegen

    made: dict[str, Any] = {"make": make}
    exec(f"def {function.__name__}(context, {', '.join(names)}):\n    return make(context, {', '.join(names)})", made)
    return intrinsic(made[function.__name__])


def _typed(node: ast.expr, kinds: dict[str, Kind], scope: dict[str, Any], context: Any) -> tuple[Kind, Emit]:
    """The type of an expression, and what emits it."""
    if isinstance(node, ast.Name) and node.id not in kinds:
        constant, fixed = scope[node.id], typeof(scope[node.id])
        return fixed, lambda context, _, __: context.get_constant(fixed, constant)
    if isinstance(node, ast.Name):
        return kinds[node.id], lambda _, __, values: values[node.id]
    if (number := _number(node)) is not None:
        return types.intp, lambda context, _, __: context.get_constant(types.intp, number)
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    operands = [_typed(argument, kinds, scope, context) for argument in node.args]
    constructor = scope["FLT"] if node.func.id == "FLT" else CONSTRUCTORS.get(node.func.id)
    if constructor is not None:
        return constructor, _constructed(node.args[0], constructor, *operands[0])
    if isinstance(scope[node.func.id], Dispatcher):
        return _called(typeof(scope[node.func.id]), operands, context)
    signature, codegen = scope[node.func.id]._defn(context, *(kind for kind, _ in operands))
    return signature.return_type, lambda context, builder, values: codegen(
        context, builder, signature, [emit(context, builder, values) for _, emit in operands])


def _called(function: Any, operands: list[tuple[Kind, Emit]], context: Any) -> tuple[Kind, Emit]:
    """What another function of the kernel returns."""
    signature = function.get_call_type(context, tuple(kind for kind, _ in operands), {})

    def codegen(context: Any, builder: Any, values: dict[str, Any]) -> Any:
        arguments = [context.cast(builder, emit(context, builder, values), kind, to) for (kind, emit), to in zip(operands, signature.args)]
        return context.get_function(function, signature)(builder, arguments)
    return signature.return_type, codegen


def _number(node: Node) -> int | None:
    """The value of a number as it is written; None for other expressions."""
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    number: Node = node.operand if negative else node
    value: int | None = number.value if isinstance(number, ast.Constant) else None     # type: ignore[assignment]     # only integers are written
    return value if value is None or not negative else -value


def _constructed(node: ast.expr, to: Kind, kind: Kind, emit: Emit) -> Emit:
    """A number as a word, or a word as another one."""
    if (number := _number(node)) is not None:
        return lambda context, _, __: context.get_constant(to, number)
    return lambda context, builder, values: context.cast(builder, emit(context, builder, values), kind, to)
