# The service is watched: what stands still is ended and started again. What it has written survives that, and a restart.
limit WatchdogSec=10s
trimtab ask "switch the lamp in the kitchen on"
first=$(status | jq -r .boot)

pid=$(property MainPID)
kill -STOP "$pid"
replaced() { [ "$(property MainPID)" != "$pid" ] && [ "$(property MainPID)" != 0 ] && active; }
within 150 replaced
[ "$(property NRestarts)" -ge 1 ] || fail "not restarted"
journalctl -u trimtab -q --no-pager | grep -q "Watchdog timeout" || fail "it was not the watchdog"
[ "$(status | jq -r .boot)" -gt "$first" ] || fail "the ledger begins anew"

# A watchdog that is fed stays quiet: longer than its patience.
pid=$(property MainPID)
sleep 15
[ "$(property MainPID)" = "$pid" ] || fail "a living service was restarted"

limit
turn=$(trimtab --json ask "switch the lamp in the kitchen on" | jq -r .turn)
before=$(trimtab --json explain "$turn")
systemctl restart trimtab
[ "$(trimtab --json explain "$turn")" = "$before" ] || fail "the record of $turn is another one after a restart"
journalctl -u trimtab -q --no-pager | grep -q ": stopping" || fail "it did not stop in order"

# A wrong configuration is no reason to try again for ever.
echo 'nonsense = 1' >/etc/trimtab/config.d/wrong.toml
systemctl restart trimtab && fail "a wrong configuration is taken"
sleep 5
[ "$(property ActiveState) $(property ExecMainStatus) $(property NRestarts)" = "failed 78 0" ] ||
    fail "$(property ActiveState) $(property ExecMainStatus) $(property NRestarts) after a wrong configuration"
journalctl -u trimtab -q --no-pager -n 5 | grep -q "wrong.toml:1" || fail "it does not say what is wrong"
standard
