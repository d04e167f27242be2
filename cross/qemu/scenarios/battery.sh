# A board with nothing but a battery's gauge: it is found by itself, turns settle with its joules, and while it is charged its
# figures are not taken for the board's draw.
modprobe test_power
set_to() { printf '%s' "$2" >"/sys/module/test_power/parameters/$1"; }
set_to ac_online off
set_to usb_online off
set_to battery_status discharging
set_to battery_voltage 12000000
set_to battery_current -1500000
[ "$(cat /sys/class/power_supply/test_battery/status)" = Discharging ] || fail "the kernel's battery does not discharge"

restart
chosen=$(as_service trimtab --json meter list)
[ "$(jq -r .chosen <<<"$chosen")" = battery ] || fail "not found: $chosen"
power() { status | jq -r .energy.power_uw; }
[ "$(power)" = 18000000 ] || fail "the power is $(power) uW instead of 12 V times 1.5 A"
record=$(record "$(as_service trimtab --json ask "switch the lamp in the kitchen on")")
[ "$(jq -r .energy_source.kind <<<"$record")" = measured ] || fail "not measured: $(jq -c .energy_source <<<"$record")"
jq -e '.cost.energy / .cost.latency / 1000 | . > 14 and . < 36' <<<"$record" >/dev/null ||
    fail "settled with something else than 18 W: $(jq -c .cost <<<"$record")"

set_to battery_current -3000000
seen() { [ "$(power)" = 36000000 ]; }
within 30 seen

set_to battery_status charging
refused() { status | jq -r '.energy.trouble // empty' | grep -q Charging; }
within 30 refused
note "$(status | jq -r .energy.trouble)"

standard
modprobe -r test_power
