package collect

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"stackpolicy/applied"
	"stackpolicy/facts"
	"stackpolicy/internal/regularfile"
)

// digestKey is the key of the digests of what can be a secret. It is of this machine and
// account, so that nobody who has only a document can guess a short secret, and so that the
// digests are the same in each audit.
type digestKey []byte

// digestKey derives the key from the machine's id, which machine-id(5) calls confidential.
// Without one it is derived from the boot's.
func (e Environment) digestKey() digestKey {
	var id []byte
	for _, path := range []string{filepath.Join("/", e.Root, "etc/machine-id"), "/proc/sys/kernel/random/boot_id"} {
		if content, err := regularfile.Read(path, 64); err == nil && len(bytes.TrimSpace(content)) >= 32 {
			id = bytes.TrimSpace(content)
			break
		}
	}
	return digestKey(mac(id, fmt.Sprintf("stackpolicy digests of user %d", e.UID)))
}

// of returns the keyed form of a digest, in the same form: what is before sha256: stays, and
// so does the length. An empty digest stays empty.
func (k digestKey) of(digest string) string {
	before, hexes, ok := strings.Cut(digest, "sha256:")
	if !ok {
		before, hexes = "", digest
	} else {
		before += "hmac-sha256:"
	}
	if hexes == "" {
		return digest
	}
	keyed := hex.EncodeToString(mac(k, hexes))
	return before + keyed[:min(len(hexes), len(keyed))]
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// hideDifferences keys the digests of commands and variables.
func (k digestKey) hideDifferences(differs []facts.Difference) {
	for i, d := range differs {
		if d.Key == "Environment" || strings.HasPrefix(d.Key, "Exec") {
			differs[i].Loaded, differs[i].OnDisk = k.of(d.Loaded), k.of(d.OnDisk)
		}
	}
}

// hideApplied keys the digests of files and of services' definitions, which are over
// variables and secrets too.
func (k digestKey) hideApplied(u *facts.Unit) {
	for i := range u.Services {
		u.Services[i].Definition = k.of(u.Services[i].Definition)
	}
	if u.Applied == nil {
		return
	}
	for i, f := range u.Applied.Changed {
		u.Applied.Changed[i].Applied, u.Applied.Changed[i].Found = k.of(f.Applied), k.of(f.Found)
	}
}

// hideLabels keys the labels that are digests over what can be a secret, as hideApplied does.
func (k digestKey) hideLabels(labels map[string]string) {
	for _, label := range []string{applied.LabelDefinition, applied.LabelGiven} {
		if digest, has := labels[label]; has {
			labels[label] = k.of(digest)
		}
	}
}
