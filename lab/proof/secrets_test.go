package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"stackpolicy/lab/systems"
	"stackpolicy/lab/usermanager"
)

// TestNoSecretIsGuessedFromTheFacts checks that a document does not help to guess a short
// secret: of a unit's variables and commands that differ from those on disk, and of a file of
// environment.d, it has digests, and none is that of the secret.
func TestNoSecretIsGuessedFromTheFacts(t *testing.T) {
	systems.One(t, func(t *testing.T, options usermanager.Options) {
		s := open(t, options, map[string]string{unit("db.service"): daemon})
		dropIn := filepath.Join(s.Home, ".config/systemd/user/db.service.d/pin.conf")
		const old, changed, inFile = "PIN=0815", "PIN=4711", "PIN=1234\n"
		s.do(s.Write(filepath.Join(s.Home, ".config/environment.d/pin.conf"), inFile))
		s.do(s.Write(dropIn, "[Service]\nEnvironment="+old+"\n"))
		s.reload()
		s.systemctl("start", "db.service") // so that the manager keeps it
		s.do(s.Write(dropIn, "[Service]\nEnvironment="+changed+"\n"))
		r := s.Stackpolicy(t.Context(), "facts")
		if r.Code != 0 {
			t.Fatalf("facts: %d\n%s", r.Code, r.Err)
		}
		for _, want := range []string{`"1 variables, hmac-sha256:`, `environment.d/pin.conf`, `"digest": "hmac-sha256:`} {
			if !strings.Contains(r.Out, want) {
				t.Errorf("the document lacks %s, so this shows nothing", want)
			}
		}
		for _, secret := range []string{old, changed, inFile} {
			sum := sha256.Sum256([]byte(secret))
			if strings.Contains(r.Out, hex.EncodeToString(sum[:6])) {
				t.Errorf("the document has the digest of %q", secret)
			}
		}
	})
}
