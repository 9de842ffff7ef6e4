"""Litecoin Core as a node and as a finalizer, by its RPC."""

import base64
import http.client
import json
import pathlib
import threading


class RpcError(Exception):
    pass


class Litecoin:
    """A connection for each thread that calls; wallet calls name their wallet."""

    def __init__(self, port, cookie):
        self.port = port
        credentials = base64.b64encode(pathlib.Path(cookie).read_bytes()).decode()
        self.headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        self.connections = threading.local()

    def call(self, method, *params, wallet=""):
        if not hasattr(self.connections, "http"):
            self.connections.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        request = json.dumps({"id": 1, "method": method, "params": params})
        self.connections.http.request("POST", f"/wallet/{wallet}" if wallet else "/", request, self.headers)
        answer = json.loads(self.connections.http.getresponse().read())
        if answer["error"]:
            raise RpcError(f"{method}: {answer['error']}")
        return answer["result"]

    def finalize(self, psbt):
        """It finalizes a PSBT of version 0 of any of these chains: it looks at scripts and signatures alone."""
        done = self.call("finalizepsbt", psbt)
        assert done["complete"], done
        return done["hex"]

    def descriptor(self, wallet):
        form = {"p2pkh": "pkh({})", "p2sh-p2wpkh": "sh(wpkh({}))", "p2wpkh": "wpkh({})"}[wallet.kind]
        return self.call("getdescriptorinfo", form.format(wallet.public_key.hex()))["descriptor"]
