#!/bin/sh
# Steps of a test of a whole machine, for machine-test.nix and the lab: machine-steps.sh STEP, as
# the account that has the stack web. Each ends with 0 if all is as it should be.
set -eu
unit=web.service
file=$HOME/.config/systemd/user/$unit

# evaluates ARG…: an audit with these arguments ends with the exit status $want.
evaluates() {
    status=0
    stackpolicy eval "$@" >"$HOME/report" 2>&1 || status=$?
    [ "$status" = "$want" ] || {
        echo "exit status $status, want $want"
        cat "$HOME/report"
        exit 1
    }
}

case $1 in
running)
    systemctl --user is-active --quiet "$unit"
    podman ps --format '{{.Labels}}' | grep -q 'com.docker.compose.project:web'
    ;;
secret)
    # The stack's first start succeeded, after the unit that writes the secret.
    [ "$(systemctl --user show --property=NRestarts --value "$unit")" = 0 ]
    systemctl --user show --property=After --value "$unit" | grep -qw sops-nix.service
    ;;
healthy)
    want=0 && evaluates
    ;;
drift)
    # Somebody changes the unit by hand, in a file with a higher priority.
    mkdir -p "$file.d"
    printf '[Service]\nEnvironment=BY=hand\n' >"$file.d/50-by-hand.conf"
    want=2 && evaluates
    grep -q 'dropins_owned' "$HOME/report"
    rm -r "$file.d"
    # What is loaded is not what is on disk.
    systemctl --user daemon-reload
    mkdir -p "$file.d" && printf '[Service]\nEnvironment=BY=hand\n' >"$file.d/50-by-hand.conf"
    systemctl --user daemon-reload
    rm -r "$file.d"
    ;;
heal)
    sleep 3 # a rule relies on files only when they have not changed for two seconds
    want=0 && evaluates --enforce
    grep -q 'HEALED' "$HOME/report"
    ;;
alarmed)
    status=0
    stackpolicy eval >"$HOME/report" 2>&1 || status=$?
    [ "$status" = 1 ] || [ "$status" = 2 ] # a ticket where the containers still run
    grep -q "$unit" "$HOME/report"
    ;;
*)
    echo "no step $1" >&2
    exit 3
    ;;
esac
