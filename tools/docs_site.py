"""Build the pages of the docs site that are not in docs/: hooks of mkdocs, see mkdocs.yml.

- The front page is README.md.
- A page for each command is made from its parser, so that it says what ``--help`` says.
- The API reference has the public names of the packages, as their ``__init__.py`` lists them.
- A file outside of docs/ that a page links to gets a page with its content, so that links work on
  the site and in the repository alike.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_HOME = "README.md"
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2 *$", re.M | re.S)
_LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".sh": "bash", ".json": "json"}
_MAX_BYTES = 200_000  # of a file that becomes a page

# page -> (title, packages)
API = {
    "predict": ("Predictor and Results", ["condinst.inference", "condinst.results"]),
    "deploy": ("Exported files", ["condinst.deploy", "condinst.export"]),
    "models": ("Models", ["condinst.models"]),
    "transforms": ("Transforms", ["condinst.datasets.transforms"]),
    "datasets": ("Datasets", ["condinst.datasets"]),
    "evaluation": ("Metrics", ["condinst.evaluation"]),
    "engine": ("Hooks", ["condinst.engine"]),
    "weights": ("Weights", ["condinst.model_zoo", "condinst.checkpoints"]),
    "masks": ("Masks and tiles", ["condinst.masks", "condinst.tiling", "condinst.visualization"]),
}
# classes whose methods come from classes that are not public
_INHERIT = {"Predictor", "Results", "OnnxPredictor", "OpenVinoPredictor"}


# ---------------------------------------------------------------------------- hooks of mkdocs


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here."""
    from mkdocs.structure.files import File

    pages = {"index.md": (ROOT / _HOME).read_text(encoding="utf-8")}
    pages |= dict(command_pages())
    pages |= dict(api_pages())
    for path in linked_files():
        if path != _HOME:
            pages[site_path(path)] = source_page(path)
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    for path in linked_images():
        files.append(File.generated(config, f"source/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point the links of a page to the pages of the site."""
    path = repo_path(page.file.src_uri)
    return markdown if path is None else rewrite_links(markdown, path)


def on_config(config: Any) -> Any:
    """Add our pages to the navigation, and let mkdocstrings find our extension of griffe."""
    from condinst.cli.main import COMMANDS

    sys.path.insert(0, str(ROOT / "tools"))
    for section in config.nav:
        if isinstance(section, dict) and "Commands" in section:
            section["Commands"] += [{name: f"commands/{name}.md"} for name in COMMANDS]
        if isinstance(section, dict) and "Python" in section:
            section["Python"] += [f"api/{page}.md" for page in API]
    return config


# ---------------------------------------------------------------------------- links


def links(markdown: str) -> Iterator[str]:
    """Yield the targets of a page's links and images that are no URLs."""
    for match in _LINK.finditer(_FENCE.sub("", markdown)):
        if "://" not in match[1] and not match[1].startswith(("#", "mailto:")):
            yield match[1]


def target_of(link: str, path: str) -> str:
    """Return the file or folder that a link of the file ``path`` leads to, from the root."""
    return os.path.normpath(os.path.join(os.path.dirname(path), link.partition("#")[0]))


def pages_of_repo() -> list[str]:
    """Return the pages that the site starts from: the README and those of docs/."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [_HOME, *(path.relative_to(ROOT).as_posix() for path in docs)]


def linked_files() -> list[str]:
    """Return the files and folders outside of docs/ that pages link to, directly or not."""
    found: dict[str, None] = {}
    waiting = pages_of_repo()
    while waiting:
        path = waiting.pop()
        for link in links((ROOT / path).read_text(encoding="utf-8")):
            target = _page_of(target_of(link, path))
            if target.startswith("docs/") or target in found or _is_image(target):
                continue
            found[target] = None
            if target.endswith(".md"):
                waiting.append(target)
    return list(found)


def linked_images() -> list[str]:
    """Return the images outside of docs/ that pages show."""
    found = {}
    for path in [*pages_of_repo(), *(p for p in linked_files() if p.endswith(".md"))]:
        for link in links((ROOT / path).read_text(encoding="utf-8")):
            target = target_of(link, path)
            if _is_image(target) and not target.startswith("docs/"):
                found[target] = None
    return list(found)


def _page_of(target: str) -> str:
    """Return the file that a site shows for a target: a folder's README, if it has one."""
    readme = f"{target}/README.md"
    return readme if (ROOT / readme).is_file() else target


def _is_image(path: str) -> bool:
    return path.endswith((".png", ".jpg", ".svg", ".gif"))


def site_path(path: str) -> str:
    """Return where the site has a file of the repository, from the root of docs."""
    if path == _HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    path = _page_of(path)
    return f"source/{path}" if path.endswith(".md") or _is_image(path) else f"source/{path}.md"


def repo_path(site: str) -> str | None:
    """Return the file of the repository that a page shows, None for a page that is made here."""
    if site == "index.md":
        return _HOME
    if site.startswith("source/"):
        path = site.removeprefix("source/")
        return path if (ROOT / path).is_file() else None
    return f"docs/{site}" if (ROOT / "docs" / site).is_file() else None


def rewrite_links(markdown: str, path: str) -> str:
    """Return the text of the file ``path`` with links from its page to pages of the site."""
    here = os.path.dirname(site_path(path)) or "."

    def replace(match: re.Match[str]) -> str:
        link = match[1]
        if "://" in link or link.startswith(("#", "mailto:")):
            return link
        target = site_path(target_of(link, path))
        anchor = link.partition("#")[2]
        keeps = anchor and repo_path(target) is not None  # no lines of a program
        found = os.path.relpath(target, here).replace(os.sep, "/")
        return f"{found}#{anchor}" if keeps else found

    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(replace, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, _LINK.sub(replace, markdown[end:])])


def source_page(path: str) -> str:
    """Return the page of a file or folder outside of docs/."""
    head = "---\nsearch:\n  exclude: true\n---\n"
    file = ROOT / path
    if file.is_dir():
        names = sorted(p.name + "/" * p.is_dir() for p in file.iterdir() if p.name[0] not in "._")
        return f"{head}# {path}/\n\n" + "\n".join(f"- `{name}`" for name in names) + "\n"
    content = file.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return head + content
    if len(content) > _MAX_BYTES or path.endswith(".ipynb"):
        return f"{head}# {path}\n\nThis file is in the repository: `{path}`.\n"
    fence = "~~~~~~"
    return (
        f"{head}# {path}\n\n{fence}{_LANGUAGES.get(file.suffix, '')}\n{content.rstrip()}\n{fence}\n"
    )


# ---------------------------------------------------------------------------- commands


def command_pages() -> Iterator[tuple[str, str]]:
    """Yield the pages of the commands: an overview, and one for each."""
    from condinst.cli.main import COMMANDS, build_parser

    rows = [
        f"| [`condinst {name}`]({name}.md) | {about} |" for name, (_, about) in COMMANDS.items()
    ]
    yield (
        "commands/index.md",
        "# Commands\n\nThese pages are made from the commands' own `--help`. "
        "[The command line](../cli.md) explains what commands share.\n\n"
        "| command | what it does |\n| --- | --- |\n" + "\n".join(rows) + "\n",
    )
    for name in COMMANDS:
        _, own = build_parser(name)
        yield f"commands/{name}.md", command_page(f"condinst {name}", own)


def command_page(title: str, parser: argparse.ArgumentParser) -> str:
    """Return the page of a command, from its parser."""
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "84"  # argparse wraps the usage there
    usage = re.sub(r"^usage: ", "", parser.format_usage())
    os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
    parts = [f"# {title}", _prose(parser.description or ""), f"```text\n{usage.rstrip()}\n```"]
    for group in parser._action_groups:
        shown = [a for a in group._group_actions if a.help is not argparse.SUPPRESS]
        if shown:
            rows = [f"| {_names(action)} | {_help(parser, action)} |" for action in shown]
            parts.append(
                f"## {_title(group.title)}\n\n| word | meaning |\n| --- | --- |\n" + "\n".join(rows)
            )
    if parser.epilog:
        for block in re.split(r"\n\n(?=\S)", parser.epilog.replace("%(prog)s", parser.prog)):
            parts.append(_epilog(block.rstrip()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(text: str | None) -> str:
    return {"positional arguments": "Arguments"}.get(str(text), str(text).capitalize())


def _names(action: argparse.Action) -> str:
    formatter = argparse.HelpFormatter("", width=1000)
    return f"`{formatter._format_action_invocation(action)}`".replace("|", "\\|")


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = argparse.HelpFormatter(parser.prog)._expand_help(action) if action.help else ""
    return _escaped(text)


def _prose(text: str) -> str:
    return _escaped(text.strip("\n"))


def _escaped(text: str) -> str:
    """Return plain text as Markdown: options as code, and no character with a meaning."""
    for mark in "\\*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return re.sub(r"(?<![\w-])(--[a-z][\w-]*)", r"`\1`", text)


def _epilog(block: str) -> str:
    """Return a block of an epilog: a heading with code, or prose."""
    first, _, rest = block.partition("\n")
    if first.endswith(":") and rest.startswith("  "):
        lines = [line.removeprefix("  ") for line in rest.splitlines()]
        return (
            f"## {first.removesuffix(':').capitalize()}\n\n```text\n" + "\n".join(lines) + "\n```"
        )
    return _prose(block)


# ---------------------------------------------------------------------------- API


def api_pages() -> Iterator[tuple[str, str]]:
    """Yield the pages of the API reference, with the directives of mkdocstrings."""
    rows, shown = [], set()
    for page, (title, packages) in API.items():
        parts = [f"# {title}"]
        for package in packages:
            # condinst.datasets exports the transforms too
            names = {n: p for n, p in public_names(package).items() if p not in shown}
            shown.update(names.values())
            listed = ", ".join(f"`{name}`" for name in names)
            rows.append(f"| [`{package}`]({page}.md) | {listed} |")
            parts.append(f"`from {package} import ...`")
            parts += [_directive(name, place) for name, place in names.items()]
        yield f"api/{page}.md", "\n\n".join(parts) + "\n"
    yield (
        "api/index.md",
        "# Python\n\n`condinst` itself exports `Predictor`, `Results` and `list_models`. The "
        "classes of models, datasets, metrics and hooks are registered for configs under the scope "
        "`condinst`.\n\n| package | public names |\n| --- | --- |\n" + "\n".join(rows) + "\n",
    )


def public_names(package: str) -> dict[str, str]:
    """Return the public names of a package, and where each is defined."""
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text("utf-8"))
    places = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("condinst.")
        for alias in node.names
    }
    public = importlib.import_module(package).__all__
    return {name: places[name] for name in sorted(public) if name in places}


def all_names() -> dict[str, str]:
    """Return the names of the whole reference, and where each is defined."""
    packages: Iterable[str] = (package for _, packages in API.values() for package in packages)
    return {name: place for package in packages for name, place in public_names(package).items()}


def _directive(name: str, place: str) -> str:
    inherit = "\n      inherited_members: true" if name in _INHERIT else ""
    return f"::: {place}\n    options:\n      heading_level: 2{inherit}"
