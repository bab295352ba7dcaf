package collect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/internal/systemd"
	"stackpolicy/internal/unitfile"
)

// compare finds what is loaded otherwise than it stands on disk, beyond what
// file times tell.
func (v *view) compare() error {
	l := v.unit.Loaded
	l.LinksUnread, l.LinksGone = v.unreadLinks(), []string{}
	if v.justRead || l.LoadState != "loaded" {
		return nil
	}
	l.LinksGone = v.goneLinks()
	paths := v.effectivePaths()
	if len(paths) == 0 || paths[0] != l.FragmentPath {
		return nil // another fragment altogether: the files say so themselves
	}
	settings, err := unitfile.Read(paths)
	if err != nil {
		return err
	}
	if err := v.confirm(paths); err != nil {
		return err
	}
	c := comparison{settings: settings, spec: v.specifiers(), differs: []facts.Difference{}}
	c.unit(v.loaded)
	if v.loaded.Service != nil {
		c.service(*v.loaded.Service)
	}
	l.Differs = c.differs
	return nil
}

// revisionStamp marks a Documentation= entry that names the revision of the
// file it stands in. D-Bus tells it as loaded, so that equal stamps prove that
// what is loaded is that file, whatever the file times say.
const revisionStamp = "info:stackpolicy-rev-"

// confirm takes a declared file whose own stamp is loaded for unchanged: Home
// Manager makes every link anew with each generation.
func (v *view) confirm(paths []string) error {
	for i, f := range v.files {
		declared := f.State == facts.StateDeclared || f.State == facts.StateIdentical
		if !f.ChangedAfterLoad || !declared || !slices.Contains(paths, f.Path) {
			continue
		}
		own, err := unitfile.Read([]string{f.Path})
		if err != nil {
			return err
		}
		stamps := slices.DeleteFunc(strings.Fields(strings.Join(own.List("Unit.Documentation"), " ")), func(d string) bool {
			return !strings.HasPrefix(d, revisionStamp)
		})
		if len(stamps) == 1 && slices.Contains(v.loaded.Documentation, stamps[0]) {
			v.files[i].ChangedAfterLoad = false
		}
	}
	return nil
}

// effectivePaths are the files that the manager would read, in its order; the
// fragment is first. None when there is no fragment that can be read.
func (v *view) effectivePaths() []string {
	var paths []string
	for _, f := range v.files {
		readable := f.Effective && f.Digest != ""
		if f.Role == facts.RoleFragment && readable || f.Role == facts.RoleDropIn && readable && len(paths) > 0 {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// unreadLinks are the owners of links on disk that the manager has not read.
// An owner that is not in memory has no dependencies to compare with.
func (v *view) unreadLinks() []string {
	unread := []string{}
	for _, f := range v.files {
		_, ownerLoaded := v.listed[f.Of]
		if f.Of != "" && ownerLoaded && f.Kind != unitfile.Missing && !f.Loaded && v.unit.Loaded.LoadState == "loaded" {
			unread = append(unread, f.Of)
		}
	}
	slices.Sort(unread)
	return slices.Compact(unread)
}

// goneLinks are the units that pull this one in although no link on disk and
// none of their own settings say so, where a folder of links changed since the
// load.
func (v *view) goneLinks() []string {
	gone := []string{}
	for _, kind := range []string{"wants", "requires", "upholds"} {
		for _, owner := range v.pulledInBy(kind) {
			linked := slices.ContainsFunc(v.files, func(f facts.File) bool {
				return f.Of == owner && f.Role == kind && f.Kind != unitfile.Missing
			})
			if linked || !v.afterLoad(v.index.LinksChanged([]string{owner})) {
				continue
			}
			if !slices.Contains(v.pullsIn(owner), v.unit.Name) {
				gone = append(gone, owner)
			}
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone)
}

// pullsIn lists the units that a unit's own settings name as dependencies.
func (w *walker) pullsIn(owner string) []string {
	w.lock.Lock()
	defer w.lock.Unlock()
	if _, ok := w.mentions[owner]; !ok {
		w.mentions[owner] = w.namedBy(owner)
	}
	return w.mentions[owner]
}

func (w *walker) namedBy(owner string) []string {
	paths := w.index.Fragments(owner)
	for _, d := range w.index.DropIns([]string{owner}) {
		paths = append(paths, d.Path)
	}
	named := []string{}
	for _, p := range paths {
		s, err := unitfile.Read([]string{p})
		if err != nil {
			continue // a link to nowhere, a folder: it names nothing
		}
		for _, key := range []string{"Wants", "Requires", "Upholds", "BindsTo", "Requisite"} {
			named = append(named, strings.Fields(strings.Join(s.List("Unit."+key), " "))...)
		}
	}
	return named
}

func (v *view) specifiers() unitfile.Specifiers {
	stem, _ := unitfile.Split(v.unit.Name)
	prefix, instance, _ := strings.Cut(stem, "@")
	return unitfile.Specifiers{
		'n': v.unit.Name, 'N': stem, 'p': prefix, 'i': instance,
		'h': v.env.Home, 't': v.env.RuntimeDir, 'u': v.env.Name, 'U': strconv.Itoa(v.env.UID),
		'E': v.env.ConfigHome, // not %S: it is ConfigHome too before systemd 254
	}
}

// serviceTypes are those that every supported systemd knows; it ignores others.
var serviceTypes = []string{"simple", "exec", "forking", "oneshot", "dbus", "notify", "idle"}

// comparison says "differs" only of what it understood for certain.
type comparison struct {
	settings unitfile.Settings
	spec     unitfile.Specifiers
	differs  []facts.Difference
}

func (c *comparison) differ(key, loaded, onDisk string) {
	if loaded != onDisk {
		c.differs = append(c.differs, facts.Difference{Key: key, Loaded: loaded, OnDisk: onDisk})
	}
}

func (c *comparison) unit(u systemd.Unit) {
	if v, ok := c.settings.Last("Unit.Description"); ok && v != "" {
		if want, ok := c.spec.Expand(v); ok {
			c.differ("Description", u.Description, want)
		}
	}
	var docs []string
	for _, v := range c.settings.List("Unit.Documentation") {
		uris, ok := unitfile.ParseDocumentation(v, c.spec)
		if !ok {
			return
		}
		docs = append(docs, uris...)
	}
	c.differ("Documentation", strings.Join(u.Documentation, " "), strings.Join(docs, " "))
}

func (c *comparison) service(s systemd.Service) {
	if v, ok := c.settings.Last("Service.Type"); ok && slices.Contains(serviceTypes, v) {
		c.differ("Type", s.Type, v)
	}
	v, set := c.settings.Last("Service.RemainAfterExit")
	if !set {
		v = "no"
	}
	if want, ok := unitfile.ParseBool(v); ok { // an empty or odd one is ignored by systemd
		c.differ("RemainAfterExit", strconv.FormatBool(s.RemainAfterExit), strconv.FormatBool(want))
	}
	c.timeout(s)
	c.commands("ExecStartPre", s.ExecStartPre)
	c.commands("ExecStart", s.ExecStart)
	c.commands("ExecStartPost", s.ExecStartPost)
	c.environment(s.Environment)
}

func (c *comparison) timeout(s systemd.Service) {
	v, ok := c.settings.Last("Service.TimeoutStartSec")
	if _, both := c.settings.Last("Service.TimeoutSec"); !ok || v == "" || both {
		return // which of the two came last is not known here
	}
	want, ok := unitfile.ParseSpan(v)
	if !ok {
		return
	}
	if want <= 0 {
		want = -1 // 0 is infinity too
	}
	c.differ("TimeoutStartSec", spanText(s.TimeoutStart), spanText(want))
}

func spanText(d time.Duration) string {
	if d < 0 {
		return "infinity"
	}
	return d.String()
}

// commands compares argument vectors. They may hold secrets, so that only
// their number and digest are told.
func (c *comparison) commands(key string, loaded []systemd.Exec) {
	var disk []string
	for _, line := range c.settings.List("Service." + key) {
		cmd, ok := unitfile.ParseCommand(line, c.spec)
		if !ok {
			return
		}
		disk = append(disk, commandText(cmd.Argv, cmd.IgnoreFailure))
	}
	var have []string
	for _, e := range loaded {
		have = append(have, commandText(e.Argv, e.IgnoreFailure))
	}
	if !slices.Equal(have, disk) {
		c.differ(key, digestOf("commands", have), digestOf("commands", disk))
	}
}

// commandText: systemd keeps the first word as it is written, path and all.
func commandText(argv []string, ignore bool) string {
	return fmt.Sprintf("%t %q", ignore, argv)
}

// environment compares by variable, where the last assignment wins. Values are
// never told.
func (c *comparison) environment(loaded []string) {
	disk := map[string]string{}
	for _, line := range c.settings.List("Service.Environment") {
		assignments, ok := unitfile.ParseEnvironment(line, c.spec)
		if !ok {
			return
		}
		for _, a := range assignments {
			disk[variable(a)] = a
		}
	}
	have := map[string]string{}
	for _, v := range loaded {
		have[variable(v)] = v
	}
	if digestOf("variables", sortedValues(have)) != digestOf("variables", sortedValues(disk)) {
		c.differ("Environment", digestOf("variables", sortedValues(have)), digestOf("variables", sortedValues(disk)))
	}
}

func variable(assignment string) string {
	name, _, _ := strings.Cut(assignment, "=")
	return name
}

func sortedValues(m map[string]string) []string {
	var values []string
	for _, v := range m {
		values = append(values, v)
	}
	slices.Sort(values)
	return values
}

// digestOf names values without telling them.
func digestOf(what string, values []string) string {
	sum := sha256.Sum256([]byte(strings.Join(values, "\x00")))
	return fmt.Sprintf("%d %s, sha256:%s", len(values), what, hex.EncodeToString(sum[:6]))
}
