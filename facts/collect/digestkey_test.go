package collect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/applied"
	"stackpolicy/facts"
)

// rootOf makes a root that has only a machine id.
func rootOf(t *testing.T, id string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/machine-id"), []byte(id), 0o444); err != nil {
		t.Fatal(err)
	}
	return root
}

const oneID = "0123456789abcdef0123456789abcdef\n"

// Whoever has a copied document, and nothing of the machine, cannot guess a secret by the
// digest of every secret that it could be.
func TestNoSecretIsGuessedFromADocument(t *testing.T) {
	s := newApplyScene(t)
	s.env.Root = rootOf(t, oneID)
	s.write("web.env", "PIN=4711\n")
	s.record.Files[2].Digest = sum("PIN=0815\n")
	s.record.Services[0].Definition = strings.TrimPrefix(sum("app with PIN=0815"), "sha256:")
	s.collect()
	labels := map[string]string{applied.LabelDefinition: s.record.Services[0].Definition, "other": "kept"}
	s.env.digestKey().hideLabels(labels)
	differs := []facts.Difference{
		{Key: "Environment", Loaded: "1 variables, " + sum("PIN=0815")[:19], OnDisk: "1 variables, " + sum("PIN=4711")[:19]},
		{Key: "Description", Loaded: "sha256:old", OnDisk: "sha256:new"},
	}
	s.env.digestKey().hideDifferences(differs)

	text, err := json.Marshal([]any{s.doc, labels, differs})
	s.do(err)
	for _, secret := range []string{"PIN=0815\n", "PIN=4711\n", "PIN=0815", "PIN=4711", "app with PIN=0815"} {
		if guessed := strings.TrimPrefix(sum(secret), "sha256:")[:12]; strings.Contains(string(text), guessed) {
			t.Errorf("the document has the digest of %q", secret)
		}
	}
	if s.unit().Services[0].Definition != labels[applied.LabelDefinition] || labels["other"] != "kept" {
		t.Errorf("the service is %q, its container's labels %v", s.unit().Services[0].Definition, labels)
	}
	if len(s.unit().Applied.Changed) != 1 || differs[0].Loaded == differs[0].OnDisk || !strings.HasPrefix(differs[0].Loaded, "1 variables, hmac-sha256:") {
		t.Errorf("changed %+v, %+v", s.unit().Applied.Changed, differs)
	}
	if differs[1].Loaded != "sha256:old" {
		t.Errorf("a description is %q", differs[1].Loaded)
	}
}

func TestDigestKeyIsOfMachineAndAccount(t *testing.T) {
	of := func(id string, uid int) string {
		return Environment{Root: rootOf(t, id), UID: uid}.digestKey().of("sha256:00ff")
	}
	same := of(oneID, 1000)
	if again := of(oneID, 1000); again != same || !strings.HasPrefix(same, "hmac-sha256:") || len(same) != len("hmac-sha256:00ff") {
		t.Errorf("%q and then %q", same, again)
	}
	for name, other := range map[string]string{
		"another account": of(oneID, 1001), "another machine": of("f"+oneID[1:], 1000), "the first boot": of("uninitialized\n", 1000),
	} {
		if other == same {
			t.Errorf("%s has the same key", name)
		}
	}
	if again := of("uninitialized\n", 1000); again != of("", 1000) {
		t.Errorf("without a machine id, two audits of one boot differ")
	}
	if got := (digestKey{}).of(""); got != "" {
		t.Errorf("no digest became %q", got)
	}
}
