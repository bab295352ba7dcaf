package policy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"stackpolicy/policies"
	"stackpolicy/schemas"

	"stackpolicy/decide/internal/fixture"
)

// withSettings is a folder with one sound invariant and these lines of settings.
func withSettings(lines string) fstest.MapFS {
	return fixture.Folder(map[string]string{"settings.yaml": "settings:\n" + lines})
}

// patient is withSettings with a rule that has a grace period.
func patient(lines string) fstest.MapFS {
	fsys := withSettings(lines)
	text := fixture.Metadata + strings.Replace(fixture.Rule, "some unit in", "data.settings.grace.loaded != \"1s\"\n\tsome unit in", 1)
	fsys[fixture.RuleFile] = &fstest.MapFile{Data: []byte(text)}
	return fsys
}

const waived = `  waivers:
    - invariant: loaded
      units: ["web*", host]
      reason: is being rebuilt
      owner: ada
      until: 2026-06-01T00:00:00+02:00
`

func TestSettingsSayWhatTheFileSays(t *testing.T) {
	fsys := patient(`  restart: [web.service]
  grace: {loaded: 90m}
  budget: {unit: 5, window: 24h}
  breaker:
    cooldown: 90s
  repeat: {drift: 4, window: 60m}
  settle: 500ms
  storage: {free_mb: 0}
` + waived)
	want := Settings{
		Restart: []string{"web.service"}, Grace: map[string]time.Duration{"loaded": 90 * time.Minute},
		Budget: Budget{Unit: 5, Host: 6, Window: 24 * time.Hour}, Breaker: Breaker{Failures: 2, Cooldown: 90 * time.Second},
		Repeat: Repeat{Drift: 4, Window: time.Hour}, Settle: 500 * time.Millisecond, Storage: Storage{FreeInodes: 20_000},
		Waivers: []WaiverSetting{{
			Invariant: "loaded", Units: []string{"web*", "host"}, Reason: "is being rebuilt", Owner: "ada",
			Until: "2026-06-01T00:00:00+02:00",
		}},
	}
	got := read(t, fsys).Settings
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestSettingsHaveDefaults(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"no file": fixture.Folder(nil), "an empty file": fixture.Folder(map[string]string{"settings.yaml": "# nothing\n"}), "no key": withSettings(""),
		"keys without a value": withSettings("  restart:\n  grace:\n  budget:\n  breaker:\n  repeat:\n  settle:\n  waivers:\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(defaultSettings(), read(t, fsys).Settings, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestDecideOfNoHeal: an alert cannot become one.
func TestDecideOfNoHeal(t *testing.T) {
	fsys := fixture.WithMetadata("actions: [daemon-reload, restart]", "actions: []")
	fsys["settings.yaml"] = &fstest.MapFile{Data: []byte("settings:\n  decide:\n    - {invariant: \"l*\", units: [a], effect: block}\n")}
	err := Read(fsys, "p").Refusal.Err()
	if want := "p/settings.yaml:3: decide.0.effect: no rule of l* asks for a heal, so it is an alert already; remove the entry"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestBuiltinSettingsAreTheDefaults: the built-in file, which has the comments, has the same
// values as the defaults.
func TestBuiltinSettingsAreTheDefaults(t *testing.T) {
	if d := cmp.Diff(defaultSettings(), read(t, policies.FS).Settings, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestSettingsRefused(t *testing.T) {
	entry := func(old, line string) fstest.MapFS { return withSettings(strings.Replace(waived, old, line, 1)) }
	cases := map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"unknown key":          {withSettings("  budget:\n    units: 3\n"), `3: unknown key "units"; did you mean unit? known: unit, host, window`},
		"unknown waiver key":   {entry("owner: ada", "owner: ada\n      till: x"), `7: unknown key "till"; known: invariant, units, reason, owner, until`},
		"a key twice":          {withSettings("  settle: 1s\n  settle: 2s\n"), `3: mapping key "settle" already defined at line 2`},
		"no duration":          {withSettings("  settle: soon\n"), "2: settle: want a duration such as 90s, 15m or 24h, got `soon`"},
		"a bare number":        {withSettings("  settle: 2\n"), "2: settle: want a duration such as 90s, 15m or 24h, got `2`"},
		"days":                 {patient("  grace: {loaded: 1d}\n"), "2: loaded: want a duration such as 90s, 15m or 24h, got `1d`"},
		"less than no space":   {withSettings("  storage: {free_mb: -1}\n"), "2: storage.free_mb: -1 is out of bounds; want 0 to 1000000000"},
		"settles too long":     {withSettings("  settle: 1m\n"), "2: settle: 1m is out of bounds; want 100ms to 5s"},
		"a budget of nothing":  {withSettings("  budget:\n    host: 4\n    unit: 0\n"), "4: budget.unit: 0 is out of bounds; want 1 to 100"},
		"another window":       {withSettings("  budget: {window: 2h}\n"), "2: budget.window: 2h is out of bounds; want 1h or 24h, as the history counts"},
		"a cooldown of years":  {withSettings("  breaker: {cooldown: 9000h}\n"), "2: breaker.cooldown: 9000h is out of bounds; want 1m to 720h"},
		"every heal is drift":  {withSettings("  repeat: {drift: 1}\n"), "2: repeat.drift: 1 is out of bounds; want 2 to 1000"},
		"a negative grace":     {patient("  grace: {loaded: -1s}\n"), "2: grace.loaded: -1s is out of bounds; want 0s to 720h"},
		"grace of nobody":      {patient("  grace:\n    loaded: 5m\n    laoded: 5m\n"), "4: grace.laoded: unknown invariant; known: loaded"},
		"a restart pattern":    {withSettings("  restart: [\"web[\", \"[!a]*\", db.service]\n"), "2: restart.0: \"web[\" is not a pattern; want a unit's name, with *, ? or [abc] in it\np/settings.yaml:2: restart.1: \"[!a]*\" is not a pattern; want a unit's name, with *, ? or [abc] in it"},
		"units as a text":      {entry(`["web*", host]`, "host"), "4: units: want a list such as [a, b], got `host`"},
		"decide acts":          {withSettings("  decide:\n    - {invariant: loaded, units: [a], effect: heal}\n"), "3: decide.0.effect: settings cannot ask for a heal; write effect: block here, or let the rule ask for it: stackpolicy policy new ID"},
		"decide allows":        {withSettings("  decide: [{invariant: loaded, units: [a], effect: allow}]\n"), "2: decide.0.effect: settings cannot allow what a rule found; write a waiver, which ends, or change the rule: stackpolicy policy new ID"},
		"decide, no effect":    {withSettings("  decide: [{invariant: loaded, units: [a], effect: alert}]\n"), `2: decide.0.effect: unknown effect "alert"; want block`},
		"decide, no severity":  {withSettings("  decide: [{invariant: loaded, units: [a], severity: unknown}]\n"), `2: decide.0.severity: unknown severity "unknown"; known: page, ticket`},
		"decide says nothing":  {withSettings("  decide: [{invariant: loaded, units: [a]}]\n"), "2: decide.0: changes nothing; want effect: block, or severity: page or ticket"},
		"decide, no units":     {withSettings("  decide: [{invariant: loaded, severity: page}]\n"), "2: decide.0.units: 0 is out of bounds; want 1 to 100"},
		"decide, no pattern":   {withSettings("  decide: [{invariant: loaded, units: [\"{a}\"], severity: page}]\n"), `2: decide.0.units.0: "{a}" is not a pattern; want a unit's name, with *, ? or [abc] in it`},
		"decide, no id":        {withSettings("  decide: [{invariant: laoded, units: [a], effect: block}]\n"), `2: decide.0.invariant: unknown invariant "laoded"; known: loaded`},
		"decide, other keys":   {withSettings("  decide: [{invariant: loaded, units: [a], action: restart}]\n"), `2: unknown key "action"; known: invariant, units, effect, severity`},
		"no units":             {entry(`["web*", host]`, "[]"), "4: waivers.0.units: 0 is out of bounds; want 1 to 100"},
		"no unit's pattern":    {entry(`["web*", host]`, `["{a,b}"]`), "4: waivers.0.units.0: \"{a,b}\" is not a pattern; want a unit's name, with *, ? or [abc] in it"},
		"no invariant":         {entry("invariant: loaded", "invariant: \"\""), `3: waivers.0.invariant: "" is neither an invariant nor a pattern`},
		"unknown invariant":    {entry("invariant: loaded", "invariant: laoded"), `3: waivers.0.invariant: unknown invariant "laoded"; known: loaded`},
		"pattern of none":      {entry("invariant: loaded", "invariant: \"un*\""), `3: waivers.0.invariant: unknown invariant "un*"; known: loaded`},
		"the one for waivers":  {entry("invariant: loaded", "invariant: waivers_current"), `3: waivers.0.invariant: waivers_current cannot be waived; remove the waivers that it reports`},
		"no reason":            {entry("      reason: is being rebuilt\n", ""), "3: waivers.0.reason: want one line of 1 to 200 characters"},
		"a reason of lines":    {entry("is being rebuilt", `"a\nb"`), "5: waivers.0.reason: want one line of 1 to 200 characters"},
		"an alias":             {withSettings("  waivers:\n    - &w {invariant: loaded, units: [a], owner: b, until: 2026-06-01T00:00:00Z,\n        reason: \"\"}\n    - *w\n"), "4: waivers.0.reason: want one line of 1 to 200 characters\np/settings.yaml:4: waivers.1.reason: want one line of 1 to 200 characters"},
		"no owner":             {entry("      owner: ada\n", ""), "3: waivers.0.owner: want one line of 1 to 200 characters"},
		"an endless owner":     {entry("owner: ada", "owner: "+strings.Repeat("a", 201)), "6: waivers.0.owner: want one line of 1 to 200 characters"},
		"no end":               {entry("      until: 2026-06-01T00:00:00+02:00\n", ""), `3: waivers.0.until: "" is not a time up to the year 2200 with a zone; want for example 2026-12-24T18:00:00Z`},
		"an end without zone":  {entry("00:00:00+02:00", "00:00:00"), `7: waivers.0.until: "2026-06-01T00:00:00" is not a time up to the year 2200 with a zone; want for example 2026-12-24T18:00:00Z`},
		"a day":                {entry("T00:00:00+02:00", ""), `7: waivers.0.until: "2026-06-01" is not a time up to the year 2200 with a zone; want for example 2026-12-24T18:00:00Z`},
		"an end beyond Rego's": {entry("2026-06", "9999-06"), `7: waivers.0.until: "9999-06-01T00:00:00+02:00" is not a time up to the year 2200 with a zone; want for example 2026-12-24T18:00:00Z`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := Read(c.fsys, "p").Refusal.Err()
			if refusal := new(Refusal); !errors.As(err, &refusal) {
				t.Fatalf("got %v; want a refusal", err)
			}
			if got, want := err.Error(), "p/settings.yaml:"+c.want; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestSettingsInRego: rules see the same settings as with a stock OPA, except for defaults
// and how durations are written.
func TestSettingsInRego(t *testing.T) {
	text := "settings:\n  restart: [\"web*\"]\n  trust_distribution_dropins: true\n  grace: {loaded: 15m}\n" +
		"  budget: {unit: 3, host: 6, window: 1h}\n  breaker: {failures: 2, cooldown: 6h}\n  repeat: {drift: 3, window: 24h}\n  settle: 1.5s\n" +
		"  storage: {free_mb: 1000, free_inodes: 7}\n  decide:\n    - {invariant: loaded, units: [web], effect: block}\n    - {invariant: loaded, units: [web], severity: ticket}\n" +
		strings.Replace(waived, "2026-06-01T00:00:00+02:00", `"2026-06-01T00:00:00+02:00"`, 1)
	doc := &settingsDoc{}
	var stock any
	if err := errors.Join(yaml.Unmarshal([]byte(text), doc), yaml.Unmarshal([]byte(text), &stock)); err != nil {
		t.Fatal(err)
	}
	store := doc.Settings.Store()
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(t.Context(), txn)
	got, err := store.Read(t.Context(), txn, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(stock, got); d != "" {
		t.Errorf("-stock +got\n%s", d)
	}
}

// TestSettingsSchemaIsTheType: the schema has the keys of the type, and the built-in settings
// match it.
func TestSettingsSchemaIsTheType(t *testing.T) {
	data, err := fs.ReadFile(schemas.FS, "settings.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "settings", &schema, reflect.TypeFor[Settings]())
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	builtin, err := policies.FS.ReadFile("settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(builtin, &doc); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(doc["settings"]); err != nil {
		t.Error(err)
	}
}

func sameKeys(t *testing.T, path string, schema *jsonschema.Schema, of reflect.Type) {
	t.Helper()
	if of.Kind() == reflect.Slice {
		schema, of = schema.Items, of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	var keys []string
	for i := range of.NumField() {
		key := of.Field(i).Tag.Get("yaml")
		if key == "" {
			continue
		}
		keys = append(keys, key)
		if schema.Properties[key] == nil {
			t.Errorf("the schema lacks %s.%s", path, key)
			continue
		}
		sameKeys(t, path+"."+key, schema.Properties[key], of.Field(i).Type)
	}
	for key := range schema.Properties {
		if !slices.Contains(keys, key) {
			t.Errorf("%s has no %s", path, key)
		}
	}
}
