import os
import signal
from collections.abc import Callable

import pytest
import typer
from rich.progress import Progress

from ilrm_cli.cli.console import _Time, face


def shown_time(done: int, total: int | None, seconds: float) -> str:
    """What stands beside the bar of a stage that reported every second."""
    now = [0.0]
    progress = Progress(get_time=lambda: now[0])
    task = progress.add_task("frames", total=total)
    for i in range(done):
        now[0] = seconds * (i + 1) / done
        progress.update(task, completed=i + 1)
    return _Time().render(progress.tasks[0]).plain


def test_the_time_that_is_left() -> None:
    assert shown_time(10, 40, seconds=10.0) == "0:00:30 left"


def test_the_time_taken_at_the_end_or_where_no_end_is_known() -> None:
    assert shown_time(40, 40, seconds=40.0) == "0:00:40"
    assert shown_time(10, None, seconds=10.0) == "0:00:10"


def terminated() -> None:
    """A command that gets SIGTERM twice, as schedulers may send it, the second while it cleans up."""
    with face("render"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


def terminated_in_an_import() -> None:
    """Libraries take what is raised while they start for a failure of their own."""
    with face("render", quiet=True):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("cannot import the C++ backend") from None


@pytest.mark.parametrize("command", [terminated, terminated_in_an_import])
def test_sigterm_ends_a_command_in_order(command: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 143
    assert capsys.readouterr().err == "stopped: nothing was written\n"
    assert signal.getsignal(signal.SIGTERM) == before
