"""Servers that come, go and fall silent, over real gRPC; the test is the name server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from fixtures.servers.pool_server import PoolServer, pool_server
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.client import TritonSegmenter
from samfleet_worker.triton.errors import ModelNotLoaded, TritonUnavailable, VariantLoadFailed
from samfleet_worker.triton.server import MOST_SILENT

NOBODY: frozenset[str] = frozenset()
REQUEST = SegmentRequest(b"x", EverythingParameters())


@dataclass(slots=True)
class Names:
    """A name server with one name; with `error` it does not answer."""

    now: list[PoolServer] = field(default_factory=list)
    error: str | None = None

    def __call__(self, configured: str) -> Sequence[str]:
        if self.error:
            raise TritonUnavailable(f"{configured}: {self.error}")
        return [server.address for server in self.now]


@contextmanager
def pool_of(names: Names, *addresses: str) -> Iterator[TritonSegmenter]:
    configured = addresses or ("triton:8001",)
    with closing(TritonSegmenter(configured, timedelta(seconds=30), resolve=names)) as segmenter:
        yield segmenter


@pytest.fixture
def servers() -> Iterator[list[PoolServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(pool_server()) for _ in range(3)]


def asked_of(servers: Sequence[PoolServer], segmenter: TritonSegmenter, times: int = 6) -> list[int]:
    """Return how many of some requests each server got."""
    before = [server.asked for server in servers]
    for _ in range(times):
        segmenter.segment("any", [REQUEST])
    return [server.asked - former for server, former in zip(servers, before, strict=True)]


def test_requests_go_to_exactly_the_servers_that_the_name_has_now(servers: list[PoolServer]) -> None:
    names = Names(servers[:1])
    with pool_of(names) as segmenter:
        assert asked_of(servers, segmenter) == [6, 0, 0]
        names.now = servers
        segmenter.refresh()
        assert asked_of(servers, segmenter) == [2, 2, 2]
        names.now = servers[1:]
        segmenter.refresh()
        assert asked_of(servers, segmenter) == [0, 3, 3]
        assert [status.address for status in segmenter.status()] == [server.address for server in servers[1:]]


def test_a_name_server_that_is_away_takes_no_server_from_the_pool(servers: list[PoolServer]) -> None:
    names = Names(servers[:2])
    with pool_of(names) as segmenter:
        names.error = "no reply"
        segmenter.refresh()
        assert asked_of(servers, segmenter) == [3, 3, 0]


def test_a_pool_without_servers_says_why(servers: list[PoolServer]) -> None:
    names = Names(error="no reply")
    with pool_of(names) as segmenter:
        with pytest.raises(TritonUnavailable, match="triton:8001: no reply"):
            segmenter.segment("any", [REQUEST])
        names.error = None
        segmenter.refresh()
        with pytest.raises(TritonUnavailable, match="triton:8001 of SAMFLEET_POOLS has no address now"):
            segmenter.has("any")
        names.now = servers[:1]
        segmenter.refresh()
        assert segmenter.has("any")


def test_two_names_of_one_server_are_one_server(servers: list[PoolServer]) -> None:
    with pool_of(Names(servers[:1]), "a:8001", "b:8001") as segmenter:
        assert len(segmenter.status()) == 1


def test_a_server_that_left_keeps_its_open_requests(servers: list[PoolServer]) -> None:
    first, second, _ = servers
    first.silent.set()
    names = Names([first])
    with pool_of(names) as segmenter, ThreadPoolExecutor(1) as threads:
        reply = threads.submit(segmenter.segment, "any", [REQUEST])
        assert first.waiting.acquire(timeout=30)
        first.silent.clear()
        names.now = [second]
        segmenter.refresh()
        assert asked_of(servers, segmenter, 2) == [0, 2, 0]
        first.released.set()
        assert reply.result()[0].reply.report.width == 1
        segmenter.refresh()  # closes its connection
        assert asked_of(servers, segmenter, 2) == [0, 2, 0]


def test_the_requests_of_a_silent_server_go_to_another(servers: list[PoolServer]) -> None:
    """The first looks may be late replies of a busy server, so they end nothing."""
    first, second, _ = servers
    names = Names([first])
    with pool_of(names) as segmenter, ThreadPoolExecutor(1) as threads:
        first.silent.set()
        reply = threads.submit(segmenter.segment, "any", [REQUEST])
        assert first.waiting.acquire(timeout=30)
        names.now = [first, second]
        for _ in range(MOST_SILENT - 1):
            segmenter.refresh()
        assert not reply.done()
        segmenter.refresh()
        with pytest.raises(TritonUnavailable, match="does not answer"):
            reply.result()  # this request knew of one server
        assert asked_of(servers, segmenter, 4) == [0, 4, 0]
        first.silent.clear()
        segmenter.refresh()
        assert asked_of(servers, segmenter, 4) == [2, 2, 0]


def test_a_request_finds_another_server_when_its_own_falls_silent(servers: list[PoolServer]) -> None:
    first, second, _ = servers
    for server in (first, second):
        server.silent.set()
    with pool_of(Names([first, second])) as segmenter, ThreadPoolExecutor(1) as threads:
        reply = threads.submit(segmenter.segment, "any", [REQUEST])
        assert first.waiting.acquire(timeout=30)
        second.silent.clear()
        for _ in range(MOST_SILENT):
            segmenter.refresh()
        assert reply.result()[0].reply.report.width == 1
    assert (first.asked, second.asked) == (1, 1)


def test_servers_that_answer_are_not_asked_whether_they_live(servers: list[PoolServer]) -> None:
    with pool_of(Names(servers)) as segmenter:
        segmenter.segment("any", [REQUEST])
        segmenter.refresh()
    assert [server.looks for server in servers] == [0, 0, 0]


def test_the_server_with_the_least_open_requests_is_next(servers: list[PoolServer]) -> None:
    for server in servers:
        server.silent.set()
    with pool_of(Names(servers)) as segmenter, ThreadPoolExecutor(7) as threads:
        replies = [threads.submit(segmenter.segment, "any", [REQUEST]) for _ in range(3)]
        for server in servers:
            assert server.waiting.acquire(timeout=30)
        for server in servers[1:]:
            server.silent.clear()
            server.released.set()
        ended = as_completed(replies)
        assert [next(ended).result()[0].reply.report.width for _ in servers[1:]] == [1, 1]
        for _ in range(4):
            segmenter.segment("any", [REQUEST])
        assert [server.asked for server in servers] == [1, 3, 3]
        servers[0].released.set()
        assert next(ended).result()[0].reply.report.width == 1


def test_a_newcomer_gets_no_request_before_it_has_the_variant(servers: list[PoolServer]) -> None:
    newcomer = servers[2]
    newcomer.loaded.clear()
    names = Names(servers[:2])
    with pool_of(names) as segmenter:
        names.now = servers
        segmenter.refresh()
        assert asked_of(servers, segmenter) == [3, 3, 0]
        assert segmenter.has("any")
        assert segmenter.uneven() == {"any"}
        segmenter.load("any", NOBODY)
        assert [server.loads for server in servers] == [[], [], ["any"]]
        assert segmenter.uneven() == frozenset()
        assert asked_of(servers, segmenter) == [2, 2, 2]


def test_a_server_that_lost_its_variant_is_passed_over(servers: list[PoolServer]) -> None:
    with pool_of(Names(servers[:2])) as segmenter:
        assert asked_of(servers, segmenter, 2) == [1, 1, 0]
        servers[0].loaded.clear()  # its container was restarted
        assert asked_of(servers, segmenter, 4) == [0, 4, 0]
        servers[1].loaded.clear()
        with pytest.raises(ModelNotLoaded):
            segmenter.segment("any", [REQUEST])


def test_a_newcomer_that_cannot_load_fails_nothing(servers: list[PoolServer]) -> None:
    servers[1].loaded.clear()
    servers[1].refuses_loads = True
    with pool_of(Names(servers[:2])) as segmenter:
        segmenter.load("any", NOBODY)
        assert segmenter.uneven() == frozenset()  # not again within a minute
        assert asked_of(servers, segmenter, 4) == [4, 0, 0]
        servers[0].loaded.clear()
        servers[0].refuses_loads = True
        with pytest.raises(VariantLoadFailed, match="no such weights"):
            segmenter.load("any", NOBODY)


def test_threads_share_the_servers_evenly(servers: list[PoolServer]) -> None:
    with pool_of(Names(servers)) as segmenter, ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: segmenter.segment("any", [REQUEST]), range(60)))
    shares = Counter({server.address: server.asked for server in servers})
    assert sum(shares.values()) == 60
    assert min(shares.values()) >= 10
