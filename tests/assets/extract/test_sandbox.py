"""A call that hangs, dies or raises ends itself only."""

import os
import signal

import pytest

from assets.extract.sandbox import Sandbox, SandboxFailureError, SandboxTimeoutError


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
    with Sandbox(act, cpu_s=0.3, memory_mb=512) as sandbox:
        yield sandbox


def test_a_call_gives_its_result(sandbox):
    assert sandbox("words") == "WORDS"


@pytest.mark.parametrize("what", ["loop", "native"])
def test_a_call_beyond_its_processor_time_is_ended(sandbox, what):
    with pytest.raises(SandboxTimeoutError, match=r"0\.3 s of processor time"):
        sandbox(what)
    assert sandbox("next") == "NEXT"


@pytest.mark.parametrize(
    ("what", "message"), [("die", "exit code -9"), ("raise", "ValueError: a bad page"), ("eat", "MemoryError")]
)
def test_a_call_that_fails_says_how(sandbox, what, message):
    with pytest.raises(SandboxFailureError, match=message):
        sandbox(what)
    assert sandbox("next") == "NEXT"


def test_nothing_is_left_running_after_it_is_closed():
    with Sandbox(os.getpid, cpu_s=1, memory_mb=512) as sandbox:
        process = sandbox()
        assert process != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
