"""Autoscaling: how the number of a component's replicas follows its load, and how late."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from windtunnel.spec.frozen import Count, Frozen, NonNegative, Positive
from windtunnel.spec.problem import problem_at

Metric = Literal["concurrency", "cpu", "queue"]
"""Per active replica, as the mean of an interval: requests in it, cores it uses, requests that wait in it."""


class TargetRule(Frozen):
    """So many replicas that each has the target value: active * value / target, rounded up."""

    kind: Literal["target"]
    metric: Metric
    """What is looked at."""
    value: Positive
    """The value that one replica should have."""


class Rise(Frozen):
    """One step of a step rule."""

    above: NonNegative
    """Where the metric has to be."""
    add: Count
    """Replicas."""


class StepRule(Frozen):
    """Replicas are added by how high the metric is, and taken away when it is low."""

    kind: Literal["steps"]
    metric: Metric
    """What is looked at."""
    steps: Annotated[tuple[Rise, ...], Field(min_length=1)]
    """Ascending in ``above``; the last that is exceeded counts."""
    below: NonNegative | None = None
    """Where the metric has to be for replicas to be taken away. None: none ever are."""
    remove: Count | None = None
    """Replicas that are then taken away."""

    @model_validator(mode="after")
    def _ordered(self) -> StepRule:
        for index, (one, two) in enumerate(zip(self.steps, self.steps[1:], strict=False)):
            if two.above <= one.above:
                raise problem_at(
                    f"steps[{index + 1}].above", f"{two.above:g}", f"more than {one.above:g}, the one before"
                )
        if (self.below is None) != (self.remove is None):
            has, lacks = ("below", "remove") if self.remove is None else ("remove", "below")
            raise problem_at(has, f"it without {lacks}", "both or neither")
        if self.below is not None and self.below > self.steps[0].above:
            raise problem_at("below", f"{self.below:g}", f"at most {self.steps[0].above:g}, where replicas are added")
        return self


class Autoscale(Frozen):
    """Looks at a metric every interval and changes the number of replicas."""

    min: Count
    """Replicas, at least."""
    max: Annotated[int, Field(ge=1, le=10_000)]
    """Replicas, at most."""
    rule: Annotated[TargetRule | StepRule, Field(discriminator="kind")]
    """How the number follows the metric."""
    interval_s: Positive = 15
    """Seconds from one decision to the next."""
    metrics_delay_s: NonNegative = 0
    """How old the metric is that a decision sees."""
    cold_start_s: NonNegative = 0
    """Seconds from the decision until a new replica takes requests."""
    cooldown_up_s: NonNegative = 0
    """Seconds after growing in which it does not grow again."""
    cooldown_down_s: NonNegative = 60
    """Seconds after any change in which it does not shrink."""

    @model_validator(mode="after")
    def _ordered(self) -> Autoscale:
        if self.max < self.min:
            raise problem_at("max", f"{self.max}", f"at least min, {self.min}")
        return self
