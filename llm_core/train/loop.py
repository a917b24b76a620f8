"""The training loop. It only composes: what each part does is in the file of its name."""

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from llm_core.durable import write_json, write_text
from llm_core.errors import ConfigError
from llm_core.feed.batches import Batch, Feed
from llm_core.feed.order import Order, Source
from llm_core.feed.shards import Shards
from llm_core.model.checkpoint import load_model, save_model
from llm_core.model.transformer import Transformer
from llm_core.train.checkpoint import (
    Checkpoint,
    Progress,
    delete_checkpoint,
    keep_newest,
    list_checkpoints,
    newest_usable,
    read_checkpoint,
    write_checkpoint,
)
from llm_core.train.config import RunConfig
from llm_core.train.curve import Point, write_curve
from llm_core.train.environment import Environment, choose_environment
from llm_core.train.fingerprint import run_fingerprint
from llm_core.train.interrupt import StopRequest, TrainingInterruptedError, listen_for_stop
from llm_core.train.loss_module import LossModule, validate
from llm_core.train.metrics import Callback, Event, StepMetrics, ValidationMetrics
from llm_core.train.optimisers import Optimisers
from llm_core.train.recovery import Rewind, TrainingDivergedError, what_is_wrong
from llm_core.train.schedule import rate_factor

Save = Callable[[Transformer, Path], object]


@dataclass(frozen=True)
class Journal:
    """What came of a run; ``journal.json`` in the output folder holds the same."""

    steps: int
    """Steps taken, skipped ones left out."""
    tokens: int
    """Tokens read in them."""
    loss: float
    """Mean training loss of the last step, in nats a token."""
    validation_loss: float | None
    """Mean loss over the validation shards at the end, in nats a token."""
    parameters: int
    """Numbers that were trained."""
    skipped_documents: tuple[str, ...]
    """Declared documents, sorted."""
    skipped_steps: tuple[int, ...]
    """Steps that were skipped after the loss went wrong."""
    rewinds: tuple[Rewind, ...]
    """Returns to a checkpoint, in the order in which they happened."""
    environment: Environment
    """What decided the rounding."""


def train(
    config: RunConfig,
    callback: Callback | None = None,
    *,
    model: Transformer | None = None,
    save: Save = save_model,
) -> Journal:
    """Train a model, or go on where a stopped run of the same configuration was.

    In one process it may be called anywhere; for several, each process calls it (``llm_core.train.launch``).

    Args:
        config: what to train on what.
        callback: receives metrics, in the main process.
        model: train this one instead of a fresh or loaded one, frozen parameters excepted (adapters).
        save: writes the finished model into the output folder.

    Raises:
        ConfigError: if the number of processes, the data and the model do not go together.
        TrainingInterruptedError: after SIGTERM; everything is in the newest checkpoint.
        TrainingDivergedError: if the loss went wrong more often than ``max_rewinds``.
    """
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(), listen_for_stop() as stop:
            return Trainer(config, callback or Callback(), model, save, stop).run()
    finally:
        torch.set_num_threads(threads)


class Trainer:
    """One run: its parts, and where it stands."""

    def __init__(
        self, config: RunConfig, callback: Callback, model: Transformer | None, save: Save, stop: StopRequest
    ) -> None:
        self.config, self.recipe, self.callback, self.save, self.stop = config, config.train, callback, save, stop
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="no",  # the loss module does its own, so that the choice can be measured
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True, broadcast_buffers=False)],
        )
        if self.accelerator.num_processes != config.processes:
            raise ConfigError(
                f"RunConfig.processes is {config.processes}, but {self.accelerator.num_processes} started; start them"
                f" with llm_core.train.launch, or set processes={self.accelerator.num_processes}"
            )
        self.root = Path(config.scratch) / "checkpoints"
        self.declared = tuple(sorted(set(config.skip_documents)))
        sources = [Source(Shards(source.path), source.weight) for source in config.data]
        self.validation = None if config.validation is None else Shards(config.validation)
        self.model, parent = self._model(model)
        for shards in (*(source.shards for source in sources), self.validation):
            if shards is not None and shards.vocab_size > self.model.config.vocab_size:
                raise ConfigError(
                    f"{shards.folder} has token ids up to {shards.vocab_size - 1}, the model's vocab_size is"
                    f" {self.model.config.vocab_size}; set it to {shards.vocab_size} or more"
                )
        recipe = self.recipe
        self.order = Order(sources, length=recipe.length, sequences=recipe.sequences, seed=recipe.seed)
        self.fingerprint = run_fingerprint(config, self.model.config, sources, parent)
        self.module = LossModule(self.model, recipe.loss_chunk).to(self.accelerator.device).train()
        self.points: list[Point] = []

    def run(self) -> Journal:
        """Go from wherever the run stands to its end."""
        self._start_or_resume()
        while self.progress.step < self.recipe.steps:
            bad = self._train_until_trouble()
            if bad is not None:
                self._rewind(*bad)
        if self.validation is not None and self.points and self.points[-1].validation_loss is None:
            self._validate(self.validation)
        if self.checkpointed_at != self.recipe.steps:
            self._checkpoint()
        return self._finish()

    def _model(self, given: Transformer | None) -> tuple[Transformer, Transformer | None]:
        """The model to train, and the one that it continues, if any."""
        if given is None and self.config.init_from is not None:
            given = load_model(Path(self.config.init_from))
        if given is None:
            assert self.config.model is not None
            torch.manual_seed(self.recipe.seed)
            return Transformer(self.config.model), None
        if self.config.model not in (None, given.config):
            raise ConfigError(
                f"RunConfig.model is not the parent's shape; leave it out, or train from scratch. Wanted"
                f" {self.config.model}, the parent has {given.config}"
            )
        return given, given

    def _feed(self, skipped_steps: tuple[int, ...]) -> Feed:
        return Feed(
            self.order,
            skip_documents=self.declared,
            skip_steps=skipped_steps,
            confine_attention=self.recipe.confine_attention,
            rank=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
        )

    def _start_or_resume(self) -> None:
        found = newest_usable(self.root, self.fingerprint, self.declared, self.order)
        self._delete_checkpoints_after(-1 if found is None else found.progress.step)
        if found is None:
            environment = choose_environment(self.module, self.recipe, self._feed(()).batch(0), self.accelerator)
        else:
            environment = found.progress.environment
        environment.apply(self.module)
        self.optimisers = Optimisers(self.model, self.recipe, environment.dtype)
        # Wrapped only now: measuring must not set off distributed gradients.
        self.wrapped = self.accelerator.prepare(self.module)
        if found is None:
            self.progress = Progress(self.fingerprint, 0, environment, self.declared)
            self._tell("started", str(environment))
            self._checkpoint()
        else:
            self._restore(found)
            self._tell("resumed", f"from the checkpoint of step {self.progress.step}")

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.progress = replace(checkpoint.progress, skip_documents=self.declared)
        self.checkpointed_at = self.progress.step
        self.points = list(checkpoint.points)
        self.model.load_state_dict(checkpoint.model)
        self.optimisers.load_state(checkpoint.optimiser)

    def _train_until_trouble(self) -> tuple[int, float, str] | None:
        """Take steps up to the end, or to one that went wrong: its number, its loss and what was wrong."""
        recipe, feed = self.recipe, self._feed(self.progress.skipped_steps)
        with closing(feed.batches(self.progress.step, recipe.steps)) as batches:
            for batch in batches:
                started = time.perf_counter()
                loss, gradient_norm, must_stop = self._gradients(batch)
                earlier = [point.loss for point in self.points[-recipe.spike_window :]]
                wrong = what_is_wrong(
                    loss, gradient_norm, earlier, threshold=recipe.spike_threshold, window=recipe.spike_window
                )
                if wrong is not None:
                    return batch.step, loss, wrong
                factor = rate_factor(recipe, batch.step)
                self.optimisers.step(factor)
                self._advance(Point(batch.step, loss, recipe.learning_rate * factor, gradient_norm), started)
                if must_stop:
                    self._checkpoint()
                    raise TrainingInterruptedError(
                        f"stopped on request after step {batch.step}; run it again to go on from {self.root}"
                    )
        self.progress = replace(self.progress, step=recipe.steps)
        return None

    def _gradients(self, batch: Batch) -> tuple[float, float, bool]:
        """Leave the clipped gradient of a step in the parameters.

        Returns the loss over the whole step, the gradient's norm before clipping, and whether any process was asked
        to stop; all processes get the same three values, and so decide the same.
        """
        # Random state (dropout) is a function of the step: nothing to save, and a resumed run draws the same.
        randomness = np.random.SeedSequence((self.recipe.seed, batch.step, self.accelerator.process_index))
        torch.manual_seed(int(randomness.generate_state(1)[0]))
        # Distributed gradients are averaged, so each process scales its sum back up.
        scale = self.accelerator.num_processes / max(1, batch.targets_in_step)
        parts = list(batch.to(self.accelerator.device).split(self.recipe.micro_batch or len(batch)))
        total = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        for part in parts:
            is_last = part is parts[-1]
            with nullcontext() if is_last else self.accelerator.no_sync(self.wrapped):
                loss = self.wrapped(part)
                self.accelerator.backward(loss * scale)
            total[0] += loss.detach()
        total[1] = float(self.stop.is_set)
        limit = self.recipe.clip_norm or float("inf")
        norm = self.accelerator.clip_grad_norm_(self.optimisers.parameters, limit)
        loss_sum, stops = self.accelerator.reduce(total, "sum").tolist()
        return loss_sum / max(1, batch.targets_in_step), float(norm), stops > 0

    def _advance(self, point: Point, started: float) -> None:
        """Record a step that was taken, and do what is due after it."""
        self.points.append(point)
        done, steps, every = point.step + 1, self.recipe.steps, self.recipe.validate_every
        self.progress = replace(self.progress, step=done)
        if self.accelerator.is_main_process:
            rate_per_s = self._tokens(1) / (time.perf_counter() - started)
            values = point.loss, point.learning_rate, point.gradient_norm
            tokens = self._tokens(len(self.points))
            self.callback.on_step(StepMetrics(point.step, steps, *values, tokens, rate_per_s))
        if done < steps:
            if self.validation is not None and every and done % every == 0:
                self._validate(self.validation)
            if done % self.recipe.checkpoint_every == 0:
                self._checkpoint()

    def _validate(self, shards: Shards) -> None:
        loss, targets = validate(self.module, shards, self.recipe, self.accelerator)
        self.points[-1] = replace(self.points[-1], validation_loss=loss)
        if self.accelerator.is_main_process:
            self.callback.on_validation(ValidationMetrics(self.progress.step, loss, targets))

    def _checkpoint(self) -> None:
        if self.accelerator.is_main_process:
            model, optimiser = self.model.state_dict(), self.optimisers.state()
            write_checkpoint(self.root, Checkpoint(self.progress, model, optimiser, self.points))
            keep_newest(self.root, self.recipe.keep_last)
            self._tell("checkpoint", f"of step {self.progress.step} written")
        self.checkpointed_at = self.progress.step
        self.accelerator.wait_for_everyone()

    def _delete_checkpoints_after(self, step: int) -> None:
        """Delete checkpoints of a course that this run does not take, once every process has done with them."""
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            for at, folder in list_checkpoints(self.root).items():
                if at > step:
                    delete_checkpoint(folder)
        self.accelerator.wait_for_everyone()

    def _rewind(self, step: int, loss: float, reason: str) -> None:
        """Go back to before the batches that are to blame, and never take them: this one, and the update before it."""
        blamed = (*(point.step for point in self.points[-1:]), step)
        rewinds = (*self.progress.rewinds, Rewind(step, reason, blamed))
        if len(rewinds) > self.recipe.max_rewinds:
            raise TrainingDivergedError(
                f"{reason} at step {step} (loss {loss:.4g}) after {len(rewinds) - 1} rewinds; lower learning_rate,"
                f" lengthen warmup_steps, or look at the documents of the steps {self.progress.skipped_steps}"
            )
        skipped = tuple(sorted({*self.progress.skipped_steps, *blamed}))
        kept = list_checkpoints(self.root)
        target = max((at for at in kept if at <= blamed[0]), default=min(kept))
        self._delete_checkpoints_after(target)
        self.optimisers.zero_grad()
        self._restore(read_checkpoint(kept[target]))
        self.progress = replace(self.progress, skipped_steps=skipped, rewinds=rewinds)
        self._tell("rewound", f"{reason} at step {step} (loss {loss:.4g}): back to {target}, skipping {list(blamed)}")

    def _finish(self) -> Journal:
        """Write the output folder."""
        if not self.points:
            raise TrainingDivergedError(f"all {self.recipe.steps} steps went wrong: nothing was learned")
        journal = Journal(
            steps=len(self.points),
            tokens=self._tokens(len(self.points)),
            loss=self.points[-1].loss,
            validation_loss=self.points[-1].validation_loss,
            parameters=sum(parameter.numel() for parameter in self.optimisers.parameters),
            skipped_documents=self.progress.skip_documents,
            skipped_steps=self.progress.skipped_steps,
            rewinds=self.progress.rewinds,
            environment=self.progress.environment,
        )
        if self.accelerator.is_main_process:
            output = Path(self.config.output)
            write_text(output / "curve.csv", write_curve(self.points))
            write_json(output / "journal.json", asdict(journal), indent=1)
            self.save(self.model.eval(), output)
            self._tell("finished", f"{journal.steps} steps, in {output}")
        self.accelerator.wait_for_everyone()
        return journal

    def _tokens(self, steps: int) -> int:
        return steps * self.recipe.sequences * self.recipe.length

    def _tell(self, kind: str, message: str) -> None:
        if self.accelerator.is_main_process:
            self.callback.on_event(Event(self.progress.step, kind, message))
