"""/api/v1/docs: the OpenAPI description as a page that needs no script and nothing from another host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from voipsms.errors import REFUSALS
from voipsms.reports.elements import Element, document, element
from voipsms.web.rest.problems import EXPLAINED

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
code, pre { font: 14px/1.4 ui-monospace, monospace } pre { overflow-x: auto; padding: .6rem; border: 1px solid #8886 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8884 }
h2 { margin-top: 2.2rem } summary { cursor: pointer }
"""


def page(openapi: Mapping[str, Any]) -> str:
    info = openapi["info"]
    base = openapi["servers"][0]["url"]
    body = [
        element("h1", f"{info['title']} {info['version']}: {base}"),
        element("p", info.get("description", "")),
        element("p", "Every request has the header ", element("code", "Authorization: Bearer KEY"),
                ". The same as JSON: ", element("a", f"{base}/openapi.json", href=f"{base}/openapi.json"), "."),
        *_operations(openapi, base),
        element("h2", "Schemas"),
        *_schemas(openapi["components"]["schemas"]),
        element("h2", "Codes of problems"),
        _codes(),
    ]  # fmt: skip
    head = element(
        "head", element("meta", charset="utf-8"), element("meta", name="viewport", content="width=device-width"),
        element("title", "voipsms API"), element("style", _STYLE),
    )  # fmt: skip
    return document(element("html", head, element("body", *body), lang="en"))


def _operations(openapi: Mapping[str, Any], base: str) -> Iterator[Element]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield element("h2", element("code", f"{method.upper()} {base}{path}"))
            yield element("p", operation.get("description", operation.get("summary", "")))
            if parameters := operation.get("parameters"):
                rows = [
                    (one["name"], one["in"], _type(one["schema"]), one.get("description", "")) for one in parameters
                ]
                yield _table(("parameter", "in", "type", ""), rows)
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield element("p", "Body: ", *_link(media["schema"]))
            yield _table(("answer", "", ""), [_answer(*one) for one in operation["responses"].items()])


def _answer(status: str, response: Mapping[str, Any]) -> tuple[str | Element, ...]:
    media: Mapping[str, Any] = next(iter(response.get("content", {}).values()), {})
    return status, response["description"], element("span", *_link(media.get("schema", {})))


def _schemas(schemas: Mapping[str, Any]) -> Iterator[Element]:
    for name, schema in schemas.items():
        needed = set(schema.get("required", ()))
        yield element("h3", name, id=f"schema-{name}")
        if told := schema.get("description"):
            yield element("p", told)
        rows = [
            (field, _type(one), "required" if field in needed else "", one.get("description", ""))
            for field, one in schema.get("properties", {}).items()
        ]
        if rows:
            yield _table(("field", "type", "", ""), rows)
        elif "enum" in schema:
            yield element("p", ", ".join(map(str, schema["enum"])))


def _type(schema: Mapping[str, Any]) -> Element:
    return element("span", *_link(schema))


def _link(schema: Mapping[str, Any]) -> Iterator[Element | str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield element("a", name, href=f"#schema-{name}")
    elif "anyOf" in schema:
        for n, one in enumerate(schema["anyOf"]):
            yield " or " if n else ""
            yield from _link(one)
    elif schema.get("type") == "array":
        yield "array of "
        yield from _link(schema.get("items", {}))
    elif schema:
        bounds = {name: schema[name] for name in _BOUNDS if name in schema}
        yield " ".join([str(schema.get("type", "anything")), *(f"{name} {value}" for name, value in bounds.items())])


_BOUNDS: Final = ("format", "enum", "const", "pattern", "minimum", "maximum", "minLength", "maxLength", "default")


def _codes() -> Element:
    refused = {code: f"{kind.text}." for code, kind in REFUSALS.items() if code != "refused"}
    rows = [(element("code", code, id=code), words) for code, words in (EXPLAINED | refused).items()]
    return _table(("code", ""), rows)


def _table(names: tuple[str, ...], rows: list[Any]) -> Element:
    def cell(value: object) -> Element | str:
        return value if isinstance(value, Element) else str(value)

    head = element("tr", *(element("th", name) for name in names))
    return element("table", head, *(element("tr", *(element("td", cell(value)) for value in row)) for row in rows))
