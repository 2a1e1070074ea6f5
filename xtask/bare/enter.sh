# enter.sh ROOT TOOLCHAIN CARGO_HOME SCRATCH: becomes the tree's first process. In namespaces of its own.
root=$1 toolchain=$2 cargo=$3 scratch=$4
mount --make-rprivate /
# A chroot whose root is a mount point, as a machine's is.
mount --bind "$root" "$root"
mkdir -p "$root/opt/rust" "$root/opt/cargo" "$scratch/upper" "$scratch/work"
mount --bind "$toolchain" "$root/opt/rust"
mount -o remount,bind,ro "$root/opt/rust"
# What cargo downloaded is read; what it unpacks is written elsewhere.
mount -t overlay -o "lowerdir=$cargo,upperdir=$scratch/upper,workdir=$scratch/work" cargo "$root/opt/cargo"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
hostname bare
exec env -i PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
    CARGO_HOME=/opt/cargo CARGO_NET_OFFLINE=true chroot "$root" sh -eu /inside.sh
