from __future__ import annotations

import socket

from samfleet_cli.local_stack.ports import LOOPBACK, choose_ports, port_is_free


def test_every_name_gets_a_different_port() -> None:
    ports = choose_ports([f"part{number}" for number in range(20)], {})

    assert len(set(ports.values())) == 20
    assert all(port_is_free(port) for port in ports.values())


def test_the_previous_port_is_kept_if_it_is_free() -> None:
    former = choose_ports(["api"], {})

    assert choose_ports(["redis", "api"], former)["api"] == former["api"]


def test_a_previous_port_that_is_taken_is_replaced() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]

        assert not port_is_free(taken)
        assert choose_ports(["api"], {"api": taken})["api"] != taken
