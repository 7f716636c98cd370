"""Scenarios of the suite as data: what strikes, how often, and in which surroundings of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.suite.schedule import Blow
from fixtures.servers.chaos_stack import VICTIMS

KILLS = 54  # six for each target
WORKER = ("second worker",)
STORE = ("object store",)
DATABASE = ("postgres",)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`surroundings` names an entry of `chaos.suite.surroundings.KINDS`."""

    says: str
    blows: tuple[Blow, ...]
    surroundings: str = "plain"

    @property
    def strikes(self) -> int:
        return sum(blow.count for blow in self.blows)


REFERENCE = "undisturbed"
SCENARIOS: Mapping[str, Scenario] = {
    REFERENCE: Scenario("nothing happens; its exports are the reference", ()),
    "kills": Scenario("SIGKILL of every part, at random", (Blow("kill", VICTIMS, KILLS),)),
    "stopped-worker": Scenario(
        "SIGSTOP of a worker until others have its shards, then SIGCONT", (Blow("stop", WORKER, 4),), "second worker"
    ),
    "flush": Scenario("FLUSHALL of Redis", (Blow("flush", ("redis",), 6),)),
    "full-disk": Scenario("the disk of the object store is full for a while", (Blow("fill", STORE, 3),), "small disk"),
    "clock": Scenario(
        "the clock of a worker jumps by hours, forwards and back",
        (Blow("jump", ("+3h", "-3h", "+0"), 9),),
        "shifted clock",
    ),
    "failover": Scenario(
        "PostgreSQL crashes and comes back at another address", (Blow("fail over", DATABASE, 4),), "moving database"
    ),
    "s3": Scenario(
        "S3 replies 503 to a tenth of the requests, and to all of them for a while",
        (Blow("refuse", STORE, 6),),
        "faulty store",
    ),
}
