import pytest

from ilrm_cli.runtime.errors import LONGEST, Damage, InputError, clause, printable, shortened


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a photo.jpg", "a photo.jpg"),
        ("Bär 写真 👨‍👩‍👧.jpg", "Bär 写真 👨‍👩‍👧.jpg"),
        ("a\x1b[31mred\x07", r"a\x1b[31mred\x07"),
        ("two\nlines\ttab", "two lines tab"),
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(given, shown):
    assert printable(given) == shown
    assert str(InputError(given)) == shown


def test_long_sentences_keep_their_beginning_and_their_end():
    long = str(InputError(f"the file {'x' * 4000}.jpg does not exist; check the path."))
    assert len(long) == LONGEST
    assert long.startswith("the file xxx")
    assert long.endswith(".jpg does not exist; check the path.")
    assert shortened("x" * LONGEST) == "x" * LONGEST
    assert len(shortened("y" * 500)) == LONGEST


def test_only_our_own_words_are_quoted():
    assert clause(Damage("it has no cameras"), "it is odd") == "it has no cameras"
    assert clause(ValueError("codec can't decode"), "it is odd") == "it is odd"
