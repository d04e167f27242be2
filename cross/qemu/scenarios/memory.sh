# The ceiling holds under load: with the kernel's limit a tenth above it, 200 turns with the shipped models kill nothing.
ceiling=50000000
configure memory <<END
[memory]
ceiling = "50 MB"
END
limit MemoryHigh=infinity MemoryMax=$((ceiling * 11 / 10)) MemorySwapMax=0
[ "$(status | jq -c .faults)" = '[]' ] || fail "$(status)"
group=/sys/fs/cgroup$(property ControlGroup)
[ -d "$group" ] || group=/sys/fs/cgroup/system.slice/trimtab.service
prompts=("switch the lamp in the kitchen on" "hello" "turn the light in the bathroom off" "what would you put away from the floor?")
for ((turn = 0; turn < 200; turn++)); do
    trimtab ask --conversation "load-$((turn % 8))" "${prompts[turn % 4]}" >/run/answer || fail "turn $turn: $(cat /run/answer)"
done
events=$(cat "$group/memory.events")
grep -qx "oom 0" <<<"$events" && grep -qx "oom_kill 0" <<<"$events" || fail "$events"
peak=$(cat "$group/memory.peak")
[ "$peak" -lt $((ceiling * 11 / 10)) ] || fail "memory.peak is $peak"
[ "$(property NRestarts)" = 0 ] || fail "restarted $(property NRestarts) times"
[ "$(status | jq -r .turns)" = 200 ] || fail "$(status | jq -r .turns) turns instead of 200"
note "memory.peak $peak of $((ceiling * 11 / 10)) bytes, $(tr '\n' ' ' <<<"$events")"
standard
