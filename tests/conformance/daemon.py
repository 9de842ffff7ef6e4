"""A caller on the daemon's socket, in geth's framing: JSON values, one a line."""

import json
import socket
import threading


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, method, error):
        super().__init__(f"{method}: {json.dumps(error)}")
        self.code = error["code"]
        self.text = error["message"]
        self.kind = error["data"]["kind"]
        self.rule = error["data"].get("rule")
        self.field = error["data"].get("field")


class Daemon:
    """A connection for each thread that calls."""

    def __init__(self, path):
        self.path = path
        self.connections = threading.local()

    def call(self, method, /, **params):
        if not hasattr(self.connections, "lines"):
            stream = socket.socket(socket.AF_UNIX)
            stream.settimeout(120)
            stream.connect(self.path)
            self.connections.lines = stream.makefile("rw", encoding="utf-8", newline="\n")
        lines = self.connections.lines
        lines.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
        if "error" in answer:
            raise Refused(method, answer["error"])
        return answer["result"]

    def told(self, method, /, **params):
        """What policy is told of a call: the decoded summary, for which nothing is signed."""
        return self.call("policy_explain", method=method, params=params)["summary"]

    def refusal(self, method, /, **params):
        """The error that it answers; fails if it gives a result."""
        try:
            answer = self.call(method, **params)
        except Refused as refused:
            return refused
        raise AssertionError(f"{method} was not refused: {json.dumps(answer)}")
