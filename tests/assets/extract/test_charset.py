"""Characters from bytes, whatever the page claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.extract.charset import decode

FRENCH = "Où sont passés les élèves ? À l’école, où ils étudient le français et la géographie de l’Europe."
RUSSIAN = "Функция возвращает сумму всех своих аргументов и сообщает об ошибке, если один из них не число."
JAPANESE = "この関数はすべての引数の合計を返し、数値でない引数がある場合はエラーを発生させます。"
GREEK = "Η συνάρτηση επιστρέφει το άθροισμα όλων των ορισμάτων της και αναφέρει σφάλμα αν κάποιο δεν είναι αριθμός."


@pytest.mark.parametrize("declared", ["", "; charset=utf-8", "; charset=windows-1252", "; charset=nonsense"])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "utf-8"),
        (FRENCH, "windows-1252"),
        (RUSSIAN, "windows-1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso-2022-jp"),
        (GREEK, "windows-1253"),
        ("A plain English sentence, long enough to tell.", "utf-16-le"),
        (FRENCH, "utf-16"),
        (FRENCH, "utf-8-sig"),
    ],
)
def test_text_survives_a_missing_or_wrong_declaration(text, encoding, declared):
    page = f"<html><body><p>{text}</p><p>{text}</p></body></html>"
    assert decode(page.encode(encoding), f"text/html{declared}") == page


def test_a_declaration_in_the_page_is_heard():
    page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"></head>{RUSSIAN}'
    assert decode(page.encode("windows-1251"), "text/html") == page


def test_valid_utf8_is_utf8_even_where_the_header_says_latin_1():
    assert decode("naïve café".encode(), "text/html; charset=ISO-8859-1") == "naïve café"


def test_one_broken_byte_does_not_cost_a_page():
    page = "A long page of plain words. " * 20
    assert decode(page.encode() + "é".encode()[:1] + b" end", "text/html; charset=utf-8") is not None


def test_a_stray_nul_does_not_cost_a_page():
    page = "A long page of plain words, naïve ones too. " * 20
    assert decode(page.encode() + b"\0 end", "text/html") == page + " end"


@pytest.mark.parametrize("payload", [bytes(range(256)) * 4, b"%PDF-1.7\n\x00\x01\x02\x03" + bytes(64), b"\x00" * 50])
def test_bytes_that_are_no_text_are_not_decoded(payload):
    assert decode(payload, "text/html") is None


@given(st.binary(max_size=300), st.text(max_size=30))
def test_any_bytes_under_any_header_are_decoded_or_refused(payload, header):
    assert isinstance(decode(payload, header), str | None)
