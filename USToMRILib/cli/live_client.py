"""An OpenIGTLink client for peers that are slow, send what it does not know, or break off."""

from __future__ import annotations

import socket
import time
from typing import Any, Callable

from pyigtl import ImageMessage, OpenIGTLinkClient

# A peer that takes nothing for so long has its link ended.
_PATIENCE_S = 1.0


class LiveClient(OpenIGTLinkClient):
    """Receives messages, and sends on the thread of the caller.

    A message that cannot be read is passed over, and the link goes on. What is no OpenIGTLink ends
    it, and pyigtl makes it anew.

    Args:
        host, port: of the server.
        tell: called, on any thread, with sentences for the user.
    """

    socket: Any

    def __init__(self, host: str, port: int, tell: Callable[[str], None]) -> None:
        self._tell = tell
        super().__init__(host, port)

    def is_closed(self) -> bool:
        """Whether the peer has closed the link, which pyigtl only finds out when it sends."""
        link = self.socket
        if link is None or not self.is_connected():
            return not self.is_connected()
        try:
            return bool(link.recv(1, socket.MSG_PEEK) == b"")
        except socket.timeout:
            return False
        except OSError:
            return True

    def stop(self) -> None:
        """End at once, in the middle of a message too, for the rest of which pyigtl would wait."""
        self.communication_thread_stop_requested = True
        link = self.socket
        if link is not None:
            link.close()
        super().stop()

    def send_now(self, message: ImageMessage) -> None:
        """Send a message, as fast as the peer takes it.

        Pyigtl's queue would fill with a slow peer, and its link end: it gives up after 10 ms.
        """
        link, left, taken = self.socket, memoryview(message.pack()), time.monotonic()
        while left and link is not None:
            try:
                left = left[link.send(left) :]
                taken = time.monotonic()
            except socket.timeout:
                if time.monotonic() - taken > _PATIENCE_S:
                    self._tell(f"{self.host}:{self.port} does not take what is sent to it.")
                    self._drop(link)
                    return
            except OSError:  # the peer has closed it
                self._drop(link)
                return

    def _receive_message_from_socket(self, link: Any) -> bool:
        if link is None:  # let go of by the thread that sends
            return False
        try:
            return bool(super()._receive_message_from_socket(link))
        except OSError:  # the link is broken
            pass
        except (UnicodeDecodeError, OverflowError, MemoryError):  # in what should be a header
            self._tell(f"{self.host}:{self.port} sends what is no OpenIGTLink.")
        except Exception as error:  # in the body, which was taken: the next message begins here
            self._tell(f"A message could not be read and was passed over: {error!r}.")
            return True
        self._drop(link)
        return False

    def _drop(self, link: Any) -> None:
        """Let go of a link: the client's thread makes a new one."""
        if self.socket is link:
            self.socket = None
            self._communication_error_occurred()
        link.close()
