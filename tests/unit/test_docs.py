"""The documentation against the code: links, paths, commands, options, settings with their defaults, columns.

Each check has a test of its own that a page with a fault is caught, so that a change of the pages' form cannot switch a
check off unseen.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
import typer
import yaml

from catalog.manifest import MANIFEST
from catalog.quality import REFUSED, Fault
from catalog.sources import mapping as maps
from nautilus_qs.cli.app import app, spread
from nautilus_qs.config import RunConfig
from nautilus_qs.errors import QsError
from nautilus_qs.risk.limits import InstrumentLimit
from nautilus_qs.signals import BollingerParams, BreakoutParams, RsiParams, StopParams
from nautilus_qs.storage.parquet import TABLES
from nautilus_qs.storage.rows import Row
from nautilus_qs.storage.runs.run import _PLAIN_TABLES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
CONFIGURATION, COMMANDS = DOCS / "reference/configuration.md", DOCS / "reference/commands.md"
CONCEPTS, MAPPING = DOCS / "concepts.md", DOCS / "how-to/bring-your-own-data.md"

# Paths that a reader makes, and files of other people's folders: named on the pages, not in the tree.
OTHERS = ("var/", "data/", "mydata/", "prices/", "my.yaml", "streak", "strategies/streak", "nautilus_qs/signals/streak")
OTHER_NAMES = ("config.yaml", ".lock")  # of a run directory, of a catalog
PARENTS = ("", "nautilus_qs", "docs", "docs/reference", "docs/decisions")
CODE_DIRS = "|".join(sorted(p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")))

MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
GROUP = typer.main.get_command(app)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# -- links and paths ---------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    heads = re.findall(r"^#{1,6} +(.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(page: Path, text: str) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (anchor and anchor not in anchors(text if file == page else text_of(file))):
            broken.append(target)
    return broken


def missing_paths(text: str) -> list[str]:
    """Return what stands in code marks, looks like a path of this project, and is not there."""
    missing = []
    for word in re.findall(r"`([\w./*-]+)`", text):
        is_path = re.match(rf"({CODE_DIRS})/|.*\.(py|md|yaml|yml|toml|lock|sh)$|Makefile$", word)
        if not is_path or word.startswith(OTHERS) or "*" in word or word in OTHER_NAMES:
            continue
        if word.endswith(".yaml") and "/" not in word and (ROOT / "configs" / word).exists():
            continue
        if not any((ROOT / parent / word).exists() for parent in PARENTS):
            missing.append(word)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, text_of(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_names_only_files_that_exist(page: Path) -> None:
    assert missing_paths(text_of(page)) == []


def test_check_of_links_and_paths_finds_faults() -> None:
    page = DOCS / "index.md"
    assert broken_links(page, "[a](nowhere.md) [b](concepts.md#no-such) [c](concepts.md#batch)") == [
        "nowhere.md",
        "concepts.md#no-such",
    ]
    assert missing_paths("`nautilus_qs/nothing.py` `nautilus_qs/config/run.py` `bridge/engine.py` `NOPE.md`") == [
        "nautilus_qs/nothing.py",
        "NOPE.md",
    ]


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "index.md"
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(index))
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in targets}
    assert [named(page) for page in sorted(DOCS.rglob("*.md")) if page not in linked | {index}] == []


# -- commands ----------------------------------------------------------------------------------------------------------


def lines_of_code(text: str) -> Iterator[str]:
    """Yield the lines of indented code, and what stands in code marks."""
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip().removeprefix("$ ")
    yield from re.findall(r"`([^`\n]+)`", text)


def calls(text: str) -> list[list[str]]:
    """Return the calls of nqs on a page as arguments; synopses (with brackets and capitals) are no calls."""
    found = []
    for line in lines_of_code(text):
        words = re.match(r"(?:NQS__\w+=\S+ )*nqs(?: (.*))?$", line)
        if not words or re.search(r"\[|\.\.\.|\b(CONFIG|RUN|MAPPING|SYMBOL|COMMAND|DIR)\b", line):
            continue
        found.append(shlex.split((words[1] or "").partition(" > ")[0].rstrip(",:;")))
    return found


def fault_of(arguments: list[str]) -> str:
    """Return what the parser finds wrong with a call, "" for nothing; no command runs."""
    command: Any = GROUP
    rest = spread(arguments)
    try:
        context = command.make_context("nqs", list(rest), resilient_parsing=True)
        while hasattr(command, "commands"):
            left = [*context._protected_args, *context.args]
            if not left:
                return ""
            name, command, left = command.resolve_command(context, left)
            # Groups and --help are complete without their arguments.
            bare = hasattr(command, "commands") or "--help" in left or not left
            context = command.make_context(name, left, parent=context, resilient_parsing=bare)
    except Exception as error:  # noqa: BLE001  whatever the parser raises is the answer
        return f"nqs {shlex.join(arguments)}: {getattr(error, 'message', '') or error!r}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_names_only_calls_that_parse(page: Path) -> None:
    assert [fault for call in calls(text_of(page)) if (fault := fault_of(call))] == []


@pytest.mark.parametrize(
    "line",
    ["nqs nothing", "nqs runs nothing", "nqs backtest demo --nothing", "nqs data download --venue yahoo --symbols SPY"],
)
def test_check_of_calls_finds_faults(line: str) -> None:
    (call,) = calls(f"`{line}`")
    assert fault_of(call) != ""


def test_pages_hold_many_calls() -> None:
    assert sum(len(calls(text_of(page))) for page in PAGES) > 60


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_names_only_make_targets_that_exist(page: Path) -> None:
    words = [re.match(r"(?:\w+=\S+ )*make((?: \w+=\S+)*) ([a-z-]+)\b", line) for line in lines_of_code(text_of(page))]
    assert {found[2] for found in words if found} - MAKE_TARGETS == set()


@dataclass
class Command:
    """A command as its own help tells of it."""

    name: str
    options: set[str] = field(default_factory=set)


def commands_of(group: Any, prefix: str = "nqs") -> list[Command]:
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += commands_of(command, f"{prefix} {name}")
        else:
            options = {o for p in command.params for o in [*p.opts, *p.secondary_opts] if o.startswith("-")}
            found.append(Command(f"{prefix} {name}", options - {"--help"}))
    return found


def documented_commands(text: str) -> dict[str, set[str]]:
    """Return the options of the tables under each command's heading."""
    parts = re.split(r"^### (nqs [a-z ]+)$", text, flags=re.M)
    return {
        name: {o for row in re.findall(r"^\| (`-[^|]*) \|", body, re.M) for o in re.findall(r"`(--?[a-z-]+)`", row)}
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_commands_page_has_every_command_and_option_and_no_other() -> None:
    known = {command.name: command.options for command in commands_of(GROUP)}
    # Where a command has no table of options its synopsis names them.
    told = documented_commands(text_of(COMMANDS))
    synopsis = {"nqs config schema": {"--json"}, "nqs doctor": {"--json"}}
    assert {name: options | synopsis.get(name, set()) for name, options in told.items()} == known


@pytest.mark.parametrize("command", commands_of(GROUP), ids=lambda command: command.name)
def test_commands_page_synopsis_names_every_option(command: Command) -> None:
    body = text_of(COMMANDS).partition(f"### {command.name}\n")[2].partition("\n### ")[0]
    synopsis = body.strip("\n").partition("\n\n")[0]
    assert synopsis.strip().startswith(command.name)
    for option in (o for o in command.options if o.startswith("--")):
        assert option in synopsis or option in ("--strategy", "--instrument")  # these by their short form


def test_commands_page_has_the_exit_codes() -> None:
    rows = dict(re.findall(r"^\| (\d) \| .* \| (.*?) ?\|$", text_of(COMMANDS), re.M))
    for error in QsError.__subclasses__():
        assert f"`{error.__name__}`" in rows[str(error.exit_code)]


# -- settings ----------------------------------------------------------------------------------------------------------


@dataclass
class Setting:
    """A row of a table of settings: the cells by the head of their column."""

    section: str
    key: str
    cells: dict[str, str]


def settings_of(text: str) -> list[Setting]:
    """Return the rows of every table whose first head is ``setting``; the section is the heading's code mark."""
    section, heads, found = "", [], []
    for line in text.splitlines():
        if line.startswith("#"):
            section = (re.findall(r"`([^`]+)`", line) or [""])[0]
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
        if not cells:
            heads = []
        elif cells[0] == "setting":
            heads = cells
        elif heads and not cells[0].startswith("--"):
            values = dict(zip(heads, cells, strict=True))
            found += [Setting(section, key, values) for key in re.findall(r"`(\w+)`", cells[0])]
    return found


def struct_in(kind: Any) -> Any:
    """Return the struct that a type is or holds, None where it holds none."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    args = get_args(kind) if get_origin(kind) is not None or get_args(kind) else ()
    return next((found for arg in args if (found := struct_in(arg))), None)


def sections_of(struct: Any, path: str = "") -> dict[str, Any]:
    """Return every struct of a configuration by the name of its section on the page."""
    found = {path: struct}
    for one in msgspec.structs.fields(struct):
        inner = struct_in(one.type)
        if inner is InstrumentLimit:
            found["risk.instruments.ID"] = inner
        elif inner is not None:
            many = "[]" if get_origin(one.type) is tuple else ""
            found |= sections_of(inner, f"{path}.{one.name}{many}".lstrip("."))
    return found


SECTIONS = sections_of(RunConfig) | {"strategies[].params.stop_params": StopParams}
RULES = {"Bollinger": BollingerParams, "RSI": RsiParams, "breakout": BreakoutParams}
RULE_SECTION = "strategies[].params"


def defaults_of(struct: Any) -> dict[str, Any]:
    """Return the default of each field; NODEFAULT where one must be given."""
    return {
        one.name: one.default_factory() if one.default_factory is not msgspec.NODEFAULT else one.default
        for one in msgspec.structs.fields(struct)
    }


def is_told(value: Any, cell: str) -> bool:
    """Return whether a cell says a default."""
    if value is msgspec.NODEFAULT:
        return cell == "required"
    if isinstance(value, msgspec.Struct):
        return cell == "as below"
    if value is None or value == () or value == {}:
        return cell in ("none", "the rule's")
    if isinstance(value, dict):
        return yaml.safe_load("{" + cell + "}") == value
    if isinstance(value, bool):
        return cell == str(value).lower()
    if isinstance(value, int | float):
        return re.fullmatch(r"-?[\d.]+", cell) is not None and float(cell) == value
    return cell == (str(value) or '""')


def faults_of_settings(text: str) -> list[str]:
    rows = [row for row in settings_of(text) if row.section != RULE_SECTION]
    told = {(row.section, row.key): row for row in rows}
    faults = [f"twice: {row.section}.{row.key}" for row in rows if told[row.section, row.key] is not row]
    known = {(section, key): v for section, struct in SECTIONS.items() for key, v in defaults_of(struct).items()}
    faults += [f"not described: {section}.{key}" for section, key in known.keys() - told.keys()]
    faults += [f"does not exist: {section}.{key}" for section, key in told.keys() - known.keys()]
    for place in known.keys() & told.keys():
        cell = told[place].cells["default"]
        if not is_told(known[place], cell):
            faults.append(f"default of {'.'.join(place)}: {known[place]!r}, not {cell!r}")
        if not told[place].cells[list(told[place].cells)[-1]]:
            faults.append(f"no meaning: {'.'.join(place)}")
    return sorted(faults)


def faults_of_rules(text: str) -> list[str]:
    rows = {row.key: row.cells for row in settings_of(text) if row.section == RULE_SECTION}
    faults = []
    for title, struct in RULES.items():
        known = defaults_of(struct)
        told = {key: cells[title] for key, cells in rows.items() if cells[title]}
        faults += [f"{title}: {key} is not described" for key in known.keys() - told.keys()]
        faults += [f"{title}: {key} does not exist" for key in told.keys() - known.keys()]
        faults += [
            f"{title}: default of {key}" for key in known.keys() & told.keys() if not is_told(known[key], told[key])
        ]
    return sorted(faults)


def test_configuration_page_has_every_setting_with_its_default_and_no_other() -> None:
    assert faults_of_settings(text_of(CONFIGURATION)) == []


def test_configuration_page_has_every_parameter_of_every_rule_and_no_other() -> None:
    assert faults_of_rules(text_of(CONFIGURATION)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| `max_heat` |", "| `max_haet` |", "not described: risk.max_heat"),
        ("| `seed` | whole | 1 |", "| `seed` | whole | 2 |", "default of .seed: 1, not '2'"),
        ("`cash_buffer` | cash | 0.02", "`cash_buffer` | cash | none", "default of risk.cash_buffer: 0.02, not 'none'"),
        ("## `regime.params`", "## `regime.thresholds`", "not described: regime.params.crisis_vix"),
    ],
)  # fmt: skip
def test_check_of_settings_finds_faults(old: str, new: str, fault: str) -> None:
    text = text_of(CONFIGURATION)
    assert text.count(old) == 1
    assert fault in faults_of_settings(text.replace(old, new))


def test_check_of_rule_parameters_finds_faults() -> None:
    text = text_of(CONFIGURATION)
    assert faults_of_rules(text.replace("| `bb_std` | 2.0 |", "| `bb_std` | 2.5 |")) == ["Bollinger: default of bb_std"]
    assert faults_of_rules(text.replace("`exit_bars`", "`exit_bar`")) == [
        "breakout: exit_bar does not exist",
        "breakout: exit_bars is not described",
    ]


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_configuration_page_shows_settings_of_shipped_files_only(config: Path) -> None:
    keys = {row.key for row in settings_of(text_of(CONFIGURATION))}
    assert set(yaml.safe_load(text_of(config))) <= keys


# -- mappings ----------------------------------------------------------------------------------------------------------

MAPPING_SECTIONS = {
    "Every key of the page": maps.Mapping,
    "Every key of `bars[]`": maps.BarsMapping,
    "Every key of `columns`": maps.Columns,
    "Every key of `dividends_file` and `splits_file`": maps.EventsFile,
    "Every key of `sectors_file`": maps.SectorsFile,
    "Every key of `macro[]`": maps.MacroMapping,
}


@pytest.mark.parametrize("heading", MAPPING_SECTIONS)
def test_mapping_page_has_every_key_and_no_other(heading: str) -> None:
    body = re.split(r"^#", text_of(MAPPING).partition(f" {heading}\n")[2], flags=re.M)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", body, re.M)
    defaults = defaults_of(MAPPING_SECTIONS[heading])
    assert {key for key, _ in rows} == set(defaults)
    assert {key for key, cell in rows if cell == "required"} == {
        key for key, value in defaults.items() if value is msgspec.NODEFAULT
    }


def test_mapping_page_examples_are_mappings() -> None:
    blocks = re.findall(r"((?:^    .*\n|^\n)+)", text_of(MAPPING), re.M)
    read = [yaml.safe_load(block) for block in blocks if re.search(r"^    (bars|macro):", block, re.M)]
    assert len(read) == 3
    for values in read:
        msgspec.convert({"name": "example", **values}, maps.Mapping)


def test_catalog_page_has_every_kind_of_fault_and_says_what_is_refused() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (refused|warns) \|", text_of(DOCS / "reference/catalog.md"), re.M)
    expected = {fault.value: "refused" if fault in REFUSED else "warns" for fault in Fault}
    # A stale open is no finding of the check: it has a section of its own.
    del expected[Fault.STALE_OPEN.value]
    assert dict(rows) == expected
    assert f"`{MANIFEST}`" in text_of(DOCS / "reference/catalog.md")


# -- tables of a run ---------------------------------------------------------------------------------------------------


def columns_told(text: str, heading: str) -> set[str]:
    body = re.split(r"^#", text.partition(f"### {heading}\n")[2], flags=re.M)[0]
    return {name for cell in re.findall(r"^\| (`[^|]+) \|", body, re.M) for name in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize("kind", TABLES, ids=TABLES.get)
def test_concepts_has_every_column_of_a_recorded_table(kind: type[Row]) -> None:
    own = set(kind.__struct_fields__) - set(Row.__struct_fields__)
    assert columns_told(text_of(CONCEPTS), TABLES[kind]) == own


def test_concepts_has_every_column_of_the_other_tables() -> None:
    text = text_of(CONCEPTS)
    assert columns_told(text, "Columns of every recorded table") == set(Row.__struct_fields__)
    for name, columns in _PLAIN_TABLES.items():
        assert columns_told(text, name) == set(columns)
    from nautilus_qs.signals import BollingerBounce, Breakout, RsiReversion

    numbers = {column for rule in (BollingerBounce, Breakout, RsiReversion) for column in rule.columns}
    assert columns_told(text, "signals") == numbers | {"strategy", "instrument_id", "outcome", "nearness"}


# -- what no page may say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_page_has_no_path_of_a_machine_and_ends_with_a_line(page: Path) -> None:
    text = text_of(page)
    assert re.search(r"(?<![\w.])/(home|root|work|tmp|Users)/", text) is None
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_how_to_write_a_strategy_is_python() -> None:
    page = text_of(DOCS / "how-to/write-a-strategy.md")
    blocks = [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"((?:^    .*\n|^\n)+)", page, re.M)]
    code = [block for block in blocks if "class " in block]
    assert len(code) == 3
    for block in code:
        ast.parse(block)
