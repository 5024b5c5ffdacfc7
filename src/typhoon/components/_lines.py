"""Lines of text out of bytes, the same for files and standard input."""

from __future__ import annotations


def check_encoding(encoding: str) -> None:
    """Raise ``ValueError`` for an encoding in which a newline's byte may mean another thing."""
    try:
        sound = b"\n".decode(encoding) == "\n"
    except UnicodeDecodeError:
        sound = False
    except LookupError as error:
        raise ValueError(f"{error}\nhint: encoding='utf-8'") from None
    if not sound:
        raise ValueError(
            f"lines cannot be told apart in {encoding!r} before they are decoded\n"
            "hint: convert to UTF-8 first"
        )


def text_of(line: bytes, encoding: str, errors: str, where: str, *place: object) -> str:
    """``line`` decoded, without its newline, whether Unix or Windows wrote it.

    Raises ``ValueError`` for one that cannot be decoded; ``where``, with ``place`` in its braces,
    says which it is.
    """
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where.format(*place)}: {error}; the line is left out\n"
            "hint: name its encoding=, or read it all the same by errors='replace'"
        ) from None
