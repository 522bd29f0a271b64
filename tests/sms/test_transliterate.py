import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipsms.sms import gsm0338
from voipsms.sms.transliterate import transliterate


@pytest.mark.parametrize(
    "text,nearest",
    [
        ("“It’s” – he said… —", '"It\'s" - he said... -'),
        ("„így” «là» ‹x›", '"igy" "là" <x>'),
        ("a\u00a0b\u202fc\td", "a b c d"),
        ("árvíztűrő tükörfúrógép", "arviztürö tükörfurogép"),
        ("façade ÇA", "facade ÇA"),
        ("Łódź, Đakovo, œuvre, Straße", "Lodz, Dakovo, oeuvre, Straße"),
        ("ＡＢＣ① ﬁn ½", "ABC1 fin 1/2"),
        ("e\u0301 x\u0302", "é x"),
        ("ΑΘΗΝΑ", "AΘHNA"),
        ("3 × 4 − 2 ÷ 1 ™ №5", "3 x 4 - 2 / 1 TM No5"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("@£$ [€] ^{}\\~|", "@£$ [€] ^{}\\~|"),
        ("hi 😀", "hi 😀"),
        ("привет", "привет"),
        ("日本", "日本"),
        ("", ""),
    ],
    ids=lambda value: value[:12],
)
def test_nearest(text: str, nearest: str) -> None:
    assert transliterate(text) == nearest


@given(st.text(st.sampled_from(sorted(gsm0338.DEFAULT.replace("\x1b", "") + "".join(gsm0338.EXTENSION.values())))))
def test_the_alphabet_is_left_alone(text: str) -> None:
    assert transliterate(text) == text


@given(st.text())
def test_total_and_stable(text: str) -> None:
    once = transliterate(text)
    assert transliterate(once) == once
