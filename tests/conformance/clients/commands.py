"""curl and cast: one command a call."""

import json
import os
import subprocess

from plan import as_json

CAST = os.environ["CAST"]


class ExitedBadly(Exception):
    pass


def run(*command):
    """Its standard output. A client that hangs is a failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ExitedBadly(f"{' '.join(command)[:200]} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def curl_call(socket, method, params=None):
    request = {"jsonrpc": "2.0", "id": "curl", "method": method}
    if params is not None:
        request["params"] = params
    # As one types it: curl then says that the content is a form, which must not matter.
    answer = json.loads(run("curl", "-sS", "--unix-socket", socket, "http://localhost/", "-d", json.dumps(request)))
    assert answer["jsonrpc"] == "2.0" and answer["id"] == "curl" and ("result" in answer) != ("error" in answer), answer
    return answer


def curl(socket, planned):
    def call(method, params=None):
        answer = curl_call(socket, method, params)
        assert "result" in answer, (method, answer)
        return answer["result"]

    return {
        # Whichever the machine has.
        "client": "curl",
        "lists": "raw",
        "accounts": call("eth_accounts"),
        "chainId": int(call("eth_chainId", []), 16),
        "version": call("web3_clientVersion"),
        "codes": [curl_call(socket, method)["error"]["code"] for method in planned["refused"]],
        "signed": signing(call, planned),
    }


def cast(socket, planned):
    def command(*arguments):
        return run(CAST, *arguments, "--rpc-url", socket)

    def call(method, params):
        return json.loads(command("rpc", "--raw", method, as_json(params)))

    def refusal(method):
        try:
            answer = command("rpc", method)
        except ExitedBadly as refused:
            return int(str(refused).split("error code ")[1].split(":")[0])
        raise AssertionError(f"cast got {answer} from {method}")

    signed = signing(call, planned)
    address = planned["address"]
    authority = run(CAST, "recover-authority", as_json(signed["evm_signAuthorization"]["authorization"]))
    assert authority.strip() == address, authority
    for kind, asked in planned["transactions"].items():
        # Where no terminal reads it, cast writes its JSON as a JSON string.
        read = json.loads(json.loads(run(CAST, "decode-transaction", signed[kind]["raw"])))
        for name, value in asked.items():
            name = {"from": "signer"}.get(name, name)
            assert name in read, (name, read)
            assert as_json(read[name]).lower() == as_json(value).lower(), (kind, name, read)
    for method, flags, content in [
        ("personal_sign", [], planned["message"]),
        ("eth_sign", [], planned["message"]),
        ("eth_signTypedData_v4", ["--data"], as_json(planned["typedData"])),
        ("eth_signTypedData", ["--data"], as_json(planned["typedData"])),
    ]:
        run(CAST, "wallet", "verify", "--address", address, *flags, content, signed[method]["signature"])
    return {
        "client": f"cast {run(CAST, '--version').split()[2].split('-')[0]}",
        "lists": "raw",
        "accounts": json.loads(command("rpc", "eth_accounts")),
        "chainId": int(command("chain-id")),
        "version": command("client"),
        "codes": [refusal(method) for method in planned["refused"]],
        "signed": signed,
    }


def signing(call, planned):
    """All by raw requests: neither has calls of its own for them."""
    address, data, typed = planned["address"], "0x" + planned["message"].encode().hex(), planned["typedData"]
    authorization = call("evm_signAuthorization", planned["authorization"])
    signed = {"evm_signAuthorization": {"how": "raw", "authorization": authorization}}
    for kind, asked in planned["transactions"].items():
        if kind == "EIP-7702":
            asked = {**asked, "authorizationList": [authorization]}
        signed[kind] = {"how": "raw", **call("eth_signTransaction", [asked])}
    for method, params in {
        "personal_sign": [data, address],
        "eth_sign": [address, data],
        "eth_signTypedData_v4": [address, typed],
        "eth_signTypedData": [address, typed],
    }.items():
        signed[method] = {"how": "raw", "signature": call(method, params)}
    return signed
