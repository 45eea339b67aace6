"""Write the pieces that texts in Markdown are made of."""

import textwrap

WIDTH = 110


def table(headers, rows):
    """Write a table in Markdown; a | in a cell is escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def number(value, digits=3):
    """Write a number; a dash where it is missing."""
    return "–" if value != value else f"{value:.{digits}g}".replace("-", "−")


def wrapped(text, **options):
    """Break a paragraph into lines."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False, **options)


def listed(items):
    """Write a list in Markdown."""
    return "\n".join(wrapped(item, initial_indent="- ", subsequent_indent="  ") for item in items)


def plural(number, word):
    """Write how many there are of something."""
    return f"{number} {word}{'' if number == 1 else 's'}"
