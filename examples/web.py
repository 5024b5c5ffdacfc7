"""An HTTP application with a topology inside: a click is answered when it is stored.

pip install fastapi uvicorn
uvicorn --app-dir examples web:app
curl -i -H 'Content-Type: application/json' -d '{"user": "ann", "page": "/"}' localhost:8000/clicks
curl localhost:8000/pages

POST /clicks puts a tuple into the topology and waits for its whole tree. 204 means that the click
is in the database, 503 that it may not be: the answer has a hint, and the client tries again. The
database is the file clicks.db, or that named by CLICKS_DB.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from typhoon import Bolt, LocalCluster, NotRunningError, Topology, Tuple, TupleFailedError
from typhoon.components import Puts, QueueSpout

DATABASE = os.environ.get("CLICKS_DB", "clicks.db")
PATIENCE = 10.0  # seconds that a client waits for its click to be stored


class Store(Bolt):
    """Writes what is waiting in one transaction: many clients share the price of a commit."""

    threaded = True  # a disk makes it wait, and nobody else has to

    def initialize(self, conf: Mapping[str, Any], context: Any) -> None:
        self.database = sqlite3.connect(DATABASE)
        self.database.execute("CREATE TABLE IF NOT EXISTS clicks (user TEXT, page TEXT)")

    def process_many(self, tups: Sequence[Tuple]) -> None:
        with self.database:  # commits, or rolls back and raises: then all of these fail
            self.database.executemany("INSERT INTO clicks VALUES (?, ?)", map(tuple, tups))

    def close(self) -> None:
        self.database.close()


class Clicks(Topology):
    clicks = QueueSpout(["user", "page"], maxsize=200).spec()
    store = Store.spec(inputs=[clicks])


class Click(BaseModel):
    user: str
    page: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with LocalCluster() as cluster:
        topology = cluster.submit("clicks", Clicks)
        app.state.clicks = topology["clicks"]
        yield
        app.state.clicks.close()  # no more clicks; those under way are still stored
        await asyncio.to_thread(topology.wait_until_drained, PATIENCE)


app = FastAPI(lifespan=lifespan)


@app.post("/clicks", status_code=204)
async def click(click: Click) -> None:
    clicks: Puts = app.state.clicks
    if clicks.under_way >= clicks.maxsize:  # put would wait for room
        raise unavailable("too many clicks are under way", "try again in a second")
    try:
        await clicks.put([click.user, click.page], timeout=PATIENCE)
    except (TupleFailedError, NotRunningError) as error:
        raise unavailable(error.message, error.hint) from error
    except TimeoutError as error:
        reason = f"the click was not stored within {PATIENCE:g} s"
        raise unavailable(reason, "it may still be; try again if twice does no harm") from error


def unavailable(reason: str, hint: str | None) -> HTTPException:
    return HTTPException(503, {"error": reason, "hint": hint}, headers={"Retry-After": "1"})


@app.get("/pages")
def pages() -> dict[str, int]:
    """How often each page was clicked."""
    with closing(sqlite3.connect(DATABASE)) as database:
        return dict(database.execute("SELECT page, count(*) FROM clicks GROUP BY page"))
