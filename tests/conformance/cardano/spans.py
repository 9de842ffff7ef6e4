"""Where the parts of a transaction lie in its bytes."""


def parts(transaction):
    """The bytes of its body, of its witness set, and of the rest, validity and auxiliary data."""
    assert transaction[0] == 0x84, transaction[:1]
    body = end(transaction, 1)
    witnesses = end(transaction, body)
    assert end(transaction, end(transaction, witnesses)) == len(transaction)
    return transaction[1:body], transaction[body:witnesses], transaction[witnesses:]


def end(data, at):
    """Where the item that begins there ends: RFC 8949."""
    kind, low = data[at] >> 5, data[at] & 31
    at += 1
    if low == 31:
        if kind == 7:
            return at
        while data[at] != 0xFF:
            at = end(data, at)
        return at + 1
    number = low
    if low >= 24:
        length = 1 << (low - 24)
        number = int.from_bytes(data[at : at + length], "big")
        at += length
    if kind in (2, 3):
        return at + number
    for _ in range({4: number, 5: 2 * number, 6: 1}.get(kind, 0)):
        at = end(data, at)
    assert at <= len(data)
    return at
