# Removed, the package leaves its configuration and its ledger; purged, nothing but its user.
echo '# mine' >/etc/trimtab/config.d/mine.toml
dpkg -r trimtab
[ ! -e /usr/bin/trimtab ] || fail "the program is still there"
[ -e /etc/trimtab/trimtab.toml ] && [ -e /var/lib/trimtab/ledger.sqlite ] || fail "a removal takes configuration or ledger"
pgrep -x trimtab && fail "the service still runs"
[ -e /etc/trimtab/config.d/mine.toml ] || fail "a removal takes what is the administrator's"
rm /etc/trimtab/config.d/*.toml

dpkg -P trimtab
left=$(find / -xdev -path '*trimtab*' ! -path '/proc/*' ! -path '/var/lib/systemd/*' ! -path '/dev/*' 2>/dev/null || true)
[ -z "$left" ] || fail "left: $left"
[ "$(dpkg-query -W -f '${db:Status-Status}' trimtab 2>/dev/null || echo gone)" = gone ] || fail "dpkg still knows it"
[ "$(systemctl show trimtab --property LoadState --value)" = not-found ] || fail "systemd still knows it: $(systemctl show trimtab --property LoadState --value)"
id trimtab >/dev/null || fail "the user is gone: files of its own would be nobody's"
