"""A program of Node's libraries, which answers one JSON request a line, {call, ...}, with a line {result} or {error}."""

import json
import subprocess
import threading


class Node:
    def __init__(self, script):
        self.process = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.turn = threading.Lock()

    def call(self, call, **request):
        with self.turn:
            self.process.stdin.write(json.dumps({"call": call, **request}) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{call}: {answer['error']}")
        return answer["result"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
