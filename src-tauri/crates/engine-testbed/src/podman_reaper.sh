# Holds a test's Podman and ends all of it. Runs beside the test; the pipe closes however the test ends, by its own
# will, by a panic, or by SIGKILL.
# In: ROOT (the engine's folder), SUBNETS (of its networks, as an extended regular expression; empty when rootless),
# LOCK (held as long as a rootful one lives).
# Says the pid of the engine's first process, or why there is none.
# shellcheck shell=sh
trap '' INT TERM HUP
if [ -n "$SUBNETS" ]; then
    # Rootful ones name their firewall chains and bridges by the network alone, so there is one at a time.
    exec 9>"$LOCK"
    if ! flock -w 200 9; then
        echo "another test held its rootful Podman for too long"
        exit 1
    fi
fi

# Namespaces of its own for processes and mounts: containers outlive Podman's service, and nothing outlives these.
unshare --mount --pid --fork --mount-proc --kill-child sh -c '
    mount --make-rslave / 2>/dev/null
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    # Every Podman of a user shares these, and takes what it finds there for its own.
    [ -z "$SUBNETS" ] || for folder in /run/containers /run/netns /run/libpod /run/runc /run/crun; do
        mkdir -p "$folder" && mount -t tmpfs tmpfs "$folder"
    done
    : >"$ROOT/ready"
    # The first process of a namespace is who orphans are left to; waiting is how it buries them.
    while :; do
        sleep 1000 &
        wait
    done
' </dev/null >"$ROOT/first" 2>&1 9>&- &
outer=$!
tries=0
until [ -e "$ROOT/ready" ] || [ $tries -ge 100 ] || ! kill -0 $outer 2>/dev/null; do
    sleep 0.02
    tries=$((tries + 1))
done
if [ -e "$ROOT/ready" ]; then
    tr -d ' ' <"/proc/$outer/task/$outer/children"
    echo
else
    echo "no namespaces: $(cat "$ROOT/first")"
fi
while read -r _; do :; done

# A paused container's processes die when they are thawed.
for container in "$ROOT"/data/overlay-containers/* "$ROOT"/home/.local/share/containers/storage/overlay-containers/*; do
    id=${container##*/}
    [ ${#id} = 64 ] && find /sys/fs/cgroup -path "*libpod*$id*" -name freezer.state | while read -r frozen; do
        echo THAWED >"$frozen"
    done
done
# The first process takes all others with it, and whoever waits for it hears of its end when all are gone.
first=$(tr -d ' ' <"/proc/$outer/task/$outer/children" 2>/dev/null)
kill -9 "${first:-$outer}" 2>/dev/null
wait $outer 2>/dev/null

# Bridges and firewall rules are the machine's. Rules first name a chain per network; both go.
if [ -n "$SUBNETS" ]; then
    for table in nat filter; do
        iptables-save -t $table 2>/dev/null | awk -v subnets="$SUBNETS" -v table=$table '
            function own(chain) { return chain ~ /^NETAVARK-/ && chain !~ /HOSTPORT/ }
            /^-A / {
                rules[++count] = $0; chain[count] = $2; target[count] = ""
                for (i = 3; i < NF; i++) if ($i == "-j") target[count] = $(i + 1)
                mine[count] = $0 ~ subnets
                if (mine[count] && own($2)) chains[$2]
                if (mine[count] && own(target[count])) chains[target[count]]
            }
            END {
                print "*" table
                for (i = 1; i <= count; i++)
                    if (mine[i] || (chain[i] in chains) || (target[i] in chains)) print "-D" substr(rules[i], 3)
                for (name in chains) print "-X " name
                print "COMMIT"
            }' | iptables-restore -w --noflush 2>/dev/null
    done
    ip -o -4 addr show 2>/dev/null | grep -E "inet ($SUBNETS)" | while read -r _ bridge _; do ip link del "$bridge"; done
fi
# Control groups bear the containers' ids.
for container in "$ROOT"/data/overlay-containers/* "$ROOT"/home/.local/share/containers/storage/overlay-containers/*; do
    id=${container##*/}
    [ ${#id} = 64 ] && find /sys/fs/cgroup -depth -type d -path "*libpod*$id*" -exec rmdir {} + 2>/dev/null
done
rm -rf "$ROOT"
