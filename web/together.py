"""Together: what is asked at the same moment is answered by one question to a server."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import TimeoutError as NoTurn

Question = TypeVar("Question")
Answer = TypeVar("Answer")

# A server that has let one company wait for longer than this, in vain, would let the next one too.
_PATIENCE_SECONDS = 1.0


class _Seat(Generic[Question, Answer]):
    """One caller, who waits for an answer or for the turn to ask for all."""

    __slots__ = ("answer", "gate", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: Answer | Exception | None = None
        self.gate = threading.Lock()


class Together(Generic[Question, Answer]):
    """Asks for all callers that wait, one of whom does the asking.

    Who comes while nobody asks does so at once, alone: at low load nobody waits for company.
    Those who come meanwhile are the next company, and the first of them asks for all.

    Args:
        ask: gives an answer for each question, or the exception that is its answer; what it
            raises itself is everybody's. If that took long, who came meanwhile is not asked for.
        most: questions at once.
        same: what may be in one company only once; None for what always may.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        *,
        most: int,
        same: Callable[[Question], object] = lambda _: None,
    ) -> None:
        self._ask = ask
        self._most = most
        self._same = same
        self._lock = threading.Lock()
        self._waiting: list[_Seat[Question, Answer]] = []
        self._busy = False

    def ask(self, question: Question) -> Answer:
        """The answer to one question; others may be asked with it.

        Raises:
            Exception: the one that is its answer.
            sqlalchemy.exc.TimeoutError: it was not asked, since others had waited in vain.
        """
        mine: _Seat[Question, Answer] = _Seat(question)
        with self._lock:
            self._waiting.append(mine)
            leads, self._busy = not self._busy, True
            if not leads:
                mine.gate.acquire()
        if not leads:
            mine.gate.acquire()
        if mine.answer is None:
            self._lead()
        if isinstance(mine.answer, Exception):
            raise mine.answer
        assert mine.answer is not None
        return mine.answer

    def _lead(self) -> None:
        company = self._gather()
        began = time.monotonic()
        try:
            answers = self._ask([seat.question for seat in company])
            for seat, answer in zip(company, answers, strict=True):
                seat.answer = answer
        except Exception as error:
            for seat in company:
                seat.answer = error
            if time.monotonic() - began > _PATIENCE_SECONDS:
                others = self._everybody()
                for seat in others:
                    seat.answer = NoTurn("the server has let others wait in vain")
                company += others
        finally:
            self._part(company)

    def _everybody(self) -> list[_Seat[Question, Answer]]:
        """All who wait: nobody shall wait out somebody else's failure, and then their own."""
        with self._lock:
            found, self._waiting = self._waiting, []
        return found

    def _gather(self) -> list[_Seat[Question, Answer]]:
        """The next company, the leader first."""
        seen: set[object] = set()
        company: list[_Seat[Question, Answer]] = []
        later: list[_Seat[Question, Answer]] = []
        with self._lock:
            for seat in self._waiting:
                alike = self._same(seat.question)
                if len(company) >= self._most or alike in seen:
                    later.append(seat)
                else:
                    company.append(seat)
                    if alike is not None:
                        seen.add(alike)
            self._waiting = later
        return company

    def _part(self, company: list[_Seat[Question, Answer]]) -> None:
        """Let everybody go, and the first who waits lead the next company."""
        with self._lock:
            leader = self._waiting[0] if self._waiting else None
            self._busy = leader is not None
        if leader is not None:
            leader.gate.release()
        for seat in company[1:]:
            if seat.answer is None:
                # The leader was told to end in the middle; what became of it nobody knows.
                seat.answer = RuntimeError("nobody was left to ask")
            seat.gate.release()
