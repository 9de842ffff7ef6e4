"""Transactions at random by xrpl-py's models, all of which must be signed. Whether the ledger would take them matters little."""

import hashlib
from decimal import Decimal

from xrpl.core.addresscodec import classic_address_to_xaddress, encode_classic_address
from xrpl.models import amounts, transactions
from xrpl.models.path import PathStep

TYPES = [
    "Payment of XRP",
    "Payment of an issued currency",
    "Payment across currencies",
    "Payment to an X-address",
    "TrustSet",
    "AccountSet",
    "OfferCreate",
    "OfferCancel",
    "EscrowCreate",
    "EscrowFinish",
    "EscrowCancel",
    "TicketCreate",
]

PARTIAL_PAYMENT = 0x00020000
# What three characters of a currency code may be besides letters and digits:
# https://xrpl.org/docs/references/protocol/data-types/currency-formats
SYMBOLS = "?!@#$%^&*<>(){}[]|"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MOST_DROPS = 10**17
ACCOUNT_FLAGS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16]
TRUST_FLAGS = [0x00010000, 0x00020000, 0x00040000, 0x00100000, 0x00200000]
OFFER_FLAGS = [0x00010000, 0x00020000, 0x00040000, 0x00080000]


def generated(rng, kind, account, number, is_test):
    """A model of xrpl-py, unsigned. The sequence or ticket of each number is its own."""
    maker = Maker(rng, account, is_test)
    common = maker.common(number)
    kind_of = getattr(maker, kind.split(" ")[0])
    return kind_of(kind, common)


class Maker:
    def __init__(self, rng, account, is_test):
        self.rng, self.account, self.is_test = rng, account, is_test

    # The parts.

    def hex(self, length):
        return self.rng.randbytes(length).hex().upper()

    def uint32(self):
        """Each length as likely as another, so that small and large ones both come."""
        return self.rng.getrandbits(self.rng.randint(0, 32)) if self.rng.random() < 0.95 else 2**32 - 1

    def maybe(self, make, often=0.5):
        return make() if self.rng.random() < often else None

    def stranger(self):
        return encode_classic_address(self.rng.randbytes(20))

    def drops(self):
        return str(
            self.rng.choice([1, MOST_DROPS, self.rng.randint(1, MOST_DROPS), self.rng.randint(1, 10 ** self.rng.randint(1, 17))])
        )

    def currency(self):
        if self.rng.random() < 0.3:
            # Not of the standard form, whose first byte is 0.
            return f"{self.rng.randint(1, 255):02X}{self.hex(19)}"
        code = "".join(self.rng.choice(LETTERS + SYMBOLS) for _ in range(3))
        return code if code.upper() != "XRP" else "XRQ"

    def value(self):
        """Up to 16 digits, in the spellings that callers have, anywhere in the range but for what is written with an exponent
        above 80, which xrpl-py calls too large even where the ledger does not."""
        digits = self.rng.randint(1, 10 ** self.rng.randint(1, 16) - 1)
        normal = Decimal(digits).adjusted()
        lowest = -96 + 15 - normal
        exponent = self.rng.choice([0, -2, -6, self.rng.randint(-30, 10), self.rng.randint(lowest, 80)])
        spelled = Decimal(digits).scaleb(exponent)
        forms = [f"{digits}e{exponent}", f"{digits}E{exponent}", str(spelled)]
        if abs(exponent) < 40:
            forms += [f"{spelled:f}"] * 3
        return self.rng.choice(forms)

    def issued(self):
        return amounts.IssuedCurrencyAmount(currency=self.currency(), issuer=self.stranger(), value=self.value())

    def amount(self):
        return self.rng.choice([self.drops, self.issued])()

    def at_most(self, amount):
        """As much, or about a hundredth."""
        if self.rng.random() < 0.3:
            return amount
        if isinstance(amount, str):
            return str(self.rng.randint(1, int(amount)))
        less = Decimal(amount.value)
        less = less.scaleb(-2) if less.adjusted() > -70 else less
        return amounts.IssuedCurrencyAmount(currency=amount.currency, issuer=amount.issuer, value=str(less))

    def memo(self):
        text = {"memo_data": self.hex(self.rng.randint(1, 60)).lower()}
        if self.rng.random() < 0.5:
            text["memo_type"] = b"text/plain".hex()
        if self.rng.random() < 0.3:
            text["memo_format"] = b"utf-8".hex()
        return transactions.Memo(**text)

    def common(self, number):
        ticket = self.rng.random() < 0.2
        return {
            "account": self.account,
            "fee": str(self.rng.randint(10, 2_000_000)),
            "sequence": 0 if ticket else number,
            "ticket_sequence": number if ticket else None,
            "last_ledger_sequence": self.maybe(lambda: self.rng.randint(1, 2**32 - 1), 0.8),
            "source_tag": self.maybe(self.uint32, 0.3),
            "account_txn_id": None if ticket else self.maybe(lambda: self.hex(32), 0.1),
            "memos": self.maybe(lambda: [self.memo() for _ in range(self.rng.randint(1, 3))], 0.3),
        }

    def path_step(self):
        match self.rng.randrange(3):
            case 0:
                return PathStep(account=self.stranger())
            case 1:
                return PathStep(currency="XRP")
        return PathStep(currency=self.currency(), issuer=self.stranger())

    def paths(self):
        return [[self.path_step() for _ in range(self.rng.randint(1, 8))] for _ in range(self.rng.randint(1, 6))]

    def condition(self):
        """PREIMAGE-SHA-256 of draft-thomas-crypto-conditions-04, and what fulfils it."""
        preimage = self.rng.randbytes(self.rng.randint(1, 64))
        condition = b"\xa0\x25\x80\x20" + hashlib.sha256(preimage).digest() + b"\x81\x01" + bytes([len(preimage)])
        fulfillment = bytes([0xA0, len(preimage) + 2, 0x80, len(preimage)]) + preimage
        return condition.hex().upper(), fulfillment.hex().upper()

    # The types.

    def Payment(self, kind, common):
        parts = {"destination": self.stranger(), "destination_tag": self.maybe(self.uint32), "flags": 0}
        parts["invoice_id"] = self.maybe(lambda: self.hex(32), 0.2)
        match kind:
            case "Payment of XRP":
                parts["amount"] = self.drops()
            case "Payment of an issued currency":
                parts["amount"] = self.issued()
                parts["send_max"] = self.maybe(
                    lambda: amounts.IssuedCurrencyAmount(
                        currency=parts["amount"].currency, issuer=parts["amount"].issuer, value=self.value()
                    )
                )
            case "Payment across currencies":
                given, taken = self.rng.sample([self.drops, self.issued, self.issued], 2)
                parts["amount"], parts["send_max"] = given(), taken()
                parts["paths"] = self.maybe(self.paths, 0.7)
                if self.rng.random() < 0.5:
                    parts["flags"] = PARTIAL_PAYMENT
                    parts["deliver_min"] = self.maybe(lambda: self.at_most(parts["amount"]))
            case "Payment to an X-address":
                parts["amount"] = self.amount()
                tag = parts.pop("destination_tag")
                parts["destination"] = classic_address_to_xaddress(parts["destination"], tag, self.is_test)
        return transactions.Payment(**common, **parts)

    def TrustSet(self, _kind, common):
        limit = amounts.IssuedCurrencyAmount(
            currency=self.currency(), issuer=self.stranger(), value=self.rng.choice(["0", self.value()])
        )
        return transactions.TrustSet(
            **common,
            limit_amount=limit,
            quality_in=self.maybe(self.uint32, 0.3),
            quality_out=self.maybe(self.uint32, 0.3),
            flags=self.rng.choice([0, *TRUST_FLAGS]),
        )

    def AccountSet(self, _kind, common):
        sets = self.maybe(lambda: self.rng.choice(ACCOUNT_FLAGS))
        clears = self.maybe(lambda: self.rng.choice([flag for flag in ACCOUNT_FLAGS if flag != sets]))
        minter = self.rng.random() < 0.1
        return transactions.AccountSet(
            **common,
            set_flag=10 if minter else sets,
            clear_flag=clears,
            nftoken_minter=self.stranger() if minter else None,
            domain=self.maybe(lambda: b"example.com".hex(), 0.3),
            email_hash=self.maybe(lambda: self.hex(16), 0.2),
            message_key=self.maybe(lambda: "03" + self.hex(32), 0.2),
            transfer_rate=self.maybe(lambda: self.rng.choice([0, self.rng.randint(10**9, 2 * 10**9)]), 0.3),
            tick_size=self.maybe(lambda: self.rng.choice([0, self.rng.randint(3, 15)]), 0.3),
        )

    def OfferCreate(self, _kind, common):
        gets, pays = self.rng.sample([self.drops, self.issued, self.issued], 2)
        return transactions.OfferCreate(
            **common,
            taker_gets=gets(),
            taker_pays=pays(),
            expiration=self.maybe(lambda: self.rng.randint(1, 2**32 - 1)),
            offer_sequence=self.maybe(lambda: self.rng.randint(1, 2**32 - 1), 0.3),
            flags=self.rng.choice([0, *OFFER_FLAGS]),
        )

    def OfferCancel(self, _kind, common):
        return transactions.OfferCancel(**common, offer_sequence=self.rng.randint(1, 2**32 - 1))

    def EscrowCreate(self, _kind, common):
        condition = self.maybe(lambda: self.condition()[0])
        finish = self.rng.randint(1, 2**31)
        cancel = finish + self.rng.randint(1, 2**31 - 1)
        return transactions.EscrowCreate(
            **common,
            amount=self.drops(),
            destination=self.stranger(),
            destination_tag=self.maybe(self.uint32),
            condition=condition,
            finish_after=finish if condition is None else self.maybe(lambda: finish),
            cancel_after=cancel if condition else self.maybe(lambda: cancel),
        )

    def EscrowFinish(self, _kind, common):
        condition, fulfillment = self.maybe(self.condition) or (None, None)
        return transactions.EscrowFinish(
            **common,
            owner=self.rng.choice([self.account, self.stranger()]),
            offer_sequence=self.rng.randint(1, 2**32 - 1),
            condition=condition,
            fulfillment=fulfillment,
        )

    def EscrowCancel(self, _kind, common):
        return transactions.EscrowCancel(
            **common, owner=self.rng.choice([self.account, self.stranger()]), offer_sequence=self.rng.randint(1, 2**32 - 1)
        )

    def TicketCreate(self, _kind, common):
        return transactions.TicketCreate(**common, ticket_count=self.rng.randint(1, 250))
