"""Digest: challenge, verify, answer; replay and lockout."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipsms.errors import ProtocolError
from voipsms.sip.digest import ALGORITHMS, Attempts, DigestServer, NoUsableChallenge, Outcome, authorization, ha1

NOW = 1_800_000_000.0
URI = "sip:36201234567@gw.example.com"
PASSWORDS = {"alice": "wonderland", 'o"d\\d': 'p"w'}


def stored(username: str, algorithm: str) -> str | None:
    password = PASSWORDS.get(username)
    return None if password is None else ha1(algorithm, username, "voipsms", password)


def server(nonces: int = 50_000) -> DigestServer:
    return DigestServer("voipsms", b"secret", nonces=nonces)


def challenge(digest: DigestServer, algorithm: str = "SHA-256", now: float = NOW) -> str:
    return next(value for _, value in digest.challenges(now) if f"algorithm={algorithm}," in value)


def answer(value: str, *, password: str = "wonderland", username: str = "alice", uri: str = URI, nc: int = 1) -> str:
    return authorization([value], "MESSAGE", uri, username, password, cnonce="c0ffee", nc=nc)


def verify(digest: DigestServer, *values: str, method: str = "MESSAGE", uri: str = URI, now: float = NOW) -> Outcome:
    return digest.verify(values, method, uri, stored, now).outcome


def without_qop(value: str) -> str:
    return value.replace(', qop="auth"', "")


def test_rfc_3261_style_vector() -> None:
    """The exchange of RFC 2617 §3.5, whose figures every implementation knows."""
    value = authorization(
        ['Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
         'opaque="5ccc069c403ebaf9f0171e9517f40e41"'],
        "GET", "/dir/index.html", "Mufasa", "Circle Of Life", cnonce="0a4f113b",
    )  # fmt: skip
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value


def test_rfc_7616_vector() -> None:
    value = authorization(
        ['Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
         'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'],
        "GET", "/dir/index.html", "Mufasa", "Circle of Life",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("username", PASSWORDS)
@pytest.mark.parametrize("legacy", [False, True], ids=["qop", "legacy"])
def test_right(algorithm: str, username: str, legacy: bool) -> None:
    digest = server()
    value = challenge(digest, algorithm)
    value = answer(without_qop(value) if legacy else value, username=username, password=PASSWORDS[username])
    verdict = digest.verify([value], "MESSAGE", URI, stored, NOW + 10)
    assert (verdict.outcome, verdict.username) == (Outcome.OK, username)


def test_challenges_best_first() -> None:
    first, second = server().challenges(NOW, stale=True)
    assert first[0] == second[0] == "WWW-Authenticate"
    assert ("SHA-256" in first[1], "MD5" in second[1], "stale=true" in first[1]) == (True, True, True)
    chosen = authorization([second[1], first[1]], "MESSAGE", URI, "alice", "wonderland", cnonce="x")
    assert "algorithm=SHA-256" in chosen


def test_only_what_is_offered_is_taken() -> None:
    digest = DigestServer("voipsms", b"secret", algorithms=("MD5",))
    (only,) = (value for _, value in digest.challenges(NOW))
    assert "algorithm=MD5" in only
    assert verify(digest, answer(only)) is Outcome.OK
    assert verify(digest, answer(challenge(server(), "SHA-256"))) is Outcome.MISSING


def test_nonces_from_before_a_restart_are_stale() -> None:
    value = challenge(server())
    assert verify(DigestServer("voipsms", b"secret", since=NOW + 1), answer(value)) is Outcome.STALE


def test_wrong() -> None:
    digest = server()
    value = challenge(digest)
    assert verify(digest, answer(value, password="no")) is Outcome.WRONG
    assert verify(digest, answer(value, username="nobody")) is Outcome.WRONG
    assert verify(digest, answer(value, uri="sip:other@gw.example.com")) is Outcome.WRONG
    assert verify(digest, answer(value), method="OPTIONS") is Outcome.WRONG
    assert verify(digest, answer(value).replace("cnonce=", "opaque=")) is Outcome.MISSING
    assert verify(digest, answer(value)) is Outcome.OK


def test_a_uri_of_the_host_alone_will_do() -> None:
    digest = server()
    assert verify(digest, answer(challenge(digest), uri="sip:gw.example.com")) is Outcome.OK
    assert verify(digest, answer(challenge(digest), uri="sip:elsewhere.example.com")) is Outcome.WRONG


def test_spelling_of_the_uri_does_not_matter() -> None:
    digest = server()
    value = answer(challenge(digest), uri="sip:%336201234567@GW.example.com;user=phone")
    assert verify(digest, value) is Outcome.OK


@pytest.mark.parametrize(
    ("made", "secret", "outcome"),
    [
        (NOW, b"secret", Outcome.OK), (NOW - 300, b"secret", Outcome.OK), (NOW - 301, b"secret", Outcome.STALE),
        (NOW + 60, b"secret", Outcome.STALE), (NOW, b"another", Outcome.STALE),
    ],
    ids=["fresh", "just fresh", "old", "from the future", "another server's"],
)  # fmt: skip
def test_nonce(made: float, secret: bytes, outcome: Outcome) -> None:
    value = challenge(DigestServer("voipsms", secret), now=made)
    assert verify(server(), answer(value)) is outcome


def test_replay_is_stale() -> None:
    digest = server()
    value = challenge(digest)
    counts = [(1, Outcome.OK), (1, Outcome.STALE), (3, Outcome.OK), (2, Outcome.STALE), (4, Outcome.OK)]
    assert [verify(digest, answer(value, nc=nc)) for nc, _ in counts] == [outcome for _, outcome in counts]


def test_legacy_nonce_serves_once() -> None:
    digest = server()
    value = answer(without_qop(challenge(digest, "MD5")))
    assert [verify(digest, value), verify(digest, value)] == [Outcome.OK, Outcome.STALE]


def test_memory_of_nonces_is_bounded_and_forgets_safely() -> None:
    digest = server(nonces=2)
    values = [answer(challenge(digest, now=NOW + second)) for second in range(4)]
    for value in values:
        assert verify(digest, value, now=NOW + 4) is Outcome.OK
    assert [verify(digest, value, now=NOW + 4) for value in values] == [Outcome.STALE] * 4


NAMED = 'Digest username="alice", realm="voipsms", '
FIELDS = NAMED + 'nonce="n", uri="u", response="0", '
MISSING = {
    "none": "",
    "basic": "Basic YTpi",
    "no fields": "Digest",
    "other realm": 'Digest username="alice", realm="x", nonce="n", uri="sip:a@b", response="0"',
    "unknown algorithm": FIELDS + "algorithm=SHA-3",
    "session algorithm": FIELDS + "algorithm=MD5-sess",
    "unbalanced": 'Digest username="alice, realm="voipsms"',
    "twice the same": FIELDS + 'username="b"',
    "auth-int": FIELDS + 'qop=auth-int, nc=00000001, cnonce="c"',
    "bad nc": FIELDS + 'qop=auth, nc=1, cnonce="c"',
    "no cnonce": FIELDS + "qop=auth, nc=00000001",
    "no nonce": NAMED + 'uri="u", response="0"',
}


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
def test_missing(value: str) -> None:
    assert verify(server(), value) is Outcome.MISSING


def test_credentials_of_our_realm_are_found_among_others() -> None:
    digest = server()
    assert verify(digest, MISSING["other realm"], answer(challenge(digest))) is Outcome.OK


@settings(max_examples=200)
@given(
    st.text()
    | st.lists(st.sampled_from(["Digest ", 'username="alice"', 'realm="voipsms"', "nonce=ő", 'uri="x"', "response=é",
                                ",", '"', "=", "qop=auth", "nc=00000001", "cnonce=", " "]), max_size=20)
    .map("".join).map("Digest ".__add__)
)  # fmt: skip
def test_bad_input_is_an_outcome(value: str) -> None:
    assert verify(server(), value) in (Outcome.MISSING, Outcome.WRONG)


UNUSABLE: dict[str, list[str]] = {
    "none": [],
    "basic": ["Basic x"],
    "auth-int": ['Digest realm="x", nonce="n", qop="auth-int"'],
    "no nonce": ["Digest realm=x"],
}


@pytest.mark.parametrize("values", UNUSABLE.values(), ids=UNUSABLE)
def test_no_usable_challenge(values: list[str]) -> None:
    with pytest.raises(NoUsableChallenge) as caught:
        authorization(values, "MESSAGE", URI, "alice", "x", cnonce="c")
    assert isinstance(caught.value, ProtocolError)


def test_attempts() -> None:
    attempts = Attempts(3, 60.0)
    assert [attempts.wrong("a", "1.1.1.1", NOW + second) for second in range(3)] == [False, False, True]
    assert attempts.locked("a", "1.1.1.1", NOW + 61)
    assert not attempts.locked("a", "1.1.1.1", NOW + 62)
    assert not attempts.locked("a", "2.2.2.2", NOW + 3)
    assert not attempts.wrong("a", "1.1.1.1", NOW + 62)


def test_right_credentials_clear_the_count() -> None:
    attempts = Attempts(2, 60.0)
    attempts.wrong("a", "1.1.1.1", NOW)
    attempts.right("a", "1.1.1.1")
    assert not attempts.wrong("a", "1.1.1.1", NOW)


def test_memory_of_attempts_is_bounded() -> None:
    attempts = Attempts(1, 60.0, pairs=10)
    locked = [attempts.wrong(str(user), "1.1.1.1", NOW) for user in range(11)]
    assert all(locked)
    assert [attempts.locked(str(user), "1.1.1.1", NOW) for user in range(11)] == [False] + [True] * 10
