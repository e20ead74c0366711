"""Fetching weights from a server on this machine: whole, resumed, refused. No test asks any other server."""

import hashlib
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dd3g.cli.main import main
from dd3g.core import weights as weights_module
from dd3g.core.download import download, partial
from dd3g.core.errors import WeightsError
from dd3g.core.weights import THIRD_PARTY, ThirdPartyWeights, WeightsFile, check_weights, find_weights, recorded_sum

DATA = bytes(range(256)) * 40
SUM = hashlib.sha256(DATA).hexdigest()


class Server:
    """What the server has, what it was asked, and after how many bytes of an answer it hangs up."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.hangs_up_after: int | None = None
        self.knows_ranges = True
        self.url = ""


@contextmanager
def running(server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            data = server.files.get(self.path)
            if data is None:
                return self.send_error(404)
            start = int(match[1]) if server.knows_ranges and wanted and (match := re.fullmatch(r"bytes=(\d+)-", wanted)) else 0
            if start >= len(data) and start:
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            rest = data[start:]
            self.wfile.write(rest if server.hangs_up_after is None else rest[: server.hangs_up_after])
            return None

        def log_message(self, format, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server, and entries whose official address it is."""
    server = Server()
    with running(server):
        whole = WeightsFile("net/whole.bin", SUM, f"{server.url}/release/whole.bin")
        begun = WeightsFile("net/begun.bin", SUM[:8], f"{server.url}/release/begun.bin")
        entries = {
            "whole": ThirdPartyWeights("whole", "a network", (WeightsFile("net/small.bin", SUM), whole)),
            "begun": ThirdPartyWeights("begun", "a network whose publisher states eight digits", (begun,)),
            "by-hand": ThirdPartyWeights("by-hand", "a network", (WeightsFile("net/hand.bin", SUM),), "fetch it yourself"),
        }
        monkeypatch.setattr(weights_module, "THIRD_PARTY", entries)
        monkeypatch.setenv("DD3G_WEIGHTS", str(tmp_path / "weights"))
        yield server


def fetch(name, tmp_path, **more):
    return download(name, to=tmp_path / "weights", quiet=True, timeout_s=10.0, **more)


def test_the_official_file_is_fetched_once_and_found_afterwards(server, tmp_path):
    server.files["/release/whole.bin"] = DATA
    place = fetch("whole", tmp_path)
    assert place.read_bytes() == DATA
    assert find_weights("whole") == place == fetch("whole", tmp_path)
    assert server.asked == [("/release/whole.bin", None)]
    assert [path.name for path in place.parent.iterdir()] == ["whole.bin"]


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    server.files["/release/whole.bin"] = DATA
    server.hangs_up_after = 4000
    with pytest.raises(WeightsError, match=r"after 4000 of 10240 bytes; run the same command again"):
        fetch("whole", tmp_path)
    with pytest.raises(WeightsError, match="after 8000 of 10240 bytes"):
        fetch("whole", tmp_path)
    server.hangs_up_after = None
    assert fetch("whole", tmp_path).read_bytes() == DATA
    assert [wanted for _, wanted in server.asked] == [None, "bytes=4000-", "bytes=8000-"]


def test_a_server_without_ranges_is_asked_for_the_whole(server, tmp_path):
    server.files["/release/whole.bin"] = DATA
    server.hangs_up_after = 4000
    with pytest.raises(WeightsError, match="bytes"):
        fetch("whole", tmp_path)
    server.hangs_up_after, server.knows_ranges = None, False
    assert fetch("whole", tmp_path).read_bytes() == DATA


def test_another_file_is_refused_and_nothing_is_left(server, tmp_path):
    server.files["/release/whole.bin"] = DATA[:-1] + b"x"
    with pytest.raises(WeightsError, match=r"is not the file that was asked for.*nothing was kept"):
        fetch("whole", tmp_path)
    assert list((tmp_path / "weights" / "net").iterdir()) == []


def test_a_partial_file_that_is_too_long_is_thrown_away(server, tmp_path):
    server.files["/release/whole.bin"] = DATA
    growing = partial(tmp_path / "weights" / "net" / "whole.bin")
    growing.parent.mkdir(parents=True)
    growing.write_bytes(DATA + b"more")
    with pytest.raises(WeightsError, match="is not the file"):
        fetch("whole", tmp_path)
    assert fetch("whole", tmp_path).read_bytes() == DATA


def test_where_the_publisher_states_a_part_of_the_sum_the_whole_is_recorded_and_held_to(server, tmp_path):
    server.files["/release/begun.bin"] = DATA
    place = fetch("begun", tmp_path)
    assert recorded_sum(place).read_text().strip() == SUM
    assert check_weights(place, weights_module.THIRD_PARTY["begun"].files[0]) == SUM
    recorded_sum(place).write_text(SUM[:8] + "0" * 56)  # what another file with the same eight digits would have
    with pytest.raises(WeightsError, match="SHA-256"):
        find_weights("begun")


def test_a_mirror_is_laid_out_as_a_weights_folder_and_asked_for_every_form(server, tmp_path):
    server.files["/mirror/net/whole.bin"] = DATA
    assert fetch("whole", tmp_path, mirror=f"{server.url}/mirror/").name == "whole.bin"
    assert [path for path, _ in server.asked] == ["/mirror/net/small.bin", "/mirror/net/whole.bin"]
    server.files["/mirror/net/hand.bin"] = DATA
    assert fetch("by-hand", tmp_path, mirror=f"{server.url}/mirror").read_bytes() == DATA
    with pytest.raises(WeightsError, match="HTTP 404"):
        fetch("begun", tmp_path, mirror=f"{server.url}/mirror")


def test_what_cannot_be_fetched_is_said(server, tmp_path):
    with pytest.raises(WeightsError, match="can't be fetched: fetch it yourself"):
        fetch("by-hand", tmp_path)
    with pytest.raises(WeightsError, match="unknown weights 'other'; known are begun, by-hand, whole"):
        fetch("other", tmp_path)
    with pytest.raises(WeightsError, match="expected http"):
        fetch("whole", tmp_path, mirror="file:///etc")
    with pytest.raises(WeightsError, match="HTTP 404"):
        fetch("whole", tmp_path)
    with pytest.raises(WeightsError, match="can't be fetched"):
        fetch("whole", tmp_path, mirror="http://127.0.0.1:9")  # the port of nothing


def test_the_command_lists_and_fetches(server, tmp_path, capsys):
    server.files["/release/whole.bin"] = DATA
    assert main(["download", "--list"]) == 0
    listed = capsys.readouterr().out
    assert listed.count("not here") == 3
    assert "fetch it yourself" in listed
    assert main(["download", "whole", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == f"whole  {tmp_path / 'weights' / 'net' / 'whole.bin'}"
    assert main(["download", "--list", "--json"]) == 0
    assert f'"place": "{tmp_path}' in capsys.readouterr().out
    for arguments in (["download"], ["download", "whole", "other"], ["download", "by-hand", "--quiet"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_every_entry_can_be_fetched_or_says_what_to_do():
    for name, weights in THIRD_PARTY.items():
        assert weights.official or weights.by_hand, name
        for file in weights.files:
            assert len(file.sha256) in (8, 64), name
            assert set(file.sha256) <= set("0123456789abcdef")
            assert file.url is None or file.url.startswith("https://")
            assert len(file.sha256) == 64 or file.sha256 in file.file  # torchvision states eight digits in the name
