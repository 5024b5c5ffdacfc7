"""examples/web.py: a click is answered when it is stored, and a client hears when it is not."""

import asyncio
import importlib.util
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLICKS = [(f"user-{number}", f"/page-{number % 7}") for number in range(300)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "clicks.db"


@pytest.fixture
def web(database: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("CLICKS_DB", str(database))
    spec = importlib.util.spec_from_file_location("web", EXAMPLES / "web.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "web", module)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def _client(web: ModuleType) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, from its start to its end."""
    async with (
        web.app.router.lifespan_context(web.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(web.app), base_url="http://web") as client,
    ):
        yield client


async def _click(client: httpx.AsyncClient, user: str, page: str) -> httpx.Response:
    return await client.post("/clicks", json={"user": user, "page": page})


def _stored(database: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT user, page FROM clicks").fetchall()


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Nobody else can write meanwhile."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _say(response: httpx.Response) -> str:
    detail = response.json()["detail"]
    return f"{response.status_code}: {detail['error']} ({detail['hint']})"


def test_a_click_that_is_answered_is_stored(web: ModuleType, database: Path) -> None:
    async def main() -> None:
        async with _client(web) as client:
            assert (await _click(client, "ann", "/")).status_code == 204
            assert _stored(database) == [("ann", "/")]
            room = asyncio.Semaphore(web.Clicks.clicks.component.maxsize)

            async def click(user: str, page: str) -> int:
                async with room:
                    return (await _click(client, user, page)).status_code

            assert set(await asyncio.gather(*(click(*one) for one in CLICKS))) == {204}
            wanted = Counter(page for _, page in [("ann", "/"), *CLICKS])
            assert (await client.get("/pages")).json() == wanted

    asyncio.run(main())
    assert Counter(_stored(database)) == Counter([("ann", "/"), *CLICKS])


def test_a_click_that_cannot_be_stored_is_refused_with_a_hint(
    web: ModuleType, database: Path
) -> None:
    async def main() -> None:
        async with _client(web) as client:
            assert (await _click(client, "ann", "/")).status_code == 204
            with closing(sqlite3.connect(database)) as other:
                other.execute("ALTER TABLE clicks RENAME TO elsewhere")
            response = await _click(client, "bob", "/")
            assert _say(response).startswith("503: 'clicks': the tuple ('bob', '/') failed")
            assert "the log has the error" in _say(response)
            assert response.headers["Retry-After"] == "1"
            with closing(sqlite3.connect(database)) as other:
                other.execute("ALTER TABLE elsewhere RENAME TO clicks")
            assert (await _click(client, "bob", "/")).status_code == 204

    asyncio.run(main())
    assert _stored(database) == [("ann", "/"), ("bob", "/")]


def test_too_many_clicks_are_refused_and_the_others_stored(web: ModuleType, database: Path) -> None:
    async def main() -> None:
        async with _client(web) as client:
            assert (await _click(client, "ann", "/")).status_code == 204
            clicks = web.app.state.clicks
            with _locked(database):
                waiting = [
                    asyncio.create_task(_click(client, *one)) for one in CLICKS[: clicks.maxsize]
                ]
                async with asyncio.timeout(10):
                    while clicks.under_way < clicks.maxsize:
                        await asyncio.sleep(0.001)
                refused = await _click(client, "bob", "/")
            assert _say(refused) == ("503: too many clicks are under way (try again in a second)")
            assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {204}

    asyncio.run(main())
    assert len(_stored(database)) == 201


def test_a_click_that_takes_too_long_is_refused(
    web: ModuleType, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with _client(web) as client:
            assert (await _click(client, "ann", "/")).status_code == 204
            monkeypatch.setattr(web, "PATIENCE", 0.2)
            with _locked(database):
                refused = await _click(client, "bob", "/")
            assert "was not stored within 0.2 s" in _say(refused)
            monkeypatch.setattr(web, "PATIENCE", 10)

    asyncio.run(main())
    assert _stored(database) == [("ann", "/"), ("bob", "/")]


def test_it_is_served_as_its_first_lines_say(database: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--app-dir", EXAMPLES, "--port", "0", "web:app"],
        cwd=tmp_path,
        env={**os.environ, "CLICKS_DB": str(database)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            said = ""
            while not (running := re.search(r"running on (http://127\.0\.0\.1:\d+)", said)):
                line = server.stderr.readline()
                assert line, said
                said += line
            with httpx.Client(base_url=running[1]) as client:
                for user, page in CLICKS[:20]:
                    answer = client.post("/clicks", json={"user": user, "page": page})
                    assert answer.status_code == 204
                assert client.post("/clicks", json={"user": "ann"}).status_code == 422
                assert sum(client.get("/pages").json().values()) == 20
            server.send_signal(signal.SIGINT)
            rest = server.stderr.read()
        finally:
            server.kill()
    assert "Application shutdown complete" in rest
    assert "Traceback" not in rest
    assert Counter(_stored(database)) == Counter(CLICKS[:20])
