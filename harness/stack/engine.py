"""The Docker engine: whether there is one, and the images that a stack needs on it. Used by the containers backend."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.utils
import requests.exceptions
from testcontainers.core.docker_client import DockerClient, get_docker_host

from windtunnel.harness.stack.errors import Missing
from windtunnel.harness.stack.images import image

OURS = "windtunnel.reference_service"
UNIX = "http+unix://"
KNOCK_TIMEOUT_S = 5.0
SERVICE_IMAGE = "windtunnel-reference-service"


def connect() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or testcontainers' own settings name. Missing where none answers."""
    try:
        knock()
        client = DockerClient().client
        client.ping()
    except (OSError, docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Missing(
            f"found no Docker engine that answers ({error}); start one or set DOCKER_HOST, "
            "or use the embedded backend, which needs none"
        ) from None
    return client


def knock() -> None:
    """OSError where the engine's socket is not there, or nobody listens. docker-py would leave its own end open."""
    address = docker.utils.parse_host(get_docker_host())
    if address.startswith(UNIX):
        path = address.removeprefix(UNIX)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.settimeout(KNOCK_TIMEOUT_S)
            try:
                end.connect(path)
            except OSError as error:
                raise OSError(f"{path}: {error.strerror or error}") from None


def pull(client: docker.DockerClient, what: str, progress: Callable[[str], None]) -> str:
    """The name of one of ``images.PINNED``, which is on the engine afterwards. Missing when it cannot be pulled."""
    name = image(what)
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        progress(f"pulling {name}, once")
        try:
            client.images.pull(name)
        except docker.errors.APIError as error:
            raise Missing(
                f"the image {name} cannot be pulled ({error.explanation or error}); "
                f"WINDTUNNEL_IMAGE_{what.upper()} names another one"
            ) from None
    return name


def service_image(client: docker.DockerClient, component: str, module: str, progress: Callable[[str], None]) -> str:
    """The image of a service: what WINDTUNNEL_IMAGE_<COMPONENT> says, else for our own modules the one built here.

    Missing for a user's module without that variable, and when the build does not succeed.
    """
    variable = f"WINDTUNNEL_IMAGE_{component.upper()}"
    if chosen := os.environ.get(variable):
        return chosen
    if not module.startswith(OURS):
        raise Missing(f"{component} runs {module}, and no image is known for it; {variable} names one that has it")
    context = service_folder()
    name = f"{SERVICE_IMAGE}:{digest(context, image('python'))}"
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        progress(f"building {name}, once")
        build(client, context, name)
    return name


def build(client: docker.DockerClient, context: Path, name: str) -> None:
    """Build the service's image. Missing, with the end of what the builder said, when that does not work."""
    try:
        client.images.build(path=str(context), tag=name, buildargs={"PYTHON_IMAGE": image("python")}, rm=True)
    except docker.errors.BuildError as error:
        said: list[dict[str, Any]] = list(error.build_log)
        last = "".join(line.get("stream", "") for line in said).strip().splitlines()[-8:]
        raise Missing(f"the image {name} cannot be built: {error.msg}\n" + "\n".join(last)) from None
    except docker.errors.APIError as error:
        raise Missing(f"the image {name} cannot be built: {error.explanation or error}") from None


def service_folder() -> Path:
    """The folder of the reference service, in a checkout and in an installed package: the build's context."""
    spec = find_spec(OURS)
    if spec is None or spec.origin is None:
        raise Missing(f"found no {OURS}: the installation of windtunnel is incomplete")
    return Path(spec.origin).resolve().parent


def digest(context: Path, *more: str) -> str:
    """Twelve digits over everything that goes into an image: other sources, another name."""
    seen = hashlib.sha256("\0".join(more).encode())
    for path in sorted(context.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            seen.update(f"{path.relative_to(context)}\0".encode())
            seen.update(path.read_bytes())
    return seen.hexdigest()[:12]
