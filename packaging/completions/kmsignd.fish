# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kmsignd_global_optspecs
    string join \n h/help V/version
end

function __fish_kmsignd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kmsignd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kmsignd_using_subcommand
    set -l cmd (__fish_kmsignd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kmsignd -n "__fish_kmsignd_needs_command" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "serve" -d 'Serve on the Unix socket until SIGTERM. SIGHUP reads configuration and policy again'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "check-config" -d 'Check configuration and policy, and serve nothing. Exits with 78 if something is wrong'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "backup" -d 'Copy the store into a new file, whole and checked, while the daemon serves'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "restore" -d 'Rebuild the store from MongoDB, from KMS or from a backup. It starts frozen: nothing signs before `kmsign freeze lift`'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "dev" -d 'Serve with an embedded KMS, nothing to install. Its keys lie in the clear: for development only'
complete -c kmsignd -n "__fish_kmsignd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand serve" -l config -d 'The configuration file' -r -F
complete -c kmsignd -n "__fish_kmsignd_using_subcommand serve" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand serve" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand check-config" -l config -d 'The configuration file' -r -F
complete -c kmsignd -n "__fish_kmsignd_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand check-config" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand backup" -l config -d 'The configuration file' -r -F
complete -c kmsignd -n "__fish_kmsignd_using_subcommand backup" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand backup" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand restore" -l from -d '`mongodb`, `kms`, or a file that `kmsignd backup` made' -r
complete -c kmsignd -n "__fish_kmsignd_using_subcommand restore" -l config -d 'The configuration file' -r -F
complete -c kmsignd -n "__fish_kmsignd_using_subcommand restore" -l json -d 'Print the report as one JSON object'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand restore" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand restore" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -l dir -d 'Where socket, database, keys and policy are kept; made if it is not there. With --demo alone, a temporary one' -r -F
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -l mongodb-uri -d 'Copy the wallets to this MongoDB, as the configuration\'s `[sync]` would. Everybody on this machine can read a command line: put a password into the variable instead' -r
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -l kms-only -d 'Serve the embedded KMS alone, on this loopback address' -r
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -l demo -d 'Make a wallet for each asset, sign with each, check each signature with another library, print a table, and exit'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -l allow-mainnet -d 'Also make wallets of main networks, whose keys then lie in the clear on this machine'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -s h -l help -d 'Print help'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand dev" -s V -l version -d 'Print version'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "serve" -d 'Serve on the Unix socket until SIGTERM. SIGHUP reads configuration and policy again'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "check-config" -d 'Check configuration and policy, and serve nothing. Exits with 78 if something is wrong'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "backup" -d 'Copy the store into a new file, whole and checked, while the daemon serves'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "restore" -d 'Rebuild the store from MongoDB, from KMS or from a backup. It starts frozen: nothing signs before `kmsign freeze lift`'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "dev" -d 'Serve with an embedded KMS, nothing to install. Its keys lie in the clear: for development only'
complete -c kmsignd -n "__fish_kmsignd_using_subcommand help; and not __fish_seen_subcommand_from serve check-config backup restore dev help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
