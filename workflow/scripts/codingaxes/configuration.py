"""Turn settings and the table of networks into checked values, or into one error.

The error names the key, its value and the remedy.
"""

import csv
from math import inf, isfinite
from pathlib import Path

import jsonschema
import yaml

from codingaxes.configuration_written import ConfigurationError, refuse_misread, refuse_repeated, typed
from codingaxes.miniature import recipes
from codingaxes.names import RESERVED
from codingaxes.networks.places import places_of
from codingaxes.nsd.pictures import normal

FUNCTION = ("name", "source", "identifier", "input_size", "mean", "std", "interpolation", "layers")
NUMBERS = ("input_size", "top1", "training_radius", "seed", "megabytes")
LISTS = ("mean", "std", "layers", "accepted")
TERMS = "https://cvnlab.slite.com/api/s/note/9dgh5HCqgZYhMoAESZBS86/Terms-and-Conditions"
AGREEMENT = "https://forms.gle/xue2bCdM9LaFNMeb7"


def checked(config, schemas, here=".", files=()):
    """Check all settings, and give them their types.

    Parameters
    ----------
    config : dict
        As Snakemake merged it from files and the command line.
    schemas : path-like
        Folder of the JSON schemas, `config.schema.yaml` among them.
    here : path-like
        Folder that relative paths start from.
    files : sequence of path-likes
        Where settings were written; see `configuration_written.faults`.

    Returns
    -------
    dict
        The same settings. Text from the command line (Snakemake leaves text inside braces) has its type.

    Raises
    ------
    ConfigurationError
        If a key is unknown, a value is not allowed, two keys do not agree, or a file is not there.
    """
    refuse_misread(files)
    schema = read_schema(schemas, "config")
    config = typed(config, schema)
    hold(config, schema, "the configuration")
    _check_numbers(config)
    _check_names(config)
    _check_files(config, here)
    return config


def read_schema(folder, name):
    """Read the JSON schema `name` from its YAML file."""
    return yaml.safe_load(Path(folder, f"{name}.schema.yaml").read_text(encoding="utf-8"))


def hold(content, schema, where):
    """Hold `content` to a schema; the error names each wrong key, its value and what is allowed."""
    odd = [f"{place}: the name {key!r} is no text; write it in quotes" for place, key in _odd_keys(content)]
    if odd:
        raise ConfigurationError(f"{where} is not valid:\n  " + "\n  ".join(odd))
    lines = [
        f"{place}: {value} is not a finite number"
        for place, value in _leaves(content)
        if isinstance(value, float) and not isfinite(value)
    ]
    lines += [
        f"{place}: {value!r} has a line break or another control character; remove it"
        for place, value in _leaves(content)
        if isinstance(value, str) and any(ord(sign) < 32 for sign in value)
    ]
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        place = ".".join(map(str, error.absolute_path)) or "top level"
        if error.validator == "additionalProperties" and "properties" in error.schema:
            unknown = sorted(set(error.instance) - set(error.schema["properties"]))
            allowed = ", ".join(error.schema["properties"])
            lines.append(f"{place}: unknown key {', '.join(unknown)}; allowed are {allowed}")
        elif error.validator == "not":
            lines.append(f"{place}: {error.instance!r} is not allowed here; leave it empty")
        else:
            about = error.schema.get("description") if error.validator == "pattern" else None
            lines.append(f"{place}: {error.message}" + f". {about}" * bool(about))
    if lines:
        raise ConfigurationError(f"{where} is not valid:\n  " + "\n  ".join(lines))


def _odd_keys(content, place="top level"):
    """Yield every key of a dict that is no text, with the path of keys to the dict."""
    if isinstance(content, dict | list):
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            if isinstance(content, dict) and not isinstance(key, str):
                yield place, key
            yield from _odd_keys(part, str(key) if place == "top level" else f"{place}.{key}")


def _leaves(content, place=""):
    """Yield every value that is no dict and no list, with the path of keys to it."""
    if isinstance(content, dict | list):
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _leaves(part, f"{place}.{key}" if place else str(key))
    else:
        yield place, content


def _check_numbers(config):
    """Check the numbers that have to agree with other numbers."""
    largest, axes = max(config["similarity"]["k"]), config["eigenvectors"]
    if largest > axes["rank"]:
        raise ConfigurationError(
            f"similarity.k: {largest} is more than eigenvectors.rank, {axes['rank']}: no more axes "
            "are kept. Raise eigenvectors.rank or compare fewer axes"
        )
    if axes["max_steps"] < axes["rank"]:
        raise ConfigurationError(
            f"eigenvectors.max_steps: {axes['max_steps']} is less than eigenvectors.rank, {axes['rank']}; "
            "at least eigenvectors.rank products are needed"
        )
    alphas = config["readouts"]["alphas"]
    if alphas["smallest"] >= alphas["largest"]:
        raise ConfigurationError(
            f"readouts.alphas: smallest must be below largest, and {alphas['smallest']} is not below "
            f"{alphas['largest']}"
        )
    sessions = config["nsd"]["sessions"]
    if not any(sessions.values()):
        raise ConfigurationError(
            f"nsd.sessions: {sessions} has no session; give at least one subject a number above 0"
        )


def _check_names(config):
    """Check that subjects and regions have names that tables do not use for something else, nor twice.

    Names of regions come in Unicode's form NFC, as those of tables do.
    """
    own, nsd = config["own"], config["nsd"]
    own["regions"] = list(map(normal, own["regions"]))
    regions = list(map(normal, nsd["regions"]))
    of_key = {"own.subjects": own["subjects"], "own.regions": own["regions"], "nsd.regions": regions}
    for key, names in of_key.items():
        if taken := sorted(RESERVED & set(names)):
            raise ConfigurationError(
                f"{key}: the name {taken[0]} is taken, tables use it for something else; choose another"
            )
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigurationError(f"{key}: {twice[0]} stands there in two forms of Unicode; keep one")
    nsd["regions"] = dict(zip(regions, nsd["regions"].values(), strict=True))


def _check_files(config, here):
    """Check that files and folders of the source of data are there; put the home of the user for ~."""
    source, own = config["nsd"]["source"], config["own"]
    paths = {
        "local": [("nsd.folder", config["nsd"]["folder"], "folder", "that of your copy of NSD")],
        "own": [
            ("own.images", own["images"], "folder", "that of your images"),
            ("own.responses", own["responses"], "file", "your responses"),
        ],
    }
    for key, path, kind, what in paths.get(source, []):
        full = Path(here, Path(path).expanduser())
        if not path or not (full.is_dir() if kind == "folder" else full.is_file()):
            raise ConfigurationError(f"{key}: {path!r} is no {kind}; nsd.source is {source}, so name {what}")
        if {"{", "}"} & set(path):
            raise ConfigurationError(
                f"{key}: {path!r} has braces, which stand for wildcards; link to it under another name"
            )
    if source == "own":
        own |= {key: str(Path(own[key]).expanduser()) for key in ("images", "responses")}
        for key in ("subjects", "regions"):
            if not own[key]:
                raise ConfigurationError(f"own.{key}: [] is empty; name at least one of own.responses")


def read_networks(path, schema, here=".", code="."):
    """Read the table of networks.

    Parameters
    ----------
    path : path-like
        Tab-separated, one row a network.
    schema : dict
        Of a row; see `read_schema`.
    here : path-like
        Folder that `path` and the paths of weights start from.
    code : path-like
        Folder that the paths of the user's own code start from: that of the Snakefile.

    Returns
    -------
    dict, name -> row
        Numbers and lists instead of text; empty cells are left out.

    Raises
    ------
    ConfigurationError
        If the table, a row, a name, a seed or a file that a row needs is wrong; names the line.
    """
    if not Path(here, path).is_file():
        raise ConfigurationError(
            f"networks: {path} is not there; name a table of networks, as config/zoo.tsv is one"
        )
    try:
        text = Path(here, path).read_text(encoding="utf-8-sig")  # some spreadsheets begin with a mark
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"networks: {path} is no table in UTF-8 ({error}); save it as tab-separated text in UTF-8"
        ) from None
    networks, seeds = {}, {}
    reader = csv.DictReader(text.splitlines(), delimiter="\t")
    refuse_repeated(reader.fieldnames or [], path)
    for cells in reader:
        where = f"{path}, line {reader.line_num}"
        row = parse_row(cells, schema, where)
        name, seed = row["name"], row.get("seed")
        if name in networks or name in RESERVED:
            raise ConfigurationError(f"{where}: the name {name} is taken; choose another")
        if row["source"] == "zoo" and seed in seeds:
            raise ConfigurationError(
                f"{where}: {name} has the seed of {seeds[seed]}, {seed}; give it another: networks of one "
                "initial state are similar for that reason alone"
            )
        missing = [file for file in files_of_row(row, here, code) if not Path(here, file).is_file()]
        if missing:
            annexed = "annex/objects" in str(Path(here, missing[0]).resolve())
            remedy = "get it with: git annex get" if annexed else "put it there or correct the row"
            raise ConfigurationError(
                f"{where}: network {name} needs {missing[0]}, which is not there; {remedy}"
            )
        networks[name], seeds[seed] = row, name
    if not networks:
        raise ConfigurationError(f"networks: {path} lists no network; add a row for each")
    return networks


def parse_row(cells, schema, where):
    """Turn the cells of a row into numbers and lists without empty ones, and hold the row to its schema."""
    if None in cells:
        raise ConfigurationError(
            f"{where}: more cells than columns, the first too many is {cells[None][0]!r}; remove it"
        )
    row = {key: value.strip() for key, value in cells.items() if key and value and value.strip()}
    where = f"{where}, network {row.get('name')}"
    for key in row:
        try:
            if key in NUMBERS:
                row[key] = _number(row[key])
            elif key in LISTS:
                parts = [part.strip() for part in row[key].split(",")]
                row[key] = list(map(float, parts)) if key in ("mean", "std") else parts
        except ValueError:
            kind = "numbers with commas between" if key in LISTS else "a number"
            raise ConfigurationError(f"{where}: {key} is {row[key]!r}, expected {kind}") from None
    large = [key for key in ("mean", "std") if any(1 < number < inf for number in row.get(key, []))]
    if large:
        raise ConfigurationError(
            f"{where}: {large[0]} is {row[large[0]]}, but images are in [0, 1] here: divide the values of "
            "pixels of 0 to 255 by 255"
        )
    row = typed(row, schema)
    hold(row, schema, where)
    return row


def _number(text):
    """Turn text into an int where it is one, else into a float; ValueError if it is neither."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def files_of_row(row, here=".", code="."):
    """List the files on this machine that make a network: its own code, weights that need no download."""
    files = []
    if row["source"] == "python":
        path = row["identifier"].partition(":")[0]
        files.append(path if Path(here).resolve() == Path(code).resolve() else str(Path(code, path)))
    return files + [place for place in places_of(row, here) if "://" not in place]


def check_zoo(rows, config, folder):
    """Hold the shipped networks to the table of networks and to the settings of the zoo.

    Parameters
    ----------
    rows : dict, name -> row
        From `read_networks`; those of another source than zoo do not count.
    config : dict
    folder : path-like
        Of the shipped weights and records.

    Raises
    ------
    ConfigurationError
        If `zoo.retrain` is false, and a network of the zoo is not shipped, or was trained in another way than
        the settings say, or its weights are not those of its record; names the first and counts the others.
    """
    if config["zoo"]["retrain"]:
        return
    zoo = [row for row in rows.values() if row["source"] == "zoo"]
    problems = {row["name"]: recipes.problem(row, config["zoo"], config["image_size"], folder) for row in zoo}
    problems = {name: problem for name, problem in problems.items() if problem}
    if problems:
        name = next(iter(problems))
        others = f" So it is with {len(problems) - 1} more of {len(zoo)}." if len(problems) > 1 else ""
        raise ConfigurationError(
            f"zoo: network {name} is not shipped as the settings describe it: {problems[name]}.{others} Take "
            "the change back; or train the networks of this study in its run, some minutes of processor time "
            "each: --config 'zoo={retrain: true}'. To replace the shipped networks: make zoo"
        )


def brain_of(rows, config):
    """Look up the network that is the simulated brain, and that is left out of the study.

    Parameters
    ----------
    rows : dict, name -> row
        From `read_networks`.
    config : dict

    Returns
    -------
    str
        Its name; empty if `simulation.brain` is templates.

    Raises
    ------
    ConfigurationError
        If there is no such network in the table, it is none of the zoo, none is left besides it, nothing is
        simulated, or a network is named and not asked for.
    """
    kind, name = config["simulation"]["brain"], config["simulation"]["network"]
    if kind == "templates":
        if name:
            raise ConfigurationError(
                f"simulation.network: {name} is named, but simulation.brain is templates; set it to network"
            )
        return ""
    if config["nsd"]["source"] != "miniature":
        raise ConfigurationError(
            f"simulation.brain: network is about a brain that is simulated, and nsd.source is "
            f"{config['nsd']['source']}; set simulation.brain: templates, or nsd.source: miniature"
        )
    zoo = [other for other, row in rows.items() if row["source"] == "zoo"]
    if name not in zoo:
        raise ConfigurationError(
            f"simulation.network: {name!r} is no network of the zoo in {config['networks']}, as the brain "
            f"has to be; there are {', '.join(zoo) or 'none'}"
        )
    if len(rows) == 1:
        raise ConfigurationError(
            f"simulation.network: {name} is left out of the study, and no network is left in "
            f"{config['networks']}; add a row"
        )
    return name


def function_of(row):
    """Keep of a row what makes the network's function: a changed citation, say, reruns nothing."""
    return {key: row[key] for key in FUNCTION} | {key: row[key] for key in ("accepted",) if key in row}


def check_terms(config, downloading):
    """Refuse to download from NSD before its terms are accepted.

    Parameters
    ----------
    config : dict
    downloading : bool
        Whether a job of this run downloads from NSD.

    Raises
    ------
    ConfigurationError
        If it does and `nsd.terms_accepted` is false.
    """
    if downloading and not config["nsd"]["terms_accepted"]:
        raise ConfigurationError(
            f"nsd.terms_accepted is false, so nothing is downloaded. Read NSD's terms, {TERMS}, and sign "
            f"its Data Access Agreement, {AGREEMENT}. Then say so: --config 'nsd={{terms_accepted: true}}'. "
            "To read a copy that you have: --config 'nsd={source: local, folder: /your/copy}'."
        )
