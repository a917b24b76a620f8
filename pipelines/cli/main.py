"""The `tidemill` command's entry: finds the verb's file and nothing more, so that `--help` costs no import."""

import argparse
import importlib
import sys
import warnings
from collections.abc import Sequence

VERBS = {
    "run": "make what is missing of a profile's artifacts, from crawl to registered model",
    "ui": "start Dagster and MLflow on loopback",
    "serve": "serve the champion over an OpenAI-compatible API, and follow it",
    "traffic": "replay questions against a server, in-domain or shifted",
    "status": "show home, last runs, champion, drift and sizes",
    "trace": "follow a page, document, step, request or model to where it came from and went",
    "verify": "hash every committed byte against its manifest",
    "collect": "remove artifacts that nothing needs any more",
    "spec": "show the effective spec, and where each value comes from",
    "report": "write the home's story as one HTML page",
    "export": "write a model as a folder that other tools load",
    "rollback": "return to the champion before the present one",
    "bench": "measure a part beside its peer",
    "doctor": "measure this machine and say what would be slow or missing",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; errors of ours end as one line on stderr and status 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0 if words else 2
    if words[0] not in VERBS:
        import difflib

        near = difflib.get_close_matches(words[0], VERBS, n=1)
        hint = f"; did you mean `tidemill {near[0]}`?" if near else "."
        print(f"tidemill: there is no verb {words[0]!r}{hint} See `tidemill --help`.", file=sys.stderr)
        return 2
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries about themselves; ours are log lines
    verb = importlib.import_module(f"pipelines.cli.{words[0]}")
    parser = argparse.ArgumentParser(prog=f"tidemill {words[0]}", description=VERBS[words[0]])
    verb.add_arguments(parser)
    options = parser.parse_args(words[1:])
    from llm_core.errors import LLMCoreError
    from resources.errors import TidemillError

    try:
        return int(verb.run(options))
    except (TidemillError, LLMCoreError) as error:
        print(f"tidemill {words[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"tidemill {words[0]}: interrupted; run it again to go on from here", file=sys.stderr)
        return 130


def _overview() -> str:
    width = max(len(verb) for verb in VERBS)
    verbs = "\n".join(f"  {verb:<{width}}  {line}" for verb, line in VERBS.items())
    return (
        "usage: tidemill VERB [options]\n\n"
        "From a raw web crawl to a monitored, retrained language model, as one asset graph.\n\n"
        f"{verbs}\n\n`tidemill VERB --help` shows a verb's options."
    )


if __name__ == "__main__":
    sys.exit(main())
