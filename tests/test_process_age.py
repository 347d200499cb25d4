import subprocess
import sys
import time

from ilrm_cli import process_age

CODE = (
    "import time; {wait}; from ilrm_cli.process_age import process_start; print(time.perf_counter() - process_start())"
)


def test_a_process_that_waits_is_older():
    """On Linux; the waiting is counted by another clock than the one that tells the age."""
    before = time.monotonic()
    command = [sys.executable, "-c", CODE.format(wait="time.sleep(0.2)")]
    age_s = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if process_age.STAT.is_file():
        assert 0.19 < age_s < time.monotonic() - before + 0.02  # ticks are a hundredth of a second


def test_a_system_that_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(process_age, "STAT", tmp_path / "none")
    before = time.perf_counter()
    assert before <= process_age.process_start() <= time.perf_counter()
