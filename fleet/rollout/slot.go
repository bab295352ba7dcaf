package rollout

import (
	"fmt"
	"os"
	"path/filepath"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
	"stackpolicy/internal/regularfile"
)

const maxPlanFile = 100_000

// put writes a release into the slot that is not in use, and returns its name. The slot is
// either the old one or the new one, also if the process is killed.
func (h Host) put(plan release.Plan, bundle []byte) (string, error) {
	files, err := release.Unpack(bundle)
	if err != nil {
		return "", err
	}
	text, err := plan.Text()
	if err != nil {
		return "", err
	}
	active, err := h.activeSlot()
	if err != nil {
		return "", err
	}
	slot, fresh := other(active), h.path("new")
	if err := h.remove(fresh); err != nil {
		return "", err
	}
	if err := h.writeTree(fresh, files); err != nil {
		return "", err
	}
	if err := h.write(filepath.Join(fresh, bundleFile), bundle); err != nil {
		return "", err
	}
	if err := h.write(filepath.Join(fresh, planFile), text); err != nil {
		return "", err
	}
	if err := h.remove(h.path(slot)); err != nil {
		return "", err
	}
	return slot, h.rename(fresh, h.path(slot))
}

func (h Host) writeTree(dir string, files []policy.File) error {
	for _, f := range files {
		path := filepath.Join(dir, rulesFolder, filepath.FromSlash(f.Name))
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			if err := h.mkdir(filepath.Dir(path)); err != nil {
				return err
			}
		}
		if err := h.write(path, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// read reads a slot. It is [ErrDamaged] if its rules are not exactly those of its bundle, or its
// bundle is not that of its plan.
func (h Host) read(slot string) (*Release, error) {
	damaged := func(err error) error { return fmt.Errorf("%w: %s: %w", ErrDamaged, h.path(slot), err) }
	text, err := regularfile.Read(h.path(slot, planFile), maxPlanFile)
	if err != nil {
		return nil, damaged(err)
	}
	plan, err := release.ParsePlan(text)
	if err != nil {
		return nil, damaged(err)
	}
	bundle, err := regularfile.Read(h.path(slot, bundleFile), release.MaxBundle)
	if err != nil {
		return nil, damaged(err)
	}
	if release.DigestOf(bundle) != plan.Bundle {
		return nil, damaged(fmt.Errorf("the bundle is not that of release %d", plan.Version))
	}
	files, err := release.Unpack(bundle)
	if err != nil {
		return nil, damaged(err)
	}
	rules := h.path(slot, rulesFolder)
	found := policy.OpenWithTests(os.DirFS(rules), rules)
	if !found.Equal(policy.Source{Files: files}) {
		return nil, damaged(fmt.Errorf("the files in %s are not those of the bundle", rules))
	}
	return &Release{Plan: plan, Rules: rules, slot: slot}, nil
}
