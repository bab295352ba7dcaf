package link

import (
	"fmt"

	"github.com/nats-io/nkeys"

	"stackpolicy/internal/regularfile"
)

// maxCreds bounds a file of credentials.
const maxCreds = 64 << 10

// FromCreds reads the JWT and the seed in a file of credentials, as nsc(1) writes it. The rest
// of the options is the caller's.
func FromCreds(path string) (Options, error) {
	text, err := regularfile.Read(path, maxCreds)
	if err != nil {
		return Options{}, fmt.Errorf("read the credentials: %w", err)
	}
	token, err := nkeys.ParseDecoratedJWT(text)
	if err != nil {
		return Options{}, fmt.Errorf("read the credentials %s: %w", path, err)
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return Options{}, fmt.Errorf("read the credentials %s: %w", path, err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return Options{}, fmt.Errorf("read the credentials %s: %w", path, err)
	}
	return Options{JWT: token, Seed: seed, Name: "hub"}, nil
}
