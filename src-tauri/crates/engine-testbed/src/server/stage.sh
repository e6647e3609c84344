# Fills a folder with servers' programs, what they are linked with, and busybox.
# In: INTO (the folder), PROGRAMS and TREES (paths of this machine), SKIP (an extended regular expression of what trees have too much).
# shellcheck shell=sh
set -e
cd /
mkdir -p "$INTO/bin" "$INTO/tmp" "$INTO/etc" "$INTO/usr/local/bin" "$INTO/var/run" "$INTO/root"
chmod 1777 "$INTO/tmp"
busybox=$(command -v busybox)
cp -L "$busybox" "$INTO/bin/busybox"
"$busybox" --list | while read -r name; do
    [ "$name" = busybox ] || ln -s busybox "$INTO/bin/$name"
done
for tree in $TREES; do cp -a --parents "$tree" "$INTO"; done
if [ -n "$SKIP" ]; then
    find "$INTO" -mindepth 1 | grep -E "$SKIP" | xargs -r rm -rf
fi
# Under the name that is called, whatever it links to. setpriv is called by its path: that of busybox changes no users.
for program in $PROGRAMS /usr/bin/setpriv; do cp -L --parents "$program" "$INTO"; done
find "$INTO/usr" -type f \( -perm -u+x -o -name '*.so*' \) -print0 | xargs -0 -r ldd 2>/dev/null |
    sed -nE 's/^.* => (\/[^ ]+) .*$/\1/p; s/^\t(\/[^ ]+) \(.*$/\1/p' | sort -u | while read -r library; do
    case $library in "$INTO"*) ;; *) cp -L --parents "$library" "$INTO" ;; esac
done
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/sh' \
    'server:x:999:999:server:/var/lib/server:/bin/sh' >"$INTO/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' 'server:x:999:' >"$INTO/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' >"$INTO/etc/nsswitch.conf"
