"""What clients were seen to send, and to need of an answer, each on its own. The docstrings are the list."""

import json
import socket
import time

from eth_account import Account
from eth_utils import keccak

from plan import GWEI, MESSAGE, SEPOLIA, check_message, check_transaction, check_typed_data, typed_data

TRANSACTION_REFUSED, INVALID_PARAMS = -32003, -32602
# Of all quirks together: as many transactions, each with a nonce of its own.
FIRST_NONCE = 1_000_000


class Connection:
    """The bare stream of JSON values."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """An answer, which is one line with its newline."""
        line = self.lines.readline()
        assert line.endswith(b"\n"), line
        return json.loads(line)

    def answers(self, count):
        """As many, by their ids: they may come in any order."""
        lines = [self.line() for _ in range(count)]
        by_id = {json.dumps(answer["id"]): answer for answer in lines}
        assert len(by_id) == count, lines
        return by_id


class Quirks:
    def __init__(self, path, address):
        self.path = path
        self.address = address
        self.nonce = FIRST_NONCE

    def request(self, method, *params, id=1):
        return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}).encode()

    def call(self, method, *params):
        with Connection(self.path) as connection:
            connection.send(self.request(method, *params))
            return connection.line()

    def result(self, method, *params):
        answer = self.call(method, *params)
        assert "result" in answer, (method, params, answer)
        return answer["result"]

    def refused(self, code, field, method, *params):
        error = self.call(method, *params)["error"]
        assert error["code"] == code and error["message"], error
        assert field is None or field in error["data"]["field"], error

    def transaction(self, **members):
        """A transaction with the next nonce; a member that is None is left out."""
        self.nonce += 1
        asked = {
            "from": self.address,
            "to": "0x00000000219ab540356cBB839Cbe05303d7705Fa",
            "chainId": hex(SEPOLIA),
            "nonce": hex(self.nonce),
            "gas": "0x33450",
            "value": "0x1",
            "input": "0x",
            **members,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def signs(self, request, **expected):
        """The request is signed as the same with the expected members."""
        answer = self.result("eth_signTransaction", request)
        assert set(answer) == {"raw", "tx"}, answer
        asked = {"input": request.get("data"), **request, "from": self.address, **expected}
        check_transaction(asked, answer["raw"])
        assert answer["tx"]["hash"] == "0x" + keccak(hexstr=answer["raw"]).hex(), answer


def values_separated_by_newlines(quirks):
    """web3.py, ethers: a newline after each request"""
    with Connection(quirks.path) as connection:
        connection.send(b"".join(quirks.request("eth_chainId", id=id) + b"\n" for id in range(3)))
        assert sorted(connection.answers(3)) == ["0", "1", "2"]


def values_without_separator(quirks):
    """cast, viem: no newline at all, so requests in a row are `}{`"""
    with Connection(quirks.path) as connection:
        connection.send(b"".join(quirks.request("eth_chainId", id=id) for id in range(3)))
        assert sorted(connection.answers(3)) == ["0", "1", "2"]


def values_in_pieces(quirks):
    """a long request in pieces of 64 kB, one in single bytes, and answers only to what is complete"""
    message = b"\x5a" * 65536
    long = quirks.request("personal_sign", "0x" + message.hex(), quirks.address)
    assert len(long) > 2 * 65536
    with Connection(quirks.path) as connection:
        for start in range(0, len(long), 65536):
            connection.send(long[start : start + 65536])
            time.sleep(0.01)
        check_message(quirks.address, message, connection.line()["result"])
        for byte in quirks.request("eth_chainId", id=2):
            connection.send(bytes([byte]))
        assert connection.line()["result"] == hex(SEPOLIA)


def batches(quirks):
    """ethers, viem: an array of requests is answered by one array on one line"""
    methods = ["eth_chainId", "eth_accounts", "kmsignd_noSuchMethod", "web3_clientVersion"]
    batch = [json.loads(quirks.request(method, id=id)) for id, method in enumerate(methods)]
    with Connection(quirks.path) as connection:
        connection.send(json.dumps(batch).encode())
        answers = {answer["id"]: answer for answer in connection.line()}
    assert sorted(answers) == [0, 1, 2, 3]
    assert answers[0]["result"] == hex(SEPOLIA) and answers[2]["error"]["code"] == -32601, answers


def ids(quirks):
    """ids as numbers and as strings, echoed unchanged"""
    sent = [0, 1, 2**53 - 1, "1", "", "9d1c-4e", "0x1"]
    with Connection(quirks.path) as connection:
        for id in sent:
            connection.send(quirks.request("eth_chainId", id=id))
        assert sorted(connection.answers(len(sent))) == sorted(map(json.dumps, sent))


def params_left_out(quirks):
    """web3.js, curl: `params` missing, null or []"""
    for params in ["", ',"params":null', ',"params":[]']:
        with Connection(quirks.path) as connection:
            connection.send(f'{{"jsonrpc":"2.0","id":1,"method":"eth_accounts"{params}}}'.encode())
            assert quirks.address in connection.line()["result"]


def always_an_answer(quirks):
    """alloy, cast: send a request again for ever if there is no answer, so there is one to anything that has an id"""
    for method, params in [
        ("eth_signTransaction", []),
        ("eth_signTransaction", [{}]),
        ("eth_signTransaction", ["0x00"]),
        ("personal_sign", ["0x00", "0x" + "11" * 20]),
        ("eth_sign", [quirks.address]),
        ("eth_signTypedData_v4", [quirks.address, "{"]),
        ("evm_signAuthorization", [quirks.address]),
        ("eth_sendTransaction", [{"from": quirks.address}]),
        ("eth_getTransactionCount", [quirks.address, "pending"]),
        ("eth_subscribe", ["newHeads"]),
    ]:
        error = quirks.call(method, *params)["error"]
        assert error["message"] and error["data"]["kind"] and error["data"]["retry"] == "never", (method, error)


def type_as_number(quirks):
    """web3.py: `type` as a number"""
    fees = {"maxFeePerGas": hex(GWEI), "maxPriorityFeePerGas": "0x1"}
    quirks.signs(quirks.transaction(**fees, type=2), type="0x2", accessList=[])
    quirks.signs(quirks.transaction(gasPrice=hex(GWEI), type=0), type="0x0")


def numbers_as_numbers(quirks):
    """numbers of a transaction as JSON numbers"""
    request = quirks.transaction(gasPrice=GWEI, gas=210_000, value=1, chainId=SEPOLIA)
    request["nonce"] = int(request["nonce"], 16)
    as_hex = {name: hex(request[name]) for name in ("gasPrice", "gas", "value", "chainId", "nonce")}
    quirks.signs(request, type="0x0", **as_hex)


def type_left_out(quirks):
    """`type` omitted: told from the other members"""
    fees = {"maxFeePerGas": hex(GWEI), "maxPriorityFeePerGas": "0x1"}
    access_list = [{"address": quirks.address, "storageKeys": []}]
    blobs = {"maxFeePerBlobGas": "0x1", "blobVersionedHashes": ["0x01" + "00" * 31]}
    quirks.signs(quirks.transaction(gasPrice=hex(GWEI)), type="0x0")
    quirks.signs(quirks.transaction(gasPrice=hex(GWEI), accessList=access_list), type="0x1")
    quirks.signs(quirks.transaction(**fees), type="0x2", accessList=[])
    quirks.signs(quirks.transaction(**fees, **blobs), type="0x3", accessList=[])
    quirks.signs(quirks.transaction(**fees, authorizationList=[authorization()]), type="0x4", accessList=[])


def chain_id_left_out(quirks):
    """`chainId` omitted: that of the wallet's network, and no other is signed for"""
    quirks.signs(quirks.transaction(gasPrice=hex(GWEI), chainId=None), chainId=hex(SEPOLIA), type="0x0")
    quirks.refused(TRANSACTION_REFUSED, None, "eth_signTransaction", quirks.transaction(gasPrice=hex(GWEI), chainId="0x1"))


def input_and_data(quirks):
    """web3.js, alloy: `input`, `data`, or both, equal; refused if they differ"""
    price = {"gasPrice": hex(GWEI)}
    quirks.signs(quirks.transaction(**price, data="0x1234", input=None), type="0x0", input="0x1234")
    quirks.signs(quirks.transaction(**price, data="0x12ab", input="0x12AB"), type="0x0")
    quirks.refused(INVALID_PARAMS, "", "eth_signTransaction", quirks.transaction(**price, data="0x12", input="0x13"))


def gas_never_gas_limit(quirks):
    """`gas`, as every client writes it; `gasLimit` is no member and is refused by its name"""
    request = quirks.transaction(gasPrice=hex(GWEI), gas=None, gasLimit="0x5208")
    quirks.refused(INVALID_PARAMS, "gas", "eth_signTransaction", request)


def addresses_in_any_case(quirks):
    """viem, ethers: lower-case addresses; others write EIP-55, whose checksum must then be right"""
    request = quirks.transaction(gasPrice=hex(GWEI))
    for name in ("from", "to"):
        request[name] = request[name].lower()
    quirks.signs(request, type="0x0")
    for address in (quirks.address, quirks.address.lower()):
        check_message(quirks.address, b"case", quirks.result("personal_sign", "0x" + b"case".hex(), address))
    swapped = "0x" + quirks.address[2:].swapcase()
    quirks.refused(INVALID_PARAMS, "address", "personal_sign", "0x00", swapped)


def password_of_personal_sign(quirks):
    """web3.js, geth's console: a third parameter "" of personal_sign; no other password, since there is none"""
    data = "0x" + MESSAGE.encode().hex()
    check_message(quirks.address, MESSAGE, quirks.result("personal_sign", data, quirks.address, ""))
    quirks.refused(INVALID_PARAMS, "password", "personal_sign", data, quirks.address, "secret")


def typed_data_in_any_form(quirks):
    """typed data as an object and as a string; its chainId as a number, in decimals and in hex; eth_signTypedData from web3.py"""
    for chain_id in (SEPOLIA, str(SEPOLIA), hex(SEPOLIA)):
        typed = typed_data(chain_id)
        for method in ("eth_signTypedData_v4", "eth_signTypedData"):
            for form in (typed, json.dumps(typed)):
                check_typed_data(quirks.address, typed_data(), quirks.result(method, quirks.address, form))
    quirks.refused(TRANSACTION_REFUSED, None, "eth_signTypedData_v4", quirks.address, typed_data(1))


def shortened_signatures_of_authorizations(quirks):
    """ethers, viem: r and s of an authorization as quantities, without leading zeros"""
    one = authorization()
    assert len(one["r"]) < 65, one
    fees = {"maxFeePerGas": hex(GWEI), "maxPriorityFeePerGas": "0x1"}
    quirks.signs(quirks.transaction(**fees, authorizationList=[one]), type="0x4", accessList=[])


def nothing_is_guessed(quirks):
    """a missing nonce, gas or fee is refused by its name: nobody knows it here"""
    for missing in ("nonce", "gas", "gasPrice"):
        request = quirks.transaction(gasPrice=hex(GWEI), type="0x0")
        del request[missing]
        quirks.refused(INVALID_PARAMS, missing, "eth_signTransaction", request)


def version_of_the_client(quirks):
    """web3.py's is_connected: web3_clientVersion"""
    assert quirks.result("web3_clientVersion").startswith("kmsignd/")


def authorization():
    """By a key that is none of ours, with an r that begins with zeros, as this nonce happens to give."""
    key, nonce = keccak(b"kmsignd quirks"), 189
    signed = Account.sign_authorization({"chainId": SEPOLIA, "address": "0x" + "22" * 20, "nonce": nonce}, key)
    return {
        "chainId": hex(SEPOLIA),
        "address": "0x" + "22" * 20,
        "nonce": hex(nonce),
        "yParity": hex(signed.y_parity),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }


QUIRKS = [
    values_separated_by_newlines,
    values_without_separator,
    values_in_pieces,
    batches,
    ids,
    params_left_out,
    always_an_answer,
    type_as_number,
    numbers_as_numbers,
    type_left_out,
    chain_id_left_out,
    input_and_data,
    gas_never_gas_limit,
    addresses_in_any_case,
    password_of_personal_sign,
    typed_data_in_any_form,
    shortened_signatures_of_authorizations,
    nothing_is_guessed,
    version_of_the_client,
]
