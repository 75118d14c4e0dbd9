"""`windtunnel mock-llm`: the mock LLM by itself, for whoever tests a client of an LLM and nothing else of ours.

The command becomes the mock's process: it is told its settings as environment, as every stack tells them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml

from windtunnel.spec.problem import Problem, SpecError

MODULE = "windtunnel.reference_service.mock_llm"

Draws = 'A number, or JSON: [cyan]{"kind":"lognormal","median":200,"sigma":0.5}[/cyan].'
Listed = typer.Option(metavar="FILE", help="YAML or JSON, as the admin API takes it.")


def mock_llm(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8400,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and requests: the same answers, byte for byte.")] = 1,
    first_token_ms: Annotated[str, typer.Option(help=Draws)] = "200",
    token_ms: Annotated[str, typer.Option(help=Draws)] = "20",
    output_tokens: Annotated[str, typer.Option(help=Draws)] = "40",
    slots: Annotated[int, typer.Option(min=1, help="Requests that are decoded at once.")] = 64,
    queue_limit: Annotated[
        int | None, typer.Option(min=0, help="Requests that may wait; more are answered 529.")
    ] = None,
    prefill_ms_per_token: Annotated[float, typer.Option(min=0, help="What each input token adds to the first.")] = 0,
    batch_slowdown: Annotated[
        float, typer.Option(min=0, help="With b requests at once all takes 1 + this * (b - 1) times as long.")
    ] = 0,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    input_tokens_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    output_tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, help="max_tokens is reserved, and what was not used given back.")
    ] = None,
    faults: Annotated[Path | None, Listed] = None,
    answers: Annotated[Path | None, Listed] = None,
    obey_plain: Annotated[
        float, typer.Option(min=0, max=1, help="How often an instruction injected into a turn is obeyed.")
    ] = 0,
    obey_marked: Annotated[float, typer.Option(min=0, max=1, help="The same for text that is marked as data.")] = 0,
) -> None:
    """A mock of LLM APIs: Anthropic Messages (both versions, batches) and OpenAI-compatible chat and embeddings.

    With the physics of a provider (queue, batch, prefill, prompt cache, limits per minute), seeded faults and a ledger.
    Point a client's base URL at it, with any key. Runs until Ctrl-C.

    Example: [cyan]windtunnel mock-llm --port 8400 --faults faults.yaml[/cyan], where faults.yaml says
    [cyan]- {fault: {kind: truncation, at_token: 3}, rate: 0.1}[/cyan]
    """
    settings: dict[str, Any] = {
        "HOST": host,
        "PORT": port,
        "COMPONENT": "mock-llm",
        "REPLICA": "mock-llm",
        "SEED": seed,
        "SLOTS": slots,
        "QUEUE_LIMIT": queue_limit,
        "FIRST_TOKEN_MS": _distribution(first_token_ms),
        "TOKEN_MS": _distribution(token_ms),
        "OUTPUT_TOKENS": _distribution(output_tokens),
        "PREFILL_MS_PER_TOKEN": prefill_ms_per_token,
        "BATCH_SLOWDOWN": batch_slowdown,
        "REQUESTS_PER_MINUTE": requests_per_minute,
        "INPUT_TOKENS_PER_MINUTE": input_tokens_per_minute,
        "OUTPUT_TOKENS_PER_MINUTE": output_tokens_per_minute,
        "FAULTS": _listed(faults),
        "ANSWERS": _listed(answers),
        "OBEDIENCE": json.dumps({"plain": obey_plain, "marked": obey_marked}),
    }
    _become({name: str(value) for name, value in settings.items() if value is not None})


def _become(settings: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", MODULE], os.environ | settings)


def _distribution(text: str) -> str:
    """A bare number stands for itself, always; whatever else is the mock's to understand."""
    try:
        return json.dumps({"kind": "constant", "value": float(text)})
    except ValueError:
        return text


def _listed(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError:
        raise SpecError([Problem("", "no such file", "a list in YAML or JSON", str(file))]) from None
    except (yaml.YAMLError, TypeError, UnicodeDecodeError) as error:
        raise SpecError([Problem("", f"no YAML: {error}", "a list in YAML or JSON", str(file))]) from None
