package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"stackpolicy/decide/policy"
	"stackpolicy/fleet/release"
)

// signer is the key of a script's releases.
type signer struct{}

// publish FOLDER N publishes the rules of a folder as the next release, in $WORK/releases, with
// N of its one stage open. One audit in shadow is enough for it.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: publish FOLDER N")
	}
	open, err := strconv.Atoi(args[1])
	ts.Check(err)
	repository, now := release.At(ts.MkAbs("releases")), time.Now()
	key, isKnown := ts.Value(signer{}).(*release.SigningKey)
	if !isKnown {
		ts.Fatalf("no key")
	}
	if key.Name == "" {
		*key, err = release.NewKey("ada")
		ts.Check(err)
		ts.Check(repository.Init([]release.PublicKey{key.PublicKey}, 1, now))
		_, _, err = repository.Sign(*key, now)
		ts.Check(err)
	}
	dir := ts.MkAbs(args[0])
	bundle, err := release.Pack(policy.OpenWithTests(os.DirFS(dir), dir).Files)
	ts.Check(err)
	_, err = repository.Propose("stable", bundle, now, func(p *release.Plan) {
		p.Stages, p.OpenStage, p.Success = []release.Stage{{}}, open, release.Success{MinAudits: 1}
	})
	ts.Check(err)
	_, _, err = repository.Sign(*key, now)
	ts.Check(err)
}

// activeRule FILE writes the path of a file of the active release into $FILE.
func activeRule(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: active-rule FILE")
	}
	link := ts.MkAbs("home/.local/state/stackpolicy/release/active")
	slot, err := os.Readlink(link)
	ts.Check(err)
	ts.Setenv("FILE", filepath.Join(filepath.Dir(link), slot, "rules", args[0]))
}
