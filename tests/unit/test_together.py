"""Those who wait at the same moment are answered together, each with an own answer."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import TimeoutError as NoTurn

from tests.servers import wait_until
from web.together import Together


class Server:
    """Answers with the double; holds the first question until it is let go."""

    def __init__(self) -> None:
        self.companies: list[list[int]] = []
        self.go = threading.Event()

    def ask(self, questions: Sequence[int]) -> list[int | Exception]:
        self.companies.append(list(questions))
        assert self.go.wait(10)
        if 13 in questions:
            raise OSError("away")
        return [ValueError(one) if one < 0 else one * 2 for one in questions]


@pytest.fixture
def server() -> Server:
    return Server()


def ask_at_once(
    together: Together[int, int], server: Server, *later: int, first: int = 1
) -> list[object]:
    """Ask one, which is held; the others while it is; then let go. All answers in turn."""

    def ask(question: int) -> object:
        try:
            return together.ask(question)
        except Exception as error:
            return error

    with ThreadPoolExecutor(max(2, len(later) + 1)) as pool:
        begun = pool.submit(ask, first)
        wait_until(lambda: server.companies)
        others = []
        for question in later:
            others.append(pool.submit(ask, question))
            wait_until(lambda: len(together._waiting) == len(others))
        server.go.set()
        return [one.result(10) for one in (begun, *others)]


def test_who_comes_alone_is_asked_for_at_once(server: Server) -> None:
    server.go.set()
    together = Together(server.ask, most=10)
    assert [together.ask(1), together.ask(2)] == [2, 4]
    assert server.companies == [[1], [2]]


def test_who_comes_meanwhile_shares_the_next_question(server: Server) -> None:
    answers = ask_at_once(Together(server.ask, most=10), server, 2, 3, 4)
    assert answers == [2, 4, 6, 8]
    assert server.companies == [[1], [2, 3, 4]]


def test_a_company_has_its_limit_and_keeps_its_order(server: Server) -> None:
    assert ask_at_once(Together(server.ask, most=2), server, 2, 3, 4) == [2, 4, 6, 8]
    assert server.companies == [[1], [2, 3], [4]]


def test_two_of_a_kind_never_share_a_question(server: Server) -> None:
    together = Together(server.ask, most=10, same=lambda one: one % 10)
    assert ask_at_once(together, server, 12, 22, 3) == [2, 24, 44, 6]
    assert server.companies == [[1], [12, 3], [22]]


def test_an_answer_that_is_an_error_is_one_callers_own(server: Server) -> None:
    fine, good, bad, better = ask_at_once(Together(server.ask, most=10), server, 2, -3, 4)
    assert (fine, good, better) == (2, 4, 8)
    assert isinstance(bad, ValueError)


def test_what_the_asking_raises_is_everybodys_and_does_not_stop_the_next(server: Server) -> None:
    together = Together(server.ask, most=2)
    answers = ask_at_once(together, server, 13, 2, 3)
    assert [type(one) for one in answers] == [int, OSError, OSError, int]
    assert together.ask(5) == 10


@pytest.mark.parametrize(("patience", "companies"), [(60.0, [[13], [2, 3]]), (0.0, [[13]])])
def test_nobody_waits_out_anothers_long_failure_and_then_their_own(
    server: Server, monkeypatch: pytest.MonkeyPatch, patience: float, companies: list[list[int]]
) -> None:
    monkeypatch.setattr("web.together._PATIENCE_SECONDS", patience)
    together = Together(server.ask, most=10)
    answers = ask_at_once(together, server, 2, 3, first=13)
    assert server.companies == companies
    # They were not asked for, and so are not told that it may have been done.
    later = NoTurn if patience == 0 else int
    assert [type(one) for one in answers] == [OSError, later, later]
    assert together.ask(5) == 10
