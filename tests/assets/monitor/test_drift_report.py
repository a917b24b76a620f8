import random

import pytest

from assets.monitor import report as module
from assets.monitor.config import MonitorConfig
from assets.monitor.reference import make_reference
from assets.monitor.report import DriftReport, report_drift
from assets.monitor.windows import closed_windows, observe_window
from assets.questions import questions
from resources.errors import BuildError

from .conftest import write_corpus, write_log

SIZE = 100
CONFIG = MonitorConfig(window_requests=SIZE, reference_requests=600, permutations=2_999)


@pytest.fixture
def reference(library, make_build, folder_of, champion):
    corpus, build = make_build("corpus"), make_build("reference")
    write_corpus(corpus, library.in_domain[:1500], held_out=1500)
    make_reference(build, CONFIG, [folder_of(corpus)], champion)
    return folder_of(build)


@pytest.fixture
def observe(tmp_path, make_build, folder_of):
    """The artifact of a window of these prompts."""

    def observed(name: str, prompts, **changes):
        write_log(tmp_path / "logs" / name, prompts, CONFIG, **changes)
        build = make_build(f"window {name}")
        observe_window(build, closed_windows(tmp_path / "logs" / name)[0])
        return folder_of(build)

    return observed


@pytest.fixture
def in_domain(library):
    return questions(library.in_domain[:1500], seed=7, count=SIZE)


@pytest.fixture
def drifted(library, in_domain):
    """A window of which half asks about mathematics."""
    other = questions(library.shifted, seed=7, count=SIZE // 2)
    return random.Random(0).sample([*other, *in_domain[SIZE // 2 :]], SIZE)


def test_questions_about_the_reference_documents_raise_no_alarm(
    make_build, folder_of, observe, reference, champion, in_domain
):
    build = make_build("report")
    outcome = report_drift(build, CONFIG, observe("plain", in_domain), reference, champion)
    report = DriftReport.read(folder_of(build))
    assert not report.alarm
    assert not outcome.stats["alarm"]
    assert outcome.stats["drifted"] == []
    assert report.sentence().startswith("No drift in 100 requests")
    assert all(finding.p_value > CONFIG.false_alarm_rate for finding in report.findings)


def test_the_chat_template_around_a_question_is_no_drift(
    make_build, folder_of, observe, reference, champion, in_domain
):
    chats = [f"<|bos|><|user|>{text}<|end|><|assistant|>" for text in in_domain]
    plain, chat = make_build("plain"), make_build("chat")
    report_drift(plain, CONFIG, observe("plain", in_domain), reference, champion)
    report_drift(chat, CONFIG, observe("chat", chats), reference, champion)
    assert DriftReport.read(folder_of(chat)) == DriftReport.read(folder_of(plain))


def test_a_shift_raises_an_alarm_that_says_what_changed(make_build, folder_of, observe, reference, champion, drifted):
    build = make_build("report")
    outcome = report_drift(build, CONFIG, observe("drifted", drifted), reference, champion)
    report = DriftReport.read(folder_of(build))
    assert report.alarm
    assert "vocabulary" in outcome.stats["drifted"]
    for share in report.words[:2]:
        assert any(share.name in text for text in drifted)
        assert share.window > share.reference == 0
        assert len(share.examples) == CONFIG.examples
        assert all(share.name in example for example in share.examples)
    assert [s.bits_per_byte for s in report.strangers] == sorted(
        (s.bits_per_byte for s in report.strangers), reverse=True
    )
    assert {stranger.text for stranger in report.strangers} <= set(drifted)
    assert f"asked about more: {report.words[0].name}" in report.sentence()


def test_order_times_and_workers_change_no_byte(make_build, folder_of, observe, reference, champion, drifted):
    builds = make_build("one", workers=1), make_build("two", workers=2)
    report_drift(builds[0], CONFIG, observe("a", drifted), reference, champion)
    report_drift(builds[1], CONFIG, observe("b", drifted[::-1], latency_s=7.0), reference, champion)
    one, two = ((folder_of(build) / "report.json").read_bytes() for build in builds)
    assert one == two


def test_a_killed_report_is_made_again_and_a_finished_one_is_not(
    make_build, folder_of, observe, reference, champion, drifted, monkeypatch
):
    window, build = observe("drifted", drifted), make_build("report")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "moved_words", die)
        with pytest.raises(KeyboardInterrupt):
            report_drift(build, CONFIG, window, reference, champion)
    outcome = report_drift(build, CONFIG, window, reference, champion)
    with monkeypatch.context() as patched:
        patched.setattr(module, "compare", die)
        assert report_drift(build, CONFIG, window, reference, champion) == outcome


def test_a_large_window_is_sampled(make_build, folder_of, observe, reference, champion, drifted):
    config = CONFIG.model_copy(update={"compared_requests": 40})
    build = make_build("report")
    report_drift(build, config, observe("drifted", drifted), reference, champion)
    report = DriftReport.read(folder_of(build))
    assert (report.window_requests, report.compared_requests) == (SIZE, 40)


def test_hostile_prompts_are_compared_like_any(make_build, folder_of, observe, reference, champion):
    hostile = ["", "\x00" * 50, "\ud800", "<|user|>" * 30, "a" * 30_000, "🦀" * 40, "\n" * 99, "{{7*7}} ' OR 1=1 --"]
    build = make_build("report")
    report_drift(build, CONFIG, observe("hostile", (hostile * SIZE)[:SIZE]), reference, champion)
    assert DriftReport.read(folder_of(build)).alarm


def test_a_log_without_texts_cannot_be_compared(make_build, tmp_path, folder_of, reference, champion, in_domain):
    silent = CONFIG.model_copy(update={"store_prompts": False})
    write_log(tmp_path / "log", in_domain, silent)
    window = make_build("window")
    observe_window(window, closed_windows(tmp_path / "log")[0])
    with pytest.raises(BuildError, match="store_prompts: true"):
        report_drift(make_build("report"), CONFIG, folder_of(window), reference, champion)
    none = CONFIG.model_copy(update={"monitors": ()})
    assert not report_drift(make_build("none"), none, folder_of(window), reference, champion).stats["alarm"]
