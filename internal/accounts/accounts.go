// Package accounts reads the machine's own accounts and groups, passwd(5) and
// group(5).
//
// Start at [PrivateGroup].
package accounts

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"stackpolicy/internal/regularfile"
)

// maxFile bounds passwd and group: 4 MiB hold some 50,000 accounts.
const maxFile = 4 << 20

// PrivateGroup returns the id of the account's private group, and -1 without
// one. A private group is named as the account, has no other member, and is no
// other account's primary group; Debian gives one to every account
// (adduser.conf(5), USERGROUPS), and a umask of 0002 then lets nobody else
// write. etc is the folder of passwd and group. Members that only a directory
// service knows are not seen; the shared name is what tells such a group apart,
// as for Debian's OpenSSH.
func PrivateGroup(etc, account string) (int, error) {
	groups, err := entries(filepath.Join(etc, "group"), 4)
	if err != nil {
		return -1, err
	}
	passwd, err := entries(filepath.Join(etc, "passwd"), 7)
	if err != nil {
		return -1, err
	}
	gid := ""
	for _, g := range groups {
		if g[0] == account {
			gid = g[2]
		}
	}
	id, err := strconv.Atoi(gid)
	if err != nil || isShared(gid, account, groups, passwd) {
		return -1, nil
	}
	return id, nil
}

// isShared reports whether another account is in a group with this id.
func isShared(gid, account string, groups, passwd [][]string) bool {
	for _, g := range groups {
		for member := range strings.SplitSeq(g[3], ",") {
			if g[2] == gid && member != "" && member != account {
				return true
			}
		}
	}
	for _, p := range passwd {
		if p[3] == gid && p[0] != account {
			return true
		}
	}
	return false
}

// entries reads lines of so many fields; other lines, as those of NIS, are left
// out. No file is no entries.
func entries(path string, fields int) ([][]string, error) {
	content, err := regularfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	var list [][]string
	for line := range strings.Lines(string(content)) {
		if entry := strings.Split(strings.TrimSpace(line), ":"); len(entry) == fields {
			list = append(list, entry)
		}
	}
	return list, nil
}
