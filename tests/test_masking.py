from __future__ import annotations

import pytest

from voipsms.masking import is_secret, mask_body, mask_headers, mask_number, mask_text, mask_url


@pytest.mark.parametrize("text, shown", [("", "*** (0)"), ("hello", "*** (5)"), ("\U0001f600\n", "*** (2)")])
def test_a_text_shows_its_length(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    "number, shown",
    [
        ("36301234567", "3630*****67"),
        ("+36301234567", "+363******67"),
        ("1234567", "1234*67"),
        ("123456", "123456"),
        ("", ""),
        ("Bank Name", "Bank Name"),
    ],
)
def test_a_number_shows_its_ends(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://api.test/send?user=u&password=hush&to=1", "http://api.test/send?user=u&password=***&to=1"),
        ("http://api.test/send?API_ID=hush&p=hush&pwd=hush", "http://api.test/send?API_ID=***&p=***&pwd=***"),
        ("https://me:hush@api.test:8/x", "https://***@api.test:8/x"),
        ("https://me:hu@sh@api.test/x", "https://***@api.test/x"),
        ("https://api.test/bot12345:ABCDEFGHIJK/send", "https://api.test/***/send"),
        ("https://api.test/v1/messages/sendmessages", "https://api.test/v1/messages/sendmessages"),
        ("http://[::1]:8080/?authkey=hush", "http://[::1]:8080/?authkey=***"),
        ("http://api.test/?happy=1&map=2&up=3&sessions=4", "http://api.test/?happy=1&map=2&up=3&sessions=4"),
    ],
)
def test_a_url_shows_no_secret(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "body, shown",
    [
        ("user=u&pass=hush&text=x", "user=u&pass=***&text=x"),
        ('{"apiKey": "hu\\"sh", "to": "1"}', '{"apiKey": "***", "to": "1"}'),
        ('{"pin":1234,"n":1}', '{"pin":"***","n":1}'),
        ("<a><password>hush</password><to>1</to></a>", "<a><password>***</password><to>1</to></a>"),
        ('<login name="u" password="hu sh"/>', '<login name="u" password="***"/>'),
        ("<x:token type='t'>hush</x:token>", "<x:token type='t'>***</x:token>"),
    ],
)
def test_a_body_shows_no_secret(body: str, shown: str) -> None:
    assert mask_body(body) == shown


def test_headers_show_only_what_is_never_secret() -> None:
    headers = [("Content-Type", "text/xml"), ("Authorization", "Basic aHVzaA=="), ("X-Any", "hush")]
    assert mask_headers(headers) == "Content-Type: text/xml\r\nAuthorization: ***\r\nX-Any: ***"


@pytest.mark.parametrize(
    "name, secret",
    [
        ("password", True),
        ("smpp_password", True),
        ("Api-Key", True),
        ("authmd5", True),
        ("credit", False),
        ("session", False),
        ("sender", False),
    ],
)
def test_secret_names(name: str, secret: bool) -> None:
    assert is_secret(name) is secret
