package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// The roles of TUF. People sign root and targets, the hub signs snapshot and timestamp.
const (
	roleRoot      = metadata.ROOT
	roleTargets   = metadata.TARGETS
	roleSnapshot  = metadata.SNAPSHOT
	roleTimestamp = metadata.TIMESTAMP
)

type (
	rootMeta    = *metadata.Metadata[metadata.RootType]
	targetsMeta = *metadata.Metadata[metadata.TargetsType]
)

// namesField is where the root has the names of the keys, by key id.
const namesField = "x-names"

func newRoot(version int64, people []PublicKey, threshold int, online PublicKey, expires time.Time) (rootMeta, error) {
	root := metadata.Root(expires.UTC().Truncate(time.Second))
	root.Signed.Version = version
	names := map[string]any{}
	add := func(k PublicKey, roles ...string) error {
		key, id, err := k.tuf()
		if err != nil {
			return err
		}
		if _, twice := names[id]; twice {
			return fmt.Errorf("the key of %s is given twice", k.Name)
		}
		names[id] = k.Name
		for _, role := range roles {
			if err := root.Signed.AddKey(key, role); err != nil {
				return err
			}
		}
		return nil
	}
	for _, k := range people {
		if err := add(k, roleRoot, roleTargets); err != nil {
			return nil, err
		}
	}
	if err := add(online, roleSnapshot, roleTimestamp); err != nil {
		return nil, err
	}
	root.Signed.Roles[roleRoot].Threshold = threshold
	root.Signed.Roles[roleTargets].Threshold = threshold
	root.Signed.UnrecognizedFields = map[string]any{namesField: names}
	return root, nil
}

// nameOf returns the name of a key in a root, or the beginning of its id.
func nameOf(root rootMeta, id string) string {
	names, _ := root.Signed.UnrecognizedFields[namesField].(map[string]any)
	if name, isText := names[id].(string); isText && ValidLabel(name) {
		return name
	}
	return id[:min(8, len(id))]
}

// Signatures says who has signed a file of metadata, of those who may.
type Signatures struct {
	Role      string
	Version   int64
	Threshold int
	Signed    []string // names
	Missing   []string
}

// IsEnough reports whether enough have signed.
func (s Signatures) IsEnough() bool { return len(s.Signed) >= s.Threshold }

// String is such as "1 of 2 signatures (ada); missing: 1 of bob, eve".
func (s Signatures) String() string {
	text := fmt.Sprintf("%d of %d signatures", len(s.Signed), s.Threshold)
	if len(s.Signed) > 0 {
		text += " (" + strings.Join(s.Signed, ", ") + ")"
	}
	if missing := s.Threshold - len(s.Signed); missing > 0 {
		text += fmt.Sprintf("; missing: %d of %s", missing, strings.Join(s.Missing, ", "))
	}
	return text
}

// signaturesOf checks each signature of a file by a root's keys for a role.
func signaturesOf(root rootMeta, role string, version int64, meta any) Signatures {
	r := root.Signed.Roles[role]
	s := Signatures{Role: role, Version: version, Threshold: r.Threshold}
	for _, id := range r.KeyIDs {
		one := *root
		one.Signed.Roles = map[string]*metadata.Role{role: {KeyIDs: []string{id}, Threshold: 1}}
		if one.VerifyDelegate(role, meta) == nil {
			s.Signed = append(s.Signed, nameOf(root, id))
		} else {
			s.Missing = append(s.Missing, nameOf(root, id))
		}
	}
	slices.Sort(s.Signed)
	slices.Sort(s.Missing)
	return s
}

// sign signs a file, in place of an older signature by the same key.
func sign[T metadata.Roles](meta *metadata.Metadata[T], k SigningKey) error {
	_, id, err := k.tuf()
	if err != nil {
		return err
	}
	signer, err := k.signer()
	if err != nil {
		return fmt.Errorf("sign as %s: %w", k.Name, err)
	}
	meta.Signatures = slices.DeleteFunc(meta.Signatures, func(s metadata.Signature) bool { return s.KeyID == id })
	if _, err := meta.Sign(signer); err != nil {
		return fmt.Errorf("sign as %s: %w", k.Name, err)
	}
	return nil
}

// decode reads a file of metadata, nil for no file.
func decode[T metadata.Roles](text []byte) (*metadata.Metadata[T], error) {
	if text == nil {
		return nil, nil
	}
	var meta metadata.Metadata[T]
	return meta.FromBytes(text)
}

func encode[T metadata.Roles](meta *metadata.Metadata[T]) ([]byte, error) {
	text, err := meta.ToBytes(false)
	if err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", " "); err != nil {
		return nil, err
	}
	return append(indented.Bytes(), '\n'), nil
}
