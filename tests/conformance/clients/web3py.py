"""web3.py, with IPCProvider and with AsyncIPCProvider."""

import asyncio
from importlib.metadata import version

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils import keccak
from web3 import AsyncIPCProvider, AsyncWeb3, IPCProvider, Web3
from web3.exceptions import Web3RPCError

from plan import as_json


def sync(socket, planned):
    web3 = Web3(IPCProvider(socket))
    assert web3.is_connected()
    steps = signing(web3.eth, web3.manager.request_blocking, planned)
    answer = None
    while True:
        try:
            answer = steps.send(answer)
        except StopIteration as done:
            signed = done.value
            break
    return {
        "client": f"web3.py {version('web3')}",
        "accounts": web3.eth.accounts,
        "chainId": web3.eth.chain_id,
        "version": web3.client_version,
        "codes": [refusal(method, web3) for method in planned["refused"]],
        "signed": signed,
    }


def refusal(method, web3):
    try:
        web3.manager.request_blocking(method, [])
    except Web3RPCError as refused:
        return refused.rpc_response["error"]["code"]
    return None


def asynchronous(socket, planned):
    async def run():
        async with AsyncWeb3(AsyncIPCProvider(socket)) as web3:
            assert await web3.is_connected()
            steps = signing(web3.eth, web3.manager.coro_request, planned)
            answer = None
            while True:
                try:
                    answer = await steps.send(answer)
                except StopIteration as done:
                    signed = done.value
                    break
            report = {
                "client": f"web3.py {version('web3')}, async",
                "accounts": await web3.eth.accounts,
                "chainId": await web3.eth.chain_id,
                "version": await web3.client_version,
                # This client ends its listener at an error that none of its own methods waits for.
                "unasked": ["kmsignd_noSuchMethod"],
                "codes": [None, None],
                "signed": signed,
            }
            try:
                await web3.eth.block_number
            except Web3RPCError as refused:
                report["codes"][1] = refused.rpc_response["error"]["code"]
            return report

    return asyncio.run(asyncio.wait_for(run(), timeout=60))


def signing(eth, request, planned):
    """Gives each call to whoever runs this, who sends its result back."""
    address, message, typed = planned["address"], planned["message"], planned["typedData"]
    authorization = dict((yield request("evm_signAuthorization", planned["authorization"])))
    signed = {"evm_signAuthorization": {"how": "raw", "authorization": authorization}}

    for kind, asked in planned["transactions"].items():
        if kind == "EIP-7702":
            asked = {**asked, "authorizationList": [authorization]}
        answer = yield eth.sign_transaction(asked)
        assert Account.recover_transaction(answer["raw"]) == address, answer
        assert answer["tx"]["hash"] == keccak(answer["raw"]) and answer["tx"]["nonce"] == int(asked["nonce"], 16), answer
        signed[kind] = {"how": "own", "raw": answer["raw"].to_0x_hex()}

    data = "0x" + message.encode().hex()
    for method, how, call, content in [
        ("personal_sign", "raw", lambda: request("personal_sign", [data, address]), encode_defunct(text=message)),
        ("eth_sign", "own", lambda: eth.sign(address, text=message), encode_defunct(text=message)),
        (
            "eth_signTypedData_v4",
            "raw",
            lambda: request("eth_signTypedData_v4", [address, typed]),
            encode_typed_data(full_message=typed),
        ),
        (
            "eth_signTypedData",
            "own",
            lambda: eth.sign_typed_data(address, as_json(typed)),
            encode_typed_data(full_message=typed),
        ),
    ]:
        signature = yield call()
        signature = signature if isinstance(signature, str) else signature.to_0x_hex()
        assert Account.recover_message(content, signature=signature) == address, (method, signature)
        signed[method] = {"how": how, "signature": signature}
    return signed
