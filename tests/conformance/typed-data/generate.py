"""Writes typed data of EIP-712, by a seed: every atomic type, arrays of every kind, structs within structs, recursive ones.

    generate.py SEED FILE

Each line is {"number", "recursive", "typedData"}; recursive is null, "itself", or "others" where types may refer to one
another in a circle. Every value fits its type, so that whoever hashes it should get one digest; each is spelled in one of the ways in
which callers spell it.
"""

import json
import random
import sys

GENERATED = 360
INTEGERS = [f"{sign}int{bits}" for sign in ("u", "") for bits in range(8, 257, 8)]
ATOMIC = ["bool", "address", "string", "bytes", *INTEGERS, *(f"bytes{size}" for size in range(1, 33))]
TEXTS = ["", "hello", "0x1234", "0x", "Grüße, 世界", "👛", "a" * 70, "line\nbreak\t\"quote\" \\", "null", "\u2028", "é"]
DOMAIN = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
]


class Generator:
    def __init__(self, seed, number):
        self.random = random.Random(f"kmsignd typed data {seed} {number}")
        self.types = {}

    def bytes(self, size):
        return "0x" + self.random.randbytes(size).hex()

    def integer(self, kind):
        bits = int(kind.removeprefix("u").removeprefix("int"))
        low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        value = self.random.choice([low, high, 0, 1, self.random.randint(low, high), self.random.randint(low, high) // 2**20])
        value = max(low, min(high, value))
        forms = [str(value)]
        if value >= 0:
            forms.append(hex(value))
        # A larger JSON number is not what JavaScript reads.
        if abs(value) < 2**53:
            forms.append(value)
        return self.random.choice(forms)

    def atomic(self, kind):
        if kind == "bool":
            return self.random.random() < 0.5
        if kind == "address":
            return self.bytes(20)
        if kind == "string":
            return self.random.choice(TEXTS)
        if kind == "bytes":
            return self.bytes(self.random.choice([0, 1, 31, 32, 33, 100]))
        if kind.startswith("bytes"):
            return self.bytes(int(kind.removeprefix("bytes")))
        return self.integer(kind)

    def value(self, kind, depth=0):
        if kind.endswith("]"):
            inner, _, size = kind[:-1].rpartition("[")
            length = int(size) if size else self.random.choice([0, 1, 2, 3] if depth < 4 else [0, 0, 1] if depth < 8 else [0])
            return [self.value(inner, depth + 1) for _ in range(length)]
        if kind in self.types:
            return {member["name"]: self.value(member["type"], depth + 1) for member in self.types[kind]}
        return self.atomic(kind)

    def arrays(self):
        return "".join(self.random.choice(["[]", "[]", "[1]", "[2]", "[3]"]) for _ in range(self.random.choice([0, 0, 0, 1, 1, 2, 3])))

    def members(self, kinds):
        names = self.random.sample(["a", "b", "c", "d", "e", "to", "from", "_x", "$y", "value", "Name", "nonce2"], len(kinds))
        return [{"name": name, "type": kind} for name, kind in zip(names, kinds)]

    def typed_data(self, number):
        # Names of which one begins another, since they are put in order.
        names = self.random.sample(["Order", "OrderItem", "Z", "A", "A1", "AB", "Person", "_T", "person"], self.random.randint(1, 4))
        recursive = {8: "itself", 17: "others"}.get(number % 18)
        for at, name in enumerate(names):
            kinds = [self.random.choice(ATOMIC) + self.arrays() for _ in range(self.random.randint(1, 4))]
            if at == 0:
                # So that each atomic type comes up in each form.
                kinds[0] = ATOMIC[number % len(ATOMIC)] + ["", "[]", "[2]", "[][2]"][number // len(ATOMIC) % 4]
            if at + 1 < len(names):
                kinds.append(names[at + 1] + self.random.choice(["", "", self.arrays()]))
                if self.random.random() < 0.3:
                    kinds.append(self.random.choice(names[at + 1 :]))
            self.random.shuffle(kinds)
            if recursive:
                kinds.append((name if recursive == "itself" else self.random.choice(names[: at + 1])) + "[]")
            self.types[name] = self.members(kinds)
        message = self.value(names[0])
        present = [member for member in DOMAIN if self.random.random() < 0.6]
        domain = {name: self.value(kind) for name, kind in present}
        types = dict(self.types)
        if self.random.random() < 0.7:
            types["EIP712Domain"] = [{"name": name, "type": kind} for name, kind in present]
        return recursive, {"types": types, "primaryType": names[0], "domain": domain, "message": message}


def main():
    seed, path = sys.argv[1:]
    with open(path, "w", encoding="utf-8") as file:
        for number in range(GENERATED):
            recursive, typed_data = Generator(seed, number).typed_data(number)
            json.dump({"number": number, "recursive": recursive, "typedData": typed_data}, file)
            file.write("\n")


main()
