"""Random changes of the content of files, from given dice."""

import re

import numpy as np

SIZES = (1, 2, 3, 5, 8, 40)
NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
FLOATS = (0.0, -1.0, 1e-30, 1e30, -3e38, float("inf"), float("nan"))
TOKENS = (
    b"-1", b"0", b"1e400", b"-1e30", b"NaN", b"null", b'""', b"[]", b"{}", b"true", b"1" + b"0" * 400, b"9" * 25,
    b"1.5", b"[" * 3000, b'"\\ud800"', b"\xff\xfe", b"\x1b[31m", b"../../x", b"x" * 5000, b"\0", b"\n",
)  # fmt: skip
TOKEN = re.compile(rb'"[^"]*"|[-+.\w]+')


def mutated(content: bytes, dice: np.random.Generator) -> bytes:
    """Return the content with one to three random changes."""
    for _ in range(int(dice.integers(1, 4))):
        content = _CHANGES[int(dice.integers(len(_CHANGES)))](content, dice)
    return content


def _place(content: bytes, dice: np.random.Generator) -> int:
    """Return a random place, in every second draw within the first 200 bytes, where headers are."""
    most = min(len(content), 200) if dice.random() < 0.5 else len(content)
    return int(dice.integers(max(1, most)))


def _with(content: bytes, start: int, new: bytes, old: int | None = None) -> bytes:
    return content[:start] + new + content[start + (len(new) if old is None else old) :]


def _flipped(content: bytes, dice: np.random.Generator) -> bytes:
    start = _place(content, dice)
    return _with(content, start, bytes([content[start] ^ 1 << int(dice.integers(8))])) if content else content


def _noise(content: bytes, dice: np.random.Generator) -> bytes:
    return _with(content, _place(content, dice), dice.bytes(int(dice.choice(SIZES))))


def _cut(content: bytes, dice: np.random.Generator) -> bytes:
    return content[: _place(content, dice)]


def _removed(content: bytes, dice: np.random.Generator) -> bytes:
    return _with(content, _place(content, dice), b"", int(dice.choice(SIZES)))


def _repeated(content: bytes, dice: np.random.Generator) -> bytes:
    start, size = _place(content, dice), int(dice.choice(SIZES))
    return _with(content, start, content[start : start + size] * int(dice.choice((2, 3, 50))), size)


def _number(content: bytes, dice: np.random.Generator) -> bytes:
    size, order = int(dice.choice((1, 2, 4, 8))), "little" if dice.random() < 0.7 else "big"
    value = NUMBERS[int(dice.integers(len(NUMBERS)))] % 2 ** (8 * size)
    return _with(content, _place(content, dice), value.to_bytes(size, order))


def _float(content: bytes, dice: np.random.Generator) -> bytes:
    kind = "<f4" if dice.random() < 0.6 else "<f8"
    with np.errstate(over="ignore"):
        value = np.array(FLOATS[int(dice.integers(len(FLOATS)))], dtype=kind)
    return _with(content, _place(content, dice), value.tobytes())


def _token(content: bytes, dice: np.random.Generator) -> bytes:
    found = next(iter(TOKEN.finditer(content, _place(content, dice))), None)
    if found is None:
        return content
    return _with(content, found.start(), TOKENS[int(dice.integers(len(TOKENS)))], found.end() - found.start())


_CHANGES = (_flipped, _noise, _cut, _removed, _repeated, _number, _float, _token, _token)
