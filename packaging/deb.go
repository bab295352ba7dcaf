package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"strings"
	"time"
)

// maintainer has no address that mail reaches until the project has a home
// (RFC 2606, ".invalid").
const maintainer = "stackpolicy maintainers <maintainers@stackpolicy.invalid>"

const description = `audit of systemd user units that run container stacks
 stackpolicy takes a snapshot of what the user manager has loaded, what stands
 on disk, what is declared and which containers run. Rules in Rego decide for
 every invariant whether that is allowed, to be healed, or to be alerted of, and
 the few heals that are safe are proved by looking again.
 .
 stackctl makes a restart of a compose stack a transaction: look, apply, and
 verify that every service is up and stays up.
 .
 Nothing is enabled by installing it: each user enables the timer.`

// overrides tell lintian what is meant to be so.
const overrides = `# Go links its programs so.
stackpolicy: statically-linked-binary
# The texts are as each module has them.
stackpolicy: copyright-file-contains-full-apache-2-license
`

// deb is the Debian package. It has no scripts: dpkg's triggers of man-db and
// systemd take up the man pages and the catalog, and take them back.
func (b *built) deb(ctx context.Context, common []file) ([]byte, error) {
	files, err := b.debFiles(ctx, common)
	if err != nil {
		return nil, err
	}
	data, err := tarGz(".", b.date, files)
	if err != nil {
		return nil, err
	}
	control, err := tarGz(".", b.date, []file{
		{"control", 0o644, []byte(b.control(files))},
		{"md5sums", 0o644, md5sums(files)},
	})
	if err != nil {
		return nil, err
	}
	return ar(b.date, []file{
		{path: "debian-binary", data: []byte("2.0\n")},
		{path: "control.tar.gz", data: control},
		{path: "data.tar.gz", data: data},
	}), nil
}

// debFiles are the files to install, by path below the root.
func (b *built) debFiles(ctx context.Context, common []file) ([]file, error) {
	units, err := b.units(ctx, "/usr/bin/stackpolicy", "lib/systemd/user")
	if err != nil {
		return nil, err
	}
	catalog, err := b.catalog()
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	changes, err := gz([]byte(b.changelog()))
	if err != nil {
		return nil, err
	}
	files := append(append(units, common...),
		file{"lib/systemd/catalog/stackpolicy.catalog", 0o644, catalog},
		file{docDir + "changelog.gz", 0o644, changes},
		file{"share/lintian/overrides/stackpolicy", 0o644, []byte(overrides)})
	for i := range files {
		files[i].path = "usr/" + files[i].path
	}
	return files, nil
}

// control is the control file (deb-control(5)).
func (b *built) control(files []file) string {
	var kib int64
	for _, f := range files {
		kib += (int64(len(f.data)) + 1023) / 1024
	}
	fields := []string{
		"Package: stackpolicy",
		"Version: " + b.debianVersion(),
		"Architecture: " + b.arch,
		"Maintainer: " + maintainer,
		fmt.Sprintf("Installed-Size: %d", kib),
		"Recommends: dbus-user-session, podman, systemd",
		"Suggests: podman-compose",
		"Section: admin",
		"Priority: optional",
		"Description: " + description,
	}
	return strings.Join(fields, "\n") + "\n"
}

// changelog is what Debian asks of every package (deb-changelog(5)).
func (b *built) changelog() string {
	return fmt.Sprintf("stackpolicy (%s) unstable; urgency=medium\n\n  * Build of %s.\n\n -- %s  %s\n",
		b.debianVersion(), b.version, maintainer, b.date.UTC().Format(time.RFC1123Z))
}

// md5sums is what `dpkg --verify` compares with (deb-md5sums(5)).
func md5sums(files []file) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%x  %s\n", md5.Sum(f.data), f.path)
	}
	return b.Bytes()
}
