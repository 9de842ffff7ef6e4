# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kmsign_global_optspecs
    string join \n socket= json timeout= h/help V/version
end

function __fish_kmsign_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kmsign_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kmsign_using_subcommand
    set -l cmd (__fish_kmsign_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kmsign -n "__fish_kmsign_needs_command" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_needs_command" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_needs_command" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_needs_command" -s V -l version -d 'Print version'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "wallet" -d 'Make wallets and look at them'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "key" -d 'Public keys, and signatures over digests'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "sign" -d 'Sign transactions, PSBTs, messages and typed data, shown before they are signed'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "address" -d 'Check addresses'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "policy" -d 'Ask what the policy says'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "audit" -d 'Read and check the audit'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "freeze" -d 'See what stops signing, and let it go on'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "status" -d 'How the daemon is: ready or why not, KMS, store, policy, wallets'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "admin" -d 'Operate the daemon'
complete -c kmsign -n "__fish_kmsign_needs_command" -f -a "call" -d 'Call any method of the API, and print its result as JSON'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "create" -d 'Make a KMS key and the wallet that it is for'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "get" -d 'Show one wallet, by its id, its key\'s ARN or its address'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "list" -d 'List wallets in the order of their creation'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "addresses" -d 'Show every form of a wallet\'s address'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "verify" -d 'Have KMS prove that a wallet still is what the store says'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "disable" -d 'Stop a wallet from signing, at once'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and not __fish_seen_subcommand_from create get list addresses verify disable enable" -f -a "enable" -d 'Let a disabled wallet sign again'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l user -d 'The exchange\'s user' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l asset -d 'The ticker, such as BTC, ETH or POL' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l network -d 'One of the asset\'s networks [default: as the daemon is configured]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l address-type -d 'The address\'s form [default: the asset\'s]' -r -f -a "p2wpkh\t''
p2sh-p2wpkh\t''
p2pkh\t''
eip55\t''
classic\t''
base58\t''
enterprise\t''
base\t''"
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l stake-wallet -d 'ADA alone: the wallet whose key becomes the stake key of a base address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l label -d 'A text for people' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l idempotency-key -d 'Makes a repetition return the same wallet [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -l asset -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -l network -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l user -d 'Only this user\'s' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l asset -d 'Only of this asset' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l network -d 'Only of this network of the asset' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l status -d 'Only in this state' -r -f -a "PENDING\t''
CREATED\t''
DISABLED\t''
PENDING_DELETION\t''
DELETED\t''
FAILED\t''"
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l limit -d 'How many to look at, 1 to 1000' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l all -d 'List them all; with --json a line for each thousand'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from addresses" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from addresses" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from addresses" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from addresses" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from verify" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from verify" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from verify" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l reason -d 'Why, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l reason -d 'Why, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand wallet; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -f -a "public" -d 'Show the public key that the daemon pinned'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -f -a "sign" -d 'Sign 32 bytes as they are'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -f -a "orphans" -d 'List keys in KMS that belong to no wallet, with what is known of them'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -f -a "delete" -d 'Schedule the deletion of a key, with which all that its addresses hold is lost'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and not __fish_seen_subcommand_from public sign orphans delete cancel-deletion" -f -a "cancel-deletion" -d 'Save a key from its deletion; its wallet is disabled then'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from public" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from public" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from public" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from public" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -l request-id -d 'Makes a repetition return the same signature [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from orphans" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from orphans" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from orphans" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from orphans" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l confirm -d 'The wallet\'s address, typed back; on a terminal it is asked for' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l window -d 'Days until KMS deletes it, 7 to 30 [default: as the daemon is configured]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l reason -d 'Why, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand key; and __fish_seen_subcommand_from cancel-deletion" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "evm" -d 'Sign a transaction of Ethereum or a chain like it'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "psbt" -d 'Sign every input of a PSBT'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "message" -d 'Sign a message'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "typed-data" -d 'Sign typed data of EIP-712'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "xrp" -d 'Sign a transaction of the XRP Ledger'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "solana" -d 'Sign a transaction of Solana'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and not __fish_seen_subcommand_from evm psbt message typed-data xrp solana cardano" -f -a "cardano" -d 'Sign a transaction of Cardano'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from evm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l asset -d 'The ticker, such as BTC or LTC' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l network -d 'One of the asset\'s networks [default: as the daemon is configured]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l no-finalize -d 'Leave the signatures in the PSBT, and make no transaction of it'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from psbt" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l wallet -d 'The wallet\'s id' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l address -d 'One of the wallet\'s addresses' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l asset -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l network -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l format -d 'How the signature of a Bitcoin-like wallet is written [default: as its address type has it]' -r -f -a "legacy\t''
bip137\t''
bip322\t''"
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l exact -d 'Sign the file\'s last line break too'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from message" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l wallet -d 'The wallet\'s id' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l address -d 'One of the wallet\'s addresses' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l asset -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l network -d 'Tells apart wallets that share an address' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from typed-data" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l wallet -d 'The wallet\'s id' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l address -d 'One of the wallet\'s addresses' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l multi-sign -d 'Sign as one of several signers of another account'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from xrp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l wallet -d 'The wallet\'s id' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l address -d 'One of the wallet\'s addresses' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from solana" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l wallet -d 'The wallet\'s id' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l address -d 'One of the wallet\'s addresses' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l resolved-inputs -d 'What the inputs are, a JSON list of `{txId, index, address, value}`, so that amounts are checked' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l output -d 'Write the signed transaction, the PSBT or the signature into this new file' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l request-id -d 'Makes a repetition get the same answer [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l on-behalf-of -d 'The end user for whom this is done, recorded in the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l yes -d 'Sign without asking, for scripts'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand sign; and __fish_seen_subcommand_from cardano" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and not __fish_seen_subcommand_from validate" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and not __fish_seen_subcommand_from validate" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and not __fish_seen_subcommand_from validate" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and not __fish_seen_subcommand_from validate" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and not __fish_seen_subcommand_from validate" -f -a "validate" -d 'Tell whether coins of an asset can be sent to an address'
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and __fish_seen_subcommand_from validate" -l network -d 'One of the asset\'s networks [default: as the daemon is configured]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and __fish_seen_subcommand_from validate" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and __fish_seen_subcommand_from validate" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and __fish_seen_subcommand_from validate" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand address; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and not __fish_seen_subcommand_from explain" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and not __fish_seen_subcommand_from explain" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and not __fish_seen_subcommand_from explain" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and not __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and not __fish_seen_subcommand_from explain" -f -a "explain" -d 'Tell what the policy says of a call, without making it'
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and __fish_seen_subcommand_from explain" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and __fish_seen_subcommand_from explain" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and __fish_seen_subcommand_from explain" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand policy; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -f -a "tail" -d 'Show audit records, the last ones or those after a sequence, oldest first'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and not __fish_seen_subcommand_from tail verify" -f -a "verify" -d 'Check the hash chain over the whole audit'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l after -d 'Only records after this sequence' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l limit -d 'How many at most, 1 to 1000' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l follow -d 'Go on with new records as they come; with --json a line for each batch'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from tail" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from verify" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from verify" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -f -a "list" -d 'List the freezes in force'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and not __fish_seen_subcommand_from list lift" -f -a "lift" -d 'Lift a freeze, so that signing goes on'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from list" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from list" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from list" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l reason -d 'Why, for the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l request-id -d 'Makes a repetition safe [default: a new one, told on standard error]' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l on-behalf-of -d 'The exchange\'s own end user, for the audit' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand freeze; and __fish_seen_subcommand_from lift" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand status" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand status" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand status" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand status" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and not __fish_seen_subcommand_from reload" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and not __fish_seen_subcommand_from reload" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and not __fish_seen_subcommand_from reload" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and not __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and not __fish_seen_subcommand_from reload" -f -a "reload" -d 'Read configuration and policy again; a bad file changes nothing'
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and __fish_seen_subcommand_from reload" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and __fish_seen_subcommand_from reload" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and __fish_seen_subcommand_from reload" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand admin; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c kmsign -n "__fish_kmsign_using_subcommand call" -l socket -d 'The daemon\'s socket' -r -F
complete -c kmsign -n "__fish_kmsign_using_subcommand call" -l timeout -d 'How long to wait for an answer' -r
complete -c kmsign -n "__fish_kmsign_using_subcommand call" -l json -d 'Print each result as one line of JSON; errors too, on standard error'
complete -c kmsign -n "__fish_kmsign_using_subcommand call" -s h -l help -d 'Print help'
