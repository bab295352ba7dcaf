# Builds what one machine is booted from, and boots it. It is process 1 of new
# mount, PID and cgroup namespaces and becomes systemd-nspawn: when that ends,
# the kernel ends everything in them, and their mounts.
#
#   $LAB_DIR   the machine's folder: its disk (upper, work) and its home
#   $LAB_ROOT  the root file system that the disk is laid over
#   "$@"       systemd-nspawn's command line
#
# File descriptor 3 takes one line, this process's id as the host sees it, when
# all is mounted.
set -eu
umask 022
read -r host_pid _ </proc/self/stat # before this namespace has its own /proc

ns=$LAB_DIR/ns
mount -t tmpfs -o mode=0755 tmpfs "$ns"
mkdir "$ns/root"
# The modes of the host's own nodes are the host's business.
mknod -m 0666 "$ns/fuse" c 10 229
mknod -m 0666 "$ns/tun" c 10 200
mount -t overlay overlay "$ns/root" -o "lowerdir=$LAB_ROOT,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work"

# What nspawn keeps below /run, and the cgroups it makes, end with the machine.
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs tmpfs /sys/fs/cgroup # a file system cannot cover itself
mount -t cgroup2 none /sys/fs/cgroup

echo "$host_pid" >&3
exec 3>&-
exec "$@"
