"""Where trials are kept, and what to do while it is away."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from leannet.errors import LeannetError

T = TypeVar("T")
# Optuna 5.0.0 makes its tables one by one: of two workers that begin at once, one finds what was not there before.
MADE_MEANWHILE = ("already exists", "UNIQUE constraint failed", "duplicate key", "database is locked")
MAKERS, POLL = 20, 0.2  # tries, and seconds between them
LONGEST_WAIT = 15.0  # seconds between two tries
OPENING_SECONDS = 60.0  # patience with one that does not let a study begin: it may never


def storage_of(text: str) -> Any:
    """The storage that a word names: a URL (sqlite:///search.db, postgresql://host/db), or a file that ends in .db
    (SQLite) or .log (a journal, for shared folders).

    Raises LeannetError for anything else, for one that cannot be reached, and where Optuna is not installed.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise LeannetError("this needs the package optuna: pip install 'leannet[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if text.endswith(".log") and "://" not in text:
        return JournalStorage(JournalFileBackend(text))
    url = f"sqlite:///{text}" if text.endswith(".db") and "://" not in text else text
    if "://" not in url:
        raise LeannetError(f"--storage {text}: expected a file ending in .db (SQLite) or .log (a journal), or a URL, "
                           "as postgresql://host/database")  # fmt: skip
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    waits = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}  # seconds for another's transaction
    for tries_left in reversed(range(MAKERS)):
        try:
            return _reading_once(RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **waits}))
        except Exception as error:  # SQLAlchemy's, a driver's that is not installed, the database's own
            line = _first_line(error)
            meanwhile = isinstance(error, AssertionError) or any(words in line for words in MADE_MEANWHILE)
            if not tries_left or not meanwhile:
                raise LeannetError(f"--storage {without_password(text)}: cannot be reached: {line}") from None
            time.sleep(POLL)
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True)
class Trying:
    """Calls to a storage, tried until it answers.

    text: what it is called. patience: seconds. spool: where results are until then. say: hears of it. away: called each
    time that it does not answer.
    """

    text: str
    patience: float
    spool: Path | None
    say: Callable[[str], None]
    away: Callable[[], None] = lambda: None

    def __call__(self, what: Callable[[], T]) -> T:
        """What a call gives. Raises LookupError for a trial that has ended, and LeannetError after `patience`."""
        from optuna.exceptions import UpdateFinishedTrialError

        began, wait = time.monotonic(), 0.5
        while True:
            try:
                return what()
            except UpdateFinishedTrialError as error:
                raise LookupError(str(error)) from None
            except _away() as error:
                line = _first_line(error)
                if time.monotonic() - began > self.patience:
                    kept = f"; results are kept in {self.spool}" if self.spool is not None else ""
                    raise LeannetError(f"{self.text}: has been away for {self.patience:.0f} s ({line}){kept}: start "
                                       "again when it is back") from None  # fmt: skip
                self.away()
                self.say(f"{self.text}: does not answer ({line}); trying again in {wait:.0f} s")
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)


def _first_line(error: BaseException) -> str:
    """What a storage says is wrong: Optuna 5.0.0 puts a guess of its own ("exceeding max length") before it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]


def _away() -> tuple[type[Exception], ...]:
    """What a storage raises while its database is away: Optuna 5.0.0 lets two of Python's own through."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return StorageInternalError, SQLAlchemyError, UnboundLocalError, AssertionError, OSError


def _reading_once(database: Any) -> Any:
    """The storage by which finished trials, which never change, are read once, as optuna.create_study has it; that is
    for Optuna's own use (5.0.0), so without it all are read each time."""
    try:
        from optuna.storages import get_storage
    except ImportError:
        return database
    return get_storage(database)


def database_of(storage: Any) -> Any:
    """The database that a storage which reads once asks; of another, itself."""
    inner = getattr(storage, "_backend", None)  # a journal has one too
    return inner if hasattr(inner, "engine") else storage


def close(storage: Any) -> None:
    """Gives back the connections to a storage."""
    database = database_of(storage)
    if hasattr(database, "engine"):
        database.remove_session()
        database.engine.dispose()


def check_storage(text: str) -> None:
    """Raises LeannetError, before any work, for a storage that cannot be used."""
    close(storage_of(text))


def kept(text: str | None) -> str | None:
    """A storage as a folder keeps it, for workers anywhere: a file by its whole path, and PostgreSQL without its
    password, which this process and those that it starts hand on by PGPASSWORD."""
    if text is None or "://" not in text:
        return None if text is None else str(Path(text).resolve())
    password = urlsplit(text).password
    if password is None or not text.startswith("postgresql"):
        return text
    os.environ["PGPASSWORD"] = unquote(password)
    return without_password(text)


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{account.partition(':')[0]}{at}{place}" if at else url
