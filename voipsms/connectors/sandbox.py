"""The one form that every template is compiled to: sandboxed Jinja2. The only importer of jinja2.

What an operator writes in plain Jinja2 is read here expression by expression and written anew from the few kinds of
node that are allowed: known names, constants, our filters, comparisons, and/or/not, `~`, `x if y else z`, slices.
So there are no calls, no attributes but the loop's own, no arithmetic, and nothing that makes more than it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from voipsms.connectors.dialects.filters import OURS, PLAIN
from voipsms.connectors.escapes import ESCAPES, Unwritable

Render = Callable[[Mapping[str, object]], str]

LONGEST: Final = 500  # characters of an expression
MOST_FILTERS: Final = 8  # of an expression: each may double a text
_LOOP: Final = frozenset({"first", "last", "index", "index0", "length"})
_OPERATORS: Final = {
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "lteq": "<=", "gteq": ">=", "in": "in", "notin": "not in",
}  # fmt: skip

_environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_environment.filters = {**OURS, **PLAIN, **ESCAPES}  # none of Jinja2's own


class BadExpression(ValueError):
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`source`: a parenthesis around it changes nothing. `filter`, `bare`: see Value."""

    source: str
    names: frozenset[str]
    is_name: bool = False
    filter: str = ""
    bare: str = ""


def compile_jinja(source: str) -> Render:
    """Of what places.py wrote. Raises BadExpression."""
    try:
        template = _environment.from_string(source)
    except (TemplateError, RecursionError, SyntaxError) as error:
        raise BadExpression(f"can't be compiled: {error}") from error
    root, context = template.root_render_func, template.new_context({}, shared=True)

    def render(named: Mapping[str, object]) -> str:
        # What Template.render does, less a new context and two copies of the values: half of its time here. Nothing
        # is awaited between, so one context is enough.
        context.parent = named  # type: ignore[assignment]  # it only reads
        try:
            return "".join(root(context))
        except TemplateError as error:  # a name without a value
            raise Unwritable(str(error)) from error

    return render


class _Writer:
    """One expression, written anew."""

    def __init__(self, known: Iterable[str], looping: bool) -> None:
        self._known, self._looping = frozenset(known), looping
        self.names: set[str] = set()
        self._filters = 0

    def text(self, node: nodes.Node) -> str:
        """As what is certainly a string."""
        source = self.any(node)
        whole = isinstance(node, nodes.Name | nodes.Concat) or (
            isinstance(node, nodes.Filter) and node.name != "length"
        )
        return source if whole else f"({source})|text"

    def any(self, node: nodes.Node) -> str:
        write = _WRITERS.get(type(node))
        if write is None:
            raise BadExpression(f"{type(node).__name__} is not allowed in a template")
        return f"({write(self, node)})"

    def name(self, node: Any) -> str:
        if node.name not in self._known:
            from_names = ", ".join(sorted(self._known))
            raise BadExpression(f"unknown name {node.name!r}; there are {from_names}")
        self.names.add(node.name)
        return str(node.name)

    def constant(self, node: Any) -> str:
        if not isinstance(node.value, str | int):
            raise BadExpression(f"a {type(node.value).__name__} is not allowed in a template")
        return ascii(node.value)

    def filter(self, node: Any) -> str:
        self._filters += 1
        if node.node is None or node.name not in PLAIN:
            raise BadExpression(f"unknown filter {node.name!r}; there are {', '.join(PLAIN)}")
        if node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise BadExpression(f"{node.name} takes nothing in parentheses")
        if self._filters > MOST_FILTERS:
            raise BadExpression(f"more than {MOST_FILTERS} filters in one expression")
        return f"{self.text(node.node)}|{node.name}"

    def compare(self, node: Any) -> str:
        operands = [node.expr, *(operand.expr for operand in node.ops)]
        numeric = any(isinstance(one, nodes.Const) and isinstance(one.value, int) for one in operands)
        numeric = numeric or any(operand.op in ("lt", "gt", "lteq", "gteq") for operand in node.ops)
        first, *others = [f"({self.text(one)})|number" if numeric else self.text(one) for one in operands]
        return first + "".join(f" {_OPERATORS[op.op]} {other}" for op, other in zip(node.ops, others, strict=True))

    def both(self, node: Any) -> str:
        return f"{self.any(node.left)} {'and' if isinstance(node, nodes.And) else 'or'} {self.any(node.right)}"

    def negation(self, node: Any) -> str:
        return f"not {self.any(node.node)}"

    def concatenation(self, node: Any) -> str:
        return " ~ ".join(self.text(one) for one in node.nodes)

    def condition(self, node: Any) -> str:
        otherwise = self.text(node.expr2) if node.expr2 else "''"
        return f"{self.text(node.expr1)} if {self.any(node.test)} else {otherwise}"

    def slice(self, node: Any) -> str:
        if not isinstance(node.arg, nodes.Slice) or node.arg.step is not None:
            raise BadExpression("only a slice such as message[:160] is allowed in brackets")
        return f"{self.text(node.node)}[{self._edge(node.arg.start)}:{self._edge(node.arg.stop)}]"

    def _edge(self, node: nodes.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, nodes.Const) or not isinstance(node.value, int):
            raise BadExpression("a slice goes from one number to another")
        return str(node.value)

    def attribute(self, node: Any) -> str:
        if not self._looping or not isinstance(node.node, nodes.Name) or node.node.name != "loop":
            raise BadExpression(f".{node.attr} is not allowed; attributes are those of loop in a for")
        if node.attr not in _LOOP:
            raise BadExpression(f"unknown loop.{node.attr}; there are {', '.join(sorted(_LOOP))}")
        return f"loop.{node.attr}"


_WRITERS: Final[dict[type[nodes.Node], Callable[[_Writer, Any], str]]] = {
    nodes.Name: _Writer.name, nodes.Const: _Writer.constant, nodes.Filter: _Writer.filter,
    nodes.Compare: _Writer.compare, nodes.And: _Writer.both, nodes.Or: _Writer.both, nodes.Not: _Writer.negation,
    nodes.Concat: _Writer.concatenation, nodes.CondExpr: _Writer.condition, nodes.Getitem: _Writer.slice,
    nodes.Getattr: _Writer.attribute,
}  # fmt: skip


def _parse(text: str) -> nodes.Node:
    if len(text) > LONGEST:
        raise BadExpression(f"an expression can have {LONGEST} characters")
    try:
        body = _environment.parse("{{" + text + "}}").body
    except (TemplateError, RecursionError) as error:
        raise BadExpression(str(error) or "too deep") from error
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        raise BadExpression("must be one expression")
    return body[0].nodes[0]


def read_expression(text: str, known: Iterable[str], looping: bool = False) -> Expression:
    """A text to be written. Raises BadExpression."""
    node, writer = _parse(text), _Writer(known, looping)
    source = writer.text(node)
    names = frozenset(writer.names)
    if isinstance(node, nodes.Filter) and node.node is not None:
        return Expression(source, names, filter=node.name, bare=_Writer(known, looping).text(node.node))
    return Expression(source, names, is_name=isinstance(node, nodes.Name))


def read_condition(text: str, known: Iterable[str], looping: bool = False) -> Expression:
    """What an if asks. Raises BadExpression."""
    writer = _Writer(known, looping)
    source = writer.any(_parse(text))
    return Expression(source, frozenset(writer.names))
