#!/bin/busybox sh
# The initial ram disk: modules, the root disk, the shared job folder, then the init it names.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for m in /modules/*; do
    case $m in
    *.xz) $b xz -dc $m >/m.ko && $b insmod /m.ko ;;
    *) $b insmod $m ;;
    esac
done
n=0
while [ ! -e /dev/vda ]; do
    n=$((n + 1))
    [ $n -lt 500 ] || { echo "vm: no root disk"; $b poweroff -f; }
    $b usleep 20000
done
$b mount -t ext4 -o noatime /dev/vda /newroot
$b mount -t tmpfs -o mode=755,nosuid,nodev run /newroot/run
$b mkdir -p /newroot/run/vm
$b mount -t virtiofs job /newroot/run/vm || { echo "vm: no job folder"; $b poweroff -f; }
init=/run/vm/init
if [ -e /newroot/run/vm/systemd ]; then
    $b mkdir -p /newroot/run/systemd/system/multi-user.target.wants
    $b cp /newroot/run/vm/command.service /newroot/run/systemd/system/
    $b ln -s ../command.service /newroot/run/systemd/system/multi-user.target.wants/
    init=/lib/systemd/systemd
fi
$b umount /proc
$b umount /sys
$b mount -o move /dev /newroot/dev
exec $b switch_root /newroot $init
