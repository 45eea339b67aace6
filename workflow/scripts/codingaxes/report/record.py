"""Write how the study was made: run times, configuration, versions and hardware, as the manifest says."""

import json
from html import escape

from codingaxes.figures import words


def run_times(rules):
    """Write one row for each rule: jobs, wall time, the longest job, memory; the longest rules first."""
    recorded = {name: rule for name, rule in rules.items() if rule["seconds"] is not None}
    if not recorded:
        return "<p>No run times are on record.</p>"
    most = max(rule["seconds"] for rule in recorded.values()) or 1.0
    rows = []
    for name, rule in sorted(recorded.items(), key=lambda item: -item[1]["seconds"]):
        share = 100 * rule["seconds"] / most
        memory = "" if rule["peak_memory_mb"] is None else f"{rule['peak_memory_mb']:.0f}"
        rows.append(
            f'<tr><th scope="row">{name}</th><td>{rule["jobs"]}</td>'
            f'<td class="long" style="--share:{share:.1f}%">{duration(rule["seconds"])}</td>'
            f"<td>{duration(rule['longest_seconds'])}</td><td>{memory}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{text}</th>' for text in ("Rule", "Jobs", "Wall time", "Longest job", "Memory (MB)")
    )
    total = sum(rule["seconds"] for rule in recorded.values())
    return (
        f"<p>{duration(total)} of jobs in all; they ran beside each other, as there were cores.</p>"
        '<div class="wide" tabindex="0" role="group" aria-label="Run times"><table class="facts"><thead>'
        f"<tr>{head}"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def duration(seconds):
    """Write a duration in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def settings(configuration):
    """Write every setting in one line: its key with dots, and its value."""
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td><code>{escape(value)}</code></td></tr>'
        for key, value in flat(configuration)
    )
    return f'<table class="facts settings"><tbody>{rows}</tbody></table>'


def flat(configuration, above=""):
    """Yield the keys of nested settings, joined by dots, and their values as JSON."""
    for key, value in configuration.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, dict) and value:
            yield from flat(value, name)
        else:
            yield name, json.dumps(value, ensure_ascii=False)


def versions(manifest):
    """Write what ran: commit, versions of software, and the machines."""
    commit = manifest["commit"]
    facts = {
        "codingaxes": commit
        and f"commit {commit[:12]}{', with edited files' if commit.endswith('+') else ''}"
    }
    facts |= {name: ", ".join(found) for name, found in manifest["software"].items()}
    for machine in manifest["hardware"]:
        about = [machine["processor"], words.count(machine["cores"], "core"), machine["system"]]
        about += [f"{machine['memory_gb']:.0f} GB"] if machine["memory_gb"] else []
        about += [machine["accelerator"]] if machine["accelerator"] else []
        facts[f"Machine of {words.count(machine['jobs'], 'job')}"] = ", ".join(about)
    facts["Configuration"] = f"sha256 {manifest['configuration_sha256']}"
    facts["Seeds"] = ", ".join(f"{name} {seed}" for name, seed in manifest["seeds"].items())
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>'
        for name, text in facts.items()
        if text
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'
