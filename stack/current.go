package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/facts/collect"
	"stackpolicy/internal/compose"
	"stackpolicy/internal/podman"
)

// currency finds the containers that are not what is declared: of another
// definition, or from another image. It compares with the record where nothing
// that the apply depended on has changed, as the record knows the environment of
// that apply: variables of a login shell may differ from those of the unit. Else
// it compares with the compose files as they are.
type currency struct {
	stack      Stack
	podman     projectPodman
	project    *compose.Project
	stateHome  string
	invocation string // of the unit that runs this; "" by hand
	unrecorded bool   // the record does not count: adopt replaces it
}

// made is what the containers of a service should be made of.
type made struct {
	definition string
	image      string // id; "" where it is not known
	recorded   bool   // stackctl made them
}

// differences returns a line for each container that is not what is declared, in
// order of the services.
func (c currency) differences(ctx context.Context) (found []string, err error) {
	limited, cancel := context.WithTimeout(ctx, podmanLimit)
	defer cancel()
	record := c.record()
	if back := record.RolledBack; back != nil && !c.isOwnApply(record) {
		found = append(found, fmt.Sprintf("it was rolled back %s, as what is declared failed: %s", minute(back.At), back.Message))
	}
	asApplied, err := c.isAsApplied(limited, record)
	if err != nil {
		return nil, err
	}
	want, err := c.wanted(limited, record, asApplied)
	if err != nil {
		return nil, err
	}
	images, err := c.podman.client.ImageIDs(limited, imagesOf(c.project))
	if err != nil {
		return nil, err
	}
	containers, err := c.podman.details(limited)
	if err != nil {
		return nil, err
	}
	for _, s := range c.project.Services {
		differs := func(x podman.Details) string {
			return want[s.Name].difference(x, s.Image, images[s.Image], c.isOwnApply(record))
		}
		found = append(found, wrong(s, containers, differs)...)
	}
	return found, nil
}

// wrong returns a line for each container of a service that differs, unless there
// are enough that do not: one more may be of podman-compose run.
func wrong(s compose.Service, containers []podman.Details, differs func(podman.Details) string) (found []string) {
	right := 0
	for _, x := range containers {
		if x.Labels[podman.LabelService] != s.Name {
			continue
		}
		if difference := differs(x); difference != "" {
			found = append(found, x.Name+" "+difference)
		} else {
			right++
		}
	}
	if right >= s.Replicas {
		return nil
	}
	return found
}

// record is what was applied last; the zero Record when there is none that can be
// read. The audit reports one that is damaged.
func (c currency) record() applied.Record {
	record, err := applied.Read(c.stateHome, c.stack.Name)
	if err != nil || c.unrecorded {
		return applied.Record{}
	}
	return record
}

// isOwnApply reports whether the record is of the start of the unit that now
// verifies: then what was applied is what counts, whatever changed meanwhile.
func (c currency) isOwnApply(record applied.Record) bool {
	return c.invocation != "" && record.Invocation == c.invocation
}

// isAsApplied reports whether the files and secrets that the apply depended on
// are as they were. The unit's own files do not count.
func (c currency) isAsApplied(ctx context.Context, record applied.Record) (bool, error) {
	if record.Schema == "" || record.Secrets == "" {
		return false, nil
	}
	if c.isOwnApply(record) {
		return true, nil
	}
	secrets, err := secretsDigest(ctx, c.stack, c.project)
	if err != nil || secrets != record.Secrets {
		return false, err
	}
	files := []applied.File{}
	for _, from := range sources(c.stack, c.project) {
		more, err := collect.Digests(ctx, from.role, from.paths)
		if err != nil {
			return false, err
		}
		files = append(files, more...)
	}
	before := slices.DeleteFunc(slices.Clone(record.Files), func(f applied.File) bool { return f.Role == applied.RoleUnit })
	return slices.Equal(files, before), nil
}

// wanted is what the containers of each service should be made of, by service.
func (c currency) wanted(ctx context.Context, record applied.Record, asApplied bool) (map[string]made, error) {
	want := map[string]made{}
	// A start of the unit that did not apply by stackctl made the containers itself.
	counts := c.invocation == "" || c.isOwnApply(record)
	for _, s := range record.Services {
		want[s.Name] = made{definition: s.Definition, image: s.ImageID, recorded: counts && s.Definition != ""}
	}
	if asApplied {
		return want, nil
	}
	_, definitions, err := resolve(ctx, c.stack, c.project)
	for name, definition := range definitions {
		want[name] = made{definition: definition, recorded: want[name].recorded}
	}
	return want, err
}

// difference says how a container is not what it should be, or "". The image is
// named name, which means the id now, "" when it means none here. In the start
// that applied it, the image of that apply is right whatever the name means now.
func (m made) difference(c podman.Details, name, now string, ownApply bool) string {
	label, labelled := c.Labels[applied.LabelDefinition]
	switch {
	case !labelled && m.recorded:
		return "was not made by stackctl, which applied this stack"
	case labelled && m.definition != "" && label != m.definition:
		return "is of another definition than the compose files are now"
	case ownApply && c.ImageID == m.image:
		return ""
	case now != "" && now != c.ImageID:
		return "does not run the image that " + name + " names now"
	case now == "" && !labelled && !isSameImage(c.Image, name):
		return fmt.Sprintf("runs %s; the compose files name %s, which is not here", c.Image, name)
	}
	return ""
}

// isSameImage reports whether two names may be of one image. Podman completes a
// short name by its own configuration (containers-registries.conf(5)), so a name
// without a registry is the same as one that ends in it. An id is any name's.
func isSameImage(a, b string) bool {
	if a == "" || len(a) == 64 && strings.Trim(a, "0123456789abcdef") == "" {
		return true
	}
	if strings.Contains(a+b, "@") { // a digest makes the tag irrelevant
		a, b = repository(a), repository(b)
	} else {
		a, b = withTag(a), withTag(b)
	}
	return a == b || strings.HasSuffix(a, "/"+b) || strings.HasSuffix(b, "/"+a)
}

// withTag adds the tag that a name without one means.
func withTag(name string) string {
	if repository(name) != name {
		return name
	}
	return name + ":latest"
}

// repository is a name without its tag and digest.
func repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}
