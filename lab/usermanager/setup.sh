# Builds the view of the machine that one throwaway user manager lives in, and
# then runs that manager. It is process 1 of new mount, PID and cgroup
# namespaces: when it ends, the kernel ends everything in them.
#
#   $LAB_DIR     the scratch folder, at the same path inside and outside
#   $LAB_ROOT    a root file system to move into, or empty for the host's own
#   $LAB_MAPPED  not empty: a user namespace, with the account as its only one
#   $LAB_CGROUP  the manager's cgroup, below the root of the cgroup namespace
#   $LAB_LINGER  the account whose linger flag is set, or empty
#   $LAB_NO_BUS  not empty: no D-Bus daemon
#   "$@"         the manager's command line
#
# File descriptor 3 takes one line, this process's id as the host sees it, when
# all is mounted. Standard input ends when the owner does.
set -eu
umask 022
read -r host_pid _ </proc/self/stat # before this namespace has its own /proc

ns=$LAB_DIR/ns
mount -t tmpfs -o mode=0755 tmpfs "$ns"

root=
if [ -n "$LAB_ROOT" ]; then
    root=$ns/root
    mkdir "$ns/upper" "$ns/work" "$root"
    if [ -z "$LAB_MAPPED" ]; then
        mount -t overlay overlay "$root" \
            -o "lowerdir=$LAB_ROOT,upperdir=$ns/upper,workdir=$ns/work"
    else
        # What belongs to an account that has no mapping cannot be copied up.
        mount --rbind "$LAB_ROOT" "$root"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
    fi
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=0755 tmpfs "$root/run"
    mkdir -p "$root$LAB_DIR"
    mount --bind "$LAB_DIR" "$root$LAB_DIR"
elif [ ! -d /run/systemd ]; then
    mount -t tmpfs -o mode=0755 tmpfs /run # a mount below it needs folders that can be made
fi
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup" # a file system cannot cover itself
mount -t cgroup2 none "$root/sys/fs/cgroup"

# What the host keeps for its own managers is out of sight, and what a test
# writes there is gone with the namespace.
mkdir -p "$root/run/systemd"
for hidden in run/systemd run/dbus etc/systemd etc/environment.d var/lib/systemd; do
    [ -d "$root/$hidden" ] || continue
    mount -t tmpfs -o mode=0755 tmpfs "$root/$hidden"
done
mkdir -p "$root/run/systemd/system" # systemd asks this folder whether it was booted
ln -s "$LAB_DIR/journal" "$root/run/systemd/journal"
mkdir -p "$root/etc/systemd/user" "$root/var/lib/systemd/linger"
[ -z "$LAB_LINGER" ] || : >"$root/var/lib/systemd/linger/$LAB_LINGER"
[ ! -e "$LAB_DIR/user.conf" ] || cp "$LAB_DIR/user.conf" "$root/etc/systemd/user.conf"

mount --bind "$LAB_DIR/passwd" "$root/etc/passwd"
mount --bind "$LAB_DIR/group" "$root/etc/group"

# A private copy of the distribution's user units, for tests to change.
if [ -d "$root/usr/lib/systemd/user" ]; then
    cp -r --preserve=mode,timestamps,links "$root/usr/lib/systemd/user" "$ns/units"
    if [ -n "$LAB_NO_BUS" ]; then
        rm -f "$ns"/units/dbus.* "$ns"/units/dbus-*.service "$ns"/units/*.wants/dbus.socket
    fi
    mount --bind "$ns/units" "$root/usr/lib/systemd/user"
fi

if [ -n "$root" ]; then
    mkdir "$root/run/host"
    cd "$root"
    pivot_root . run/host
    cd /
    umount -l /run/host
    rmdir /run/host
fi

(
    echo 0 >"/sys/fs/cgroup/$LAB_CGROUP/cgroup.procs"
    exec "$@"
) </dev/null 3>&- &
manager=$!
echo "$host_pid" >&3
exec 3>&-

status=0
wait "$manager" || status=$?
echo "the user manager ended with status $status" >&2

# Commands still run without a manager: that, too, is a state worth testing.
read -r _ || :
