"""A PSBT as BIP-174 and BIP-370 write it: maps of keys and values, read without a library, so that nothing of it is lost."""

import base64

from embit.transaction import Transaction

UNSIGNED_TX, INPUT_COUNT, OUTPUT_COUNT, TX_MODIFIABLE = b"\x00", b"\x04", b"\x05", b"\x06"
PARTIAL_SIG = 0x02


def read(text):
    """Its maps: global, one for each input, one for each output."""
    data = base64.b64decode(text, validate=True)
    assert data[:5] == b"psbt\xff", data[:5]
    at = 5

    def compact():
        nonlocal at
        size = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(data[at], 0)
        value = int.from_bytes(data[at + 1 : at + 1 + size], "little") if size else data[at]
        at += 1 + size
        return value

    def taken():
        nonlocal at
        length = compact()
        assert at + length <= len(data), "cut off"
        at += length
        return data[at - length : at]

    def one():
        entries = {}
        while key := taken():
            assert key not in entries, key
            entries[key] = taken()
        return entries

    whole = one()
    if UNSIGNED_TX in whole:
        unsigned = Transaction.parse(whole[UNSIGNED_TX])
        inputs, outputs = len(unsigned.vin), len(unsigned.vout)
    else:
        inputs, outputs = whole[INPUT_COUNT][0], whole[OUTPUT_COUNT][0]
        assert max(inputs, outputs) < 0xFD
    maps = whole, [one() for _ in range(inputs)], [one() for _ in range(outputs)]
    assert at == len(data), "more follows"
    return maps


def check_only_signed(before, after, public_keys, sighashes):
    """A signer adds one signature for each input, and touches nothing else but the flags of BIP-370."""
    (whole, inputs, outputs), (whole_now, inputs_now, outputs_now) = read(before), read(after)
    check_modifiable(whole.pop(TX_MODIFIABLE, None), whole_now.pop(TX_MODIFIABLE, None), sighashes)
    assert whole_now == whole, (whole, whole_now)
    assert outputs_now == outputs, (outputs, outputs_now)
    for entries, now, public_key, sighash in zip(inputs, inputs_now, public_keys, sighashes, strict=True):
        signature = now.pop(bytes([PARTIAL_SIG]) + public_key)
        assert signature[-1] == sighash, signature.hex()
        assert now == entries, (entries, now)


def check_modifiable(before, after, sighashes):
    """BIP-370's signer: what a signature covers can't be changed any more."""
    before, after = (flags[0] if flags else 0 for flags in (before, after))
    wanted = before
    for sighash in sighashes:
        if not sighash & 0x80:
            wanted &= ~1
        if sighash & 0x1F != 0x02:
            wanted &= ~2
        if sighash & 0x1F == 0x03:
            wanted |= 4
    assert after == wanted or (before == 0 and after == 0), (before, after, wanted)
