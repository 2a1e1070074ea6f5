# What a newcomer types, and what he must see.
fail() {
    echo "bare: $*" >&2
    exit 1
}
now() { date +%s%N; }
since() { echo $((($(now) - $1) / 1000000)); }

for program in ip iptables nft busybox git curl python3; do
    ! command -v $program >/dev/null || fail "the tree is not bare: it has $program"
done
cd /src

start=$(now)
cargo xtask run >/tmp/hello || fail "cargo xtask run failed"
cold=$(since "$start")
grep -q 'Hello from Gantry!' /tmp/hello || fail "no greeting: $(cat /tmp/hello)"
[ -d target/engine ] || fail "the engine is not under target/engine"

start=$(now)
cargo xtask run ps -a >/tmp/ps || fail "cargo xtask run ps -a failed"
warm=$(since "$start")
[ "$(wc -l </tmp/ps)" = 1 ] || fail "a container was left: $(cat /tmp/ps)"

cargo xtask run run --rm -i gantry/hello cat <Cargo.lock >/tmp/lock || fail "cat failed"
cmp Cargo.lock /tmp/lock || fail "a stream came back changed"
code=0
cargo xtask run run --rm gantry/hello exit 7 || code=$?
[ $code = 7 ] || fail "exit code 7 came back as $code"
cargo xtask run run -d -p 8080:80 gantry/hello serve 80

cargo xtask run engine stop --all || fail "cargo xtask run engine stop --all failed"
for process in /proc/[0-9]*/cmdline; do
    case $(tr '\0' ' ' <"$process" 2>/dev/null) in
    *gantryd* | *containerd-lite*) fail "$(tr '\0' ' ' <"$process") still runs" ;;
    esac
done
echo "bare: from the clone to the container's output $((cold / 1000)) s; the second call $warm ms"
[ $warm -lt 2000 ] || fail "the second call took $warm ms"
