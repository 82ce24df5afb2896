"""Live images by OpenIGTLink, with a real server that plays a cine."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.made_cine import GRID, STEP_S, frame_of, head_at, made_cine
from USToMRILib import CancelToken, Grid, InputError, Volume
from USToMRILib.cli.command import main
from USToMRILib.cli.live import MRI_NAME, TISSUES_NAME, LiveLink, volume_of
from USToMRILib.cli.live_frame import translate_live_frame
from USToMRILib.fetal import tracking
from USToMRILib.live import LiveTranslation

pyigtl = pytest.importorskip("pyigtl")

from USToMRILib.cli.live_client import LiveClient  # noqa: E402

# Oblique, as of a tracked probe: columns of i, j and k, and the first pixel, in LPS.
C, S = np.cos(0.5), np.sin(0.5)
PLACE = np.array(
    [[0.45 * C, 0, S, 12], [0.45 * S, 0, -C, -30], [0, 0.45, 0, 5], [0, 0, 0, 1]], np.float32
)


class Server:
    """A server as PLUS is one, that hands out images and keeps what comes back."""

    def __init__(self, port: int) -> None:
        self._handlers = [(n, signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGINT)]
        self._server = pyigtl.OpenIGTLinkServer(port=port, local_server=True)

    def play(self, pixels: np.ndarray, stamp: float, name: str = "Image_Probe") -> None:
        message = pyigtl.ImageMessage(pixels, PLACE, "lps", stamp, name)
        self._server.send_message(message, wait=False)

    def wait_for_client(self) -> None:
        wait_until(self._server.is_connected)

    def answer(self, name: str = MRI_NAME) -> Any:
        """The next answer of a name; None where none comes in some seconds."""
        return self._server.wait_for_message(name, timeout=60)

    def has_answer(self) -> bool:
        return bool(self._server.incoming_messages)

    def stop(self) -> None:
        self._server.stop()
        for number, handler in self._handlers:
            signal.signal(number, handler)


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.01)


@pytest.fixture(name="port")
def fixture_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(name="link")
def fixture_link(tiny_models: Path, port: int) -> Iterator[list[str]]:
    """The command at work; what it tells."""
    told: list[str] = []
    link = LiveLink("127.0.0.1", port, LiveTranslation(tissues=True), tell=told.append)
    cancel = CancelToken()
    thread = threading.Thread(target=link.run, args=(cancel,))
    thread.start()
    yield told
    start = time.monotonic()
    cancel.cancel()
    thread.join(30)
    assert not thread.is_alive()
    assert time.monotonic() - start < 10  # a second, on a machine of its own


def test_a_played_cine_comes_back_as_pseudo_mri(link: list[str], port: int) -> None:
    """Same place, same time stamp, as much head; without one, nothing but a word."""
    wait_until(lambda: any("does not answer" in text for text in link))
    server = Server(port)
    try:
        server.wait_for_client()
        for number, frame in enumerate(made_cine(3)):
            stamp = 1000.5 + number * STEP_S
            server.play(frame.array, stamp)
            made, tissues = server.answer(), server.answer(TISSUES_NAME)
            assert made.timestamp == pytest.approx(stamp, abs=1e-6)
            assert tissues.timestamp == pytest.approx(stamp, abs=1e-6)
            np.testing.assert_allclose(made.ijk_to_world_matrix, PLACE, atol=1e-4)
            assert made.image.shape == GRID.shape
            assert made.image.dtype == np.uint8
            inside = head_at(number).mask(GRID.shape[1:], GRID.spacing[:2])
            assert (made.image[0][~inside] > 0).mean() < 0.02
            assert (tissues.image[0][inside] > 0).mean() > 0.6
        # What it has sent comes back, as from a server that hands everything to everybody.
        server.play(made.image, 1002.0, MRI_NAME)
        server.play(frame_of(None, 1)[None], 1001.0)
        wait_until(lambda: any("No fetal head was found" in text for text in link))
        time.sleep(0.3)
        assert not server.has_answer()
    finally:
        server.stop()
    wait_until(lambda: any("has closed the link" in text for text in link))
    again = Server(port)
    try:
        again.wait_for_client()
        wait_until(lambda: sum("Connected" in text for text in link) == 2)
        again.play(made_cine(1)[0].array, 1003.0)
        assert again.answer().timestamp == pytest.approx(1003.0)
    finally:
        again.stop()


def test_the_newest_of_many_frames_is_answered(link: list[str], port: int) -> None:
    """Older ones are dropped, so that the picture never lags behind more and more."""
    server = Server(port)
    try:
        server.wait_for_client()
        frames = [frame.array for frame in made_cine(4)]
        for number in range(40):
            server.play(frames[number % 4], 2000.0 + number)
        stamps: list[float] = []
        while not stamps or stamps[-1] < 2039:
            stamps.append(server.answer().timestamp)
        assert stamps == sorted(stamps)
        assert len(stamps) < 30
    finally:
        server.stop()


class RawPeer:
    """A peer that sends any bytes, and takes what comes back or leaves it."""

    def __init__(self, port: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self._listening.settimeout(60)
        self.link = self._accepted()

    def _accepted(self) -> socket.socket:
        link, _ = self._listening.accept()
        link.settimeout(60)
        return link

    def accept_again(self) -> None:
        self.link.close()
        self.link = self._accepted()

    def answer(self) -> Any:
        """The next message."""
        fields = pyigtl.messages.MessageBase.parse_header(self._read(58))
        message = pyigtl.ImageMessage()
        message.unpack(fields, self._read(fields["body_size"]))
        return message

    def picture(self) -> Any:
        """The next picture."""
        while True:
            message = self.answer()
            if message.device_name == MRI_NAME:
                return message

    def answers_until(self, stamp: float) -> list[float]:
        """Time stamps of the pictures that come, up to this one."""
        stamps: list[float] = []
        while stamp not in stamps:
            stamps.append(round(self.picture().timestamp, 3))
        return stamps

    def _read(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            more = self.link.recv(count - len(read))
            assert more, "The link was closed."
            read += more
        return read

    def close(self) -> None:
        self.link.close()
        self._listening.close()


@pytest.fixture(name="peer")
def fixture_peer(link: list[str], port: int) -> Iterator[RawPeer]:
    peer = RawPeer(port)
    yield peer
    peer.close()


def packed(
    pixels: np.ndarray, stamp: float, version: int = 1, finer: int = 1, name: str = "Image_Probe"
) -> bytes:
    place = PLACE @ np.diag([1 / finer, 1 / finer, 1, 1])
    message = pyigtl.ImageMessage(pixels, place, "lps", stamp, name)
    message.header_version = version
    message.metadata = {"FrameNumber": "7"} if version > 1 else {}
    return bytes(message.pack())


def changed(message: bytes, first: int, new: bytes) -> bytes:
    return message[:first] + new + message[first + len(new) :]


def big_endian(pixels: np.ndarray, stamp: float) -> bytes:
    return changed(packed(pixels.byteswap(), stamp), 58 + 4, bytes([1]))


def test_what_a_peer_may_send_is_understood(peer: RawPeer) -> None:
    """Headers of both versions, a checksum that is not kept, every type of value, other sizes."""
    pixels = made_cine(1)[0].array
    longer = np.pad(pixels, ((0, 0), (0, 9), (0, 5)), mode="edge")
    sent = [
        packed(pixels, 1.0),
        packed(pixels, 2.0, version=2),
        changed(packed(pixels, 3.0), 50, b"checksum"),
        big_endian(pixels * np.int16(100), 4.0),
        big_endian(pixels / 7.0, 5.0),
        packed(pixels.astype(np.uint16), 6.0),
        packed(np.repeat(pixels[..., None], 4, axis=-1), 7.0),
        packed(longer, 8.0),
    ]
    other = pyigtl.TransformMessage(np.eye(4), device_name="ProbeToTracker").pack()
    for number, message in enumerate(sent, start=1):
        peer.link.sendall(other + message + changed(other, 2, b"TDATA\0\0\0\0\0\0\0"))
        assert peer.answers_until(number) == [number]


def test_of_several_images_one_is_translated(peer: RawPeer, link: list[str]) -> None:
    """The one that came first, as long as it comes, and not one by turns."""
    pixels = made_cine(1)[0].array
    peer.link.sendall(packed(pixels, 1.0))
    assert peer.answers_until(1.0) == [1.0]
    peer.link.sendall(packed(pixels[:, 1:], 3.0, name="Reconstruction"))
    time.sleep(0.5)
    peer.link.sendall(packed(pixels, 2.0))
    assert peer.answers_until(2.0) == [2.0]
    assert any("Translating Image_Probe" in text for text in link)


def test_what_cannot_be_read_is_told_and_passed_over(peer: RawPeer, link: list[str]) -> None:
    """On the same link; what is no OpenIGTLink ends it, and it is made anew."""
    pixels = made_cine(1)[0].array
    good = packed(pixels, 1.0)
    unreadable = [
        changed(good, 58 + 3, bytes([13])),  # a type of value that nobody has
        changed(good, 58 + 60, bytes([1])),  # a part of a volume
        changed(good, 42, (100).to_bytes(8, "big"))[: 58 + 100],  # too short for its size
    ]
    for number, message in enumerate(unreadable, start=2):
        peer.link.sendall(message + packed(pixels, number))
        assert peer.answers_until(number) == [number]
    assert any("could not be read and was passed over" in text for text in link)
    for empty in (pixels[:, :0], np.full_like(pixels, np.nan, np.float32), pixels[:, :, :3]):
        peer.link.sendall(packed(empty, 8.0) + packed(pixels, 9.0))
        assert peer.answers_until(9.0) == [9.0]
    for rubbish in (b"HTTP/1.1 400 Bad Request\r\n" * 4, b"\xff" * 70):
        peer.link.sendall(rubbish)
        peer.accept_again()
        peer.link.sendall(packed(pixels, 10.0))
        assert peer.answers_until(10.0) == [10.0]
    assert any("sends what is no OpenIGTLink" in text for text in link)


def test_a_slow_peer_gets_the_newest_answers(peer: RawPeer) -> None:
    """They do not pile up, so that they are not late once it takes them."""
    frames = [frame.array for frame in made_cine(4)]
    large = [np.kron(frame, np.ones((1, 4, 4), np.uint8)) for frame in frames]
    stamps: list[float] = []
    for number in range(1, 41):
        peer.link.sendall(packed(large[number % 4], number, finer=4))
        time.sleep(0.05)
        stamps += [peer.answer().timestamp] if number % 5 == 0 else []
    stamps += peer.answers_until(40.0)
    assert stamps == sorted(stamps)
    assert len(set(stamps)) < 30


def test_a_peer_that_takes_nothing_is_told(peer: RawPeer, link: list[str]) -> None:
    large = packed(np.kron(made_cine(1)[0].array, np.ones((1, 8, 8), np.uint8)), 1.0, finer=8)
    with suppress(OSError):  # until the link is ended
        while True:
            peer.link.sendall(large)
    wait_until(lambda: any("does not take what is sent" in text for text in link))
    peer.accept_again()
    peer.link.sendall(packed(made_cine(1)[0].array, 2.0))
    peer.answers_until(2.0)


def test_it_stops_in_the_middle_of_a_message(port: int) -> None:
    """Pyigtl waits 5 s for the rest."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        client = LiveClient("127.0.0.1", port, print)
        link, _ = listening.accept()
        with link:
            link.sendall(packed(made_cine(1)[0].array, 1.0)[:-9])
            time.sleep(0.5)
            begin = time.monotonic()
            client.stop()
            assert time.monotonic() - begin < 3


def test_a_clock_that_stands_still_does_not_hold_the_head(peer: RawPeer) -> None:
    """Peers without a clock stamp every image with 0."""
    columns = []
    for number in (0, 20, 20, 20):
        peer.link.sendall(packed(frame_of(head_at(number), number)[None], 0.0))
        columns.append(np.argwhere(peer.picture().image > 0)[:, -1].mean())
        time.sleep(0.2)
    moved = (head_at(20).centre[0] - head_at(0).centre[0]) / GRID.spacing[0]
    assert columns[-1] - columns[0] == pytest.approx(moved, abs=3)


def test_the_head_is_followed_while_a_tracked_probe_turns(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its axes come in single precision; only another depth lets the head be looked for anew."""
    searches: list[Volume] = []
    search = tracking.find_head_with

    def counted(net: Any, image: Volume, device: str) -> Any:
        searches.append(image)
        return search(net, image, device)

    monkeypatch.setattr(tracking, "find_head_with", counted)
    live = LiveTranslation()
    for number in range(4):
        angle = 0.1 * number
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [np.sin(angle), 0, -np.cos(angle)]])
        place = PLACE.copy()
        place[:2, :3] = turn * (0.45, 0.45, 1.0)
        message = pyigtl.ImageMessage(frame_of(head_at(number), number)[None], place, "lps")
        live.translate(volume_of(message), number * STEP_S)
    assert len(searches) == 1
    place[:3, :2] *= 1.1
    message = pyigtl.ImageMessage(frame_of(head_at(4), 4)[None], place, "lps")
    live.translate(volume_of(message), 4 * STEP_S)
    assert len(searches) == 2


def test_the_worker_writes_bytes(tiny_models: Path, tmp_path: Path) -> None:
    """A quarter of what floating point would be, for every frame."""
    frame, picture, labels = (tmp_path / f"{name}.mha" for name in ("us", "mri", "tissues"))
    for number, image in enumerate(made_cine(2)):
        image.write(frame, compress=False)
        translate_live_frame(frame, picture, number * STEP_S, tissues=labels)
        made, tissues = Volume.read(picture), Volume.read(labels)
        assert made.array.dtype == tissues.array.dtype == np.uint8
        assert made.grid.is_close(image.grid)
        inside = head_at(number).mask(GRID.shape[1:], GRID.spacing[:2])
        assert (made.array[0][~inside] > 0).mean() < 0.02
        assert (tissues.array[0][inside] > 0).mean() > 0.6


def test_ras_and_colour_are_understood() -> None:
    ras = np.diag([-1.0, -1, 1, 1]) @ PLACE
    pixels = frame_of(head_at(0), 0)[None]
    colour = np.repeat(pixels[..., None], 3, axis=-1)
    grey = volume_of(pyigtl.ImageMessage(pixels, PLACE, "lps"))
    other = volume_of(pyigtl.ImageMessage(colour, ras, "ras"))
    np.testing.assert_array_equal(other.array, grey.array)
    assert other.grid.is_close(grey.grid, 1e-5)
    np.testing.assert_allclose(grey.grid.spacing, (0.45, 0.45, 1.0), atol=1e-5)
    with pytest.raises(InputError, match="no length"):
        volume_of(pyigtl.ImageMessage(pixels, np.zeros((4, 4))))
    with pytest.raises(InputError, match="5 values"):
        volume_of(pyigtl.ImageMessage(np.zeros((1, 4, 4, 5), np.uint8), PLACE))


def test_what_cannot_be_live_is_refused(
    tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "--igtl", "nowhere"]) == 2
    assert "give HOST:PORT" in capsys.readouterr().err
    assert main(["live", "--igtl", "localhost:1", "--method", "pix2pix3d"]) == 2
    assert "translates volumes" in capsys.readouterr().err
    with pytest.raises(InputError, match="flat"):
        LiveTranslation().translate(Volume(np.zeros((2, 3, 4), np.uint8), Grid((4, 3, 2))), 0.0)
