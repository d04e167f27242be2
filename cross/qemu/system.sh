#!/bin/sh
# Makes the disk of the emulated board from Debian's packages, as an ordinary user under fakeroot:
#   system.sh PACKAGES MODULES FILES ROOT IMAGE
# PACKAGES holds .deb files, MODULES what belongs below /usr/lib/modules, FILES this folder. No script of a package is run; what
# the scripts would have done and the board needs is done here.
set -eu
packages=$1 modules=$2 files=$3 root=$4 image=$5

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
for folder in bin sbin lib; do ln -s "usr/$folder" "$root/$folder"; done

for package in "$packages"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root" \
        --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/info --exclude=./usr/share/locale
    # dpkg takes the package for installed.
    dpkg-deb --field "$package" | sed '/^Package:/a Status: install ok installed'
    echo
    name=$(dpkg-deb --field "$package" Package)
    if [ "$(dpkg-deb --field "$package" Multi-Arch)" = same ]; then name=$name:arm64; fi
    dpkg-deb --fsys-tarfile "$package" | tar -t | sed 's#^\.##; s#/$##; s#^$#/.#' >"$root/var/lib/dpkg/info/$name.list"
done >"$root/var/lib/dpkg/status"

cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
# As the scripts of udev and i2c-tools make them.
printf 'input:x:101:\nsgx:x:102:\nkvm:x:103:\nrender:x:104:\ni2c:x:105:\nsystemd-journal:x:106:\n' >>"$root/etc/group"
sed 's#^\([^:]*\):.*#\1:*:19000:0:99999:7:::#' "$root/etc/passwd" >"$root/etc/shadow"
sed 's#^\([^:]*\):.*#\1:*::#' "$root/etc/group" >"$root/etc/gshadow"
chmod 0640 "$root/etc/shadow" "$root/etc/gshadow"
cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
ln -sf mawk "$root/usr/bin/awk"
[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
echo board >"$root/etc/hostname"
printf '127.0.0.1 localhost board\n' >"$root/etc/hosts"
echo 00000000000000000000000000000001 >"$root/etc/machine-id"
: >"$root/etc/fstab"

mkdir -p "$root/usr/lib/modules"
cp -r "$modules"/. "$root/usr/lib/modules"
units=$root/etc/systemd/system
mkdir -p "$units/multi-user.target.wants"
for unit in board.service console.service; do
    cp "$files/$unit" "$units/$unit"
    ln -s "../$unit" "$units/multi-user.target.wants/$unit"
done
# Nobody logs in, and nothing is to be fetched, swapped or checked.
for unit in systemd-logind.service systemd-firstboot.service systemd-pstore.service getty.target fstrim.timer dpkg-db-backup.timer \
    apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer proc-sys-fs-binfmt_misc.automount systemd-hwdb-update.service; do
    ln -sf /dev/null "$units/$unit"
done

rm -f "$image"
truncate -s 1G "$image"
/sbin/mke2fs -q -F -t ext4 -L board -E lazy_itable_init=0,lazy_journal_init=0 -d "$root" "$image"
