"""Transactions at random by pycardano's TransactionBuilder, each with what its inputs are."""

from dataclasses import dataclass, field
from fractions import Fraction

from pycardano import (
    Address,
    AlonzoMetadata,
    Asset,
    AssetName,
    AuxiliaryData,
    ChainContext,
    DRep,
    DRepKind,
    GenesisParameters,
    InvalidHereAfter,
    Metadata,
    MultiAsset,
    PaymentSigningKey,
    PoolKeyHash,
    ProtocolParameters,
    ScriptAll,
    ScriptHash,
    ScriptPubkey,
    StakeAndVoteDelegation,
    StakeCredential,
    StakeDelegation,
    StakeDeregistrationConway,
    StakeRegistration,
    StakeRegistrationConway,
    Transaction,
    TransactionBuilder,
    TransactionId,
    TransactionInput,
    TransactionOutput,
    UTxO,
    Value,
    VerificationKeyHash,
    VoteDelegation,
    Withdrawals,
)

SLOT = 100_000
KEY_DEPOSIT = 2_000_000
KINDS = [
    "one input and one output",
    "several inputs and outputs",
    "native tokens",
    "validity interval",
    "metadata",
    "tokens minted and burned by a native script",
    "withdrawal",
    "stake registration",
    "stake deregistration",
    "stake delegation",
    "vote delegation",
    "required signer",
    "collateral and a reference input",
    "several signers",
]


class Offline(ChainContext):
    """The main network's parameters, and no node."""

    def __init__(self, network):
        self._network = network

    @property
    def network(self):
        return self._network

    @property
    def last_block_slot(self):
        return SLOT

    @property
    def epoch(self):
        return 500

    @property
    def genesis_param(self):
        return GenesisParameters(Fraction(1, 20), 5, 45 * 10**15, 764824073, 432_000, 1506203091, 129_600, 1, 62, 2160)

    @property
    def protocol_param(self):
        return ProtocolParameters(
            min_fee_constant=155_381, min_fee_coefficient=44, max_block_size=90_112, max_tx_size=16_384,
            max_block_header_size=1_100, key_deposit=KEY_DEPOSIT, pool_deposit=500_000_000, pool_influence=Fraction(3, 10),
            monetary_expansion=Fraction(3, 1000), treasury_expansion=Fraction(1, 5), decentralization_param=Fraction(0),
            extra_entropy="", protocol_major_version=9, protocol_minor_version=0, min_utxo=0, min_pool_cost=170_000_000,
            price_mem=Fraction(577, 10_000), price_step=Fraction(721, 10_000_000), max_tx_ex_mem=14_000_000,
            max_tx_ex_steps=10**10, max_block_ex_mem=62_000_000, max_block_ex_steps=2 * 10**10, max_val_size=5_000,
            collateral_percent=150, max_collateral_inputs=3, coins_per_utxo_word=34_482, coins_per_utxo_byte=4_310,
            cost_models={}, min_fee_reference_scripts={"base": 15, "range": 25600, "multiplier": 1.2},
        )  # fmt: skip


@dataclass
class Built:
    kind: str
    transaction: Transaction
    spent: list  # UTxOs, collateral among them
    referred: list = field(default_factory=list)
    wallets: list = field(default_factory=list)  # of the daemon, in no order
    others: list = field(default_factory=list)  # signing keys of pycardano
    # What the ledger adds to the inputs, less what it takes for deposits, in lovelace. pallas-validate counts neither.
    beside: int = 0


def built(rng, kind, wallets, base_wallets):
    """Of a network: `wallets` with enterprise addresses, `base_wallets` with base addresses (and `stake`, an enterprise one)."""
    return Maker(rng, kind, wallets, base_wallets).make()


class Maker:
    def __init__(self, rng, kind, wallets, base_wallets):
        self.rng, self.kind, self.enterprise, self.base = rng, kind, wallets, base_wallets
        self.wallet = rng.choice([*wallets, *base_wallets])
        self.network = self.wallet.parsed.network
        self.builder = TransactionBuilder(Offline(self.network))
        # Above what the builder thinks the fee is: what is put in after it has built may be some bytes longer.
        self.builder.fee_buffer = 2_000
        self.result = Built(kind, None, [], wallets=[self.wallet])

    def hash(self, length):
        return self.rng.randbytes(length)

    def utxo(self, address, value):
        spent = TransactionInput(TransactionId(self.hash(32)), self.rng.randrange(0, 4))
        return UTxO(spent, TransactionOutput(address, value, post_alonzo=self.rng.random() < 0.5))

    def spend(self, address=None, lovelace=None, tokens=None):
        lovelace = lovelace or self.rng.randint(20 * 10**6, 10 ** self.rng.randint(8, 13))
        spent = self.utxo(address or self.wallet.parsed, Value(lovelace, tokens) if tokens else Value(lovelace))
        self.builder.add_input(spent)
        self.result.spent.append(spent)

    def stranger(self):
        """An address of each kind that can be paid."""
        payment = self.rng.choice([VerificationKeyHash, ScriptHash])(self.hash(28))
        stake = self.rng.choice([None, VerificationKeyHash(self.hash(28)), ScriptHash(self.hash(28))])
        return Address(payment, stake, network=self.network)

    def pay(self, tokens=None):
        lovelace = self.rng.randint(2 * 10**6, 5 * 10**6)
        value = Value(lovelace, tokens) if tokens else Value(lovelace)
        self.builder.add_output(TransactionOutput(self.stranger(), value, post_alonzo=self.rng.random() < 0.5))

    def tokens(self):
        names = [b"", b"kmsignd", self.hash(32)]
        return MultiAsset(
            {
                ScriptHash(self.hash(28)): Asset(
                    {AssetName(name): self.rng.randint(2, 2**40) for name in self.rng.sample(names, 2)}
                )
                for _ in range(self.rng.randint(1, 3))
            }
        )

    def other_signer(self):
        key = PaymentSigningKey.from_primitive(self.hash(32))
        self.result.others.append(key)
        return key.to_verification_key().hash()

    def stake_credential(self):
        """Of the wallet's stake part, else of the wallet's own key."""
        holder = getattr(self.wallet, "stake", None) or self.wallet
        if holder not in self.result.wallets:
            self.result.wallets.append(holder)
        return StakeCredential(holder.hash)

    def make(self):
        """What each kind has of its own; then the change."""
        if self.kind != "native tokens":
            self.spend()
        match self.kind:
            case "several inputs and outputs":
                for _ in range(self.rng.randint(1, 5)):
                    self.spend()
                for _ in range(self.rng.randint(1, 5)):
                    self.pay()
            case "native tokens":
                tokens = self.tokens()
                self.spend(tokens=tokens)
                half = {policy: Asset({name: (amount + 1) // 2 for name, amount in of.items()}) for policy, of in tokens.items()}
                self.pay(MultiAsset(half))
            case "validity interval":
                self.builder.ttl = SLOT + self.rng.randint(1, 10**6)
                self.builder.validity_start = self.rng.choice([None, SLOT - self.rng.randint(0, 1000)])
            case "metadata":
                metadata = Metadata({674: {"msg": ["invoice 42", "thanks"]}, 1: [1, -2, self.hash(8)]})
                self.builder.auxiliary_data = AuxiliaryData(self.rng.choice([metadata, AlonzoMetadata(metadata)]))
            case "tokens minted and burned by a native script":
                self.mint()
            case "withdrawal":
                account = Address(staking_part=self.stake_credential().credential, network=self.network)
                amount = self.rng.randint(0, 10**7)
                self.builder.withdrawals = Withdrawals({bytes(account): amount})
                self.result.beside = amount
            case "stake registration":
                # The older one is signed by nobody, so the stake wallet must not be asked.
                older = self.rng.random() < 0.3
                credential = StakeCredential(self.wallet.hash) if older else self.stake_credential()
                self.builder.certificates = [
                    StakeRegistration(credential) if older else StakeRegistrationConway(credential, KEY_DEPOSIT)
                ]
                self.result.beside = -KEY_DEPOSIT
            case "stake deregistration":
                self.builder.certificates = [StakeDeregistrationConway(self.stake_credential(), KEY_DEPOSIT)]
                self.result.beside = KEY_DEPOSIT
            case "stake delegation":
                self.builder.certificates = [StakeDelegation(self.stake_credential(), PoolKeyHash(self.hash(28)))]
            case "vote delegation":
                to = DRep(DRepKind.ALWAYS_ABSTAIN)
                self.builder.certificates = self.rng.choice(
                    [
                        lambda: [VoteDelegation(self.stake_credential(), to)],
                        lambda: [StakeAndVoteDelegation(self.stake_credential(), PoolKeyHash(self.hash(28)), to)],
                    ]
                )()
            case "required signer":
                also = self.rng.choice([wallet for wallet in self.enterprise if wallet != self.wallet])
                self.builder.required_signers = [also.hash]
                self.result.wallets.append(also)
            case "collateral and a reference input":
                kept = self.utxo(self.wallet.parsed, Value(5_000_000))
                self.builder.collaterals.append(kept)
                self.result.spent.append(kept)
                read = self.utxo(self.stranger(), Value(5_000_000))
                self.builder.reference_inputs.add(read)
                self.result.referred.append(read)
            case "several signers":
                second = self.rng.choice([wallet for wallet in self.enterprise if wallet != self.wallet])
                self.spend(second.parsed)
                self.result.wallets.append(second)
                self.spend(Address(self.other_signer(), network=self.network))
        self.pay()
        body = self.builder.build(change_address=self.wallet.parsed)
        if self.kind == "stake deregistration":
            # The builder does not know that the deposit comes back.
            body.outputs[-1].amount.coin += KEY_DEPOSIT
        body.network_id = self.rng.choice([None, self.network])
        self.result.transaction = Transaction(body, self.builder.build_witness_set(), auxiliary_data=self.builder.auxiliary_data)
        return self.result

    def mint(self):
        script = ScriptPubkey(self.wallet.hash)
        if self.rng.random() < 0.5:
            self.builder.ttl = SLOT + 1000
            script = ScriptAll([script, InvalidHereAfter(SLOT + 2000)])
        policy = script.hash()
        burned = MultiAsset({policy: Asset({AssetName(b"old"): 50})})
        self.spend(tokens=burned)
        self.builder.native_scripts = [script]
        self.builder.mint = MultiAsset({policy: Asset({AssetName(b"new"): self.rng.randint(1, 2**40), AssetName(b"old"): -20})})
