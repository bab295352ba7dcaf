package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maintainer has no real address until the project has a public home (RFC 2606,
// ".invalid").
const maintainer = "stackpolicy maintainers <maintainers@stackpolicy.invalid>"

const summary = "audit of systemd user units that run container stacks"

const description = summary + `
stackpolicy takes a snapshot of what the user manager has loaded, what is on
disk, what is declared and which containers run. Rules in Rego decide for every
invariant whether that is allowed, healed, or reported. The few heals are safe,
and are proved by a second snapshot.

stackctl makes a restart of a compose stack a transaction: preflight, apply, and
verify that every service is up and stays up.

stackfleet is the hub of a fleet: it collects signed evidence from many hosts.

Installing the package enables nothing: each user enables the timer.`

// overrides name the warnings of lintian that are intended.
const overrides = `# Go links its programs statically.
stackpolicy: statically-linked-binary
# The texts are as each module has them.
stackpolicy: copyright-file-contains-full-apache-2-license
`

// format is a kind of package that nfpm writes. Packages have no scripts: triggers of
// man-db and systemd process the man pages and the catalog.
type format struct {
	name, ending string
	zsh, licence string // the distribution's paths of these files
	release      string // of the packaging; "" for Debian, whose native packages have none
	description  string
	recommends   []string
}

func formats() []format {
	return []format{
		{"deb", ".deb", "share/zsh/vendor-completions/", docDir + "copyright", "", description, []string{"dbus-user-session", "podman", "systemd"}},
		{"rpm", ".rpm", "share/zsh/site-functions/", "share/licenses/stackpolicy/LICENSES", "1", description, []string{"podman", "systemd"}},
		{"archlinux", ".pkg.tar.zst", "share/zsh/site-functions/", "share/licenses/stackpolicy/LICENSES", "1", summary, nil},
	}
}

// fileName returns the name that the distribution gives such a package.
func (f format) fileName(b *built) string {
	switch f.name {
	case "rpm":
		return fmt.Sprintf("stackpolicy-%s-1.%s.rpm", b.plainVersion(), machineOf(b.arch))
	case "archlinux":
		return fmt.Sprintf("stackpolicy-%s-1-%s.pkg.tar.zst", b.plainVersion(), machineOf(b.arch))
	}
	return fmt.Sprintf("stackpolicy_%s_%s.deb", b.plainVersion(), b.arch)
}

// machineOf returns uname's name of a Go architecture.
func machineOf(arch string) string {
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
}

// pack writes a package of the files with nfpm, which is run as a separate program: it
// is not linked into stackpolicy.
func (b *built) pack(ctx context.Context, f format, files []file) ([]byte, error) {
	dir := filepath.Join(b.work, f.name)
	config, err := b.config(f, files, filepath.Join(dir, "tree"))
	if err != nil {
		return nil, err
	}
	from, to := filepath.Join(dir, "nfpm.yaml"), filepath.Join(dir, "package")
	if err := os.WriteFile(from, config, 0o600); err != nil {
		return nil, err
	}
	env := []string{"CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off"} // no C compiler is needed, and what the programs were built with is used again
	args := []string{"tool", "nfpm", "package", "--packager", f.name, "--config", from, "--target", to}
	if _, err := command(ctx, filepath.Join(b.source, "packaging/nfpm"), env, "go", args...); err != nil {
		return nil, err
	}
	return os.ReadFile(to)
}

// config writes the files below tree, and describes the package to nfpm.
func (b *built) config(f format, files []file, tree string) ([]byte, error) {
	var contents []map[string]any
	for _, file := range files {
		at := filepath.Join(tree, file.path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(at, file.data, 0o600); err != nil {
			return nil, err
		}
		info := map[string]any{"mode": file.mode, "mtime": b.date.UTC(), "owner": "root", "group": "root"}
		contents = append(contents, map[string]any{"src": at, "dst": "/usr/" + file.path, "file_info": info})
	}
	source, err := filepath.Abs(b.source)
	if err != nil {
		return nil, err
	}
	scripts := map[string]string{}
	if f.name != "archlinux" { // whose scripts cannot know why they run
		scripts["preremove"] = filepath.Join(source, "packaging/preremove.sh")
	}
	return yaml.Marshal(map[string]any{
		"name": "stackpolicy", "arch": b.arch, "platform": "linux", "version": b.plainVersion(), "version_schema": "none", "release": f.release,
		"section": "admin", "priority": "optional", "maintainer": maintainer, "description": f.description,
		"disable_globbing": true, "mtime": b.date.UTC(), "umask": 0o022, "contents": contents,
		"scripts":    scripts,
		"recommends": f.recommends, "suggests": []string{"podman-compose"},
		"rpm":       map[string]any{"buildhost": "localhost", "packager": maintainer},
		"archlinux": map[string]any{"packager": maintainer},
	})
}

// installed returns the files of a package, by path below /usr, in Debian's folders.
func (b *built) installed(ctx context.Context, common []file) ([]file, error) {
	units, err := b.units(ctx, "/usr/bin/stackpolicy", "lib/systemd/user")
	if err != nil {
		return nil, err
	}
	catalog, err := b.catalog()
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return append(append(units, common...), file{"lib/systemd/catalog/stackpolicy.catalog", 0o644, catalog}), nil
}

// adapt moves files to the folders of a format, and adds files that it requires.
func (b *built) adapt(f format, files []file) ([]file, error) {
	files = slices.Clone(files)
	for i, file := range files {
		file.path = strings.Replace(file.path, "share/zsh/vendor-completions/", f.zsh, 1)
		files[i].path = strings.Replace(file.path, docDir+"copyright", f.licence, 1)
	}
	if f.name != "deb" {
		return files, nil
	}
	changes, err := gz([]byte(b.changelog()))
	return append(files, file{docDir + "changelog.gz", 0o644, changes}, file{"share/lintian/overrides/stackpolicy", 0o644, []byte(overrides)}), err
}

// changelog returns the changelog that Debian requires (deb-changelog(5)).
func (b *built) changelog() string {
	return fmt.Sprintf("stackpolicy (%s) unstable; urgency=medium\n\n  * Build of %s.\n\n -- %s  %s\n",
		b.plainVersion(), b.version, maintainer, b.date.UTC().Format(time.RFC1123Z))
}
