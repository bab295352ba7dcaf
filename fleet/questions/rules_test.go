package questions

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
)

// Rules are loaded once, as long as their files are the same. After a host
// the last few stay, and the processes of the others end.
func TestRulebooks(t *testing.T) {
	broken, lives := errors.New("broken"), map[string]context.Context{}
	loads := 0
	r := rulebooks{life: t.Context(), present: rules("present"), load: func(life context.Context, files []policy.File) (*decide.Policies, error) {
		loads++
		text := string(files[0].Text)
		if text == "broken" {
			return nil, broken
		}
		lives[text] = life
		return rules(text), nil
	}}
	for _, step := range []struct {
		what, digest, text string
		wantLoads          int
		wantErr            error
	}{
		{"the present ones", "present", "any", 0, nil},
		{"others", "0", "0", 1, nil},
		{"the same again", "0", "0", 1, nil},
		{"a digest that is not that of its files", "0", "1", 2, nil},
		{"what cannot be loaded", "0", "broken", 3, broken},
		{"is tried again", "0", "broken", 4, broken},
	} {
		_, err := r.get(t.Context(), step.digest, []policy.File{{Text: []byte(step.text)}})
		if !errors.Is(err, step.wantErr) || loads != step.wantLoads {
			t.Errorf("%s: %d loads, want %d; %v", step.what, loads, step.wantLoads, err)
		}
	}
	for i := 2; i <= maxRules; i++ {
		_, _ = r.get(t.Context(), fmt.Sprint(i), []policy.File{{Text: fmt.Append(nil, i)}})
	}
	for text, life := range lives {
		if life.Err() != nil {
			t.Errorf("%s has ended while the host may need it", text)
		}
	}
	r.trim()
	for text, life := range lives {
		if isFirst := text == "0"; isFirst != (life.Err() != nil) {
			t.Errorf("%s, of %d, after the host: %v", text, len(lives), life.Err())
		}
	}
}

// rules returns policies of which the digest is their only file.
func rules(digest string) *decide.Policies {
	source := policy.Source{Files: []policy.File{{Text: []byte(digest)}}}
	return decide.New(source, nil, policy.Settings{}, digest, nil, decide.Options{})
}

// A host cannot start any number of processes. The next one is asked as if nothing had been.
func TestTooManyRules(t *testing.T) {
	r := rulebooks{life: t.Context(), present: rules("present"), load: func(_ context.Context, files []policy.File) (*decide.Policies, error) {
		return rules(string(files[0].Text)), nil
	}}
	for i := range maxOfHost + 2 {
		_, err := r.get(t.Context(), fmt.Sprint(i), []policy.File{{Text: fmt.Append(nil, i)}})
		if isOver := i >= maxOfHost; errors.Is(err, errTooMany) != isOver || (err != nil) != isOver {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := r.get(t.Context(), "0", []policy.File{{Text: []byte("0")}}); err != nil {
		t.Errorf("one that is loaded: %v", err)
	}
	r.trim()
	if _, err := r.get(t.Context(), "new", []policy.File{{Text: []byte("new")}}); err != nil || len(r.kept) != maxRules+1 {
		t.Errorf("the next host: %v, %d are kept", err, len(r.kept))
	}
}
