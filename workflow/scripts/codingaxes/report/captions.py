"""Turn the captions of figures, which are short reStructuredText, into HTML."""

import re
from html import escape

MARKS = (  # in this order: two stars before one
    (re.compile(r"``(.+?)``", re.S), "code"),
    (re.compile(r"\*\*(.+?)\*\*", re.S), "strong"),
    (re.compile(r"\*(.+?)\*", re.S), "em"),
)


def html(text):
    """Write a caption as HTML: paragraphs, **strong**, *emphasis* and ``code``, which is all that it may use.

    Raises
    ------
    ValueError
        If another mark of reStructuredText stands in it (a directive, a list, a link).
    """
    for line in text.splitlines():
        if re.match(r"\s*(\.\. |[-*+] |\d+\. )", line) or "`_" in line:
            raise ValueError(f"a caption has paragraphs, **, * and `` only, not: {line.strip()}")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip())]
    return "".join(f"<p>{_marked(escape(part, quote=False))}</p>" for part in paragraphs)


def title(text):
    """Give the first statement of a caption, which stands between two stars, as plain text."""
    found = re.match(r"\s*\*\*(.+?)\*\*", text, re.S)
    return " ".join((found[1] if found else text.partition(".")[0]).split()).rstrip(".")


def _marked(text):
    for pattern, tag in MARKS:
        text = pattern.sub(rf"<{tag}>\1</{tag}>", text)
    return text
