# The service's unprivileged user and a member of its group are answered by the shipped models; others are not let in.
answer=$(as_service trimtab --json ask "switch the lamp in the kitchen on")
[ "$(jq -r .placement <<<"$answer")" = local ] || fail "not answered here: $answer"
[ -n "$(jq -r '.answer // empty' <<<"$answer")" ] || fail "no answer: $answer"
record=$(record "$answer")
[ "$(jq -r '.views | length' <<<"$record")" = 1 ] || fail "the test picture was not looked at: $record"
[ "$(jq -r .finish <<<"$record")" != lost ] || fail "$record"
[ "$(status | jq -c .faults)" = '[]' ] || fail "$(status)"
note "$(jq -r .answer <<<"$answer"), $(jq -r '.cost.latency' <<<"$record") ms"

nobody() { setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"; }
nobody trimtab ask "hello" && fail "a stranger is let in by the socket"
[ "$(nobody trimtab ask hello >/dev/null 2>&1; echo $?)" = 3 ] || fail "a stranger is told something else than that nobody answers"
nobody trimtab --url http://127.0.0.1:8088 --json ask "switch the lamp in the kitchen on" >/dev/null
