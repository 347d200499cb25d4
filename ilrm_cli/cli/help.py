"""`ilrm help`: the topics, which are the Markdown files in `topics`, and the help of the commands."""

from importlib.resources import files
from typing import Annotated

import typer

from ilrm_cli.cli.console import face

# In the order of the list: what goes in, what comes out, what can be done with it, and for those who go on from here.
TOPICS = (
    "inputs", "objects", "heads", "poses", "views", "formats", "meshes", "viewing", "camera-paths", "trace",
    "confidence", "reports", "batches", "record", "json", "scripting", "cache", "weights", "evaluation", "training",
    "speed", "conventions",
)  # fmt: skip
# Other words for what a topic explains.
ALIASES = {
    "quality": "views", "refine-poses": "views", "photos": "inputs", "video": "inputs", "masks": "inputs",
    "colmap": "poses", "axes": "conventions", "gpu": "speed", "memory": "speed", "share": "viewing",
    "floaters": "confidence", "prune": "confidence", "paths": "camera-paths", "report": "reports", "ray": "batches",
    "triposr": "objects", "avat3r": "heads", "avatars": "heads", "stl": "meshes", "print": "meshes",
}  # fmt: skip


def topic_text(name: str) -> str:
    """Return the Markdown of a topic."""
    return (files("ilrm_cli.cli") / "topics" / f"{name}.md").read_text(encoding="utf-8")


def list_of_topics() -> str:
    """Return the names of all topics with what each is about, which its first line says: `# name: what`."""
    about = {name: topic_text(name).partition("\n")[0].partition(": ")[2] for name in TOPICS}
    width = max(map(len, about))
    lines = "".join(f"    {name:{width}}  {what}\n" for name, what in about.items())
    return f"Topics, each shown by `ilrm help TOPIC`; `ilrm help COMMAND` shows options.\n\n{lines}"


def complete_names(incomplete: str) -> list[str]:
    """Return the topics and commands that begin so, for the shell."""
    from ilrm_cli.cli.app import SENTENCES

    return [name for name in (*TOPICS, *SENTENCES) if name.startswith(incomplete)]


def help(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="A topic, or a command.", autocompletion=complete_names),
    ] = None,
) -> None:
    """Explain a topic, such as inputs or formats, or a command; without a name, list the topics."""
    with face("help") as shown:
        from ilrm_cli.cli.app import SENTENCES, app
        from ilrm_cli.runtime.errors import InputError, meant

        asked = " ".join(" ".join(names or ()).split())
        if not asked:
            shown.page(list_of_topics())
        elif (topic := ALIASES.get(asked, asked)) in TOPICS:
            shown.page(topic_text(topic))
        elif asked.split()[0] in SENTENCES:
            app([*asked.split(), "--help"], prog_name="ilrm", standalone_mode=False)
        else:
            like = meant(asked, [*TOPICS, *ALIASES])
            raise InputError(f"no topic is named {asked}{like}; there are {', '.join(TOPICS)}.")
