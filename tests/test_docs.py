"""The documents match the code: links, commands, settings, terms, examples."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType
from typing import get_args

import click
import pytest

import earmark
from earmark.audio.source import NoteKind
from earmark.audit.findings import FindingType
from earmark.cli import cli
from earmark.config import Config, config_from_dict
from earmark.config.renamed import RENAMED
from earmark.errors import AudioFault

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        ROOT / "examples" / "lab" / "README.md",
        ROOT / "src" / "earmark" / "model_data" / "README.md",
        *(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
    ]
)
GUIDE = ROOT / "docs" / "guide.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

SECTION_NAMES = "|".join(Config.model_fields)
PUBLIC = set(getattr(earmark, "__all__", ()))

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.M | re.S)


def console_commands(page: Path) -> list[list[str]]:
    return [
        shlex.split(line.removeprefix("$ "))
        for block in blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def earmark_arguments(words: list[str]) -> list[str] | None:
    """What follows earmark in a command line; None when the line does not call it."""
    if Path(words[0]).name == "earmark":
        return words[1:]
    if words[0].endswith("torchrun"):
        return words[words.index("earmark") + 1 :]
    return None


def commands_of(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


def command_named(words: list[str]) -> tuple[click.Command, list[str]]:
    command, rest = cli, list(words)
    while isinstance(command, click.Group):
        assert rest, f"{command.name} needs a command"
        commands = commands_of(command)
        assert rest[0] in commands, f"no command {rest[0]!r} in {command.name}"
        command = commands[rest.pop(0)]
    return command, rest


def all_commands() -> dict[str, click.Command]:
    found = {}
    for name, command in commands_of(cli).items():
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": one for inner, one in commands_of(command).items()}
        else:
            found[name] = command
    return found


@pytest.fixture(scope="module")
def settings_tables() -> ModuleType:
    path = ROOT / "docs" / "settings_tables.py"
    spec = importlib.util.spec_from_file_location("settings_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_page
def test_relative_links_point_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [target.split("#")[0] for target in targets if "://" not in target]
    missing = [target for target in relative if not (page.parent / target).exists()]
    assert not missing


@every_page
def test_console_blocks_parse(page: Path) -> None:
    for words in console_commands(page):
        arguments = earmark_arguments(words)
        if arguments is not None:
            command, rest = command_named(arguments)
            command.make_context(command.name, rest)
        elif words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file(), words[0]


@every_page
def test_commands_named_in_text_exist(page: Path) -> None:
    for text in re.findall(r"`earmark ([a-z][a-z -]*)", read(page)):
        command, *rest = text.split()
        assert command in commands_of(cli), f"earmark {text}"
        group = commands_of(cli)[command]
        if isinstance(group, click.Group):
            assert not rest or rest[0] in commands_of(group), f"earmark {text}"


def test_readme_shows_every_step_of_the_flow() -> None:
    shown = {
        arguments[0]
        for words in console_commands(ROOT / "README.md")
        if (arguments := earmark_arguments(words))
    }
    assert shown >= {"check", "train", "evaluate", "predict"}


@every_page
def test_python_blocks_compile(page: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        compile(block, f"{page.name}, block {number}", "exec")


@every_page
def test_toml_blocks_are_configurations(page: Path) -> None:
    for block in blocks(page, "toml"):
        config_from_dict(tomllib.loads(block))


@every_page
def test_settings_named_in_text_exist(page: Path) -> None:
    text = read(page).partition("### Changed since early versions")[0]
    for section, key in re.findall(
        rf"`(?:earmark\.)?({SECTION_NAMES})\.(?!(?:py|mjs)`)(\w+)[`=]", text
    ):
        assert key in type(getattr(Config(), section)).model_fields, f"{section}.{key}"


@every_page
def test_modules_named_in_text_exist(page: Path) -> None:
    for name in re.findall(r"`(earmark(?:\.[a-z_]+)+)`", read(page)):
        parts = name.split(".")[1:]
        path = ROOT.joinpath("src", "earmark", *parts)
        assert path.is_dir() or path.with_suffix(".py").is_file() or parts[0] in PUBLIC, name


def test_changelog_lists_every_renamed_setting() -> None:
    text = read(CHANGELOG)
    for old, new in RENAMED.items():
        for path in (old, new):
            assert f"`{path}`" in text or f"`.{path.split('.')[1]}`" in text, path


def test_guide_lists_every_command() -> None:
    assert set(all_commands()) == set(
        re.findall(r"^\| `earmark ([a-z-]+(?: [a-z]+)?)", read(GUIDE), re.M)
    )


def test_guide_lists_what_programs_read_in_json() -> None:
    chapter = read(GUIDE).partition("\n## JSON\n")[2]
    check = chapter.partition("`check`:\n")[2].partition("\n`prepare`:\n")[0]
    predict = chapter.partition("\n`predict`:\n")[2].partition("\n`listen`")[0]
    named = set(re.findall(r"`([a-z_]+)`", check))
    assert {*get_args(FindingType), *get_args(AudioFault)} <= named
    assert set(get_args(NoteKind)) <= set(re.findall(r"`([a-z_]+)`", predict))


def test_guide_says_where_options_work() -> None:
    commands = all_commands()
    rows = re.findall(r"^\| (`--[^|]+)\|([^|]+)\|", read(GUIDE), re.M)
    described = set()
    for options, where in rows:
        named = set(re.findall(r"`([a-z -]+)`", where))
        expected = set(commands) - named if where.strip().startswith("all") else named
        for option in re.findall(r"--[a-z-]+", options):
            described.add(option)
            having = {
                name
                for name, command in commands.items()
                if any(option in one.opts for one in command.params)
            }
            assert having == expected, option
    existing = {
        option
        for command in commands.values()
        for one in command.params
        for option in one.opts
        if option.startswith("--")
    }
    assert existing - described == {"--output"}


def test_every_section_has_a_table(settings_tables: ModuleType) -> None:
    assert set(Config.model_fields) == {
        path for path in settings_tables.SECTIONS if "." not in path
    }


def test_every_setting_is_documented(settings_tables: ModuleType) -> None:
    tables = settings_tables.render()
    for path, section in settings_tables.SECTIONS.items():
        docstrings = settings_tables.setting_docstrings(section)
        for name in section.model_fields:
            assert docstrings.get(name), f"{path}.{name} has no docstring"
            assert tables.count(f"| `{path}.{name}` |") == 1


def test_glossary_is_sorted() -> None:
    (body,) = re.findall(r"^```{glossary}\n(.*?)^```", read(ROOT / "docs/glossary.md"), re.M | re.S)
    terms = [line for line in body.splitlines() if line and not line.startswith(" ")]
    assert len(terms) > 20
    assert terms == sorted(set(terms))


def test_architecture_draws_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if one["type"] == "layers"]
    assert "```text\n" + "\n".join(layers) + "\n```" in read(ARCHITECTURE)
    for contract in contracts:
        assert contract["name"] in read(ARCHITECTURE)


def test_architecture_lists_every_package() -> None:
    source = ROOT / "src" / "earmark"
    packages = {path.stem for path in source.glob("*.py")} - {"__init__"}
    packages |= {path.parent.name for path in source.glob("*/__init__.py")}
    table = read(ARCHITECTURE).partition("## Packages")[2].partition("## Layers")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == packages


def test_api_page_lists_the_public_names() -> None:
    listed = re.findall(r"^\.\. auto\w+:: earmark\.(\w+)$", read(ROOT / "docs/api.md"), re.M)
    assert len(listed) == len(set(listed))
    assert set(listed) == PUBLIC


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_decision_has_its_parts(page: Path) -> None:
    text = read(page)
    number = int(page.name[:4])
    assert text.startswith(f"# {number}. ")
    parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.M)
    assert parts == ["Context", "Options", "Decision", "Price"]
    assert number == DECISIONS.index(page) + 1


def test_decision_index_lists_every_decision() -> None:
    index = read(ROOT / "docs" / "decisions" / "index.md")
    listed = re.findall(r"^\| (\d+) \| \[.*?\]\((.+?)\) \| .+ \|$", index, re.M)
    assert listed == [(str(int(page.name[:4])), page.name) for page in DECISIONS]


def test_changelog_opens_with_unreleased() -> None:
    assert re.findall(r"^## (.*)", read(CHANGELOG), re.M)[0] == "[Unreleased]"


def test_citation_names_the_version() -> None:
    assert f"\nversion: {earmark.__version__}\n" in read(ROOT / "CITATION.cff")
