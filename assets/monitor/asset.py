"""Monitoring as stages: a reference at each snapshot; at each closed window what was asked, and whether it drifted."""

from pathlib import Path
from typing import Any

from assets.accounting import accounting_closes
from assets.config import Config
from assets.exhibits import Exhibits
from assets.monitor.config import MonitorConfig
from assets.stage import Given, Inputs, Stage, Take
from resources.artifact import Artifact
from resources.build import Build, Outcome
from resources.errors import BuildError
from resources.journal import State
from resources.lake import Lake

REFERENCE_VERSION = 2
WINDOW_VERSION = 1
DRIFT_VERSION = 1


def _key(config: Config) -> dict[str, Any]:
    """What of the spec decides a reference or a report: all but what is logged, and how it is cut into windows."""
    return config.model_dump(mode="json", exclude={"store_prompts", "store_completions", "window_requests"})


def reference(config: MonitorConfig, candidate: str) -> Stage:
    """Questions about held-out documents, as the snapshot's candidate would be asked them once it serves."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.monitor.reference import make_reference

        corpora = [artifact.path for artifact in inputs.all("quality_filtered")]
        return make_reference(build, config, corpora, inputs.one(candidate).path)

    return Stage(
        name="reference",
        group="monitoring",
        description="Questions about held-out documents, with the candidate's loss: what requests are without drift.",
        version=REFERENCE_VERSION,
        config=config,
        config_key=_key,
        inputs={"quality_filtered": Take.UP_TO, candidate: Take.SAME},
        run=run,
        kinds=("parquet",),
    )


def request_log(config: MonitorConfig, folder: Path) -> Stage:
    """A closed window of the request log, as it was seen."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.monitor.windows import closed_windows, observe_window

        for window in closed_windows(folder):
            if window.stem == build.partition:
                return observe_window(build, window)
        raise BuildError(f"{folder} has no closed window {build.partition}; `tidemill status` shows the last one")

    return Stage(
        name="request_log",
        group="monitoring",
        description="A closed window of the server's request log, personal data masked.",
        version=WINDOW_VERSION,
        config=config,
        config_key=lambda _: {"log": folder.name},
        inputs={},
        run=run,
        kind="observed",
        kinds=("parquet",),
        checks=accounting_closes(None),
    )


def drift_report(config: MonitorConfig) -> Stage:
    """Whether a window's requests differ from the reference of the model that answered them, and how."""

    def run(build: Build, inputs: Inputs) -> Outcome:
        from assets.monitor.report import report_drift

        window, against, model = (inputs.one(name).path for name in ("request_log", "reference", "champion"))
        return report_drift(build, config, window, against, model)

    return Stage(
        name="drift_report",
        group="monitoring",
        description="Whether a window's requests differ from the reference, in what, with examples.",
        version=DRIFT_VERSION,
        config=config,
        config_key=_key,
        inputs={"request_log": Take.SAME},
        look_up=_who_answered,
        run=run,
        engines=("scipy", "numpy"),
        kinds=("json",),
        exhibit=_drift_exhibits,
    )


def _who_answered(partition: str, given: Given, lake: Lake, state: State) -> Given:
    """The model that answered most of a window, and the reference that was made for it."""
    (window,) = given["request_log"]
    answered: dict[str, int] = window.stats["models"]
    if not answered:
        raise BuildError(f"window {partition} of the request log holds no request that can be read")
    fingerprint = max(answered, key=lambda name: (answered[name], name))
    champion = lake.get(fingerprint)
    made_for = [artifact for artifact in lake.artifacts("reference") if fingerprint in artifact.parents]
    if champion is None or not made_for:
        raise BuildError(
            f"window {partition} was answered by {fingerprint}, which has no reference in the lake; "
            "run the snapshot that made it: `tidemill run` makes references too"
        )
    return {"champion": [champion], "reference": [max(made_for, key=lake.age_key)]}


def _drift_exhibits(artifact: Artifact) -> Exhibits:
    from assets.monitor.report import DriftReport
    from assets.plots import bar_plot

    report = DriftReport.read(artifact.path)
    p_values = {str(finding.monitor): finding.p_value for finding in report.findings}
    return Exhibits(
        plots={"p values": bar_plot(p_values, x="p-value")} if p_values else {},
        metrics={"alarm": float(report.alarm), **{f"p {name}": value for name, value in p_values.items()}},
    )
