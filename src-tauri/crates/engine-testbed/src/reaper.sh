# Ends everything that a test's dockerd started. Runs beside the test and waits for its end: the pipe closes
# however the test ends, by its own will, by a panic, or by SIGKILL.
# In: ROOT (the daemon's folder), BRIDGE, SUBNET, CGROUP.
# shellcheck shell=sh
trap '' INT TERM HUP
while read -r _; do :; done

# Every process whose command line names the folder: dockerd, its containerd, the shims, the port proxies.
mine() {
    for dir in /proc/[0-9]*; do
        if tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qF "$ROOT"; then echo "${dir#/proc/}"; fi
    done
}
kill_containers() {
    # A paused one dies when it is thawed.
    for frozen in /sys/fs/cgroup/freezer/"$CGROUP"/*/freezer.state; do
        [ -f "$frozen" ] && echo THAWED >"$frozen"
    done
    for tasks in /sys/fs/cgroup/*/"$CGROUP"/*/cgroup.procs /sys/fs/cgroup/"$CGROUP"/*/cgroup.procs; do
        [ -f "$tasks" ] || continue
        while read -r pid; do kill -9 "$pid" 2>/dev/null; done <"$tasks"
    done
}
# Containers first: asked to end, dockerd would give each of them ten seconds.
kill_containers
daemon=$(cat "$ROOT/pid" 2>/dev/null)
if [ -n "$daemon" ] && tr '\0' '\n' <"/proc/$daemon/cmdline" 2>/dev/null | grep -qF "$ROOT"; then
    kill -CONT "$daemon" 2>/dev/null
    kill -TERM "$daemon" 2>/dev/null
    tries=0
    while [ -d "/proc/$daemon" ] && ! grep -q '^State:.Z' "/proc/$daemon/status" 2>/dev/null && [ $tries -lt 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi
for pid in $(mine); do kill -9 "$pid" 2>/dev/null; done
# Those that dockerd started again, by their restart policy.
kill_containers

# Mounts, the innermost first.
sed -n 's/^[^ ]* \([^ ]*\) .*/\1/p' /proc/mounts | grep -F "$ROOT" | sort -r | while read -r mount; do
    umount -l "$mount" 2>/dev/null
done
# A network's bridge outlives its daemon; the ids stand in the daemon's store.
grep -aoE '[0-9a-f]{64}' "$ROOT/data/network/files/local-kv.db" 2>/dev/null | cut -c1-12 | sort -u | while read -r id; do
    if [ -d "/sys/class/net/br-$id" ]; then ip link del "br-$id"; fi
done
ip link del "$BRIDGE" 2>/dev/null
iptables -w -D FORWARD -s "$SUBNET" -d "$SUBNET" -j ACCEPT 2>/dev/null
find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null
rm -rf "$ROOT"
