package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"stackpolicy/facts"
	"stackpolicy/internal/podman"
)

// StorageSource knows where podman keeps its storage; [podman.Client] does. It must respect
// its context.
type StorageSource interface {
	Storage(ctx context.Context) (podman.Storage, error)
}

// storageLimit bounds podman info, which can take a second: it asks for versions of
// packages.
const storageLimit = 5 * time.Second

var storageRow = collector{
	name: "storage", limit: storageLimit + time.Second, fills: []string{"storage"}, needs: []string{"podman"},
}

type storageFound facts.Storage

func (s storageFound) fill(doc *facts.Document) {
	storage := facts.Storage(s)
	doc.Storage = &storage
}

// beginStorage asks for podman's storage if a managed unit has containers, or is a stack
// whose containers are not there.
func beginStorage(ctx context.Context, source StorageSource, doc *facts.Document) <-chan answer[storageFound] {
	isStack := func(u facts.Unit) bool {
		return u.IsManaged() && (u.Stack != "" || u.Quadlet || len(u.Containers) > 0)
	}
	asks := source != nil && doc.Podman != nil && doc.Podman.Present && slices.ContainsFunc(doc.Units, isStack)
	return begin(ctx, storageLimit, func(ctx context.Context) (found storageFound, err error) {
		if !asks {
			return found, nil
		}
		at, err := source.Storage(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("podman did not say within %s where its storage is", storageLimit)
		}
		found.Version = at.Version
		if err == nil {
			found.RunRoot, err = fileSystem(at.RunRoot)
		}
		if err == nil {
			found.GraphRoot, err = fileSystem(at.GraphRoot)
		}
		return found, err
	})
}

// fileSystem reads what a folder is on; if the folder does not exist, the folder above it,
// where it would be created.
func fileSystem(path string) (*facts.FileSystem, error) {
	var s unix.Statfs_t
	err, at := unix.Statfs(path, &s), path
	for errors.Is(err, fs.ErrNotExist) && at != "/" && at != "." {
		at = filepath.Dir(at)
		err = unix.Statfs(at, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the file system of %s: %w", at, err)
	}
	f := &facts.FileSystem{
		Path: path, Type: fileSystemType(int64(s.Type)), ReadOnly: s.Flags&unix.ST_RDONLY != 0,
		FreeMB: twoDigits(int64(s.Bavail * uint64(s.Bsize) / 1e6)),
	}
	if s.Files > 0 { // btrfs has no such number
		inodes := twoDigits(int64(s.Ffree))
		f.FreeInodes = &inodes
	}
	return f, nil
}

func fileSystemType(number int64) string {
	switch number {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.RAMFS_MAGIC:
		return "ramfs"
	case unix.EXT4_SUPER_MAGIC: // that of ext2 and ext3, too
		return "ext"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case 0x2fc12fc1: // not of the kernel itself
		return "zfs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case unix.BCACHEFS_SUPER_MAGIC:
		return "bcachefs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "cifs"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	}
	return fmt.Sprintf("%#x", uint32(number))
}

// twoDigits rounds down to two digits: 1999 is 1900.
func twoDigits(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}
