"""A call that hangs, dies or raises ends itself only."""

import os
import signal
from contextlib import closing

import pytest

from assets.extract.sandbox import Sandbox, SandboxError


def act(what: str) -> str:
    if what == "loop":
        while True:
            pass
    if what == "native":
        return str(pow(3, 10**8))  # one call into C, which no Python signal handler interrupts
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "eat":
        return str(len(bytearray(1 << 30)))
    if what == "raise":
        raise ValueError("a bad page")
    return what.upper()


@pytest.fixture(scope="module")
def sandbox():
    with closing(Sandbox(cpu_s=0.3, memory_mb=512)) as sandbox:
        yield sandbox


def test_a_call_gives_its_result(sandbox):
    assert sandbox(act, "words") == "WORDS"


@pytest.mark.parametrize("what", ["loop", "native"])
def test_a_call_beyond_its_processor_time_is_ended(sandbox, what):
    with pytest.raises(SandboxError, match=r"0\.3 s of processor time") as caught:
        sandbox(act, what)
    assert caught.value.is_timeout
    assert sandbox(act, "next") == "NEXT"


@pytest.mark.parametrize(
    ("what", "message"), [("die", "exit code -9"), ("raise", "ValueError: a bad page"), ("eat", "MemoryError")]
)
def test_a_call_that_fails_says_how(sandbox, what, message):
    with pytest.raises(SandboxError, match=message) as caught:
        sandbox(act, what)
    assert not caught.value.is_timeout
    assert sandbox(act, "next") == "NEXT"


def test_nothing_is_left_running_after_it_is_closed():
    with closing(Sandbox(cpu_s=1, memory_mb=512)) as sandbox:
        process = sandbox(os.getpid)
        assert process != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
