"""Third-party clients list accounts, and third-party libraries check signatures, over the socket of a real daemon.

    clients.py SOCKET       with CAST and NODE_PATH in the environment; see run.sh

One line a case; exits 1 if any failed.
"""

import asyncio
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import traceback

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from eth_keys import keys as eth_keys
from web3 import AsyncIPCProvider, AsyncWeb3, IPCProvider, Web3
from web3.exceptions import Web3RPCError

SOCKET = sys.argv[1]
HERE = pathlib.Path(__file__).parent
SEPOLIA = 11155111
# A method that nobody has, and one that a signer without a node can't have.
REFUSED = {
    "kmsignd_noSuchMethod": (-32601, "METHOD_NOT_FOUND"),
    "eth_blockNumber": (-32004, "METHOD_NOT_SUPPORTED"),
}
SIGNATURES = 32


class ExitedBadly(Exception):
    pass


def run(*command):
    """Its standard output. A client that hangs is a failure."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ExitedBadly(f"{command} exited with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def curl(method, params=None):
    request = {"jsonrpc": "2.0", "id": "curl", "method": method}
    if params is not None:
        request["params"] = params
    # As one types it: curl then says that the content is a form, which must not matter.
    answer = json.loads(run("curl", "-sS", "--unix-socket", SOCKET, "http://localhost/", "-d", json.dumps(request)))
    assert answer["jsonrpc"] == "2.0" and answer["id"] == "curl" and ("result" in answer) != ("error" in answer), answer
    return answer


def wallet(asset):
    answer = curl("wallet_create", {"userId": "clients", "asset": asset})
    assert "result" in answer, answer
    return answer["result"]


WALLETS = {asset: wallet(asset) for asset in ("ETH", "BNB", "POL", "BTC")}
ACCOUNTS = {WALLETS[asset]["address"] for asset in ("ETH", "BNB", "POL")}


def check(accounts, chain_id, version):
    assert len(accounts) == len(ACCOUNTS) and set(accounts) == ACCOUNTS, accounts
    assert chain_id == SEPOLIA, chain_id
    assert version.startswith("kmsignd/"), version


def check_refusal(method, error):
    code, kind = REFUSED[method]
    assert error["code"] == code and error["message"], error
    assert error["data"] == {"kind": kind, "retry": "never"}, error


def curl_lists_accounts():
    chain_id = int(curl("eth_chainId", [])["result"], 16)
    check(curl("eth_accounts")["result"], chain_id, curl("web3_clientVersion")["result"])
    for method in REFUSED:
        check_refusal(method, curl(method)["error"])


def web3_lists_accounts():
    web3 = Web3(IPCProvider(SOCKET))
    assert web3.is_connected()
    check(web3.eth.accounts, web3.eth.chain_id, web3.client_version)
    for method in REFUSED:
        try:
            answer = web3.manager.request_blocking(method, [])
        except Web3RPCError as refused:
            check_refusal(method, refused.rpc_response["error"])
        else:
            raise AssertionError(f"{answer} from {method}")


def async_web3_lists_accounts():
    async def listing():
        async with AsyncWeb3(AsyncIPCProvider(SOCKET)) as web3:
            check(await web3.eth.accounts, await web3.eth.chain_id, await web3.client_version)
            # Not the unknown method: this client ends its listener at an error that none of its own methods waits for.
            try:
                number = await web3.eth.block_number
            except Web3RPCError as refused:
                check_refusal("eth_blockNumber", refused.rpc_response["error"])
            else:
                raise AssertionError(f"block {number}")

    asyncio.run(asyncio.wait_for(listing(), timeout=60))


def cast_lists_accounts():
    def cast(*arguments):
        return run(os.environ["CAST"], *arguments, "--rpc-url", SOCKET)

    check(json.loads(cast("rpc", "eth_accounts")), int(cast("chain-id")), cast("client"))
    for method, (code, _) in REFUSED.items():
        try:
            answer = cast("rpc", method)
        except ExitedBadly as refused:
            assert f"error code {code}:" in str(refused), refused
        else:
            raise AssertionError(f"cast got {answer} from {method}")


def node(client):
    got = json.loads(run("node", str(HERE / "clients.cjs"), client, SOCKET, *REFUSED))
    check(got["accounts"], int(got["chainId"]), got["version"])
    assert got["codes"] == [code for code, _ in REFUSED.values()], got


def ethers_lists_accounts():
    node("ethers")


def viem_lists_accounts():
    node("viem")


def signatures_verify_elsewhere():
    """cryptography (OpenSSL) checks the DER form, eth_keys recovers the address from r, s and the recovery id."""
    ether = WALLETS["ETH"]
    spki = curl("kms_getPublicKey", {"keyId": ether["kmsKeyId"]})["result"]["spki"]
    pem = f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n".encode()
    public_key = serialization.load_pem_public_key(pem)
    for number in range(SIGNATURES):
        digest = hashlib.sha256(f"kmsignd clients {number}".encode()).digest()
        params = {"keyId": ether["kmsKeyId"], "transactionHash": digest.hex()}
        answer = curl("kms_signTransactionHash", params)
        assert "result" in answer, answer
        signed = answer["result"]
        public_key.verify(bytes.fromhex(signed["der"]), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        compact = bytes.fromhex(signed["signature"]) + bytes([signed["recoveryId"]])
        recovered = eth_keys.Signature(compact).recover_public_key_from_msg_hash(digest)
        assert recovered.to_checksum_address() == ether["address"], (digest.hex(), signed)
        assert recovered.to_compressed_bytes().hex() == signed["publicKey"] == ether["publicKey"], signed


CASES = [
    curl_lists_accounts,
    web3_lists_accounts,
    async_web3_lists_accounts,
    cast_lists_accounts,
    ethers_lists_accounts,
    viem_lists_accounts,
    signatures_verify_elsewhere,
]

failed = 0
for case in CASES:
    try:
        case()
        print(f"ok {case.__name__}", flush=True)
    except Exception:  # whatever a client raises is this case's failure
        failed += 1
        print(f"FAILED {case.__name__}\n{traceback.format_exc()}")
print(f"clients: {len(CASES) - failed} of {len(CASES)}")
sys.exit(1 if failed else 0)
