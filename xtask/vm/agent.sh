# Mounts the shared folders, runs the command, tells its exit code, ends the machine.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
job=/run/vm
while read -r tag path; do
    mkdir -p "$path"
    mount -t virtiofs "$tag" "$path" || echo "vm: cannot mount $path" >>$job/err
done <$job/shares
echo started >$job/state
cd "$(cat $job/directory)" || cd /
# A raised limit on open files, as a host with a service manager has.
ulimit -Hn 1048576 2>/dev/null
setsid sh $job/command </dev/null >>$job/out 2>>$job/err
echo $? >$job/exit.new
mv $job/exit.new $job/exit
sync
# A kept disk is one of a machine that goes down as a user's does, services first.
[ -e $job/keep ] && [ -e $job/systemd ] && { systemctl poweroff; sleep 1000; }
echo 1 >/proc/sys/kernel/sysrq
[ -e $job/keep ] && { echo u >/proc/sysrq-trigger; sync; }
echo b >/proc/sysrq-trigger
sleep 100
