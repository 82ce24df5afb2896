"""``ustomri worker``: a process that does task after task and stays warm.

PyTorch and the networks are loaded once and kept, so that the second translation starts at once.
The process reads one JSON object a line on its standard input::

    {"id": 1, "run": "translate", "with": {"input": "us.nrrd", "output": "mri.nrrd",
                                           "options": {"steps": 50}}}
    {"cancel": 1}
    {"quit": true}

``run`` is one of :data:`TASKS`: the functions behind the commands ``translate``, ``head``,
``devices`` and ``methods``, and ``live``, which remembers where the head was; ``with`` are their
arguments by name. It answers with one JSON object a line on its standard output, any number of
the first kind and then one of the others::

    {"id": 1, "progress": {"phase": "decode", "step": 3, "of": 50, "eta_s": 4.2}}
    {"id": 1, "done": {"provenance": {...}}}
    {"id": 1, "error": "No fetal head was found; ...", "kind": "input"}

The kinds are "input" (the sentence is for the user), "cancelled", "memory" and "failure". The
tasks are done one after the other. When the standard input closes, as it does when the program
that started the worker dies, the worker ends too, in the middle of a task if need be.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import queue
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any, Callable, TextIO

from ..errors import Cancelled, InputError
from ..progress import CancelToken, ProgressEvent
from .devices import describe_devices
from .head import find_head_in_file
from .live_frame import translate_live_frame
from .methods import describe_methods
from .options import CANCELLED, DONE
from .translate import translate_file

# What the worker does: called with arguments by name, a progress callback and a cancel token; the
# answer is ready for JSON.
TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "translate": translate_file,
    "live": translate_live_frame,
    "head": find_head_in_file,
    "devices": describe_devices,
    "methods": describe_methods,
}

# How long a cancelled task may take to clean up before a worker that nobody listens to ends.
_LAST_SECONDS = 1.0


def add_worker(commands: Any) -> None:
    """Add the command ``worker``."""
    command = commands.add_parser("worker", help="tasks as JSON lines on stdin; stays warm")
    command.set_defaults(run=_run)


class Worker:
    """Does the tasks that arrive on ``requests`` and writes what becomes of them.

    Args:
        requests: lines of JSON; their end is the end of the worker.
        replies: flushed after every line.
    """

    def __init__(self, requests: TextIO, replies: TextIO) -> None:
        self._requests = requests
        self._replies = replies
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._tokens: dict[int, CancelToken] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Work until the requests end or one of them is to quit."""
        threading.Thread(target=self._read, daemon=True).start()
        while True:
            request = self._waiting.get()
            if request is None:
                return
            self._answer(request)

    def _read(self) -> None:
        """Queue the tasks, and set the tokens of those that are to be cancelled."""
        for line in self._requests:
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self._reply({"id": None, "error": f"{line.strip()}: {error}", "kind": "failure"})
        self._waiting.put(None)
        for token in list(self._tokens.values()):
            token.cancel()
        if self._tokens:
            last = threading.Timer(_LAST_SECONDS, os._exit, (CANCELLED,))
            last.daemon = True
            last.start()

    def _take(self, request: dict[str, Any]) -> None:
        if "cancel" in request:
            token = self._tokens.get(request["cancel"])
            if token:
                token.cancel()
        elif "quit" in request:
            self._waiting.put(None)
        else:
            arguments = dict(request.get("with", {}))
            self._tokens[request["id"]] = CancelToken()
            self._waiting.put({"id": request["id"], "run": request["run"], "with": arguments})

    def _answer(self, request: dict[str, Any]) -> None:
        number = request["id"]
        token = self._tokens[number]
        reply: dict[str, Any]
        try:
            reply = {"done": self._do(request, token)}
        except InputError as error:
            reply = {"error": str(error), "kind": "input"}
        except Cancelled as error:
            reply = {"error": str(error), "kind": "cancelled"}
        except Exception as error:
            traceback.print_exc()
            kind = "memory" if _is_out_of_memory(error) else "failure"
            reply = {"error": f"{type(error).__name__}: {error}", "kind": kind}
        del self._tokens[number]
        self._reply({"id": number, **reply})

    def _do(self, request: dict[str, Any], token: CancelToken) -> Any:
        def progress(event: ProgressEvent) -> None:
            self._reply({"id": request["id"], "progress": asdict(event)})

        token.raise_if_cancelled()
        task, given = TASKS.get(request["run"]), request["with"]
        if task is None:
            known = ", ".join(TASKS)
            raise InputError(f"The worker does not do {request['run']!r}; ask for {known}.")
        supplied = {"progress": progress, "cancel": token}
        try:
            call = inspect.signature(task).bind(**given, **supplied)
        except TypeError as error:
            raise InputError(f"The task {request['run']!r} cannot be run: {error}.") from None
        return task(*call.args, **call.kwargs)

    def _reply(self, reply: dict[str, Any]) -> None:
        with self._lock:
            self._replies.write(json.dumps(reply) + "\n")
            self._replies.flush()


def _run(options: argparse.Namespace) -> int:
    status = DONE
    try:
        Worker(_utf8(sys.stdin), _own_standard_output()).serve()
    except BrokenPipeError:  # nobody reads the replies any more
        status = CANCELLED
    sys.stderr.flush()
    os._exit(status)  # every reply was flushed; taking torch down in order can take seconds


def _own_standard_output() -> TextIO:
    """Keep standard output for the replies; what libraries print goes to standard error."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def _utf8(stream: TextIO) -> TextIO:
    return open(stream.fileno(), encoding="utf-8", closefd=False)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed; on the CPU, torch says so only in words."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)
