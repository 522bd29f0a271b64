"""Values that would like to be something else."""

from __future__ import annotations

from hypothesis import strategies as st

NASTY = (
    "'", '"', "''", "\n", "\r\nX-Forged: 1", "\r\n\r\n", "[tonum]", "[message]", "{SELECT 1}", "{select user()}",
    "{{ 7*7 }}", "{{ message }}", "{% raw %}", "{# x #}", "{% endif %}", "%number%", "%data;hex%", "%", "%00", "%0d%0a",
    "&to=1", "=", "&", "<b>", "<", ">", "]]>", "-->", "&amp;", "<![CDATA[", "\x00", "\U0001f600", "\ud83d", "\udc80",
    "\\", '\\"', "\\u0022", "/", "?", "#", ";", "+", " ", ".", "..", "é", "\u2028", "\x85", "}}", "}", "' }}{{ 1",
    "\ufffe", "\x1b", "-", "--help", "-rf", "$(id)", "`id`", "|", ":x", "*/", "--", "\t", ",", '"],"x":["',
)  # fmt: skip


def _paired(text: str) -> str:
    """Two halves of a surrogate pair in a row are one character to every reader."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


texts = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Po", "Ps", "Pe", "L"]), max_size=8),
    st.lists(st.sampled_from(NASTY), max_size=4).map("".join),
).map(_paired)


def unsurrogated(text: str) -> str:
    """Half a surrogate pair can't be sent: it becomes `?`."""
    return text.encode("utf-8", "replace").decode()
