"""The `tidemill` command: help costs no import, mistakes end as one line, `--json` as one object."""

import argparse
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from llm_core.serve.config import ServeConfig
from pipelines.cli import serve
from pipelines.cli.main import VERBS, main

HEAVY = ("torch", "mlflow", "dagster", "pandas", "pyarrow", "pydantic", "transformers", "scrapy", "yaml")
LOADED = """
import sys
{statement}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({heavy!r})), file=sys.stderr)
"""


def loaded_by(statement: str, heavy: tuple[str, ...] = HEAVY, **environment: str) -> set[str]:
    """Which of these packages a fresh process has loaded after a statement."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(statement=statement, heavy=heavy)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split()) if done.stderr.strip() else set()


def test_help_names_every_verb_and_loads_nothing_heavy():
    assert loaded_by("from pipelines.cli.main import main\nmain(['--help'])") == set()


def test_definitions_load_without_torch_and_mlflow(tmp_path):
    heavy = ("torch", "mlflow", "transformers", "scrapy", "scipy", "sklearn", "matplotlib", "dagster")
    home = {"TIDEMILL_HOME": str(tmp_path), "TIDEMILL_PROFILE": "smoke"}
    assert loaded_by("import pipelines.definitions", heavy, **home) == {"dagster"}


def test_a_verb_that_reads_the_home_loads_neither_torch_nor_mlflow(tmp_path):
    heavy = ("torch", "mlflow", "transformers")
    call = f"from pipelines.cli.main import main\nmain(['status', '--home', {str(tmp_path)!r}, '--profile', 'smoke'])"
    assert loaded_by(call, heavy) == set()


def test_help_lists_every_verb_with_what_it_does(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb}" in shown and line in shown for verb, line in VERBS.items())


def test_every_verb_has_its_file_and_its_own_help(capsys):
    folder = Path(main.__code__.co_filename).parent
    for verb in VERBS:
        if not (folder / f"{verb}.py").is_file() and not (folder / verb / "__init__.py").is_file():
            pytest.fail(f"`tidemill {verb}` is on the list of verbs and has no file")
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        assert ended.value.code == 0
        assert f"usage: tidemill {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "status"])
def test_the_help_says_which_profile_is_meant_without_one(capsys, verb):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert "(default: the home's last one, then demo)" in " ".join(capsys.readouterr().out.split())


def test_without_a_verb_the_overview_is_shown_as_a_mistake(capsys):
    assert main([]) == 2
    assert "usage: tidemill VERB" in capsys.readouterr().out


def test_an_unknown_verb_is_told_the_nearest(capsys):
    assert main(["stats"]) == 2
    assert "there is no verb 'stats'; did you mean `tidemill status`?" in capsys.readouterr().err


def test_an_error_of_ours_is_one_line_without_a_traceback(capsys, tmp_path):
    assert main(["spec", "--home", str(tmp_path), "--profile", "smoke", "--set", "dedup.sed=1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "tidemill spec: --set dedup.sed: dedup.sed: there is no such field; did you mean 'seed'?\n"


def answer(capsys, *words: str) -> dict:
    code = main([*words, "--json"])
    lines = capsys.readouterr().out.splitlines()
    return {**json.loads(lines[-1]), "code": code}


def test_spec_tells_every_value_and_where_it_came_from(capsys, tmp_path):
    told = answer(capsys, "spec", "--home", str(tmp_path), "--profile", "smoke", "--set", "crawl.shards=3")
    assert told["spec"]["crawl"]["shards"] == 3
    assert told["origins"]["crawl.shards"] == "--set crawl.shards"
    assert told["origins"]["tokenizer.vocab_size"].startswith("smoke.yaml:")
    assert told["origins"]["pretrain.train.weight_decay"] == "defaults"


def test_spec_describes_every_value(capsys, tmp_path):
    assert main(["spec", "--home", str(tmp_path), "--profile", "smoke", "--describe"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 200
    assert all(line.startswith("    ") and line.strip().endswith(".") for line in lines[1::2])


def test_status_and_verify_of_an_empty_home_say_that_it_is_empty(capsys, tmp_path):
    status = answer(capsys, "status", "--home", str(tmp_path), "--profile", "smoke")
    assert (status["home"], status["profile"], status["code"]) == (str(tmp_path), "smoke", 0)
    assert (status["champion"], status["challenger"], status["drift"], status["runs"]) == (None, None, None, [])
    assert answer(capsys, "verify", "--home", str(tmp_path)) == {"artifacts": 0, "damaged": [], "code": 0}


def test_verify_names_the_file_that_differs_and_fails(capsys, tmp_path):
    from resources.lake import Lake
    from tests.resources.conftest import Counter, recipe

    artifact, _ = Lake(tmp_path / "lake", tmp_path).build(recipe(), Counter())
    (artifact.path / "1.txt").write_text("number !\n")
    told = answer(capsys, "verify", "--home", str(tmp_path))
    assert told["code"] == 1
    (damaged,) = told["damaged"]
    assert damaged["file"] == f"numbers/{artifact.fingerprint}/1.txt"


def test_collect_says_what_would_go_and_removes_it_only_when_told(capsys, tmp_path):
    from resources.lake import Lake
    from tests.resources.conftest import Counter, recipe

    lake = Lake(tmp_path / "lake", tmp_path)
    artifact, _ = lake.build(recipe(), Counter())
    words = ("collect", "--home", str(tmp_path), "--keep-last", "0")
    (row,) = answer(capsys, *words)["would_remove"]
    assert (row["fingerprint"], row["size_bytes"]) == (artifact.fingerprint, 27)
    assert answer(capsys, *words, "--pin", artifact.fingerprint)["would_remove"] == []
    assert answer(capsys, *words, "--unpin", artifact.fingerprint, "--remove")["removed"] == [row]
    assert lake.get(artifact.fingerprint) is None


def test_without_an_earlier_champion_rollback_is_refused(capsys, tmp_path):
    assert main(["rollback", "--home", str(tmp_path), "--profile", "smoke"]) == 2
    assert "tidemill-smoke has no earlier champion to roll back to" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["trace", "export"])
def test_a_model_that_is_not_there_is_said_to_be_missing(capsys, tmp_path, verb):
    more = [str(tmp_path / "out")] if verb == "export" else []
    assert main([verb, "--home", str(tmp_path), "model:tidemill-demo@champion", *more]) == 2
    assert "there is no registered model 'tidemill-demo'" in capsys.readouterr().err


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    from pipelines.cli import progress
    from resources.build import Progress

    clock = iter([100.0, 106.0, 107.0, 112.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.ProgressDisplay() as display:
        for done in (0, 3, 4, 8):
            display(Progress("extract", done, 10, "shards"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "extract: 0/10 shards",
        "extract: 3/10 shards, 0.5/s, 14 s left",
        "extract: 8/10 shards, 0.7/s, 3 s left",
    ]


def test_progress_on_a_terminal_is_one_line_a_task_rewritten(capsys, monkeypatch):
    from pipelines.cli import progress
    from resources.build import Progress

    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    clock = iter([100.0, 100.01, 101.0, 102.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.ProgressDisplay() as display:
        for done in (0, 1, 2):
            display(Progress("extract", done, 10, "shards"))
        display(Progress("dedup", 0, None, "documents"))
    shown = capsys.readouterr().err.replace(progress.REWRITE, "<")
    assert shown == "<extract: 0/10 shards<extract: 2/10 shards, 2.0/s, 4 s left\n<dedup: 0 documents\n"


def test_the_server_takes_its_device_and_limits_from_the_command(tmp_path, capsys):
    for field in fields(ServeConfig):
        parser = argparse.ArgumentParser()
        serve.add_arguments(parser)
        flag, given = f"--{field.name.replace('_', '-')}", "cuda" if field.name == "device" else "-1"
        assert vars(parser.parse_args([flag, given]))[field.name] == type(field.default)(given)
        if field.name != "device":
            assert main(["serve", "--home", str(tmp_path), flag, given]) == 2
            assert f"ServeConfig.{field.name} is -1" in capsys.readouterr().err


def test_a_benchmark_runs_from_any_folder_and_ends_with_its_figures_as_json(tmp_path):
    command = [sys.executable, "-m", "pipelines.cli.main", "bench", "dedup"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["bench"] == "dedup"
    assert {row["system"] for row in told["rows"]} == {"tidemill", "datasketch"}
    assert told["ratios"]["datasketch"] > 0


@pytest.mark.parametrize("verb", [["verify"], ["report"], ["collect"], ["trace", "http://a.test/"], ["rollback"]])
def test_a_home_that_is_not_there_is_not_looked_at_nor_made(verb, tmp_path, capsys):
    home = tmp_path / "hmoe"
    assert main([*verb, "--home", str(home)]) == 2
    assert f"there is no home at {home}" in capsys.readouterr().err
    assert not home.exists()
