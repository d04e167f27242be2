# A power monitor that the kernel's own driver reads from a bus is found without being named, turns settle with its joules, and
# what changes while the service runs is seen. The chip is a table in memory (`i2c-stub`), which makes its values ours.
modprobe i2c-dev
modprobe i2c-stub chip_addr=0x40
modprobe ina3221
bus=$(grep -l "SMBus stub" /sys/bus/i2c/devices/i2c-*/name | sed 's#.*/i2c-\([0-9]*\)/name#\1#')
put() { busybox i2cset ${3:-} -y "$bus" 0x40 "$1" "$2" w; }
# Words on the bus have their bytes the other way round: 8 mV over a shunt of 10 milliohms, 11.984 V, all channels on.
put 0x01 0x4006
put 0x02 0xd02e
put 0x00 0x2771
echo ina3221 0x40 >"/sys/bus/i2c/devices/i2c-$bus/new_device"
[ "$(cat /sys/class/hwmon/hwmon*/curr1_input) $(cat /sys/class/hwmon/hwmon*/in1_input)" = "800 11984" ] ||
    fail "the driver reads $(cat /sys/class/hwmon/hwmon*/curr1_input) mA"

restart
chosen=$(as_service trimtab --json meter list)
[ "$(jq -r .chosen <<<"$chosen")" = hwmon ] || fail "not found: $chosen"
power() { status | jq -r .energy.power_uw; }
[ "$(power)" = 9587200 ] || fail "the power is $(power) uW instead of 11.984 V times 800 mA"

# Joules by seconds of a turn, as its record has them. What a reading does not cover yet counts as the most that the board draws, so
# it may be more than the draw where the machine is busy; less it must not be, but for the milliseconds after the last reading.
watts() {
    local record
    record=$(record "$(as_service trimtab --json ask "switch the lamp in the kitchen on")")
    [ "$(jq -r .energy_source.kind <<<"$record")" = measured ] || fail "not measured: $(jq -c .energy_source <<<"$record")"
    jq -r '[.cost.energy, .cost.latency] | "\(.[0] / .[1] / 1000)"' <<<"$record"
}
between() { awk -v value="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(value >= low && value <= high) }'; }
first=$(watts)
between "$first" 9.3 12.5 || fail "a turn was settled with $first W while the board drew 9.6 W"

# Four times the current, under way.
put 0x01 0x0019 -f
seen() { [ "$(power)" = 38348800 ]; }
within 20 seen
second=$(watts)
between "$second" 37.2 50.0 || fail "a turn was settled with $second W while the board drew 38.3 W"
[ "$(status | jq -r .energy.meter_faults)" = 0 ] || fail "$(status | jq -c .energy)"
note "settled with $first W at 9.59 W, with $second W at 38.35 W"

# A chip that goes away is told, never a zero: turns go on and count the most that the board draws.
echo 0x40 >"/sys/bus/i2c/devices/i2c-$bus/delete_device"
troubled() { [ "$(status | jq -r '.energy.trouble // empty')" != "" ]; }
within 30 troubled
note "$(status | jq -r .energy.trouble)"
before=$(status | jq -r .energy.uj)
trimtab ask "hello" >/dev/null
[ "$(status | jq -r .energy.uj)" -gt "$before" ] || fail "without a sensor nothing is counted"
echo ina3221 0x40 >"/sys/bus/i2c/devices/i2c-$bus/new_device"
healed() { ! troubled; }
within 60 healed
[ "$(power)" = 38348800 ] || fail "back, the sensor says $(power) uW"

modprobe -r ina3221 i2c-stub
standard
