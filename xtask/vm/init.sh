#!/bin/sh
# PID 1 of a machine without systemd: what a container engine expects of a host, then the agent.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mkdir -p /dev/pts /dev/shm /dev/mqueue /run/lock
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev shm /dev/shm
mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
mount -t bpf -o nosuid,nodev,noexec,mode=700 bpf /sys/fs/bpf
c=/sys/fs/cgroup
mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 $c
# Controllers can be handed down only from a group without processes.
mkdir $c/init && echo 1 >$c/init/cgroup.procs
for x in $(cat $c/cgroup.controllers); do echo +$x >$c/cgroup.subtree_control; done
ln -sf /proc/self/fd /dev/fd
hostname vm
ip link set lo up
/bin/sh /run/vm/agent &
while :; do
    wait
    busybox usleep 50000
done
