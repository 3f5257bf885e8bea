"""The documentation: every link leads somewhere, and the site says what --help says."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from condinst.cli.main import COMMANDS, build_parser
from tools import docs_site

PAGES = ("*.md", "docs/**/*.md", "configs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md")


def pages(repo: Path) -> list[Path]:
    return sorted(path for pattern in PAGES for path in repo.glob(pattern))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#+ +(.+?) *$", docs_site._FENCE.sub("", text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        names.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return names


def test_every_link_leads_to_a_file_and_a_heading(repo):
    broken, checked = [], 0
    texts = {path: path.read_text(encoding="utf-8") for path in pages(repo)}
    for path, text in texts.items():
        here = path.relative_to(repo).as_posix()
        inside = re.findall(r"(?<=\]\()#([^)\s]+)(?=\))", docs_site._FENCE.sub("", text))
        for link in [*docs_site.links(text), *(f"{path.name}#{anchor}" for anchor in inside)]:
            checked += 1
            target = repo / docs_site.target_of(link, here)
            anchor = link.partition("#")[2]
            known = target.suffix != ".md" or not anchor or anchor in anchors(texts[target])
            if not target.exists() or not known:
                broken.append(f"{here}: {link}")
    assert broken == []
    assert checked > 150


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without its tags, which name functions."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def test_every_page_is_in_the_navigation(repo):
    site = yaml.load((repo / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)
    named = set(re.findall(r"[\w/-]+\.md", str(site["nav"])))
    docs = {path.relative_to(repo / "docs").as_posix() for path in repo.glob("docs/**/*.md")}
    written = ("benchmarks/2", "benchmarks/mixed_labels", "benchmarks/small_data")  # not_in_nav
    assert {name for name in docs if not name.startswith(written)} - named == set()
    assert {"index.md", "commands/index.md", "api/index.md"} == named - docs


@pytest.mark.parametrize(
    ("link", "path", "expected"),
    [
        ("predict.md", "docs/cli.md", "predict.md"),
        ("predict.md#a-b", "docs/cli.md", "predict.md#a-b"),
        ("docs/cli.md", "README.md", "cli.md"),
        ("../README.md", "docs/cli.md", "index.md"),
        ("../../README.md", "docs/benchmarks/README.md", "../index.md"),
        ("../configs/README.md#mine", "docs/cli.md", "source/configs/README.md#mine"),
        ("../../configs", "docs/benchmarks/README.md", "../source/configs/README.md"),
        ("model-index.yml", "README.md", "source/model-index.yml.md"),
        ("configs", "README.md", "source/configs/README.md"),
        ("condinst/registry.py#L3", "README.md", "source/condinst/registry.py.md"),
        ("docs/cli.md", "CONTRIBUTING.md", "../cli.md"),
        ("images/a.jpg", "docs/cli.md", "images/a.jpg"),
        ("https://a.b/c.md", "docs/cli.md", "https://a.b/c.md"),
        ("#here", "docs/cli.md", "#here"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(link, path, expected):
    assert docs_site.rewrite_links(f"a [b]({link}).", path) == f"a [b]({expected})."
    code = f"```\n[b]({link})\n```"
    assert docs_site.rewrite_links(code, path) == code


def test_the_site_has_a_page_for_each_file_that_pages_link_to(repo):
    found = docs_site.linked_files()
    assert {"configs/README.md", "CONTRIBUTING.md", "model-index.yml"} <= set(found)
    for path in found:
        page = docs_site.source_page(path)
        assert page.startswith("---\nsearch:\n  exclude: true\n---\n")
        assert docs_site.site_path(path).startswith("source/") or path == "README.md"


@pytest.fixture(scope="module")
def command_pages() -> dict[str, str]:
    return dict(docs_site.command_pages())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_says_what_its_help_says(name, command_pages):
    _, parser = build_parser(name)
    plain = re.sub(r"[\\`]", "", command_pages[f"commands/{name}.md"])
    assert f"({name}.md)" in command_pages["commands/index.md"]
    for action in parser._actions:
        if action.help is not argparse.SUPPRESS:
            assert all(option in plain for option in action.option_strings)
            assert (action.help or "").split("%")[0] in plain
    for line in (parser.epilog or "").replace("%(prog)s", parser.prog).splitlines():
        assert re.sub(r"[\\`]", "", line).strip(" :").lower() in plain.lower()


def test_public_names_are_those_of_the_packages():
    for _, packages in docs_site.API.values():
        for package in packages:
            names = docs_site.public_names(package)
            assert names
            for name, place in names.items():
                module, _, last = place.rpartition(".")
                found = getattr(importlib.import_module(module), last)
                assert getattr(importlib.import_module(package), name) is found


@pytest.mark.long
def test_the_site_is_built_without_a_warning(repo, tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=repo, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api/predict.html").read_text(encoding="utf-8")
    assert 'id="condinst.results.results.Results.to_coco"' in page
    assert ":class:" not in page
    assert "--score-thr" in (tmp_path / "commands/predict.html").read_text(encoding="utf-8")
    assert os.path.getsize(tmp_path / "search/search_index.json") > 100_000
