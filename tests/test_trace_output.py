"""Where no trace can be put."""

import pytest

from ilrm_cli.errors import InputError
from ilrm_cli.trace_output import check_trace_output


def test_an_output_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "there.png").write_bytes(b"x")
    for name, reason in (
        ("trace.avi", r"one strip\) or no suffix"),
        ("--confidence", "is no place for a trace"),  # the option's value was forgotten
        ("there.png", "exists"),
        ("no/trace.mp4", "does not exist"),
    ):
        with pytest.raises(InputError, match=reason):
            check_trace_output(tmp_path / name, overwrite=False)
    check_trace_output(tmp_path / "there.png", overwrite=True)
