"""``ustomri live``: images that come by OpenIGTLink, and pseudo-MRIs that go back."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Optional

import numpy as np

from ..errors import InputError
from ..fetal.ellipse import Ellipse
from ..image.grid import Grid
from ..image.image_file import on_black
from ..image.volume import Volume, check_usable
from ..live import LIVE_METHOD, LiveFrame, LiveTranslation
from ..progress import CancelToken
from .options import DONE, add_method, cancel_on_signals, method_options

if TYPE_CHECKING:
    from pyigtl import ImageMessage

    from .live_client import LiveClient

# Names of what is sent: what comes back under them, as from a server that hands everything to
# everybody, is not ultrasound.
MRI_NAME, TISSUES_NAME = "SYNTHETIC_MRI", "SYNTHETIC_TISSUES"
_WAIT_S = 0.002
# Between attempts to reach a peer, and between looks at whether it is still there.
_RETRY_S = 0.5
# Images that have not come for so long give way to others that come.
_SILENT_S = 5.0
# How often the same trouble is told.
_TELL_S = 5.0
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def add_live(commands: Any) -> None:
    """Add the command ``live``."""
    command = commands.add_parser("live", help="images by OpenIGTLink, pseudo-MRIs back")
    command.add_argument(
        "--igtl", required=True, metavar="HOST:PORT", help="of the server that sends ultrasound"
    )
    command.add_argument(
        "--device-name", metavar="NAME", help="of the images to translate; default: the first"
    )
    command.add_argument(
        "--tissues", action="store_true", help=f"send labels too, as {TISSUES_NAME}"
    )
    add_method(command)
    command.set_defaults(run=_run, method=LIVE_METHOD)


class LiveLink:
    """Receives images from an OpenIGTLink server, newest first, and answers each on its link.

    The head of an image is looked for while the one before it is translated.

    Args:
        host, port: of the server; it may come, go and come back.
        live: translates.
        only: name of the images to translate; None for any but those sent here.
        tell: called with sentences for the user.
    """

    def __init__(
        self,
        host: str,
        port: int,
        live: LiveTranslation,
        only: str | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._host, self._port = host, port
        self._live = live
        self._only = only
        self._tell = tell
        self._client: Optional[LiveClient] = None
        self._told: dict[str, float] = {}
        self._looked = 0.0
        self._was_connected = False
        self._answer_s = 0.0  # that the last answer took
        # The images that are translated, where a server sends several, and when they last came.
        self._name, self._heard = "", -np.inf

    def run(self, cancel: CancelToken) -> None:
        """Answer until the token is set."""
        before: Future[None] = Future()
        before.set_result(None)
        due = 0.0
        try:
            with ThreadPoolExecutor(1) as beside:
                while not cancel.cancelled:
                    if before.done():
                        before.result()  # raises what went wrong
                    # Not before its head can be found in time: until then newer images may come.
                    waits = not before.done() and time.monotonic() < due
                    message = None if waits else self._newest()
                    if message is None:
                        time.sleep(_WAIT_S)
                        continue
                    begin = time.monotonic()
                    followed = self._followed(message)
                    takes_s = time.monotonic() - begin
                    before.result()
                    if followed:
                        assert self._client is not None
                        before = beside.submit(self._answer, self._client, message, *followed)
                        due = time.monotonic() + self._answer_s - takes_s
        finally:
            self._close()

    def _newest(self) -> ImageMessage | None:
        """The image that came last; what came before it and was not translated is dropped."""
        client = self._connected()
        images = {
            message.device_name: message
            for message in client.get_latest_messages()
            if message.message_type == "IMAGE"
            and message.device_name not in (MRI_NAME, TISSUES_NAME)
            and self._only in (None, message.device_name)
        }
        now = time.monotonic()
        if images and self._name not in images and now - self._heard > _SILENT_S:
            self._name = max(images.values(), key=lambda message: message.timestamp).device_name
            if self._only is None:
                self._tell(f"Translating {self._name}; --device-name chooses other images.")
        if self._name in images:
            self._heard = now
        return images.get(self._name)

    def _followed(self, message: ImageMessage) -> tuple[Volume, Ellipse] | None:
        """The image of a message and the head in it; None where there is none, which is told."""
        try:
            frame = volume_of(message)
            check_usable(frame)
            # By the clock here: that of a peer may stand still, or begin anew with it.
            return frame, self._live.follow(frame, time.monotonic())
        except InputError as error:
            self._say(f"{message.device_name}: {error}")
            return None

    def _answer(
        self, client: LiveClient, message: ImageMessage, frame: Volume, head: Ellipse
    ) -> None:
        begin = time.monotonic()
        try:
            made = self._live.translate_head(frame, head)
        except InputError as error:
            self._say(f"{message.device_name}: {error}")
            return
        for answer in answers_to(message, made):
            client.send_now(answer)
        self._answer_s = time.monotonic() - begin

    def _connected(self) -> LiveClient:
        """The link, made anew where the peer has closed it."""
        from .live_client import LiveClient

        now = time.monotonic()
        if self._client is not None and now - self._looked < _RETRY_S:
            return self._client
        self._looked = now
        if self._client is not None and self._was_connected and self._client.is_closed():
            self._say(f"{self._host}:{self._port} has closed the link; trying again.")
            self._close()
        if self._client is None:
            self._client = LiveClient(self._host, self._port, self._say)
            return self._client  # which has just begun to look for its peer
        is_connected = self._client.is_connected()
        if not is_connected:
            self._say(f"{self._host}:{self._port} does not answer yet; waiting for it.")
        elif not self._was_connected:
            self._tell(f"Connected to {self._host}:{self._port}.")
            self._told.clear()
        self._was_connected = is_connected
        return self._client

    def _close(self) -> None:
        client, self._client, self._was_connected = self._client, None, False
        self._heard = -np.inf
        if client is not None:
            client.stop()

    def _say(self, sentence: str) -> None:
        """Tell something, the same not again and again."""
        now = time.monotonic()
        if now - self._told.get(sentence, -_TELL_S) >= _TELL_S:
            self._told[sentence] = now
            self._tell(sentence)


def volume_of(message: ImageMessage) -> Volume:
    """The image of a message; colour becomes grey.

    Raises:
        InputError: its axes are no axes of an image, or it holds vectors.
    """
    array = np.asarray(message.image)
    if array.ndim == 4:
        if array.shape[-1] > 4:
            raise InputError(f"The image has {array.shape[-1]} values a pixel; send grey or RGB.")
        array = on_black(array)
    matrix = np.asarray(message.ijk_to_world_matrix, float)
    if message.world_coordinate_system == "ras":
        matrix = _RAS_TO_LPS @ matrix
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (np.isfinite(matrix).all() and (spacing > 0).all()):
        raise InputError("The image's axes have no length; set the pixel size where it is sent.")
    size = (array.shape[2], array.shape[1], array.shape[0])
    return Volume(array, Grid.of(size, spacing, matrix[:3, 3], matrix[:3, :3] / spacing))


def answers_to(message: ImageMessage, made: LiveFrame) -> list[ImageMessage]:
    """What goes back: images with the same transform and time stamp."""
    from pyigtl import ImageMessage

    images = {MRI_NAME: made.mri, **({TISSUES_NAME: made.tissues} if made.tissues else {})}
    answers = []
    for name, volume in images.items():
        answer = ImageMessage(
            volume.array,
            message.ijk_to_world_matrix,
            message.world_coordinate_system,
            message.timestamp,
            name,
        )
        if message.header_version > 1:  # older ones have no room for it
            answer.header_version = 2
            answer.metadata = {"description": volume.metadata["description"]}
        answers.append(answer)
    return answers


def _run(options: argparse.Namespace) -> int:
    host, _, port = options.igtl.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{options.igtl!r} is no address; give HOST:PORT, as localhost:18944.")
    try:
        import pyigtl  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "Live images by OpenIGTLink need a Python package; install it with: pip install pyigtl"
        ) from error
    how = method_options(options)
    live = LiveTranslation(options.method, how, options.device, options.tissues)

    def tell(sentence: str) -> None:
        print(f"ustomri: {sentence}", file=sys.stderr, flush=True)

    LiveLink(host, int(port), live, options.device_name, tell).run(cancel_on_signals())
    return DONE
