"""The error for mistakes of the user."""


class InputError(Exception):
    """Raised if something the user gave cannot be used.

    The message is one sentence for people: what is wrong, which file or flag, and what to do about it. The command line
    prints it and exits with status 1; every other exception is our bug and keeps its traceback.
    """
