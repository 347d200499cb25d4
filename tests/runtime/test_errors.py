import errno

import pytest
import torch

from ilrm_cli.runtime.errors import LONGEST, Damage, InputError, clause, printable, shortened, told_of_machine


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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.bin"), "a.bin cannot be used (No space left on device)"),
        (OSError(errno.ENAMETOOLONG, "File name too long"), "File name too long"),
        (MemoryError(), "the memory is full"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "the memory is full"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), "the memory of the GPU is full"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "of the GPU is full"),
        (RuntimeError("[enforce fail at inline_container.cc] PytorchStreamWriter failed writing file"), "may be full"),
        (InputError("what you gave"), "what you gave"),
    ],
)
def test_failures_that_people_can_mend_are_told_in_a_sentence(error, words):
    assert words in str(told_of_machine(error))


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), OSError(errno.ECHILD, "No child processes")])
def test_other_failures_are_bugs(error):
    assert told_of_machine(error) is None
