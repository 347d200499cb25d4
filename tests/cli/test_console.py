from rich.progress import Progress

from ilrm_cli.cli.console import _Time


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
