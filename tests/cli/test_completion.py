"""Completion in the shell: commands, options, values and topics, and nothing heavy is imported for them."""

import os
import subprocess
import sys

import pytest

from ilrm_cli.cli import app
from ilrm_cli.cli.help import TOPICS
from tests.support.command_line import ilrm

ASK = """import sys
sys.argv = ["ilrm"]
from ilrm_cli.cli.app import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
HEAVY = ("torch", "numpy", "pycolmap", "numba", "scipy", "PIL")


def ask(line: str) -> tuple[list[str], list[str]]:
    """Return what bash would offer for the last word of a line, and the modules that were imported for it."""
    words = line.split(" ")
    environment = {"_ILRM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr.split()


def test_commands_are_completed_without_importing_them() -> None:
    offered, imported = ask("ilrm ")
    assert offered == list(app.SENTENCES)
    own = {name for name in imported if name.startswith("ilrm_cli.")}
    assert own == {"ilrm_cli.cli", "ilrm_cli.cli.app", "ilrm_cli.runtime", "ilrm_cli.runtime.progress"}
    assert ask("ilrm re")[0] == ["reconstruct", "refine", "render", "replay"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ilrm reconstruct --re", ["--refine", "--refine-poses", "--report"]),
        ("ilrm reconstruct photos --poses ", ["auto", "colmap", "transforms", "other", "sfm"]),
        ("ilrm models ", ["list", "info", "pull", "verify"]),
        ("ilrm models pull --off", ["--offline"]),
        ("ilrm help tr", ["trace", "training", "train"]),
        ("ilrm --install", ["--install-completion"]),
    ],
)
def test_options_values_and_topics_are_completed(line: str, expected: list[str]) -> None:
    offered, imported = ask(line)
    assert offered == expected
    assert not [name for name in HEAVY if name in imported]


def test_every_option_is_completed() -> None:
    offered, _ = ask("ilrm reconstruct --")
    options = {
        option
        for parameter in app.command("reconstruct").params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    assert options <= {*offered}


def test_topics_are_completed() -> None:
    assert ask("ilrm help ")[0] == [*TOPICS, *app.SENTENCES]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_asks_the_command(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell is the one that `--show-completion` finds among its parent processes."""
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    script = ilrm("--show-completion")
    assert script.status == 0
    assert f"_ILRM_COMPLETE=complete_{shell}" in script.out
