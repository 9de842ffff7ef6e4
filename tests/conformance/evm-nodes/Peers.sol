// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.26;

/// What the transactions of the test pay with.
contract Token {
    event Transfer(address indexed from, address indexed to, uint256 amount);

    mapping(address => uint256) public balanceOf;

    constructor(uint256 supply) {
        balanceOf[msg.sender] = supply;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        emit Transfer(msg.sender, to, amount);
        return true;
    }
}

/// What an account is delegated to.
contract Delegate {
    function whoAmI() external view returns (address) {
        return address(this);
    }
}

/// Recovers who signed, as contracts do that take signatures.
contract Signatures {
    struct Person {
        string name;
        address wallet;
    }

    struct Mail {
        Person from;
        Person[] to;
        string contents;
        uint256[2] amounts;
        bytes attachment;
    }

    bytes32 constant PERSON = keccak256("Person(string name,address wallet)");
    bytes32 constant MAIL =
        keccak256(
            "Mail(Person from,Person[] to,string contents,uint256[2] amounts,bytes attachment)Person(string name,address wallet)"
        );
    bytes32 constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// EIP-191, version 0x45.
    function personal(bytes calldata message, bytes calldata signature) external pure returns (address) {
        bytes memory prefix = abi.encodePacked("\x19Ethereum Signed Message:\n", decimal(message.length));
        return recover(keccak256(abi.encodePacked(prefix, message)), signature);
    }

    /// EIP-712, of this chain and this contract.
    function typed(Mail calldata mail, bytes calldata signature) external view returns (address) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN, keccak256("Peers"), keccak256("1"), block.chainid, address(this)));
        bytes32[] memory to = new bytes32[](mail.to.length);
        for (uint256 i = 0; i < to.length; i++) to[i] = person(mail.to[i]);
        bytes32 content = keccak256(
            abi.encode(
                MAIL,
                person(mail.from),
                keccak256(abi.encodePacked(to)),
                keccak256(bytes(mail.contents)),
                keccak256(abi.encodePacked(mail.amounts)),
                keccak256(mail.attachment)
            )
        );
        return recover(keccak256(abi.encodePacked("\x19\x01", domain, content)), signature);
    }

    function person(Person calldata who) private pure returns (bytes32) {
        return keccak256(abi.encode(PERSON, keccak256(bytes(who.name)), who.wallet));
    }

    function decimal(uint256 number) private pure returns (bytes memory digits) {
        do {
            digits = abi.encodePacked(uint8(48 + (number % 10)), digits);
            number /= 10;
        } while (number != 0);
    }

    function recover(bytes32 digest, bytes calldata signature) private pure returns (address) {
        require(signature.length == 65, "length");
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}
