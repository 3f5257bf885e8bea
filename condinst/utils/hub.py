"""Fetch a file from the Hugging Face Hub, ``hf://owner/repo/file``, or upload a folder to it."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from condinst.utils.optional import import_failure

__all__ = [
    "PREFIX",
    "HubAddress",
    "check_repo",
    "fetch_from_hub",
    "parse_hub_address",
    "upload_to_hub",
]

PREFIX = "hf://"
# the logger of its requests
_RETRIER = "huggingface_hub.utils._http"

_FORM = "hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVISION/FILE"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ADDRESS = re.compile(rf"hf://({_NAME})/({_NAME})(?:@([^/@]+))?/(.+)")
# the first word of addresses of other kinds of repositories
_KINDS = ("models", "datasets", "spaces", "buckets")


@dataclass(frozen=True)
class HubAddress:
    """A file in a model repository of the Hub.

    Attributes:
        repo: "owner/repo".
        file: path of the file in the repository, with "/".
        revision: branch, tag or commit; None for the default branch.
    """

    repo: str
    file: str
    revision: str | None


def parse_hub_address(address: str) -> HubAddress:
    """Take an address apart. A "/" in a revision is written %2F: ``@refs%2Fpr%2F1``.

    Raises:
        ValueError: the address has another form, or its file would lie outside of the repository.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address}: expected {_FORM}")
    owner, repo, revision, file = match.groups()
    if owner in _KINDS:
        raise ValueError(f"{address}: expected {_FORM}, where REPO is a repository of models")
    parts = file.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in file or not file.isprintable():
        raise ValueError(f"{address}: expected {_FORM}, got {file!r} as the file")
    return HubAddress(f"{owner}/{repo}", file, revision and urllib.parse.unquote(revision))


def check_repo(repo: str) -> None:
    """Check the name of a repository of models.

    Raises:
        ValueError: the name is not ``owner/repo``.
    """
    match = re.fullmatch(rf"({_NAME})/({_NAME})", repo)
    if match is None or match[1] in _KINDS or ".." in repo or repo.endswith((".git", ".", "-")):
        raise ValueError(f"{repo}: expected OWNER/REPO, the name of a repository of models")


def upload_to_hub(folder: Path, repo: str, *, private: bool = False, message: str) -> str:
    """Upload a folder to a repository as one commit; the repository is made if there is none.

    Token and server are huggingface_hub's: ``hf auth login``, or the environment variables HF_TOKEN
    and HF_ENDPOINT.

    Args:
        folder: all of its files are uploaded; other files of the repository stay.
        repo: "owner/repo".
        private: whether a new repository is private.
        message: of the commit.

    Returns:
        The address of the repository's page.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: the files cannot be uploaded.
        ValueError: the name of the repository is none.
    """
    check_repo(repo)
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise _missing(repo, error) from error
    api = HfApi(library_name="condinst")
    try:
        with _one_line_of_retries(repo):
            page = api.create_repo(repo, private=private, exist_ok=True)
            api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    except Exception as error:
        raise _not_uploaded(repo, error) from error
    return str(page)


def _missing(what: str, error: ImportError) -> ImportError:
    remedy = "pip install 'condinst[hub]'"
    return import_failure(f"{what}: needs huggingface_hub", "huggingface_hub", remedy, error)


def _not_uploaded(repo: str, error: Exception) -> OSError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "LocalTokenNotFoundError" in kinds or status == 401:
        why = "log in first, with: hf auth login, or set the environment variable HF_TOKEN"
    elif status == 403:
        why = (
            "the token may not write there: expected a token with write access to "
            f"{repo.partition('/')[0]}"
        )
    elif "RepositoryNotFoundError" in kinds:
        why = "there is no such repository, or the token may not see it"
    else:
        why = f"{type(error).__name__}: {_first_line(error)}"
    return OSError(f"{repo}: cannot be uploaded: {why}")


def fetch_from_hub(address: str) -> Path:
    """Return the path of a file of the Hub, downloaded if the cache of huggingface_hub lacks it.

    Cache, token, mirror and offline mode are huggingface_hub's: the environment variables HF_HOME,
    HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: the file cannot be fetched.
        ValueError: the address is no address of a file.
    """
    parsed = parse_hub_address(address)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise _missing(address, error) from error
    try:
        with _one_line_of_retries(address):
            path = hf_hub_download(
                parsed.repo, parsed.file, revision=parsed.revision, library_name="condinst"
            )
    except Exception as error:  # its classes differ by version, and some come from httpx
        raise _explained(address, parsed, error) from error
    return Path(path)


@contextlib.contextmanager
def _one_line_of_retries(address: str) -> Iterator[None]:
    """Print one line where huggingface_hub logs two for each attempt to reach the Hub."""
    logger = logging.getLogger(_RETRIER)
    said = False

    def keep(record: logging.LogRecord) -> bool:
        nonlocal said
        text = record.getMessage()
        if "thrown while requesting" not in text and not text.startswith("Retrying in"):
            return True
        if not said:
            said = True
            print(f"{address}: the Hub does not answer, trying again", file=sys.stderr, flush=True)
        return False

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _explained(address: str, parsed: HubAddress, error: Exception) -> OSError:
    """Return the error as one line that says what to do."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    where = f"https://huggingface.co/{parsed.repo}"
    if "GatedRepoError" in kinds:
        why = f"access has to be granted first, at {where}; then log in with: hf auth login"
    elif "RepositoryNotFoundError" in kinds:
        why = (
            f"there is no repository {parsed.repo}, or it is private: log in with: hf auth login, "
            "or set the environment variable HF_TOKEN"
        )
    elif "RevisionNotFoundError" in kinds:
        why = f"{parsed.repo} has no revision {parsed.revision}"
    elif "LocalEntryNotFoundError" in kinds:
        why = (
            "it is not in the cache of huggingface_hub, and the Hub cannot be reached "
            f"({_first_line(error.__cause__ or error)})"
        )
    elif "EntryNotFoundError" in kinds:
        at = f" at the revision {parsed.revision}" if parsed.revision else ""
        why = f"{parsed.repo} has no file {parsed.file}{at}"
    else:
        why = f"{type(error).__name__}: {_first_line(error)}"
    return OSError(f"{address}: cannot be fetched: {why}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
