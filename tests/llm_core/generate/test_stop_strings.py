import itertools

from hypothesis import given
from hypothesis import strategies as st

from llm_core.generate.text_stream import StopScanner


def scan(stops: list[str], pieces: list[str]) -> tuple[list[str], str | None]:
    scanner = StopScanner(stops)
    shown = []
    for piece in pieces:
        shown.append(scanner.push(piece))
        if scanner.found is not None:
            return shown, scanner.found
    return [*shown, scanner.close()], None


def test_text_before_a_stop_string_is_shown_and_the_rest_is_not():
    assert scan(["END"], ["one END two"]) == (["one "], "END")


def test_a_stop_string_is_found_across_pieces():
    assert scan(["END"], ["one E", "N", "D two"]) == (["one ", "", ""], "END")


def test_what_only_began_like_a_stop_string_is_shown_late():
    assert scan(["END"], ["one EN", "TER"]) == (["one ", "ENTER", ""], None)


def test_what_is_held_back_is_shown_at_the_end():
    assert scan(["END"], ["one EN"]) == (["one ", "EN"], None)


def test_without_stop_strings_text_passes_through():
    assert scan([], ["a", "b"]) == (["a", "b", ""], None)


TEXT = st.text("ab", max_size=20)


@given(TEXT, st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.lists(st.integers(0, 20), max_size=6))
def test_where_pieces_are_cut_changes_nothing(text, stops, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    by_character, found = scan(stops, list(text))
    shown, also_found = scan(stops, pieces)
    assert ("".join(shown), also_found) == ("".join(by_character), found)
    assert not any(stop in "".join(shown) for stop in stops)
