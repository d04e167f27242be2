# The package installs by dpkg alone, makes its user and starts its unit, which tells the service manager that it is ready.
dpkg -i /run/board/trimtab.deb
[ "$(dpkg-query -W -f '${db:Status-Status}' trimtab)" = installed ] || fail "the package is half installed"
within 60 active
for expected in Type=notify SubState=running User=trimtab UnitFileState=enabled NotifyAccess=main NRestarts=0; do
    [ "$(property "${expected%%=*}")" = "${expected#*=}" ] || fail "not $expected but $(property "${expected%%=*}")"
done
[ "$(property StatusText)" = "serving http://127.0.0.1:8088" ] || fail "the service says: $(property StatusText)"
for group in video render i2c gpio dialout; do
    id -nG trimtab | tr ' ' '\n' | grep -qx "$group" || fail "trimtab is not in $group: $(id trimtab)"
done
[ "$(dpkg-query -W -f '${Conffiles}' trimtab | awk '{print $1}')" = /etc/trimtab/trimtab.toml ] || fail "no configuration file"
trimtab config check

# It keeps what it may change to its own folders, and the sandbox is really on.
[ "$(stat -c '%U %a' /var/lib/trimtab)" = "trimtab 750" ] || fail "/var/lib/trimtab is $(stat -c '%U %a' /var/lib/trimtab)"
pid=$(property MainPID)
[ "$(awk '/^NoNewPrivs/ {print $2}' "/proc/$pid/status")" = 1 ] || fail "may get new privileges"
[ "$(awk '/^CapBnd/ {print $2}' "/proc/$pid/status")" = 0000000000000000 ] || fail "keeps capabilities"
[ "$(awk '/^Seccomp:/ {print $2}' "/proc/$pid/status")" = 2 ] || fail "no filter of system calls"
note "$(dpkg-query -W -f 'installed ${Installed-Size} KiB' trimtab), $(systemd-analyze security trimtab --no-pager 2>/dev/null | tail -n 1 | sed 's/^.* Overall/overall/')"
standard
