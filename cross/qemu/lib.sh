# Functions for the scenarios of the emulated board; this goes before each of them.
set -euo pipefail

fail() {
    echo "$*"
    exit 1
}

# What the report shows of a scenario that passed.
note() { echo "note: $*"; }

# within SECONDS COMMAND...: tries until it succeeds; never a fixed wait, because an emulated board may be ten times slower.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "not in time: $*"
        sleep 0.5
    done
}

# As the service's user, which has no rights but its groups.
as_service() { setpriv --reuid trimtab --regid trimtab --init-groups --no-new-privs -- "$@"; }

property() { systemctl show trimtab --property "$1" --value; }

active() { [ "$(property ActiveState)" = active ]; }

# configure NAME: replaces a file of config.d by standard input and starts the service anew.
configure() {
    cat >"/etc/trimtab/config.d/$1.toml"
    trimtab config check >/run/check || fail "$(cat /run/check)"
    restart
}

# limit DIRECTIVE...: replaces the unit's limits and starts the service anew.
limit() {
    mkdir -p /etc/systemd/system/trimtab.service.d
    { echo "[Service]"; printf '%s\n' "$@"; } >/etc/systemd/system/trimtab.service.d/limit.conf
    systemctl daemon-reload
    restart
}

restart() {
    systemctl reset-failed trimtab
    systemctl restart trimtab || { journalctl -u trimtab --no-pager -q -n 30; fail "the service does not start"; }
}

# Back to what the package installs, but for the time of a turn: what was measured while the host was busy must not refuse one.
standard() {
    rm -f /etc/trimtab/config.d/*.toml
    printf '[turn]\ntime = "10 min"\n' >/etc/trimtab/config.d/board.toml
    rm -rf /etc/systemd/system/trimtab.service.d
    systemctl daemon-reload
    restart
}

# The record of the newest turn of an answer in JSON.
record() { trimtab --json explain "$(jq -r .turn <<<"$1")"; }

status() { trimtab --json status; }
