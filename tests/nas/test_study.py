"""Studies: no candidate twice, nothing lost, whoever is killed and whatever is restarted."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leannet.errors import LeannetError
from leannet.nas.space import Decision
from leannet.nas.storage import kept, storage_of
from leannet.nas.study import Study
from leannet.runtime.processor import cores

DECISIONS = (Decision("kernel", (3, 5)), Decision("skip", (True, False)), Decision("activation", ("relu", "h_swish")))
FORK = multiprocessing.get_context("spawn")


class Postgres:
    """A server of its own, in a folder of its own, on a socket there."""

    def __init__(self, folder: Path):
        self.folder = folder
        (tools,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        self.tools = tools
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        folder.mkdir()
        if self.user:
            for each in (folder, *folder.parents):
                if each == Path("/tmp"):
                    break
                each.chmod(0o755)
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", folder / "data", "-U", "leannet", "-A", "trust", "-N")
        self.start()
        self.url = f"postgresql://leannet@/postgres?host={folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def _run(self, tool: str, *words: object) -> None:
        command = [*self.user, str(self.tools / tool), *map(str, words)]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    server = Postgres(tmp_path_factory.mktemp("pg") / "server")
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("journal", marks=pytest.mark.everything), "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres").url)
    return str(tmp_path / {"sqlite": "study.db", "journal": "study.log"}[request.param])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Study]]:
    """Studies that are closed after a test."""
    studies: list[Study] = []
    enter = Study._agree

    def agree(study: Study, about: dict[str, Any]) -> None:
        studies.append(study)
        enter(study, about)

    monkeypatch.setattr(Study, "_agree", agree)
    yield studies
    for study in studies:
        study.close()


pytestmark = pytest.mark.usefixtures("opened")


def name_of(request: pytest.FixtureRequest) -> str:
    """A study of its own for each test on a shared server."""
    return request.node.name


def test_a_candidate_is_evaluated_once(storage: str, request: pytest.FixtureRequest) -> None:
    study, other = (Study(storage, name_of(request), {"space": "a"}, DECISIONS) for _ in range(2))
    claim = study.claim("k1", {"kernel": 5, "skip": False, "activation": "relu"})
    assert claim is not None
    assert other.claim("k1") is None
    assert other.is_open("k1")
    study.tell(claim, {"accuracy": 0.5, "latency_ms": 2.0})
    assert other.claim("k1") is None
    assert not other.is_open("k1")
    (result,) = other.results()
    assert result == study.result("k1")
    assert result.values == {"accuracy": 0.5, "latency_ms": 2.0}
    assert result.options == {"kernel": 5, "skip": False, "activation": "relu"}
    second = other.claim("k2")
    assert second is not None
    assert second.seed != claim.seed


def test_a_worker_that_was_closed_is_gone(tmp_path: Path) -> None:
    """An interrupt in a notebook, say, which leaves its process alive and its trial open."""
    storage = str(tmp_path / "study.db")
    with Study(storage, "s", {}) as study:
        assert study.claim("k") is not None
    with Study(storage, "s", {}) as other:
        assert set(other.abandoned()) == {"k"}
        assert other.claim("k") is not None


def test_workers_share_the_cores_of_a_machine(tmp_path: Path) -> None:
    storage = str(tmp_path / "study.db")
    with Study(storage, "s", {}) as study, Study(storage, "s", {}) as other:
        assert (study.share_of_cores(), other.share_of_cores()) == (None, None)
        claim = study.claim("k")
        assert claim is not None
        assert study.share_of_cores() is None
        assert other.share_of_cores() == max(1, cores() // 2)
        study.tell(claim, {"accuracy": 0.5})
        assert other.share_of_cores() is None


def test_a_study_is_about_one_thing(storage: str, request: pytest.FixtureRequest) -> None:
    Study(storage, name_of(request), {"space": "a", "budget": 1})
    Study(storage, name_of(request), {"budget": 1, "space": "a"})
    with pytest.raises(LeannetError, match="is for another search: budget is 1 there, and 2 here"):
        Study(storage, name_of(request), {"space": "a", "budget": 2})


def _race(storage: str, name: str, start: Any, keys: int, log: Any) -> None:
    start.wait()
    with Study(storage, name, {}) as study:
        _take_all(study, keys, log)


def _take_all(study: Study, keys: int, log: Any) -> None:
    for key in range(keys):
        claim = study.claim(f"k{key}")
        if claim is not None:
            with study.working(claim):
                log.put((key, claim.number, claim.seed))
            study.tell(claim, {"accuracy": float(key)})


def test_workers_never_evaluate_the_same_candidate(storage: str, request: pytest.FixtureRequest) -> None:
    """Four processes, all after the same candidates at the same moment."""
    Study(storage, name_of(request), {})
    start, log = FORK.Barrier(4), FORK.Queue()
    workers = [FORK.Process(target=_race, args=(storage, name_of(request), start, 12, log)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    entries = [log.get() for _ in range(12)]
    assert log.empty()
    assert sorted(key for key, _, _ in entries) == list(range(12))
    assert len({seed for _, _, seed in entries}) == 12
    assert len(Study(storage, name_of(request), {}).results()) == 12


def _die(storage: str, name: str) -> None:
    study = Study(storage, name, {})
    claim = study.claim("k")
    assert claim is not None
    with study.working(claim):
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_worker_was_at_is_taken_up(storage: str, request: pytest.FixtureRequest) -> None:
    study = Study(storage, name_of(request), {})
    worker = FORK.Process(target=_die, args=(storage, name_of(request)))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL
    lines: list[str] = []
    study = Study(storage, name_of(request), {}, say=lines.append)
    claim = study.claim("k")
    assert claim is not None
    assert claim.number == 1
    assert "is gone; taking it up" in lines[0]
    study.tell(claim, {"accuracy": 1.0})
    assert [result.number for result in study.results()] == [1]


def test_a_worker_elsewhere_is_gone_when_it_says_nothing(
    storage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another machine there are beats alone. One that is back, and late, changes nothing."""
    with monkeypatch.context() as patch:
        patch.setattr("leannet.nas.study.place_here", lambda: "elsewhere")
        away = Study(storage, name_of(request), {}, grace=0.6)
        claim = away.claim("k")
    assert claim is not None
    here = Study(storage, name_of(request), {}, grace=0.6)
    with away.working(claim):  # it beats
        assert here.claim("k") is None
        time.sleep(1)
        assert here.claim("k") is None
    time.sleep(0.1)
    here.claim("k")
    time.sleep(0.8)
    second = here.claim("k")
    assert second is not None
    here.tell(second, {"accuracy": 2.0})
    away.tell(claim, {"accuracy": 1.0})
    assert [result.values for result in here.results()] == [{"accuracy": 2.0}]


def test_a_trial_that_fails_is_there_for_others(storage: str, request: pytest.FixtureRequest) -> None:
    study = Study(storage, name_of(request), {})
    claim = study.claim("k")
    assert claim is not None
    with pytest.raises(ZeroDivisionError), study.working(claim):
        raise ZeroDivisionError
    assert study.claim("k") is not None


def test_a_result_is_kept_until_the_storage_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the result and the storage: the next start delivers it."""
    storage, spool = str(tmp_path / "study.db"), tmp_path / "spool"
    with monkeypatch.context() as patch:
        patch.setattr("leannet.nas.study.process_here", lambda: "999999999 0")  # no process has this number
        study = Study(storage, "s", {}, spool=spool)
        claim = study.claim("k")
    assert claim is not None
    spool.mkdir()
    text = {"study": "s", "trial": claim.number, "values": {"accuracy": 0.25}}
    (spool / f"s_{claim.number}.json").write_text(json.dumps(text))
    lines: list[str] = []
    again = Study(storage, "s", {}, spool=spool, say=lines.append)
    assert [result.values for result in again.results()] == [{"accuracy": 0.25}]
    assert list(spool.iterdir()) == []
    assert "is told" in lines[0]


def _keep_on(url: str, name: str, count: int, spool: str, log: Any, begun: Any) -> None:
    with Study(url, name, {}, spool=Path(spool), say=log.put) as study:
        begun.wait()
        for key in range(count):
            claim = study.claim(f"k{key}")
            if claim is not None:
                with study.working(claim):
                    time.sleep(0.15)
                study.tell(claim, {"accuracy": float(key)})


def test_a_database_that_is_restarted_loses_nothing_and_stops_nobody(postgres: Postgres, tmp_path: Path) -> None:
    log, begun = FORK.Queue(), FORK.Barrier(4, timeout=120)  # one that begins while it is away would be refused
    Study(postgres.url, "restarted", {})
    workers = [
        FORK.Process(target=_keep_on, args=(postgres.url, "restarted", 40, str(tmp_path / str(number)), log, begun))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    begun.wait()
    study = Study(postgres.url, "restarted", {})
    until = time.monotonic() + 60
    while len(study.results()) < 6 and time.monotonic() < until:
        time.sleep(0.1)
    postgres.stop()
    time.sleep(1.5)
    postgres.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    results = study.results()
    assert sorted(float(result.key[1:]) for result in results) == list(range(40))
    assert all(result.values == {"accuracy": float(result.key[1:])} for result in results)
    assert "does not answer" in log.get()


def test_a_storage_that_stays_away_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(str(tmp_path / "study.db"), "s", {}, spool=tmp_path / "spool", patience=0.2)

    def away(*_: object, **__: object) -> None:
        raise UnboundLocalError("cannot access local variable")

    monkeypatch.setattr(study._storage, "set_trial_user_attr", away)
    claim = study.claim("k")
    assert claim is not None
    with pytest.raises(LeannetError, match=r"has been away for 0 s .* results are kept in .*spool"):
        study.tell(claim, {"accuracy": 1.0})
    assert len(list((tmp_path / "spool").iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("study", "expected a file ending in .db"),
        ("postgresql://leannet:secret@127.0.0.1:1/none", "--storage postgresql://leannet@127.0.0.1:1/none: cannot be"),
        ("unheard://x", "cannot be reached"),
    ],
)
def test_a_storage_that_is_none(text: str, says: str) -> None:
    with pytest.raises(LeannetError, match=says) as error:
        storage_of(text)
    assert "secret" not in str(error.value)


def test_nothing_is_reported(tmp_path: Path) -> None:
    """Optuna writes a line to standard error for each trial unless it is told not to."""
    code = (
        "from leannet.nas.study import Study\n"
        f"study = Study({str(tmp_path / 's.db')!r}, 's', {{}})\n"
        "study.tell(study.claim('k'), {'accuracy': 1.0})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_folder_keeps_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGPASSWORD", "")
    monkeypatch.chdir(tmp_path)
    assert kept("postgresql://me:p%40ss@host:5432/search") == "postgresql://me@host:5432/search"
    assert os.environ["PGPASSWORD"] == "p@ss"  # as libpq reads it
    for text in ("postgresql://me@host/search", "postgresql://host/search", f"sqlite:///{tmp_path}/x.db"):
        assert kept(text) == text
    assert kept("trials.log") == str(tmp_path / "trials.log")
    assert kept(None) is None


def test_workers_that_begin_at_once_make_one_storage(tmp_path: Path) -> None:
    """Whoever finds a table that another has just made looks again."""
    code = f"from leannet.nas.storage import storage_of\nstorage_of({str(tmp_path / 'new.db')!r})\n"
    workers = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    for each in workers:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors.decode()
