"""Look up the numbers that texts quote, and fill in the results section (rule quote_numbers)."""

import json
from pathlib import Path

import pandas as pd

from codingaxes import job
from codingaxes.claims import quotes
from codingaxes.downloads.checksums import sha256_of
from codingaxes.tables import store
from codingaxes.tables.claims import QUOTED


def main(run):
    """Read each table once; a number that is not there is quoted as undefined, with the reason."""
    files = run.input["tables"]
    tables = {file: (pd.read_parquet(file), sha256_of(file)) for file in files}
    rows = [
        quotes.quote(macro, number, *tables[number["table"]])
        for macro, number in run.params["numbers"].items()
    ]
    store.write(run.output["numbers"], QUOTED, pd.DataFrame(rows))
    content = json.dumps(quotes.as_json(rows), indent=1, ensure_ascii=False, allow_nan=False)
    Path(run.output["json"]).write_text(content + "\n", encoding="utf-8")
    Path(run.output["tex"]).write_text(quotes.latex(rows), encoding="utf-8")
    text = quotes.fill(run.params["template"], rows)
    Path(run.output["text"]).write_text(text, encoding="utf-8")
    missing = [row["macro"] for row in rows if row["reason"]]
    job.log.info(f"{len(rows)} numbers, {len(missing)} undefined: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    job.start(main, globals())
