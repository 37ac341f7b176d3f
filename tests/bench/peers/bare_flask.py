"""Flask that answers ``{}``: what any handler in Flask costs at least."""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

from flask import Flask

from tests.bench.peers.web import serve

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def nothing() -> dict[str, str]:
    """Answer, and do nothing."""
    return {}


if __name__ == "__main__":
    serve(app)
